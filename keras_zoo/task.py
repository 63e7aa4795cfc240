"""The base class of every model with a head."""

import contextlib

import keras
import numpy as np

from keras_zoo import feeding, presets, weights
from keras_zoo.fused import innermost
from keras_zoo.model import ZooModel

NOT_DECAYED = "not_decayed"  # a pattern in what a file says of compile()


class Task(ZooModel):
    """A backbone with a head, and a preprocessor that turns raw data into the head's tensors.

    `fit`, `evaluate` and `predict` take raw data (strings, images) as lists, NumPy arrays, `tf.data.Dataset`, torch
    `DataLoader`, `keras.utils.PyDataset` or generator. With `preprocessor=None` they are Keras' own methods and take
    tensors.

    Subclasses define `__init__(backbone, preprocessor=None, …, **kwargs)`, `compile` with defaults for fine-tuning, and
    `preprocessor_class`; `head_arguments` names the arguments that a head in a preset fixes, or, if there are
    `class_weights`, patterns of their paths, those that have these start anew; `needs_labels` says whether training on
    raw data takes a `y`.
    """

    _config_root = True
    preprocessor_class = None
    head_arguments = ()
    class_weights = ()
    largest = {}  # see `keras_zoo.Preprocessor`
    needs_labels = False

    def __init__(self, inputs, outputs, backbone, preprocessor=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        if self.preprocessor_class is not None and not isinstance(preprocessor, self.preprocessor_class | None):
            raise ValueError(
                f"preprocessor must be a {self.preprocessor_class.__name__} or None; got {type(preprocessor).__name__}."
            )
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.dtype_policy = backbone.dtype_policy
        if not weights.under_deferral():  # optimizers have variables of their own; from_preset compiles later
            self.compile()

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        self.trained = None  # the ids of the variables that train, once the optimizer, which keeps them, is built

    def get_compile_config(self):
        """Keras' own, and which names of weights the optimizer leaves undecayed, which its configuration lacks."""
        config, pattern = super().get_compile_config(), None
        if self.optimizer is not None:
            pattern = getattr(innermost(self.optimizer), "_exclude_from_weight_decay_pattern", None)
        return config if config is None or pattern is None else {**config, NOT_DECAYED: pattern.pattern}

    def compile_from_config(self, config):
        own = {name: value for name, value in config.items() if name != NOT_DECAYED}
        self.compile(**keras.saving.deserialize_keras_object(own))
        if NOT_DECAYED in config:
            innermost(self.optimizer).exclude_from_weight_decay(var_names=[config[NOT_DECAYED]])
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)
            self.trained = frozenset(map(id, self.trainable_variables))

    def make_train_function(self, force=False):
        """Keras' own, but for a change of what trains: some backends would go on with what they have compiled."""
        now = frozenset(map(id, self.trainable_variables))
        if self.trained not in (None, now):
            raise ValueError(
                f"What trains has changed since the optimizer was built: {len(self.trained)} weights then, {len(now)} "
                "now. Call compile() again, with a new optimizer, after freeze, unfreeze and the methods for LoRA."
            )
        self.trained = now
        return super().make_train_function(force)

    def load_weights(self, *args, **kwargs):
        super().load_weights(*args, **kwargs)
        self.backbone.restore_adapters()

    @property
    def preprocess(self):
        """What turns a raw batch `(x, y, sample_weight)` into tensors; a task may add to its preprocessor."""
        return self.preprocessor

    @property
    def prepares(self):
        """Whether data passes through `preprocess` before the network; otherwise Keras takes it as it is."""
        return self.preprocessor is not None

    def check_labels(self, x, y):
        kind = feeding.kind(x)
        unlabelled = kind == "tf" and not (isinstance(x.element_spec, tuple) and len(x.element_spec) > 1)
        if self.needs_labels and (unlabelled or (y is None and kind is None)):
            raise ValueError(f"{type(self).__name__} trains on labels: give y, one for each row of x.")

    def prepare(self, x, y=None, sample_weight=None, batch_size=None, shuffle=False):
        return feeding.prepare(self.preprocess, x, y, sample_weight, batch_size, shuffle)

    @contextlib.contextmanager
    def whole_after_errors(self):
        """Gives the variables back to a model whose loop was left by an error: under JAX they live in the loop."""
        try:
            yield
        except BaseException:
            if hasattr(self, "jax_state_sync"):
                self.jax_state_sync()
                for variable, value in vars(self).get("_purged", ()):
                    if variable._value is None and not value.is_deleted():
                        variable.assign(value)
            raise
        finally:
            vars(self).pop("_purged", None)

    def _purge_model_variables(self, **which):
        """Keras' own, which leaves the values to the first step alone. If that fails they are lost, but for these."""
        lists = [self.trainable_variables, self.non_trainable_variables, self.metrics_variables]
        lists.append(self.optimizer.variables if self.optimizer is not None else [])
        vars(self)["_purged"] = [(variable, variable._value) for variables in lists for variable in variables]
        super()._purge_model_variables(**which)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        *args,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        sample_weight=None,
        **kwargs,
    ):
        """`keras.Model.fit` on raw data; without a preprocessor, on tensors."""
        own = {"validation_data": validation_data}
        if (
            isinstance(validation_data, list)
            and len(validation_data) in (2, 3)
            and not feeding.is_value(validation_data[0])
        ):
            own["validation_data"] = validation_data = tuple(validation_data)
        if not self.prepares:
            y, sample_weight = (np.asarray(part) if isinstance(part, list) else part for part in (y, sample_weight))
            own |= {"shuffle": shuffle, "validation_split": validation_split, "sample_weight": sample_weight}
            with self.whole_after_errors():
                return super().fit(x, y, batch_size, *args, **own, **kwargs)
        self.check_labels(x, y)
        data = (x, y, sample_weight)
        if validation_split:
            if feeding.kind(x) is not None:
                raise ValueError(
                    "validation_split takes rows in memory; give a data set's own validation_data instead."
                )
            if validation_data is None:
                data, held_out = feeding.split_rows(data, validation_split)
                own["validation_data"] = self.prepare(*held_out, batch_size)
        if validation_data is not None:
            parts = validation_data if isinstance(validation_data, tuple) else (validation_data,)
            own["validation_data"] = self.prepare(*parts, batch_size=batch_size)
        own["shuffle"] = shuffle and feeding.kind(x) == "keras"  # rows and loaders do so themselves, or do not
        with self.whole_after_errors():
            return super().fit(self.prepare(*data, batch_size, shuffle), None, None, *args, **own, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, *args, sample_weight=None, **kwargs):
        """`keras.Model.evaluate` on raw data; without a preprocessor, on tensors."""
        # Inside fit Keras calls this with what fit has prepared.
        if self.prepares and not kwargs.get("_use_cached_eval_dataset"):
            self.check_labels(x, y)
            x, y, batch_size, sample_weight = self.prepare(x, y, sample_weight, batch_size), None, None, None
        with self.whole_after_errors():
            return super().evaluate(x, y, batch_size, *args, sample_weight=sample_weight, **kwargs)

    def predict(self, x, batch_size=None, *args, **kwargs):
        """`keras.Model.predict` on raw data; without a preprocessor, on tensors."""
        if self.prepares:
            x, batch_size = self.prepare(x, batch_size=batch_size), None
        with self.whole_after_errors():
            return super().predict(x, batch_size, *args, **kwargs)

    def train_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """`keras.Model.train_on_batch` on one batch of raw data."""
        return super().train_on_batch(*self.one_batch(x, y, sample_weight), **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """`keras.Model.test_on_batch` on one batch of raw data."""
        return super().test_on_batch(*self.one_batch(x, y, sample_weight), **kwargs)

    def predict_on_batch(self, x):
        """`keras.Model.predict_on_batch` on one batch of raw data."""
        return super().predict_on_batch(self.one_batch(x)[0])

    def one_batch(self, x, y=None, sample_weight=None):
        if not self.prepares:
            return x, y, sample_weight
        return feeding.unpack(self.preprocess(x, y, sample_weight))

    @classmethod
    def from_preset(cls, preset, load_weights=True, dtype=None, offline=False, **overrides):
        """The task of a preset: a name (see `keras_zoo.list_presets()`), a folder or a `hf://owner/name` address.

        `load_weights=False` gives random weights; `offline=True` takes what is in the cache and asks no network;
        `dtype` a dtype policy such as `"bfloat16"`; `preprocessor=None` leaves the preprocessor out. Every other
        keyword replaces an argument of the task or of its backbone.
        Called on a base class, it finds the family by itself. `new_classes=True` lets those weights of a detector start
        anew that tell classes, so that it can have any number of them.
        """
        return presets.load_task(cls, preset, load_weights, dtype, overrides, offline)

    def save_to_preset(self, folder, format="keras_zoo", **options):
        """Writes model and preprocessor into `folder`, all or nothing.

        `format` is `"keras_zoo"`, `"transformers"` or `"keras_hub"`. Options: `max_shard_size` in GB; for our own
        layout `weights_dtype`, such as `"float16"`, to store rounded weights that load as the model's own dtype, and
        `merge_lora=False`, to keep adapters apart, so that what is loaded has them and goes on training them.
        """
        presets.save(folder, task=self, format=format, **options)
