"""A folder with a GPT-2 of random weights, as KerasHub or this project saves it.

Usage: python tools/bench/saved.py keras_hub|native SHAPE FOLDER     (each with its own interpreter)
"""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

from rows import SHAPES

VOCABULARY = Path(__file__).parent.parent.parent / "presets/nlp/gpt2"
SIZES = {"n_layer": ("num_layers", 12), "n_head": ("num_heads", 12), "n_embd": ("hidden_dim", 768)}


def sizes(shape):
    found = {ours: SHAPES[shape].get(theirs, default) for theirs, (ours, default) in SIZES.items()}
    return found | {"vocabulary_size": 50257, "intermediate_dim": 4 * found["hidden_dim"], "max_sequence_length": 1024}


def write(library, shape, folder):
    if library == "keras_hub":
        from keras_hub.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
    else:
        from keras_nlp.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
    tokenizer = GPT2Tokenizer(str(VOCABULARY / "vocabulary.json"), str(VOCABULARY / "merges.txt"))
    preprocessor = GPT2CausalLMPreprocessor(tokenizer, sequence_length=1024)
    lm = GPT2CausalLM(backbone=GPT2Backbone(**sizes(shape)), preprocessor=preprocessor)
    lm.save_to_preset(str(folder))


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
