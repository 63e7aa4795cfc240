"""The base class of everything that turns raw data into tensors."""

import keras

from keras_zoo import presets, tfdata
from keras_zoo.config import Configured


class Preprocessor(Configured):
    """Raw data to what a model takes: `preprocessor(x, y=None, sample_weight=None)`.

    `call` is written once, in NumPy, and returns `x`, `(x, y)` or `(x, y, sample_weight)` as
    `keras.utils.pack_x_y_sample_weight` packs them. The same object is called eagerly (NumPy in and out), mapped over
    a `tf.data.Dataset` and run in the workers of a torch `DataLoader`, with identical results. It holds no state that
    a call changes and can be pickled.
    """

    _config_root = True
    largest = {}  # {argument: the largest number that a preset's file may give for it}; a caller may give any

    def __call__(self, x, y=None, sample_weight=None, **kwargs):
        if tfdata.any_graph_tensor(x, y, sample_weight):
            given = {k: v for k, v in {"x": x, "y": y, "sample_weight": sample_weight}.items() if v is not None}
            return tfdata.call_in_graph(lambda parts: self.call(**parts, **kwargs), given)
        x, y, sample_weight = keras.tree.map_structure(tfdata.to_numpy, (x, y, sample_weight))
        return self.call(x, y, sample_weight, **kwargs)

    def call(self, x, y=None, sample_weight=None):
        raise NotImplementedError

    @classmethod
    def from_preset(cls, preset, offline=False, **overrides):
        """The preprocessor of a preset: a name, a folder or a `hf://` address; `overrides` replace its arguments.

        No weights are fetched; with `offline=True` nothing is, and what is in the cache is taken.
        """
        return presets.load_preprocessor(cls, preset, overrides, offline)

    def save_to_preset(self, folder, format="keras_zoo"):
        """Writes the preprocessor's configuration and assets into `folder`; the rest of a preset there stays.

        `format` is `"keras_zoo"` or `"keras_hub"`.
        """
        presets.save(folder, preprocessor=self, format=format)
