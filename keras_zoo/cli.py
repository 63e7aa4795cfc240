"""`keras-zoo`: presets on the command line."""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

DEMO_PRESET = "gpt2_tiny_en_prose"
DEMO_CLASSIFIER = "bert_tiny_en_uncased_reviews"
DEMO_IMAGES = "resnet_tiny_fashion_mnist"
DEMO_TEXTS = ["A warm and funny film with a wonderful cast.", "A dull story, and I was bored after ten minutes."]


def main(argv=None):
    arguments = parser().parse_args(argv)
    backend = getattr(arguments, "backend", None)
    if backend and backend != os.environ.get("KERAS_BACKEND"):  # Keras is imported by now: begin again
        command = [sys.executable, "-m", "keras_zoo.cli", *(sys.argv[1:] if argv is None else argv)]
        os.execve(sys.executable, command, os.environ | {"KERAS_BACKEND": backend})
    try:
        return arguments.run(arguments) or 0
    except (ValueError, ImportError) as error:
        print(f"keras-zoo: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of a pipe has gone
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def parser():
    top = argparse.ArgumentParser(prog="keras-zoo", description="Pretrained models for Keras 3.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("list", help="list the presets")
    command.add_argument("--family", help="only one family, such as gpt2")
    command.set_defaults(run=run_list)

    command = commands.add_parser("show", help="show what is known of a preset")
    command.add_argument("preset")
    command.set_defaults(run=run_show)

    command = commands.add_parser(
        "generate",
        help="continue a prompt, streaming",
        epilog="example: keras-zoo generate gpt2_tiny_en_prose 'Once upon a time' --sampler greedy",
    )
    command.add_argument("preset")
    command.add_argument("prompt")
    add_generation_options(command)
    command.set_defaults(run=run_generate)

    command = commands.add_parser(
        "classify",
        help="put texts or images into classes",
        epilog="examples: keras-zoo classify bert_tiny_en_uncased_reviews 'A warm and funny film.' · "
        "keras-zoo classify resnet_tiny_fashion_mnist shoe.png photos/ --json",
    )
    command.add_argument("preset")
    command.add_argument("inputs", nargs="+", metavar="input", help="texts, or files and folders of images")
    command.add_argument("--json", action="store_true", help="with the probability of every class")
    add_model_options(command)
    command.set_defaults(run=run_classify)

    command = commands.add_parser("demo", help="show what the embedded presets can do")
    command.add_argument("--prompt", default="Once upon a time there was a king who")
    command.add_argument("--picture", help="the PNG file to draw (default: a new one in the folder of temporary files)")
    add_generation_options(command)
    command.set_defaults(run=run_demo)
    return top


def add_generation_options(command):
    command.add_argument("--max-new-tokens", type=int, default=100)
    command.add_argument("--sampler", default=None, help="greedy, random or top_k (default: top_k with k=20)")
    command.add_argument("--temperature", type=float, default=0.8)
    command.add_argument("--seed", type=int, default=None)
    add_model_options(command)


def add_model_options(command):
    command.add_argument("--dtype", default=None, help="a dtype policy such as bfloat16")
    command.add_argument("--backend", choices=("jax", "tensorflow", "torch"), help="overrides KERAS_BACKEND")


def run_list(arguments):
    from keras_zoo import list_presets

    rows = [("NAME", "PARAMETERS", "CLASS", "", "DESCRIPTION")]
    for name, record in sorted(list_presets(arguments.family).items()):
        where = "embedded" if record["embedded"] else ""
        rows.append((name, f"{record['parameters']:,}", record["class_name"], where, record["description"]))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]))


def run_show(arguments):
    from keras_zoo import registry

    records = registry.records()
    if arguments.preset not in records:
        raise registry.unknown_preset(arguments.preset)
    for key, value in records[arguments.preset].items():
        print(f"{key}: {value}")


def run_generate(arguments):
    print(arguments.prompt, end="", flush=True)
    _, seconds, count = write(load(arguments, arguments.preset, "stream", "write text"), arguments, arguments.prompt)
    print(f"\n[{count} tokens, {count / seconds:.0f} tokens/s]", file=sys.stderr)


def run_classify(arguments):
    classify(arguments, arguments.preset, arguments.inputs, arguments.json)


def run_demo(arguments):
    """Writes with the embedded GPT-2, judges texts with the BERT and a picture with the ResNet; says how to go on."""
    import keras

    begin = time.perf_counter()
    lm = load(arguments, DEMO_PRESET)
    backend = keras.backend.backend()
    print(
        f"{DEMO_PRESET}: {lm.count_params():,} parameters on {backend}, loaded in {time.perf_counter() - begin:.1f} s."
    )
    begin = time.perf_counter()
    for _ in lm.stream(arguments.prompt, max_new_tokens=2, sampler=sampler(arguments), seed=0):
        pass
    print(f"Compiled in {time.perf_counter() - begin:.1f} s.\n\n{arguments.prompt}", end="", flush=True)
    _, seconds, count = write(lm, arguments, arguments.prompt)
    print(f"\n\n{count} tokens in {seconds:.1f} s: {count / seconds:.0f} tokens/s.\n")
    print(f"{DEMO_CLASSIFIER}, which tells good reviews from bad ones:")
    classify(arguments, DEMO_CLASSIFIER, DEMO_TEXTS)
    print(f"\n{DEMO_IMAGES}, which names clothes:")
    try:
        draw(arguments)
    except ImportError:
        print("Pictures need Pillow, OpenCV and matplotlib: pip install 'keras-zoo[cv]'")
    print(
        '\nAnother prompt:   make demo PROMPT="The old woman opened the door and"\n'
        "Another backend:  make demo BACKEND=torch      (or tensorflow)\n"
        "In Python:        keras_nlp.models.CausalLM.from_preset"
        f'("{DEMO_PRESET}").generate("Once upon a time")\n'
        "                  keras_nlp.models.TextClassifier.from_preset"
        f'("{DEMO_CLASSIFIER}").predict(["A dull film."], return_classes=True)\n'
        "                  keras_cv.models.ImageClassifier.from_preset"
        f'("{DEMO_IMAGES}").predict("shoe.png", return_classes=True)'
    )


def classify(arguments, preset, inputs, as_json=False):
    """Prints a line for each text or image, or all of it as JSON."""
    task = load(arguments, preset, "classes", "put texts or images into classes")
    if takes_images(task):
        inputs = image_paths(inputs)
    answers = task.predict(inputs, return_classes=True, verbose=0)
    if as_json:
        found = [{"input": x, **answer} for x, answer in zip(inputs, answers, strict=True)]
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for x, answer in zip(inputs, answers, strict=True):
        chosen = [answer["class_name"]] if "class_name" in answer else answer["class_names"]
        names = ", ".join(f"{name} ({answer['probabilities'][name]:.0%})" for name in chosen)
        print(f"{names or 'none'}: {x}")


def takes_images(task):
    from keras_cv.models import ImageClassifier

    return isinstance(task, ImageClassifier)


def image_paths(inputs):
    """Files as they are, folders as the images below them."""
    from keras_cv.images import image_files

    return [str(path) for x in inputs for path in (image_files(x) if os.path.isdir(x) else [x])]


def draw(arguments):
    """Names what the example of the embedded ResNet shows, and draws it with that."""
    from keras_cv.visualization import plot_image_gallery
    from keras_zoo.registry import records

    example = Path(records()[DEMO_IMAGES]["folder"]) / "example.png"
    best = load(arguments, DEMO_IMAGES).top_k(example, k=3, verbose=0)[0]
    found = [f"{answer['class_name']} ({answer['probability']:.0%})" for answer in best]
    path = arguments.picture or Path(tempfile.mkdtemp(prefix="keras_zoo_")) / "demo.png"
    plot_image_gallery([example], captions=["\n".join(found)], path=path)
    print(f"{found[0]}: {example}\nDrawn with the three likeliest classes: {path}")


def load(arguments, preset, method=None, job=None):
    """The preset's task; a `ValueError` if it has no such `method`, which is there for the `job`."""
    from keras_zoo import Task

    task = Task.from_preset(preset, dtype=arguments.dtype)
    if method is not None and not hasattr(task, method):
        raise ValueError(f"{preset!r} is a {type(task).__name__}, which does not {job}.")
    return task


def sampler(arguments):
    from keras_nlp import samplers

    if arguments.sampler is not None:
        return arguments.sampler
    return samplers.TopKSampler(k=20, temperature=arguments.temperature)


def write(lm, arguments, prompt):
    """Prints the continuation as it comes; returns it with the seconds and the tokens it took."""
    pieces, begin = [], time.perf_counter()
    options = {"max_new_tokens": arguments.max_new_tokens, "sampler": sampler(arguments), "seed": arguments.seed}
    for piece in lm.stream(prompt, **options):
        pieces.append(piece)
        print(piece, end="", flush=True)
    seconds = time.perf_counter() - begin
    return "".join(pieces), seconds, len(lm.preprocessor.tokenizer("".join(pieces)))


if __name__ == "__main__":
    sys.exit(main())
