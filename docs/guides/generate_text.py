"""Writing text with a language model: prompts, limits, samplers, seeds, streaming.

Run it with `KERAS_BACKEND=jax python docs/guides/generate_text.py` (or tensorflow, or torch). It needs no network: the
preset comes with the package.
"""

import keras
from keras import ops

from keras_nlp.models import CausalLM
from keras_nlp.samplers import Sampler, TopKSampler

# One line gives the network, its weights, the tokenizer and the preprocessor.
lm = CausalLM.from_preset("gpt2_tiny_en_prose")
print(f"{type(lm).__name__} with {lm.count_params():,} parameters on {keras.backend.backend()}")

# A string in, a string out. Prompts of unequal length may share a batch. The first call compiles, except under torch.
print("\nOne prompt:    ", lm.generate("Once upon a time", max_new_tokens=30, seed=1))
for text in lm.generate(["The king", "The old woman opened the door and"], max_new_tokens=30, seed=1):
    print("Of a batch:    ", text)

# The sampler chooses the next token: a name, or an object with arguments. A seed makes a draw repeatable.
print("Greedy:        ", lm.generate("The sea", max_new_tokens=30, sampler="greedy"))
sampler = TopKSampler(k=20, temperature=0.8)
first, second = (lm.generate("The sea", max_new_tokens=30, sampler=sampler, seed=7) for _ in range(2))
print("Top 20:        ", first)
assert first == second


# A sampler of one's own has one method. The compiled loop is found by its class and the values of its attributes.
class NearBest(Sampler):
    """A draw from the tokens that are at least `p` times as probable as the best one."""

    def __init__(self, p=0.1, temperature=1.0, seed=None):
        super().__init__(temperature, seed)
        self.p = p

    def get_next_token(self, probabilities):  # float32 (B, V) -> int (B,)
        least = self.p * ops.max(probabilities, axis=-1, keepdims=True)
        kept = ops.where(probabilities < least, 0.0, probabilities)
        return keras.random.categorical(ops.log(kept), 1, seed=self.seed_generator)[:, 0]

    def get_config(self):
        return super().get_config() | {"p": self.p}


print("A sampler more:", lm.generate("The sea", max_new_tokens=30, sampler=NearBest(p=0.1), seed=7))

# Streaming yields the continuation in pieces of whole characters, as it is written.
print("Streamed:       The sea", end="")
for piece in lm.stream("The sea", max_new_tokens=30, sampler=sampler, seed=7):
    print(piece, end="", flush=True)
print()

# A chat keeps its cache between turns, so that a turn costs only what is new.
chat = lm.session()
for turn in ("The king said:", " The queen said:"):
    print("In a session:  ", turn + chat.generate(turn, max_new_tokens=20, seed=1))

# Penalties come before any sampler, and beam search looks for the most probable text.
print("Penalised:     ", lm.generate("The sea", max_new_tokens=30, sampler="greedy", repetition_penalty=1.3))
print("Beams:         ", lm.generate("The sea", max_new_tokens=30, sampler="beam", no_repeat_ngram_size=3))

# How probable the model finds a text: the summed negative log-likelihood of its tokens.
texts = ["The king went to the sea.", "Sea the to went king the."]
losses = ops.convert_to_numpy(ops.sum(lm.score(texts, scoring_mode="loss"), axis=1))
print("\nNegative log-likelihood:")
for text, loss in zip(texts, losses, strict=True):
    print(f"  {loss:6.1f}  {text}")
