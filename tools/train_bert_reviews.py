"""Trains the embedded preset `bert_tiny_en_uncased_reviews`: a small BERT that tells good film reviews from bad ones.

Usage: KERAS_BACKEND=torch python tools/train_bert_reviews.py WORK_FOLDER

Fetches reviews and starting weights (tools/reviews/corpus.py) and fine-tunes all of all-MiniLM-L6-v2, the teacher. Of
the teacher the first layers and the vocabulary that reviews use are kept, and this small network is trained on the
labels and on the teacher's probabilities, also for texts that have no label. About an hour on one idle core, on which
torch is the fastest backend for it; the teacher is kept in WORK_FOLDER, so that a second run takes half of that.
Writes presets/embedded/bert_tiny_en_uncased_reviews with weights in float16, the test accuracy in its card.
"""

import argparse
import collections
import json
import math
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_nlp.models import BertBackbone, BertTextClassifier, BertTextClassifierPreprocessor, BertTokenizer

sys.path.insert(0, str(Path(__file__).parent / "reviews"))
import corpus
from variations import variations

NAME = "bert_tiny_en_uncased_reviews"
TARGET = Path(__file__).parents[1] / "presets" / "embedded" / NAME
CLASSES = ["negative", "positive"]
VOCABULARY, LAYERS, CONTEXT, BATCH = 6000, (0, 1), 128, 32
TEACHER = {"epochs": 2, "rate": 5e-5}
STUDENT = {"epochs": 4, "rate": 1e-4}
TRUST = 0.5  # how much of a label is the teacher's, where there are both
BASELINE = 0.7611  # tools/reviews/baseline.py


class Batches(keras.utils.PyDataset):
    """Texts of like length together, so that little is padding; in another order each epoch."""

    def __init__(self, preprocessor, texts, targets=None, seed=0):
        super().__init__()
        self.preprocessor, self.rows = preprocessor, preprocessor.encode([list(texts)])[0]
        self.targets, self.random = targets, np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        rows = [self.rows[i] for i in self.batches[index]]
        width = min(max(self.preprocessor.lengths([rows])), self.preprocessor.sequence_length)
        inputs = self.preprocessor.pack([rows], width)
        return inputs if self.targets is None else (inputs, self.targets[self.batches[index]])

    def on_epoch_end(self):
        lengths = np.array([len(row) for row in self.rows]) * self.random.uniform(0.85, 1.15, len(self.rows))
        batches = np.array_split(np.argsort(lengths), math.ceil(len(lengths) / BATCH))
        self.batches = [batches[i] for i in self.random.permutation(len(batches))]


def fine_tune(classifier, data, epochs, rate):
    """AdamW, up and down again, with the mean of the last few hundred steps' weights in the end."""
    classifier.preprocessor = None  # the batches are ready
    steps = epochs * len(data)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps - steps // 10, 0.0, "up_and_down", rate, steps // 10)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.01, global_clipnorm=1.0, use_ema=True, ema_momentum=0.99)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    classifier.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    classifier.fit(data, epochs=epochs, verbose=2)
    classifier.compile()  # optimizer and its copies of the weights go


def probabilities(classifier, preprocessor, texts):
    """What the classifier makes of each text, `(N, 2)`."""
    classifier.preprocessor = preprocessor
    return classifier.probabilities(classifier.predict(list(texts)))


def teacher(folder, parts, checkpoint):
    """All of MiniLM, fine-tuned; its embeddings stay as they are, which most words' do anyway."""
    preprocessor = BertTextClassifierPreprocessor.from_preset(folder, sequence_length=CONTEXT)
    classifier = BertTextClassifier(BertBackbone.from_preset(folder), class_names=CLASSES)
    classifier.backbone.token_embedding.trainable = False
    if checkpoint.exists():
        classifier.load_weights(checkpoint)
    else:
        texts, labels = parts["train"]
        fine_tune(classifier, Batches(preprocessor, texts, np.eye(2, dtype="float32")[labels]), **TEACHER)
        classifier.save_weights(checkpoint)
    return classifier, preprocessor


def vocabulary_of(tokenizer, texts, others):
    """The ids that are kept, in their order: special tokens, ASCII characters, and the reviews' commonest pieces."""
    tokens = tokenizer.get_vocabulary()
    counts = collections.Counter(i for row in tokenizer.encode(list(texts)) for i in row)
    for i in (i for row in tokenizer.encode(list(others)) for i in row):
        counts[i] += 0.2
    kept = set(tokenizer.special_token_ids)
    kept |= {i for i, token in enumerate(tokens) if len(token.removeprefix("##")) == 1 and (token.isascii() or counts[i])}
    kept |= set([i for i, _ in counts.most_common() if i not in kept][: VOCABULARY - len(kept)])
    return sorted(kept)


def cut(big, kept):
    """A `BertBackbone` of some of `big`'s layers, tokens and positions."""
    names = ("num_heads", "hidden_dim", "intermediate_dim", "dropout")
    sizes = {name: getattr(big, name) for name in names}
    small = BertBackbone(len(kept), len(LAYERS), **sizes, max_sequence_length=CONTEXT)
    rows = {"token_embedding": kept, "position_embedding": range(CONTEXT)}
    sources = {f"transformer_layer_{i}": f"transformer_layer_{layer}" for i, layer in enumerate(LAYERS)}
    for layer in small.layers:
        values = [ops.convert_to_numpy(w) for w in big.get_layer(sources.get(layer.name, layer.name)).weights] if layer.weights else []
        layer.set_weights([value[list(rows[layer.name])] if layer.name in rows else value for value in values])
    return small
