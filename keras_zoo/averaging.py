"""A callback that averages the weights of a training over its steps."""

import math
import os
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_zoo.compiled import Variables, compile_function
from keras_zoo.fused import innermost


class WeightsEMA(keras.callbacks.Callback):
    """Keeps an exponential moving average of all weights, evaluates it, and leaves it in the model.

    After each step of the optimizer `average += (1 - d) * (weights - average)`, where `d = decay * (1 - exp(-steps /
    warmup_steps))`: at first the average follows the weights, later it looks back over about `1 / (1 - decay)` steps.
    Averaged are all weights in floating point, the statistics of batch normalisation among them, so that they fit.
    Keras' own averages, `use_ema` of its optimizers, have a constant decay and leave the statistics out.

    From validation, or the end of an epoch, until the next epoch begins, and after the training, the model's weights
    are the averages. So validation, and callbacks at the end of an epoch that come after this one, such as
    `ModelCheckpoint` and `EarlyStopping`, see them. So does `BackupAndRestore`, which therefore does not have what a
    training goes on with after an interruption: give `backup_dir` as well, and put this callback behind it.

    ```python
    callbacks = [keras.callbacks.BackupAndRestore("backup"), WeightsEMA(backup_dir="backup")]
    ```

    Args:
        decay: from 0 to less than 1, what the average keeps of itself at a step.
        warmup_steps: steps of the optimizer over which the decay rises to 63 % of `decay`; 0 for a constant decay.
        backup_dir: a folder in which the averages, and the weights that train on, are kept at the end of each epoch
            until the training ends. `fit` goes on with them where it finds the optimizer at that step, as
            `BackupAndRestore` leaves it. Without it the averages start anew with each `fit`.
    """

    def __init__(self, decay=0.9999, warmup_steps=2000, backup_dir=None):
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and less than 1; got {decay!r}.")
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0; got {warmup_steps!r}.")
        self.decay, self.warmup_steps = decay, warmup_steps
        self.backup = None if backup_dir is None else Path(backup_dir) / "averages.npz"
        self.averages = self.trained = None

    def on_train_begin(self, logs=None):
        self.variables = [v for v in self.model.weights if keras.backend.is_float_dtype(v.dtype)]
        self.averages, self.trained = copies(self.variables), None
        self.steps = self.batches = self.seen = 0
        self.program = compile_function(self.moved, Variables([]), donate=True)
        if self.backup is not None and self.backup.exists():
            self.restore()

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = 0
        if self.trained is not None:
            self.put(self.trained)
            self.trained = None

    def on_train_batch_end(self, batch, logs=None):
        self.batches += batch + 1 - self.seen  # several at once with steps_per_execution
        self.seen = batch + 1
        optimizer = innermost(self._model.optimizer)
        steps = self.batches // (optimizer.gradient_accumulation_steps or 1)
        keep = math.prod(self.decay_at(step) for step in range(self.steps + 1, steps + 1))
        if steps > self.steps:
            self.averages = self.program([], self.averages, self.values(), ops.convert_to_tensor(1 - keep, "float32"))
            self.steps = steps

    def on_test_begin(self, logs=None):
        self.swap_in()

    def on_epoch_end(self, epoch, logs=None):
        self.swap_in()
        if self.backup is not None:
            self.save()

    def on_train_end(self, logs=None):
        self.swap_in()
        self.averages = self.trained = None
        if self.backup is not None:
            self.backup.unlink(missing_ok=True)

    def save(self):
        """Writes what `restore` needs, whole or not at all."""
        counts = {"iterations": self.iterations(), "steps": self.steps, "batches": self.batches}
        lists = {"average": self.averages, "trained": self.trained}
        arrays = {f"{name}_{i}": as_numpy(x) for name, values in lists.items() for i, x in enumerate(values)}
        self.backup.parent.mkdir(parents=True, exist_ok=True)
        part = self.backup.with_suffix(".part")
        with open(part, "wb") as file:
            np.savez(file, **counts, **arrays)
        os.replace(part, self.backup)

    def restore(self):
        """Goes on with what `save` has written, if the training itself goes on from there."""
        with np.load(self.backup) as file:
            if int(file["iterations"]) != self.iterations():
                return warnings.warn(
                    f"{self.backup} is of step {int(file['iterations'])} of the optimizer, which is at "
                    f"{self.iterations()}: the averages start anew. WeightsEMA has to come after BackupAndRestore.",
                    stacklevel=2,
                )
            self.steps, self.batches = int(file["steps"]), int(file["batches"])
            averages, trained = (
                [file[f"{name}_{i}"] for i in range(len(self.variables))] for name in ("average", "trained")
            )
        self.averages = [ops.convert_to_tensor(x, v.dtype) for x, v in zip(averages, self.variables, strict=True)]
        self.put(trained)

    def iterations(self):
        """The steps of the optimizer since its beginning."""
        return int(ops.convert_to_numpy(self.model.optimizer.iterations))

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


def as_numpy(x):
    """An array that NumPy can write: of bfloat16 it cannot."""
    x = ops.convert_to_numpy(x)
    return x.astype("float32") if x.dtype.itemsize == 2 else x


def copies(tensors):
    return [ops.copy(ops.convert_to_tensor(x)) for x in tensors]
