"""Samplers that stand for a search over several texts or candidates; `keras_nlp.generation` has the searches."""

from keras_nlp.generation.beam import BeamLoop
from keras_nlp.generation.contrastive import ContrastiveLoop
from keras_nlp.samplers.sampler import INFINITY, Sampler, check
from keras_nlp.samplers.truncating import is_whole
from keras_zoo.config import serializable


@serializable
class BeamSampler(Sampler):
    """Beam search: the most probable texts among `num_beams` that are followed at a time.

    Args:
        num_beams: texts followed for each prompt.
        length_penalty: finished texts are compared by log-probability / length ** length_penalty: above 0 favours
            long ones, below 0 short ones.
        return_all_beams: `generate` returns a list of all beams for each prompt, the best first.
    """

    loop_class = BeamLoop

    def __init__(self, num_beams=5, return_all_beams=False, length_penalty=1.0, temperature=1.0, seed=None):
        check("num_beams", num_beams, is_whole(num_beams) and num_beams >= 1, "a whole number of at least 1")
        check("length_penalty", length_penalty, abs(length_penalty) < INFINITY, "a finite number")
        super().__init__(temperature, seed)
        self.num_beams = num_beams
        self.return_all_beams = return_all_beams
        self.length_penalty = float(length_penalty)

    def get_config(self):
        names = ("num_beams", "return_all_beams", "length_penalty")
        return super().get_config() | {name: getattr(self, name) for name in names}


@serializable
class ContrastiveSampler(Sampler):
    """Contrastive search: of the `k` most probable tokens the one with the largest
    (1 - alpha) x probability - alpha x likeness, where likeness is the largest cosine between the token's hidden
    state and those of the text so far (Su et al., 2022)."""

    loop_class = ContrastiveLoop

    def __init__(self, k=5, alpha=0.6, seed=None, temperature=1.0):
        check("k", k, is_whole(k) and k >= 1, "a whole number of at least 1")
        check("alpha", alpha, 0 <= alpha <= 1, "between 0 and 1")
        super().__init__(temperature, seed)
        self.k = k
        self.alpha = alpha

    def get_config(self):
        return super().get_config() | {"k": self.k, "alpha": self.alpha}
