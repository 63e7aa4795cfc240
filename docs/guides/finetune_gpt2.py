"""Fine-tuning on strings: from a preset to a model that writes in another manner, saved and loaded again.

Run it with `KERAS_BACKEND=jax python docs/guides/finetune_gpt2.py` (or tensorflow, or torch). It needs no network.
The data are a few sentences of one pattern, so that half a minute of a slow CPU is enough to see the effect.
"""

import tempfile
from pathlib import Path

import keras

from keras_nlp.models import CausalLM, CausalLMPreprocessor

PRESET = "gpt2_tiny_en_prose"

keras.utils.set_random_seed(0)
who = ["king", "queen", "miller", "old man", "youngest son", "fisherman"]
where = ["the sea", "the forest", "the mill", "the great hill"]
texts = [f"The {a} went to {b}, and there the {a} slept. The end." for a in who for b in where]

# Rows are cut and padded to sequence_length: a short one is cheaper. Everything else stays as the preset has it.
preprocessor = CausalLMPreprocessor.from_preset(PRESET, sequence_length=32)
lm = CausalLM.from_preset(PRESET, preprocessor=preprocessor)


def write():
    return lm.generate("The queen went to", max_new_tokens=24, sampler="greedy")


before = write()

# from_preset compiles for fine-tuning with Adam at 2e-5, right for a large model. So small a one bears more.
lm.compile(optimizer=keras.optimizers.Adam(1e-3))

# Strings go in as they are. The targets are the same text one token on, and padding has no weight.
# A tf.data.Dataset of string batches works in the same place.
history = lm.fit(texts, batch_size=8, epochs=4, validation_split=0.2, verbose=0).history

# The next call reads the new weights. Saving writes weights, configuration, tokenizer and preprocessor.
after = write()
with tempfile.TemporaryDirectory() as temporary:
    folder = Path(temporary) / "fairy_tales"
    lm.save_to_preset(folder)
    again = CausalLM.from_preset(folder)
    assert again.generate("The queen went to", max_new_tokens=24, sampler="greedy") == after
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

print("Loss by epoch:     ", " ".join(f"{loss:.3f}" for loss in history["loss"]))
print("Held-out accuracy: ", " ".join(f"{x:.3f}" for x in history["val_sparse_categorical_accuracy"]))
print("Before:            ", before)
print("After:             ", after)
print("Saved:             ", ", ".join(files))
