"""`keras-zoo demo`: what the embedded presets can do."""

import functools
import tempfile
import time
from pathlib import Path

from keras_zoo.cli import classify, detect, generate
from keras_zoo.cli.loading import add_command, load

LM = "gpt2_tiny_en_prose"
TEXT_CLASSIFIER = "bert_tiny_en_uncased_reviews"
IMAGE_CLASSIFIER = "resnet_tiny_fashion_mnist"
TEXTS = ["A warm and funny film with a wonderful cast.", "A dull story, and I was bored after ten minutes."]


def add(commands):
    command = add_command(
        commands,
        "demo",
        "show what the embedded presets can do",
        "Writes a text, judges two, names what is in a picture and finds things in another. Needs no network.",
        ("keras-zoo demo", "keras-zoo demo --prompt 'The old woman' --backend torch"),
    )
    command.add_argument("--prompt", default="Once upon a time there was a king who", help="the text to continue")
    command.add_argument("--picture", help="the PNG file to draw (default: a new one in the folder of temporary files)")
    generate.add_options(command)
    command.set_defaults(run=run)


def run(arguments):
    """Writes, judges texts, names a picture, finds things in another; says how to go on."""
    import keras

    begin = time.perf_counter()
    lm = load(arguments, LM)
    backend = keras.backend.backend()
    print(f"{LM}: {lm.count_params():,} parameters on {backend}, loaded in {time.perf_counter() - begin:.1f} s.")
    begin = time.perf_counter()
    sampler = generate.sampler(arguments)
    for _ in lm.stream(arguments.prompt, max_new_tokens=2, sampler=sampler, seed=0):
        pass
    print(f"Compiled in {time.perf_counter() - begin:.1f} s.\n\n{arguments.prompt}", end="", flush=True)
    show = functools.partial(print, end="", flush=True)
    _, seconds, count = generate.write(lm, arguments, arguments.prompt, sampler, show)
    print(f"\n\n{count} tokens in {seconds:.1f} s: {count / seconds:.0f} tokens/s.\n")
    print(f"{TEXT_CLASSIFIER}, which tells good reviews from bad ones:")
    classify.classify(arguments, TEXT_CLASSIFIER, TEXTS)
    picture = arguments.picture or Path(tempfile.mkdtemp(prefix="keras_zoo_")) / "demo.png"
    try:
        print(f"\n{IMAGE_CLASSIFIER}, which names clothes:")
        draw_class(arguments, picture)
        draw_boxes(arguments, Path(picture))
    except ImportError:
        print("Pictures need Pillow, OpenCV and matplotlib: pip install 'keras-zoo[cv]'")
    print(
        '\nAnother prompt:   make demo PROMPT="The old woman opened the door and"\n'
        "Another backend:  make demo BACKEND=torch      (or tensorflow)\n"
        f'In Python:        keras_nlp.models.CausalLM.from_preset("{LM}").generate("Once upon a time")\n'
        "                  keras_nlp.models.TextClassifier.from_preset"
        f'("{TEXT_CLASSIFIER}").predict(["A dull film."], return_classes=True)\n'
        "                  keras_cv.models.ImageClassifier.from_preset"
        f'("{IMAGE_CLASSIFIER}").predict("shoe.png", return_classes=True)'
    )
    for preset in list(embedded_detectors())[:1]:
        print(f'                  keras_cv.models.ObjectDetector.from_preset("{preset}").predict("shop.jpg")')


def draw_class(arguments, picture):
    """Names what the example of the embedded ResNet shows, and draws it with that."""
    from keras_cv.visualization import plot_image_gallery
    from keras_zoo.registry import records

    example = Path(records()[IMAGE_CLASSIFIER]["folder"]) / "example.png"
    best = load(arguments, IMAGE_CLASSIFIER).top_k(example, k=3, verbose=0)[0]
    found = [f"{answer['class_name']} ({answer['probability']:.0%})" for answer in best]
    plot_image_gallery([example], captions=["\n".join(found)], path=picture)
    print(f"{found[0]}: {example}\nDrawn with the three likeliest classes: {picture}")


def draw_boxes(arguments, picture):
    """Finds what the examples of embedded detectors show, as a table, and draws the boxes beside `picture`."""
    for preset, example in embedded_detectors().items():
        print(f"\n{preset}, which finds things and says where they are:")
        detector = detect.load_detector(arguments, preset)
        drawn = picture.with_name(f"{picture.stem}_boxes.png")
        table = detect.Table([str(example)], detector.class_names)
        for seen in detect.seen_in(detector, [(str(example), example)], {}):
            table.write(seen)
            detect.annotated(seen, detector).save(drawn)
        print(f"Drawn with the boxes: {drawn}")


def embedded_detectors():
    """`{preset: example picture}` of the detectors that come with the package."""
    from keras_zoo import list_presets
    from keras_zoo.registry import records

    found = {}
    for name, record in list_presets(embedded=True).items():
        example = Path(records()[name]["folder"]) / "example.png"
        if record.get("class_name", "").endswith("Detector") and example.is_file():
            found[name] = example
    return found
