"""Trains the embedded preset `bert_tiny_en_uncased_reviews`: a small BERT that tells good film reviews from bad ones.

Usage: KERAS_BACKEND=jax python tools/train_bert_reviews.py WORK_FOLDER [--at-once 8] [--precision mixed_bfloat16]

Fetches reviews, rated sentences and starting weights (tools/reviews/corpus.py), then

- `variations`: makes new sentences out of the training reviews (tools/reviews/variations.py);
- `teacher N`: trains all of all-MiniLM-L6-v2, first on rated sentences that are no reviews, then on reviews, and notes
  down what it says of reviews and variations;
- `student N`: cuts a small network out of the first teacher (tools/reviews/smaller.py) and trains it on labels and on
  what the good teachers say on average, also of the variations;
- `finish`: takes the student that is best on the validation part, reads the test part, this once, and writes
  presets/embedded/bert_tiny_en_uncased_reviews with weights in float16 and the accuracy in its card.

Without `--stage` it goes through all of them, `--at-once` processes at a time; what WORK_FOLDER holds already is not
made again. Meant for a GPU, where it takes minutes; `--quick` tries it out with hardly any training.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "reviews"))
import corpus
import numpy as np

NAME = "bert_tiny_en_uncased_reviews"
TARGET = Path(__file__).parents[1] / "presets" / "embedded" / NAME
BASELINE = 0.7611  # tools/reviews/baseline.py, on the same test part
VARIATIONS, FRESH = 400_000, 18_000  # how many there are, and how many of them an epoch of a student sees
TEACHERS = [  # epochs over rated sentences, then epochs over reviews
    {"first": first, "epochs": epochs, "rate": rate}
    for first, epochs, rate in (
        (2, 4, 5e-5),
        (2, 5, 5e-5),
        (3, 4, 8e-5),
        (2, 3, 8e-5),
        (3, 5, 3e-5),
        (1, 4, 5e-5),
        (0, 4, 5e-5),
        (0, 5, 5e-5),
    )
]
TEACHER_BATCH, STUDENT_BATCH = 32, 128
TEMPERATURE = 2.0
PARTS = ("train", "validation", "variations")  # what teachers are asked about
NEAR = 0.01  # so much less accurate than the best, on the validation part, a teacher may be and still count
STUDENT = {"rounds": 150, "steps": 100, "trust": 0.7}  # trust: how much of a label is the teachers', if there are both
STUDENTS = [
    {"vocabulary": 4800, "layers": (0, 1, 2, 3), "feed_forward": 448, "dropout": 0.1, "rate": 3e-4},
    {"vocabulary": 5500, "layers": (0, 2, 4), "feed_forward": 768, "dropout": 0.1, "rate": 3e-4},
    {"vocabulary": 4800, "layers": (0, 1, 3, 5), "feed_forward": 448, "dropout": 0.1, "rate": 3e-4},
    {"vocabulary": 4800, "layers": (0, 1, 2, 3), "feed_forward": 448, "dropout": 0.1, "rate": 2e-4},
]


def make_variations(work, arguments):
    import safetensors.numpy
    from training import rows_of
    from variations import alike_words, variations

    folder, (texts, _) = corpus.starting_weights(work), corpus.split(work)["train"]
    rated = [text for _, text in corpus.rated(work)]
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    embeddings = safetensors.numpy.load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    alike = alike_words([*texts, *corpus.plots(work), *rated], tokens, embeddings)
    found = [
        *variations(texts, 2000 if arguments.quick else VARIATIONS, alike),
        *rated[: 300 if arguments.quick else None],
    ]
    found = [" ".join(text.split()) for text in found]
    rows = rows_of(untrained(work).preprocessor, found)
    save(work / "variations.npz", {"token_ids": rows.token_ids, "lengths": rows.lengths})
    write(work / "variations.txt", "\n".join(found))


def untrained(work):
    """MiniLM with a new head; its embeddings are to stay as they are, which most words' do anyway."""
    from smaller import CLASSES

    from keras_nlp.models import BertBackbone, BertTextClassifier, BertTextClassifierPreprocessor

    folder = corpus.starting_weights(work)
    preprocessor = BertTextClassifierPreprocessor.from_preset(folder, sequence_length=128)
    classifier = BertTextClassifier(BertBackbone.from_preset(folder), preprocessor=preprocessor, class_names=CLASSES)
    classifier.backbone.token_embedding.trainable = False
    return classifier


def train_teacher(work, arguments):
    import keras
    from training import Batches, Rows, figures, logits_of, rows_of, softened, train

    number, parts = arguments.number, corpus.split(work)
    settings = TEACHERS[number]
    keras.utils.set_random_seed(number)
    classifier = untrained(work)
    steps = 2 if arguments.quick else 50

    def learn(rows, targets, epochs):
        rounds = 2 if arguments.quick else epochs * len(rows) // TEACHER_BATCH // steps
        data = Batches(rows, targets, TEACHER_BATCH, steps, len(rows), seed=number)
        train(classifier, data, rounds, settings["rate"], softened(1.0))

    if settings["first"]:
        ratings, texts = zip(*corpus.rated(work), strict=True)
        learn(rows_of(classifier.preprocessor, texts), soft(ratings), settings["first"])
    texts, labels = parts["train"]
    rows = rows_of(classifier.preprocessor, texts)
    learn(rows, graded(work, texts, labels), settings["epochs"])
    said = {"train": logits_of(classifier, rows)}
    said["validation"] = logits_of(classifier, rows_of(classifier.preprocessor, parts["validation"][0]))
    accuracy, surprise = figures(said["validation"], parts["validation"][1])
    print(f"teacher {number} {settings}: validation accuracy {accuracy:.4f}, cross-entropy {surprise:.4f}", flush=True)
    said["variations"] = logits_of(classifier, Rows(**np.load(work / "variations.npz")))
    if number == 0:
        classifier.save_weights(work / "teacher_0.weights.h5")
    said = {name: logits.astype("float16") for name, logits in said.items()}
    save(work / f"teacher_{number}.npz", said | {"accuracy": accuracy})


def soft(ratings):
    """Probabilities `(N, 2)` by ratings: of reviews rated 1, 98 % are positive."""
    positive = 1 / (1 + np.exp(-2 * np.array(ratings, "float32")))
    return np.stack([1 - positive, positive], 1)


def graded(work, texts, labels):
    """The reviews' labels `(N, 2)`; of those that were also rated, the mean of both."""
    found = np.eye(2, dtype="float32")[labels]
    ratings = corpus.rated_reviews(work, texts)
    places = list(ratings)
    found[places] = (found[places] + soft(list(ratings.values()))) / 2
    return found


def opinions(work):
    """What the good teachers say, `{part: logits (N, 2)}`: their mean."""
    said = [dict(np.load(path)) for path in sorted(work.glob("teacher_*.npz"))]
    best = max(each["accuracy"] for each in said)
    said = [each for each in said if each["accuracy"] >= best - NEAR]
    print(f"{len(said)} teachers count")
    return {part: np.mean([each[part] for each in said], 0, dtype="float32") for part in PARTS}


def train_student(work, arguments):
    import keras
    from smaller import cut
    from training import Batches, figures, logits_of, rows_of, softened, softmax, train

    number, parts, said = arguments.number, corpus.split(work), opinions(work)
    (texts, labels), (held_out, wanted) = parts["train"], parts["validation"]
    settings = STUDENT | STUDENTS[number]
    together = figures(said["validation"], wanted)
    print("teachers together: validation accuracy {:.4f}, cross-entropy {:.4f}".format(*together), flush=True)
    keras.utils.set_random_seed(number)
    teacher = untrained(work)
    teacher.load_weights(work / "teacher_0.weights.h5")
    shape = {name: settings[name] for name in ("vocabulary", "layers", "feed_forward", "dropout")}
    student = cut(teacher, texts, corpus.plots(work), **shape)
    rows = rows_of(student.preprocessor, [*texts, *lines(work / "variations.txt")])
    targets = softmax(np.concatenate([said["train"], said["variations"]]) / TEMPERATURE)
    known, trust = graded(work, texts, labels), settings["trust"]
    targets[: len(texts)] = trust * targets[: len(texts)] + (1 - trust) * known
    steps = 2 if arguments.quick else settings["steps"]
    data = Batches(rows, targets, STUDENT_BATCH, steps, len(texts), min(FRESH, len(rows) - len(texts)), seed=number)

    tokens = student.preprocessor.tokenizer.get_vocabulary()

    def store():
        save(work / f"student_{number}.npz", stored(student, tokens))

    rounds = 5 if arguments.quick else settings["rounds"]
    train(student, data, rounds, settings["rate"], softened(TEMPERATURE), 0.999, arguments.seconds, store)
    store()
    found = logits_of(student, rows_of(student.preprocessor, held_out))
    accuracy, surprise = figures(found, wanted)
    apart = np.abs(softmax(found) - softmax(said["validation"])).mean()
    print(
        f"student {number} {settings}, {student.count_params():,} parameters: validation accuracy {accuracy:.4f}, "
        f"cross-entropy {surprise:.4f}, from the teachers' probabilities {apart:.4f}",
        flush=True,
    )
    write(work / f"student_{number}.json", json.dumps({"accuracy": accuracy, "cross_entropy": surprise}))


def stored(student, tokens):
    """The weights in float16 by their paths, and the vocabulary."""
    from smaller import values

    return {weight.path: values(weight).astype("float16") for weight in student.weights} | {
        "vocabulary": np.array(tokens)
    }


def restored(path):
    """The classifier that `stored` was given."""
    from smaller import empty

    found = dict(np.load(path))
    layers = sum(name.endswith("feedforward_output/bias") for name in found)
    feed_forward = found["transformer_layer_0/feedforward_output/kernel"].shape[0]
    student = empty(found["vocabulary"].tolist(), layers, feed_forward)
    for weight in student.weights:
        weight.assign(found[weight.path].astype("float32"))
    return student


def finish(work, arguments):
    results = {path.stem: json.loads(path.read_text()) for path in work.glob("student_*.json")}
    best = max(results, key=lambda name: (results[name]["accuracy"], -results[name]["cross_entropy"]))
    student, parts = restored(work / f"{best}.npz"), corpus.split(work)
    texts, labels = parts["validation" if arguments.quick else "test"]
    measured = float((student.predict(list(texts), verbose=False).argmax(1) == np.array(labels)).mean())
    record = {
        "description": "A small BERT that tells good film reviews from bad ones; embedded, needs no network.",
        "family": "bert",
        "class_name": "BertTextClassifier",
        "parameters": student.count_params(),
        "license": "Apache-2.0",
        "metrics": {"test_accuracy": round(measured, 4)},
    }
    target = work / NAME if arguments.quick else TARGET
    student.save_to_preset(target, weights_dtype="float16", record=record)
    sizes = {name: len(part[0]) for name, part in parts.items()}
    (target / "README.md").write_text(card(student, measured, sizes), encoding="utf-8")
    print(best, json.dumps(record, indent=1))


def card(student, measured, sizes):
    error = 1.96 * math.sqrt(measured * (1 - measured) / sizes["test"])
    backbone = student.backbone
    return f"""# {NAME}

A BERT of {student.count_params():,} parameters ({backbone.num_layers} layers, {backbone.hidden_dim} wide, a context of
{backbone.max_sequence_length} tokens) with a WordPiece vocabulary of {backbone.vocabulary_size:,} lower-cased entries,
which tells whether a sentence praises a film or not. It is here so that everything works without a network.

```python
import keras_nlp

classifier = keras_nlp.models.TextClassifier.from_preset("{NAME}")
classifier.predict(["A warm and funny film.", "A complete waste of time."], return_classes=True)
```

- **Test accuracy**: {100 * measured:.1f} % ± {100 * error:.1f} on {sizes["test"]:,} one-sentence reviews of films
  that it has not seen. Logistic regression on TF-IDF of words and pairs of words, on the same parts:
  {100 * BASELINE:.1f} %.
- **Training**: {sizes["train"]:,} one-sentence reviews of films of about 2002 from Rotten Tomatoes ("fresh" is
  positive, "rotten" negative), {sizes["validation"]:,} more to choose by; no film is in two parts. Before that, 20,000
  sentences on goods, from newspapers and messages, and words, with people's ratings (vaderSentiment, MIT). None of
  these texts is part of this package.
- **How it was made**: by `tools/train_bert_reviews.py`, in six minutes on one NVIDIA H200: all-MiniLM-L6-v2 was
  fine-tuned {len(TEACHERS)} times; of one {backbone.num_layers} layers, a part of their feed-forward units and the
  tokens that reviews use were kept, and trained on labels and on what the whole networks say on average of reviews and
  of 400,000 variations of them.
- **Limits**: English, sentences, films. It has seen no neutral reviews and knows no other subject.
- **Weights**: float16, derived from sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). **Licence**: Apache-2.0.
"""


def lines(path):
    return path.read_text(encoding="utf-8").split("\n")


def write(path, text):
    """All or nothing: another process may be looking."""
    path.with_suffix(".part").write_text(text, encoding="utf-8")
    path.with_suffix(".part").rename(path)


def save(path, arrays):
    with open(path.with_suffix(".part"), "wb") as file:
        np.savez(file, **arrays)
    path.with_suffix(".part").rename(path)


STAGES = {"variations": make_variations, "teacher": train_teacher, "student": train_student, "finish": finish}


def everything():
    """`[[(stage, number, what it makes), …], …]`: those of one list need nothing of each other."""
    yield [("variations", 0, "variations.txt")]
    yield [("teacher", i, f"teacher_{i}.npz") for i in range(len(TEACHERS))]
    yield [("student", i, f"student_{i}.json") for i in range(len(STUDENTS))]
    yield [("finish", 0, "finished")]


def run_all(work, arguments):
    """Each stage in a process of its own, its output in a file beside what it makes."""
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    for group in everything():
        waiting = [stage for stage in group if not (work / stage[2]).exists()]
        running = []
        while waiting or running:
            while waiting and len(running) < arguments.at_once:
                stage, number, _ = waiting.pop(0)
                command = [sys.executable, *sys.argv, "--stage", stage, "--number", str(number)]
                with open(work / f"{stage}_{number}.log", "w") as log:
                    running.append((subprocess.Popen(command, stdout=log, stderr=log, env=environment), log.name))
            process, log = running.pop(0)
            if process.wait():
                sys.exit(f"A stage failed; see {log}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="a folder for what is fetched and made")
    parser.add_argument("--stage", choices=STAGES)
    parser.add_argument("--number", type=int, default=0, help="which teacher or student")
    parser.add_argument("--at-once", type=int, default=1, help="processes that may run at the same time")
    parser.add_argument("--precision", default="float32", help="a Keras dtype policy to train with")
    parser.add_argument("--seconds", type=float, help="how long a student is trained, in place of its rounds")
    parser.add_argument("--quick", action="store_true", help="try it out: hardly any training, nothing overwritten")
    arguments = parser.parse_args()
    if arguments.stage is None:
        corpus.starting_weights(arguments.work)
        run_all(arguments.work, arguments)
    else:
        import keras

        keras.config.set_dtype_policy("float32" if arguments.stage == "finish" else arguments.precision)
        STAGES[arguments.stage](arguments.work, arguments)


if __name__ == "__main__":
    main()
