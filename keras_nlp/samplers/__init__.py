"""How the next token is chosen from the model's distribution."""

import keras

from keras_nlp.samplers.processors import (
    BadTokens,
    FrequencyPenalty,
    MinNewTokens,
    NoRepeatNGram,
    PresencePenalty,
    RepetitionPenalty,
)
from keras_nlp.samplers.sampler import DrawingSampler, GreedySampler, RandomSampler, Sampler
from keras_nlp.samplers.searching import BeamSampler, ContrastiveSampler
from keras_nlp.samplers.truncating import MinPSampler, TopKSampler, TopPSampler, TypicalSampler

__all__ = [
    "BadTokens",
    "BeamSampler",
    "ContrastiveSampler",
    "DrawingSampler",
    "FrequencyPenalty",
    "GreedySampler",
    "MinNewTokens",
    "MinPSampler",
    "NoRepeatNGram",
    "PresencePenalty",
    "RandomSampler",
    "RepetitionPenalty",
    "Sampler",
    "TopKSampler",
    "TopPSampler",
    "TypicalSampler",
    "get",
]

BY_NAME = {
    "greedy": GreedySampler,
    "random": RandomSampler,
    "top_k": TopKSampler,
    "top_p": TopPSampler,
    "min_p": MinPSampler,
    "typical": TypicalSampler,
    "beam": BeamSampler,
    "contrastive": ContrastiveSampler,
}


def get(sampler):
    """A sampler from its name, such as `"greedy"` or `"top_p"`, its serialised form, or itself."""
    if isinstance(sampler, Sampler):
        return sampler
    if isinstance(sampler, dict):
        return keras.saving.deserialize_keras_object(sampler)
    if isinstance(sampler, str) and sampler in BY_NAME:
        return BY_NAME[sampler]()
    raise ValueError(f"Unknown sampler {sampler!r}; give one of {sorted(BY_NAME)} or a keras_nlp.samplers.Sampler.")
