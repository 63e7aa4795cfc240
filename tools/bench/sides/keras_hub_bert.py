"""KerasHub's BERT, on the backend that KERAS_BACKEND names."""

from pathlib import Path
from time import perf_counter

import keras_hub

from sides import Missing, train_batches
from sides.keras_hub import forget  # noqa: F401  called by the worker


def load(folder, dtype, int8):
    if Path(folder, "modules.json").exists():
        raise Missing("its embedder is not compared")
    return keras_hub.models.BertTextClassifier.from_preset(folder, num_classes=2, preprocessor=None, dtype=dtype)


def train(classifier, work):
    x, y = train_batches(work, classifier.backbone.vocabulary_size)
    inputs = {"token_ids": x, "padding_mask": x * 0 + 1, "segment_ids": x * 0}
    begin = perf_counter()
    classifier.fit(inputs, y, batch_size=work["rows"][0], shuffle=False, verbose=0)
    return {"seconds": (perf_counter() - begin) / work["steps"]}
