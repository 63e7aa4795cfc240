"""A checkpoint of the transformers library: loaded, compared, and written back.

Run it with `KERAS_BACKEND=jax python docs/guides/transformers_checkpoint.py` (or tensorflow, or torch). It needs the
packages transformers and torch, and no network: the checkpoint is a small random GPT-2, saved by transformers itself.
A folder downloaded by hand, or `hf://owner/name`, is loaded by the same line.
"""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import keras
import numpy as np
import torch
import transformers

from keras_nlp.models import CausalLM, Tokenizer

temporary = tempfile.TemporaryDirectory()
theirs_folder, ours_folder = Path(temporary.name) / "theirs", Path(temporary.name) / "ours"

# A whole transformers folder: config.json, model.safetensors and the tokenizer's files. The vocabulary of 50,257 tokens
# comes with this package; only the weights are made up.
torch.manual_seed(0)
config = transformers.GPT2Config(n_embd=64, n_layer=2, n_head=4, n_positions=128)
theirs = transformers.GPT2LMHeadModel(config).eval()
theirs.save_pretrained(theirs_folder)
tokenizer = Tokenizer.from_preset("gpt2_base_en")
merges = [tuple(merge.split(" ")) for merge in tokenizer.merges]
their_tokenizer = transformers.GPT2Tokenizer(vocab=tokenizer.vocabulary, merges=merges)
their_tokenizer.save_pretrained(theirs_folder)

# The layout is recognised from config.json, and the base class finds the family by itself.
lm = CausalLM.from_preset(theirs_folder)

# The same logits for the same tokens.
token_ids = np.array(lm.preprocessor.tokenizer(["Hello there, world"]))
ours_logits = keras.ops.convert_to_numpy(lm({"token_ids": token_ids, "padding_mask": np.ones_like(token_ids)}))
their_logits = theirs(torch.tensor(token_ids)).logits.detach().numpy()
difference = np.abs(ours_logits - their_logits).max()
assert difference < 1e-4

# The same greedy text. A transformers folder gets no start token unless its tokenizer_config.json asks for one.
ours_text = lm.generate("Hello there", max_new_tokens=12, sampler="greedy")
prompt = their_tokenizer("Hello there", return_tensors="pt")
their_ids = theirs.generate(**prompt, max_new_tokens=12, do_sample=False, pad_token_id=0)[0]
assert ours_text == their_tokenizer.decode(their_ids, skip_special_tokens=True)

# And back: what is written here, transformers loads, tokenizer included, with the same weights to the last bit.
lm.save_to_preset(ours_folder, format="transformers")
again = transformers.AutoModelForCausalLM.from_pretrained(ours_folder).eval()
again_tokenizer = transformers.AutoTokenizer.from_pretrained(ours_folder)
state, expected = again.state_dict(), theirs.state_dict()
assert set(state) == set(expected) and all(torch.equal(state[name], expected[name]) for name in expected)
assert again_tokenizer("Hello there, world")["input_ids"] == token_ids[0].tolist()

print(f"Loaded as:          {type(lm).__name__} on {keras.backend.backend()}")
print(f"Largest difference: {difference:.1e} between logits up to {np.abs(their_logits).max():.2f}")
print(f"Greedy text, both:  {ours_text!r}")
print(f"Written back:       {', '.join(sorted(path.name for path in ours_folder.iterdir()))}")
temporary.cleanup()
