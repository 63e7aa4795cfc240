"""Trains the embedded preset `bert_tiny_en_uncased_reviews`: a small BERT that tells good film reviews from bad ones.

Usage: KERAS_BACKEND=jax python tools/train_bert_reviews.py WORK_FOLDER [--at-once 6] [--precision mixed_bfloat16]

Fetches reviews and starting weights (tools/reviews/corpus.py), then

- `variations`: makes new sentences out of the training reviews (tools/reviews/variations.py);
- `teacher N`: fine-tunes all of all-MiniLM-L6-v2, and notes down what it says of reviews and variations;
- `student N`: cuts a small network out of the first teacher (tools/reviews/smaller.py) and trains it on labels and on
  what all teachers say on average, also of the variations;
- `finish`: takes the mean of the students' weights, reads the test part, this once, and writes
  presets/embedded/bert_tiny_en_uncased_reviews with weights in float16 and the accuracy in its card.

Without `--stage` it goes through all of them, `--at-once` processes at a time; what WORK_FOLDER holds already is not
made again. Meant for a GPU: on an H200 it took some five minutes, six processes at once, in mixed_bfloat16, with
starting weights that were rounded to float16. `--quick` tries it out with hardly any training. Validation accuracies:
teachers 83.7 to 84.6 %, together 85.2 %; students 83.4 and 82.8 %, their mean 83.4 %. Teachers that first guessed
hidden words of these texts, as BERT is trained, were a point less accurate, and are gone.
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
TEACHERS = [
    {"epochs": 2, "rate": 5e-5, "seed": 0},
    {"epochs": 3, "rate": 5e-5, "seed": 2},
    {"epochs": 3, "rate": 8e-5, "seed": 4},
    {"epochs": 4, "rate": 5e-5, "seed": 6},
    {"epochs": 3, "rate": 3e-5, "seed": 8},
    {"epochs": 2, "rate": 8e-5, "seed": 10},
]
TEACHER_BATCH, STUDENT_BATCH = 32, 128
TEMPERATURE = 2.0
STUDENT = {"rounds": 80, "steps": 100, "rate": 3e-4, "memory": 0.999}
SHAPE = {"vocabulary": 4800, "layers": (0, 1, 2, 3), "feed_forward": 448}
STUDENTS = [{"dropout": 0.1, "seed": 1}, {"dropout": 0.0, "seed": 2}]
TRUST = 0.7  # how much of a label is the teachers', where there are both


def make_variations(work, arguments):
    import safetensors.numpy
    from training import rows_of
    from variations import alike_words, variations

    folder, (texts, _) = corpus.starting_weights(work), corpus.split(work)["train"]
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    embeddings = safetensors.numpy.load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    alike = alike_words([*texts, *corpus.plots(work)], tokens, embeddings)
    found = variations(texts, 2000 if arguments.quick else VARIATIONS, alike)
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
    keras.utils.set_random_seed(settings["seed"])
    classifier = untrained(work)
    texts, labels = parts["train"]
    rows = rows_of(classifier.preprocessor, texts)
    steps = 2 if arguments.quick else 50
    data = Batches(rows, np.eye(2, dtype="float32")[labels], TEACHER_BATCH, steps, len(rows), seed=settings["seed"])
    rounds = 2 if arguments.quick else settings["epochs"] * len(rows) // TEACHER_BATCH // 50
    train(classifier, data, rounds, settings["rate"], softened(1.0))
    said = {"train": logits_of(classifier, rows)}
    said["validation"] = logits_of(classifier, rows_of(classifier.preprocessor, parts["validation"][0]))
    accuracy, surprise = figures(said["validation"], parts["validation"][1])
    print(f"teacher {number} {settings}: validation accuracy {accuracy:.4f}, cross-entropy {surprise:.4f}", flush=True)
    said["variations"] = logits_of(classifier, Rows(**np.load(work / "variations.npz")))
    if number == 0:
        classifier.save_weights(work / "teacher_0.weights.h5")
    save(work / f"teacher_{number}.npz", {name: logits.astype("float16") for name, logits in said.items()})


def opinions(work):
    """What the teachers say, `{part: logits (N, 2)}`: their mean."""
    said = [dict(np.load(path)) for path in sorted(work.glob("teacher_*.npz"))]
    return {part: np.mean([each[part] for each in said], 0, dtype="float32") for part in said[0]}


def train_student(work, arguments):
    import keras
    from smaller import cut
    from training import Batches, figures, logits_of, rows_of, softened, softmax, train

    number, parts, said = arguments.number, corpus.split(work), opinions(work)
    (texts, labels), (held_out, wanted) = parts["train"], parts["validation"]
    settings = STUDENT | SHAPE | STUDENTS[number]
    together = figures(said["validation"], wanted)
    print("teachers together: validation accuracy {:.4f}, cross-entropy {:.4f}".format(*together), flush=True)
    keras.utils.set_random_seed(settings["seed"])
    teacher = untrained(work)
    teacher.load_weights(work / "teacher_0.weights.h5")
    student = cut(teacher, texts, corpus.plots(work), **SHAPE, dropout=settings["dropout"])
    rows = rows_of(student.preprocessor, [*texts, *lines(work / "variations.txt")])
    soft = softmax(np.concatenate([said["train"], said["variations"]]) / TEMPERATURE)
    known = np.eye(2, dtype="float32")[labels]
    soft[: len(texts)] = TRUST * soft[: len(texts)] + (1 - TRUST) * known
    steps = 2 if arguments.quick else settings["steps"]
    fresh = min(FRESH, len(rows) - len(texts))
    data = Batches(rows, soft, STUDENT_BATCH, steps, len(texts), fresh, seed=settings["seed"])
    rounds = 2 if arguments.quick else settings["rounds"]
    train(student, data, rounds, settings["rate"], softened(TEMPERATURE), settings["memory"])
    accuracy, surprise = figures(logits_of(student, rows_of(student.preprocessor, held_out)), wanted)
    print(f"student {number} {settings}: validation accuracy {accuracy:.4f}, cross-entropy {surprise:.4f}", flush=True)
    save(work / f"student_{number}.npz", stored(student))


def stored(student):
    """The weights in float16 by their paths, and the vocabulary."""
    from smaller import values

    vocabulary = np.array(student.preprocessor.tokenizer.get_vocabulary())
    return {weight.path: values(weight).astype("float16") for weight in student.weights} | {"vocabulary": vocabulary}


def mean_of(paths):
    """A classifier whose weights are the mean of those that `stored` was given."""
    from smaller import empty

    found = [dict(np.load(path)) for path in paths]
    student = empty(found[0]["vocabulary"].tolist(), len(SHAPE["layers"]), SHAPE["feed_forward"])
    for weight in student.weights:
        mean = np.mean([each[weight.path] for each in found], 0, dtype="float32")
        weight.assign(mean.astype("float16").astype("float32"))  # as they will be stored
    return student


def finish(work, arguments):
    student, parts = mean_of(sorted(work.glob("student_*.npz"))), corpus.split(work)
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
    print(json.dumps(record, indent=1))


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
  positive, "rotten" negative), {sizes["validation"]:,} more to choose by. No film is in two parts. The reviews are not
  part of this package.
- **How it was made**: by `tools/train_bert_reviews.py` on one NVIDIA H200, in minutes. all-MiniLM-L6-v2 was
  fine-tuned {len(TEACHERS)} times. Of the first of these its lower {backbone.num_layers} layers, the most active
  {backbone.intermediate_dim} feed-forward units of each and the tokens that reviews use were kept, and trained on
  labels and on what the {len(TEACHERS)} networks say on average of reviews and of {VARIATIONS:,} variations of them.
  The weights are the mean of {len(STUDENTS)} such trainings.
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
    yield [("student", i, f"student_{i}.npz") for i in range(len(STUDENTS))]
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
