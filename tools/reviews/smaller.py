"""A small classifier out of a large one: some layers, the most active units, the most used tokens."""

import collections

import keras
import numpy as np
from keras import ops

from keras_nlp.models import BertBackbone, BertTextClassifier, BertTextClassifierPreprocessor, BertTokenizer

CONTEXT = 128
CLASSES = ["negative", "positive"]


def empty(vocabulary, layers, feed_forward, width=384, heads=12, dropout=0.1):
    """A classifier with `layers` layers of `feed_forward` units and random weights."""
    size = {"intermediate_dim": feed_forward, "dropout": dropout, "max_sequence_length": CONTEXT}
    backbone = BertBackbone(len(vocabulary), layers, heads, width, **size)
    preprocessor = BertTextClassifierPreprocessor(BertTokenizer(list(vocabulary), lowercase=True), CONTEXT)
    return BertTextClassifier(backbone, preprocessor=preprocessor, class_names=CLASSES, dropout=dropout)


def cut(teacher, texts, others, vocabulary, layers, feed_forward, dropout):
    """A classifier of the teacher's `layers` (their numbers), with so many units in each, and `vocabulary` tokens.

    `texts` are what it is made for; `others` say a little on which tokens are used.
    """
    tokenizer = teacher.preprocessor.tokenizer
    kept = vocabulary_of(tokenizer, texts, others, vocabulary)
    scores = importance(teacher.backbone, teacher.preprocessor(list(texts[:512])))
    student = empty([tokenizer.get_vocabulary()[i] for i in kept], len(layers), feed_forward, dropout=dropout)
    theirs = {weight.path: values(weight) for weight in teacher.weights}
    for weight in student.weights:
        name, _, rest = weight.path.partition("/")
        if name == "token_embedding":
            value = theirs[weight.path][kept]
        elif name == "position_embedding":
            value = theirs[weight.path][:CONTEXT]
        elif name.startswith("transformer_layer"):
            layer = layers[int(name.rsplit("_", 1)[1])]
            value = theirs[f"transformer_layer_{layer}/{rest}"]
            units = np.sort(np.argsort(-scores[layer])[:feed_forward])
            if "feedforward_intermediate" in rest:
                value = value[..., units]
            elif rest.endswith("feedforward_output/kernel"):
                value = value[units]
        else:
            value = theirs[weight.path]
        weight.assign(value)
    return student


def vocabulary_of(tokenizer, texts, others, size):
    """The ids that are kept, in their order: special tokens, ASCII characters, and the texts' commonest pieces."""
    tokens = tokenizer.get_vocabulary()
    counts = collections.Counter(i for row in tokenizer.encode(list(texts)) for i in row)
    for i in (i for row in tokenizer.encode(list(others)) for i in row):
        counts[i] += 0.2
    letters = [i for i, token in enumerate(tokens) if len(token.removeprefix("##")) == 1]
    kept = set(tokenizer.special_token_ids) | {i for i in letters if tokens[i].isascii() or counts[i] >= 1}
    common = [i for i, _ in counts.most_common() if i not in kept]
    return sorted(kept | set(common[: size - len(kept)]))


def importance(backbone, inputs):
    """For each layer how much each feed-forward unit adds to the outputs: mean activation times its weights' length."""
    positions, visible = backbone.get_layer("places")(inputs["padding_mask"])
    x = backbone.token_embedding(inputs["token_ids"]) + backbone.position_embedding(positions)
    x = backbone.embeddings_layer_norm(x + backbone.segment_embedding(inputs["segment_ids"]))
    found = []
    for layer in backbone.transformer_layers:
        y = layer.attention_norm(x + layer.attention(x, visible))
        hidden = ops.gelu(layer.feedforward_intermediate(y), approximate=False)
        active = ops.mean(ops.abs(ops.cast(hidden, "float32")), (0, 1))
        found.append(values(active) * np.linalg.norm(values(layer.feedforward_output.kernel), axis=1))
        x = layer.feedforward_norm(y + layer.feedforward_output(hidden))
    return found


def values(x):
    return keras.ops.convert_to_numpy(ops.stop_gradient(x))
