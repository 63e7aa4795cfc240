"""Where pictures of a training run go: a folder, TensorBoard, Weights & Biases, a notebook."""

import importlib.util
import io
import os
import sys
from pathlib import Path

from keras_cv.images.decode import pillow
from keras_cv.visualization.figure import in_notebook, show_in_notebook


def writers(folder, tensorboard_dir, wandb):
    """Functions `(name, epoch, pixels, figure)`, one for each place; all that is missing is said at once."""
    found, problems = [], []
    for make, place in ((FolderWriter, folder), (tensorboard_writer, tensorboard_dir), (WandbWriter, wandb)):
        if place is not None and place is not False:
            try:
                found.append(make(place))
            except (ImportError, ValueError) as error:
                problems.append(str(error))
    if problems:
        raise ValueError(" ".join(problems))
    if not found and in_notebook():
        found.append(lambda name, epoch, pixels, figure: show_in_notebook(figure))
    if not found:
        raise ValueError("PredictionGallery has nowhere to put its pictures; give folder, tensorboard_dir or wandb.")
    return found


class FolderWriter:
    """`FOLDER/NAME_0001.png`, numbered by epochs from 1."""

    def __init__(self, folder):
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"folder {str(folder)!r} cannot be made: {error.strerror or error}.") from error

    def __call__(self, name, epoch, pixels, figure):
        path = self.folder / f"{name}_{epoch:04d}.png"
        part = path.with_suffix(".part")
        pillow().fromarray(pixels).save(part, "png")
        os.replace(part, path)  # whoever watches the folder sees whole files


def tensorboard_writer(folder):
    """By torch where that is loaded, else by tensorboardX or TensorFlow; TensorFlow is not loaded beside another."""
    has_tensorboard = importlib.util.find_spec("tensorboard") is not None
    if "torch" in sys.modules and has_tensorboard:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryPictures(SummaryWriter(os.fspath(folder)))
    if importlib.util.find_spec("tensorboardX") is not None:
        from tensorboardX import SummaryWriter

        return SummaryPictures(SummaryWriter(os.fspath(folder)))
    if importlib.util.find_spec("tensorflow") is not None:
        return TensorFlowPictures(folder)
    raise ImportError(
        "tensorboard_dir needs a library that writes TensorBoard's files: pip install tensorboardX, or tensorboard "
        "beside torch, or tensorflow."
    )


class SummaryPictures:
    def __init__(self, writer):
        self.writer = writer

    def __call__(self, name, epoch, pixels, figure):
        self.writer.add_image(name, pixels, epoch, dataformats="HWC")
        self.writer.flush()

    def close(self):
        """Waits until all is written; the next picture opens another file."""
        self.writer.close()


class TensorFlowPictures:
    """Writes what `tf.summary.image` would, which TensorFlow refuses where the package tensorboard is not installed."""

    def __init__(self, folder):
        import tensorflow as tf

        self.writer = tf.summary.create_file_writer(os.fspath(folder))

    def __call__(self, name, epoch, pixels, figure):
        import tensorflow as tf

        file = io.BytesIO()
        pillow().fromarray(pixels).save(file, "png")
        height, width = pixels.shape[:2]
        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = "images"
        with self.writer.as_default():
            tf.summary.write(name, tf.constant([b"%d" % width, b"%d" % height, file.getvalue()]), epoch, metadata)
        self.writer.flush()


class WandbWriter:
    """Logs to a run: the one given, or with True the one that `wandb.init` has started."""

    def __init__(self, run):
        if importlib.util.find_spec("wandb") is None:
            raise ImportError("wandb is not installed: pip install wandb, or leave the argument out.")
        import wandb

        self.run = wandb.run if run is True else run
        if not hasattr(self.run, "log"):
            raise ValueError(f"wandb must be a run, or True once wandb.init(...) has started one; got {run!r}.")

    def __call__(self, name, epoch, pixels, figure):
        import wandb

        self.run.log({name: wandb.Image(pixels, caption=f"epoch {epoch}"), "epoch": epoch})
