"""Cats and dogs in ten lines: load a classifier, compile, fit on images, predict two new pictures and look at them.

    KERAS_BACKEND=jax python docs/guides/finetune_image_classifier.py              # or tensorflow, or torch
    python docs/guides/finetune_image_classifier.py --folder photos                # photos/cat/1.jpg, photos/dog/7.jpg
    python docs/guides/finetune_image_classifier.py --dataset cats_vs_dogs --preset resnet_50_imagenet

`--folder` takes a folder with a subfolder of images for each class, `--dataset` the name of a data set of
tensorflow-datasets. Without either the images are pieces of three photographs of scikit-image, a wall, a meadow and a
gravel path, so that no network is needed; nor is it for the preset taken by default, which knows clothes and learns
these surfaces in seconds. `resnet_50_imagenet` is fetched, and is what photographs want.
"""

import argparse
import tempfile
from pathlib import Path

import keras

import keras_cv
from keras_cv.layers import Augmenter, RandomCropAndResize, RandomFlip
from keras_zoo import WarmUpDecay

SURFACES = ("brick", "grass", "gravel")


def main(argv=None):
    """Fine-tunes and returns the accuracy on the held-out images."""
    args = parse(argv)
    keras.utils.set_random_seed(0)
    backbone = keras_cv.models.Backbone.from_preset(args.preset)
    preprocessor = keras_cv.models.Preprocessor.from_preset(args.preset)
    training, held_out, class_names = load(args, preprocessor.image_size)

    classifier = keras_cv.models.ResNetImageClassifier(backbone, preprocessor=preprocessor, class_names=class_names)
    steps = args.epochs * len(training)
    schedule = WarmUpDecay(args.learning_rate, steps + 1, steps // 10)  # up for a tenth of the steps, then down
    classifier.compile(keras.optimizers.Adam(schedule))
    classifier.fit(training, validation_data=held_out, epochs=args.epochs, verbose=args.verbose)

    accuracy = classifier.evaluate(held_out, verbose=0, return_dict=True)["sparse_categorical_accuracy"]
    print(f"{accuracy:.1%} of the held-out images are named rightly.")
    pictures = args.new or two_of(held_out)
    answers = classifier.predict(pictures, return_classes=True, verbose=0)
    captions = [f"{answer['class_name']} ({answer['probability']:.0%})" for answer in answers]
    picture = args.picture or Path(tempfile.mkdtemp()) / "predictions.png"
    keras_cv.visualization.plot_image_gallery(pictures, rows=1, captions=captions, path=picture)
    print(f"{' · '.join(captions)}: {picture}")
    if args.save:
        classifier.save_to_preset(args.save)
        print(f'Saved: ImageClassifier.from_preset("{args.save}") loads it on any backend.')
    return accuracy


def load(args, size):
    """`(training, held_out, class_names)`: batches of images of `size` and class numbers; the first are augmented."""
    augment = Augmenter([RandomFlip(), RandomCropAndResize(size, (0.7, 1.0), (0.8, 1.25))])
    if args.dataset:
        return tensorflow_dataset(args, size, augment)
    folder = args.folder or surfaces(Path(tempfile.mkdtemp()))
    options = {"batch_size": args.batch_size, "crop_to_aspect_ratio": True, "on_error": "skip"}
    parts = keras_cv.images.image_folder(folder, size, validation_split=0.2, subset="both", **options)
    return Augmented(parts[0], augment), parts[1], parts[0].class_names


class Augmented(keras.utils.PyDataset):
    """The batches of a data set with their images through a layer."""

    def __init__(self, data, layer):
        super().__init__(workers=2)
        self.data, self.layer = data, layer

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        images, labels = self.data[index]
        return self.layer(images), labels

    def on_epoch_end(self):
        self.data.on_epoch_end()


def tensorflow_dataset(args, size, augment):
    """A data set of tensorflow-datasets (which wants tensorflow installed), a tenth of it held out."""
    import tensorflow_datasets

    split = ["train[:90%]", "train[90%:]"]
    parts, info = tensorflow_datasets.load(args.dataset, split=split, as_supervised=True, with_info=True)
    resize = keras_cv.layers.Resizing(*size, crop_to_aspect_ratio=True, antialias=True)
    training, held_out = (
        part.map(lambda image, label: (resize(image), label)).batch(args.batch_size) for part in parts
    )
    training = training.shuffle(8).map(lambda images, labels: (augment(images), labels)).prefetch(2)
    return training, held_out.prefetch(2), info.features["label"].names


def surfaces(folder):
    """Writes pieces of 64 x 64 pixels of three photographs, 64 of each, into a subfolder for each; returns `folder`."""
    from skimage import data

    for name in SURFACES:
        (folder / name).mkdir()
        photograph = getattr(data, name)()  # grey, 512 x 512
        for row in range(0, 512, 64):
            for column in range(0, 512, 64):
                piece = photograph[row : row + 64, column : column + 64, None]
                keras.utils.save_img(folder / name / f"{row}_{column}.png", piece, scale=False)
    return folder


def two_of(dataset):
    """The first and the last image of the first batch."""
    images, _ = next(iter(dataset)) if hasattr(dataset, "element_spec") else dataset[0]
    return [keras.ops.convert_to_numpy(images[i]) for i in (0, len(images) - 1)]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="resnet_tiny_fashion_mnist", help="a name, a folder or hf://owner/name")
    parser.add_argument("--folder", help="one with a subfolder of images for each class")
    parser.add_argument("--dataset", help="a name of tensorflow-datasets, such as cats_vs_dogs")
    parser.add_argument("--new", nargs="+", help="files to predict; by default two of the held-out images")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=6e-4)
    parser.add_argument("--picture", help="the PNG file to draw; by default a new one in the folder of temporary files")
    parser.add_argument("--save", help="a folder for the result")
    parser.add_argument("--verbose", type=int, default=1, help="0 for no progress bar")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
