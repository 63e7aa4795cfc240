"""A callback that averages the weights of a training over its steps."""

import math

import keras
from keras import ops

from keras_zoo.compiled import Variables, compile_function


class WeightsEMA(keras.callbacks.Callback):
    """Keeps an exponential moving average of all weights, evaluates it, and leaves it in the model.

    After each step of the optimizer `average += (1 - d) * (weights - average)`, where `d = decay * (1 - exp(-steps /
    warmup_steps))`: at first the average follows the weights, later it looks back over about `1 / (1 - decay)` steps.
    Averaged are all weights in floating point, the statistics of batch normalisation among them, so that they fit.
    Keras' own averages, `use_ema` of its optimizers, have a constant decay and leave the statistics out.

    From validation, or the end of an epoch, until the next epoch begins, and after the training, the model's weights
    are the averages. So validation, and callbacks at the end of an epoch that come after this one, such as
    `ModelCheckpoint` and `EarlyStopping`, see them. Put `BackupAndRestore` before it and without validation it keeps
    the weights that train on; the averages themselves are not part of a backup, and start anew with each `fit`.

    Args:
        decay: from 0 to less than 1, what the average keeps of itself at a step.
        warmup_steps: steps of the optimizer over which the decay rises to 63 % of `decay`; 0 for a constant decay.
    """

    def __init__(self, decay=0.9999, warmup_steps=2000):
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and less than 1; got {decay!r}.")
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0; got {warmup_steps!r}.")
        self.decay, self.warmup_steps = decay, warmup_steps
        self.averages = self.trained = None

    def on_train_begin(self, logs=None):
        self.variables = [v for v in self.model.weights if keras.backend.is_float_dtype(v.dtype)]
        self.averages, self.trained = copies(self.variables), None
        self.steps = self.batches = self.seen = 0
        self.program = compile_function(self.moved, Variables([]), donate=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = 0
        if self.trained is not None:
            self.put(self.trained)
            self.trained = None

    def on_train_batch_end(self, batch, logs=None):
        self.batches += batch + 1 - self.seen  # several at once with steps_per_execution
        self.seen = batch + 1
        optimizer = getattr(self._model.optimizer, "inner_optimizer", self._model.optimizer)
        steps = self.batches // (optimizer.gradient_accumulation_steps or 1)
        keep = math.prod(self.decay_at(step) for step in range(self.steps + 1, steps + 1))
        if steps > self.steps:
            self.averages = self.program([], self.averages, self.values(), ops.convert_to_tensor(1 - keep, "float32"))
            self.steps = steps

    def on_test_begin(self, logs=None):
        self.swap_in()

    def on_epoch_end(self, epoch, logs=None):
        self.swap_in()

    def on_train_end(self, logs=None):
        self.swap_in()
        self.averages = self.trained = None

    def decay_at(self, step):
        return self.decay * (1 - math.exp(-step / self.warmup_steps) if self.warmup_steps else 1)

    def moved(self, averages, values, share):
        return [a + (v - a) * ops.cast(share, a.dtype) for a, v in zip(averages, values, strict=True)]

    def values(self):
        """The weights of now. Under JAX they live in the trainer's loop; to ask for them would copy all its state."""
        model = self._model
        if keras.backend.backend() != "jax" or model._jax_state is None or model._jax_state_synced:
            return [v.value for v in self.variables]
        state = {}
        for name in ("trainable_variables", "non_trainable_variables"):
            variables, values = getattr(model, name), model._jax_state[name]
            state |= {id(v): value for v, value in zip(variables, values, strict=True)}
        return [state[id(v)] for v in self.variables]

    def swap_in(self):
        """Puts the averages into the model, unless they are there, and keeps what trains on."""
        if self.averages is not None and self.trained is None:
            _ = self.model  # under JAX gives the variables their values
            self.trained = copies(self.variables)
            self.put(self.averages)

    def put(self, values):
        _ = self.model
        for variable, value in zip(self.variables, copies(values), strict=True):  # JAX's loop gives its arrays away
            variable.assign(value)


def copies(tensors):
    return [ops.copy(ops.convert_to_tensor(x)) for x in tensors]
