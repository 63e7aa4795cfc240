"""This project's BERT, on the backend that KERAS_BACKEND names."""

from pathlib import Path
from time import perf_counter

from keras_nlp.models import BertTextClassifier, Task, TextEmbedder
from sides import train_batches
from sides.ours import forget  # noqa: F401  called by the worker


def load(folder, dtype, int8):
    if Path(folder, "modules.json").exists():
        return TextEmbedder.from_preset(folder)
    task = Task.from_preset(folder, preprocessor=None, dtype=dtype)
    assert isinstance(task, BertTextClassifier) and task.backbone.dropout > 0
    return task


def train(classifier, work):
    x, y = train_batches(work, classifier.backbone.vocabulary_size)
    inputs = {"token_ids": x, "padding_mask": x * 0 + 1, "segment_ids": x * 0}
    begin = perf_counter()
    classifier.fit(inputs, y, batch_size=work["rows"][0], shuffle=False, verbose=0)
    return {"seconds": (perf_counter() - begin) / work["steps"]}


def embed(embedder, work, texts):
    begin = perf_counter()
    vectors = embedder.embed(texts, verbose=False)
    return {"seconds": perf_counter() - begin, "digest": [round(float(x), 3) for x in vectors[:: len(texts) // 10, 0]]}
