"""How the next token is chosen from the model's distribution."""

import keras

from keras_nlp.samplers.sampler import GreedySampler, RandomSampler, Sampler, TopKSampler

__all__ = ["GreedySampler", "RandomSampler", "Sampler", "TopKSampler", "get"]

BY_NAME = {"greedy": GreedySampler, "random": RandomSampler, "top_k": TopKSampler}


def get(sampler):
    """A sampler from its name (`"greedy"`, `"random"`, `"top_k"`), its serialised form, or itself."""
    if isinstance(sampler, Sampler):
        return sampler
    if isinstance(sampler, dict):
        return keras.saving.deserialize_keras_object(sampler)
    if sampler in BY_NAME:
        return BY_NAME[sampler]()
    raise ValueError(f"Unknown sampler {sampler!r}; give one of {sorted(BY_NAME)} or a keras_nlp.samplers.Sampler.")
