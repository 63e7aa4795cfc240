"""Adam's step in one pass over memory, under torch on a CPU."""

import types

import keras


def fuse(optimizer):
    """Lets Keras' Adam and AdamW call torch's fused kernel; whatever else is given stays as it is.

    Keras' own step under torch is ten passes over lists of tensors, each as large as the model: a quarter of a small
    model's training step on a CPU. The numbers are Keras', to rounding.
    """
    if keras.backend.backend() != "torch":
        return
    optimizer = innermost(optimizer)
    if type(optimizer) in {type(keras.optimizers.Adam()), type(keras.optimizers.AdamW())}:
        optimizer._parallel_update_step = types.MethodType(_step, optimizer)


def innermost(optimizer):
    """The optimizer itself where there is one around it that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _step(self, grads, variables, learning_rate):
    import torch

    numbers = [self._get_variable_index(variable) for variable in variables]
    lists = [
        [variable.value for variable in variables],
        list(grads),
        [self._momentums[i].value for i in numbers],
        [self._velocities[i].value for i in numbers],
    ]
    if not _alike(lists) or self.amsgrad:
        return type(self)._parallel_update_step(self, grads, variables, learning_rate)
    step = float(self.iterations) + 1
    # Keras adds epsilon to the root of what is not corrected for bias, torch to the root of what is.
    epsilon = self.epsilon / (1 - self.beta_2**step) ** 0.5
    torch._fused_adam_(
        *lists,
        [],
        [torch.tensor(step)] * len(variables),
        lr=float(learning_rate),
        beta1=self.beta_1,
        beta2=self.beta_2,
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )
    torch.autograd.graph.increment_version(lists[0])  # as every other change in place does, but not this kernel


def _alike(lists):
    """Whether the kernel may run over these as flat memory."""
    first = lists[0][0]
    return all(
        x.device.type == "cpu" and x.dtype == first.dtype and x.layout == first.layout and x.is_contiguous()
        for tensors in lists
        for x in tensors
    )
