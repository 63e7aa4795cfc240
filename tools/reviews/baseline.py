"""What the embedded classifier is measured against: logistic regression on TF-IDF of words and pairs of words.

Usage: python tools/reviews/baseline.py WORK_FOLDER     (needs scikit-learn)

The strength of the regularisation is chosen on the validation part; the test part is read once.
"""

import sys
from pathlib import Path

from corpus import split
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

STRENGTHS = (0.3, 1, 3, 10, 30, 100)
READINGS = [{"min_df": n, "sublinear_tf": s} for n in (1, 2) for s in (False, True)]


def main():
    parts = split(Path(sys.argv[1]))
    (texts, labels), validation, test = parts["train"], parts["validation"], parts["test"]
    best = None
    for reading in READINGS:
        for strength in STRENGTHS:
            classifier = LogisticRegression(C=strength, max_iter=1000)
            model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), **reading), classifier).fit(texts, labels)
            accuracy = model.score(*validation)
            if best is None or accuracy > best[0]:
                best = accuracy, strength, reading, model
    accuracy, strength, reading, model = best
    print(f"C={strength}, {reading}: validation {accuracy:.4f}, test {model.score(*test):.4f} of {len(test[0])}")


if __name__ == "__main__":
    main()
