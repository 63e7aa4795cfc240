"""Trains the embedded preset `bert_tiny_en_uncased_reviews`: a small BERT that tells good film reviews from bad ones.

Usage: KERAS_BACKEND=torch python tools/train_bert_reviews.py WORK_FOLDER

Fetches reviews and starting weights (tools/reviews/corpus.py) and fine-tunes all of all-MiniLM-L6-v2 three times, the
teachers. Of the first the lower layers, half of each feed-forward layer and the vocabulary that reviews use are kept,
and this small network is trained on the labels and on the teachers' mean probabilities, also for texts that have no
label (tools/reviews/variations.py). About two hours on one idle core, on which torch is the fastest backend for it; the
teachers are kept in WORK_FOLDER, so that a second run takes a quarter of that.
Writes presets/embedded/bert_tiny_en_uncased_reviews with weights in float16, the test accuracy in its card.
"""

import collections
import json
import math
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_nlp.models import BertBackbone, BertTextClassifier, BertTextClassifierPreprocessor, BertTokenizer
from keras_zoo import WarmUpDecay

sys.path.insert(0, str(Path(__file__).parent / "reviews"))
import corpus
from variations import variations

NAME = "bert_tiny_en_uncased_reviews"
TARGET = Path(__file__).parents[1] / "presets" / "embedded" / NAME
CLASSES = ["negative", "positive"]
VOCABULARY, LAYERS, FEED_FORWARD, CONTEXT, BATCH = 5500, 3, 768, 128, 32
TEACHERS = 1
TEACHER = {"epochs": 2, "rate": 5e-5}
STUDENT = {"epochs": 3, "rate": 1e-4}
TRUST = 0.5  # how much of a label is the teacher's, where there are both
VARIATIONS = 9000  # new ones in each epoch, whose label is the teacher's
BASELINE = 0.7611  # tools/reviews/baseline.py, on the same test part


class Batches(keras.utils.PyDataset):
    """Texts of like length together, so that little is padding; in another order each epoch.

    `texts` and `targets (N, 2)` are trained on in every epoch, of `more` and `more_targets` `VARIATIONS` new ones.
    """

    def __init__(self, preprocessor, texts, targets, more=(), more_targets=(), seed=0):
        super().__init__()
        self.preprocessor, self.random, self.epoch = preprocessor, np.random.default_rng(seed), 0
        self.always, self.more = (preprocessor.encode([list(x)])[0] for x in (texts, more))
        self.targets, self.more_targets = targets, more_targets
        self.on_epoch_end()

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        numbers = self.batches[index]
        rows = [self.rows[i] for i in numbers]
        return self.preprocessor.pack([rows], max(self.preprocessor.lengths([rows]))), self.labels[numbers]

    def on_epoch_end(self):
        self.rows, self.labels = self.always, self.targets
        if self.more:
            new = np.arange(self.epoch * VARIATIONS, (self.epoch + 1) * VARIATIONS) % len(self.more)
            self.rows = self.rows + [self.more[i] for i in new]
            self.labels = np.concatenate([self.labels, self.more_targets[new]])
        lengths = np.array([len(row) for row in self.rows]) * self.random.uniform(0.85, 1.15, len(self.rows))
        batches = np.array_split(np.argsort(lengths), math.ceil(len(lengths) / BATCH))
        self.batches = [batches[i] for i in self.random.permutation(len(batches))]
        self.epoch += 1


def fine_tune(classifier, data, validation, epochs, rate):
    """AdamW, up and down again, with a running mean of the weights in the end."""
    steps = epochs * len(data)
    schedule = WarmUpDecay(rate, steps + 1, steps // 10)
    options = {"weight_decay": 0.01, "global_clipnorm": 1.0, "use_ema": True, "ema_momentum": 0.99}
    optimizer = keras.optimizers.AdamW(schedule, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "embeddings"])
    preprocessor, classifier.preprocessor = classifier.preprocessor, None  # the batches are ready
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    classifier.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    classifier.fit(data, epochs=epochs, verbose=2)
    classifier.preprocessor = preprocessor
    classifier.compile()  # optimizer and its copies of the weights go
    print(f"validation accuracy {accuracy(classifier, *validation):.4f}", flush=True)


def accuracy(classifier, texts, labels):
    return float((classifier.predict(list(texts), verbose=False).argmax(1) == np.array(labels)).mean())


def soft_labels(classifiers, texts):
    """The mean of the classifiers' probabilities, `(N, 2)`."""
    found = [c.probabilities(c.predict(list(texts), verbose=False)) for c in classifiers]
    return np.mean(found, 0).astype("float32")


def one_hot(labels):
    return np.eye(2, dtype="float32")[labels]


def train_teacher(folder, parts, checkpoint, seed):
    """All of MiniLM, fine-tuned; its embeddings stay as they are, which most words' do anyway."""
    keras.utils.set_random_seed(seed)
    preprocessor = BertTextClassifierPreprocessor.from_preset(folder, sequence_length=CONTEXT)
    classifier = BertTextClassifier(BertBackbone.from_preset(folder), preprocessor=preprocessor, class_names=CLASSES)
    if checkpoint.exists():
        classifier.load_weights(checkpoint)
    else:
        classifier.backbone.token_embedding.trainable = False
        texts, labels = parts["train"]
        data = Batches(preprocessor, texts, one_hot(labels), seed=seed)
        fine_tune(classifier, data, parts["validation"], **TEACHER)
        classifier.save_weights(checkpoint)
    print(f"teacher {seed}: validation accuracy {accuracy(classifier, *parts['validation']):.4f}", flush=True)
    return classifier


def vocabulary_of(tokenizer, texts, others):
    """The ids that are kept, in their order: special tokens, ASCII characters, and the reviews' commonest pieces."""
    tokens = tokenizer.get_vocabulary()
    counts = collections.Counter(i for row in tokenizer.encode(list(texts)) for i in row)
    for i in (i for row in tokenizer.encode(list(others)) for i in row):
        counts[i] += 0.2
    letters = [i for i, token in enumerate(tokens) if len(token.removeprefix("##")) == 1]
    kept = set(tokenizer.special_token_ids) | {i for i in letters if tokens[i].isascii() or counts[i] >= 1}
    common = [i for i, _ in counts.most_common() if i not in kept]
    return sorted(kept | set(common[: VOCABULARY - len(kept)]))


def importance(backbone, inputs):
    """For each layer how much each feed-forward unit adds to the outputs: mean activation times its weights' length."""
    positions, visible = backbone.get_layer("places")(inputs["padding_mask"])
    x = backbone.token_embedding(inputs["token_ids"]) + backbone.position_embedding(positions)
    x = backbone.embeddings_layer_norm(x + backbone.segment_embedding(inputs["segment_ids"]))
    found = []
    for layer in backbone.transformer_layers:
        y = layer.attention_norm(x + layer.attention(x, visible))
        hidden = ops.gelu(layer.feedforward_intermediate(y), approximate=False)
        found.append(values(ops.mean(ops.abs(hidden), (0, 1)) * ops.norm(layer.feedforward_output.kernel, axis=1)))
        x = layer.feedforward_norm(y + layer.feedforward_output(hidden))
    return found


def values(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def cut(teacher, parts, others):
    """A small classifier out of the teacher's lower layers, most active units and most used tokens."""
    big, tokenizer = teacher.backbone, teacher.preprocessor.tokenizer
    kept = vocabulary_of(tokenizer, parts["train"][0], others)
    scores = importance(big, teacher.preprocessor(list(parts["train"][0][:512])))
    small = BertBackbone(len(kept), LAYERS, big.num_heads, big.hidden_dim, FEED_FORWARD, max_sequence_length=CONTEXT)
    vocabulary = [tokenizer.get_vocabulary()[i] for i in kept]
    preprocessor = BertTextClassifierPreprocessor(BertTokenizer(vocabulary, lowercase=True), CONTEXT)
    student = BertTextClassifier(small, preprocessor=preprocessor, class_names=CLASSES)
    theirs = {weight.path: values(weight) for weight in teacher.weights}
    for weight in student.weights:
        value, layer = theirs[weight.path], weight.path.split("/")[0]
        if layer == "token_embedding":
            value = value[kept]
        elif layer == "position_embedding":
            value = value[:CONTEXT]
        elif "feedforward_intermediate" in weight.path or weight.path.endswith("feedforward_output/kernel"):
            units = np.sort(np.argsort(-scores[int(layer.rsplit("_", 1)[1])])[:FEED_FORWARD])
            value = value[units] if "output" in weight.path else value[..., units]
        weight.assign(value)
    return student


def card(student, measured, sizes):
    error = 1.96 * math.sqrt(measured * (1 - measured) / sizes["test"])
    return f"""# {NAME}

A BERT of {student.count_params():,} parameters ({LAYERS} layers, 384 wide, a context of {CONTEXT} tokens) with a
WordPiece vocabulary of {student.backbone.vocabulary_size:,} lower-cased entries, which tells whether a sentence praises
a film or not. It is here so that everything works without a network.

```python
import keras_nlp

classifier = keras_nlp.models.TextClassifier.from_preset("{NAME}")
classifier.predict(["A warm and funny film.", "A complete waste of time."], return_classes=True)
```

- **Test accuracy**: {100 * measured:.1f} % ± {100 * error:.1f} on {sizes["test"]:,} one-sentence reviews of films
  that it has not seen. Logistic regression on TF-IDF of words and pairs of words, on the same parts:
  {100 * BASELINE:.1f} %.
- **Training**: {sizes["train"]:,} one-sentence reviews of films of about 2002 from Rotten Tomatoes ("fresh" is
  positive, "rotten" negative), {sizes["validation"]:,} more to choose by. No film is in two parts. The reviews are not
  part of this package.
- **How it was made**: by `tools/train_bert_reviews.py`: all-MiniLM-L6-v2 was fine-tuned; its lower {LAYERS} layers,
  half of their feed-forward units and the tokens that reviews use were kept, and trained on labels and on what the
  whole networks say (of {TEACHERS} trainings, on average) of reviews and of pieces of them.
- **Limits**: English, sentences, films. It has seen no neutral reviews and knows no other subject.
- **Weights**: float16, derived from sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). **Licence**: Apache-2.0.
"""


def main():
    work = Path(sys.argv[1])
    folder, parts = corpus.starting_weights(work), corpus.split(work)
    teachers = [train_teacher(folder, parts, work / f"teacher_{i}.weights.h5", i) for i in range(TEACHERS)]
    together = (soft_labels(teachers, parts["validation"][0]).argmax(1) == parts["validation"][1]).mean()
    print(f"teachers together: validation accuracy {together:.4f}", flush=True)
    keras.utils.set_random_seed(0)
    texts, labels = parts["train"]
    student = cut(teachers[0], parts, corpus.plots(work))
    more = variations(texts, VARIATIONS * (STUDENT["epochs"] - 1))
    targets = (1 - TRUST) * one_hot(labels) + TRUST * soft_labels(teachers, texts)
    data = Batches(student.preprocessor, texts, targets, more, soft_labels(teachers, more))
    fine_tune(student, data, parts["validation"], **STUDENT)
    measured = accuracy(student, *parts["test"])
    record = {
        "description": "A small BERT that tells good film reviews from bad ones; embedded, needs no network.",
        "family": "bert",
        "class_name": "BertTextClassifier",
        "parameters": student.count_params(),
        "license": "Apache-2.0",
        "metrics": {"test_accuracy": round(measured, 4)},
    }
    student.save_to_preset(TARGET, weights_dtype="float16", record=record)
    sizes = {name: len(part[0]) for name, part in parts.items()}
    (TARGET / "README.md").write_text(card(student, measured, sizes), encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
