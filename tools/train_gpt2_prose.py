"""Trains the embedded preset `gpt2_tiny_en_prose`: a small GPT-2 with its own vocabulary, on public-domain prose.

Usage: KERAS_BACKEND=torch python tools/train_gpt2_prose.py WORK_FOLDER [--steps 2600]

Fetches the texts (tools/prose/corpus.py), trains the vocabulary, then the network: about an hour on two idle cores, on
which torch is the fastest backend for it. A checkpoint is kept every 200 steps; run again, it goes on from there.
Writes presets/embedded/gpt2_tiny_en_prose with weights in float16, the held-out perplexity in its card.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import keras
import numpy as np
import tokenizers as rust

from keras_nlp.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
from keras_nlp.tokenizers.byte_pair_tokenizer import merges_of
from keras_zoo import WarmUpDecay

sys.path.insert(0, str(Path(__file__).parent / "prose"))
import corpus

NAME = "gpt2_tiny_en_prose"
TARGET = Path(__file__).parents[1] / "presets" / "embedded" / NAME
VOCABULARY, CONTEXT, BATCH = 4096, 256, 16
PEAK_RATE, WARM_UP = 2e-3, 100
PROMPTS = ("Once upon a time there was a king who", "She opened the letter, and", "The Lord said to him,")


def train_tokenizer(texts):
    """Byte-level BPE with the texts' most frequent merges; `<|endoftext|>` is token 0."""
    engine = rust.Tokenizer(rust.models.BPE())
    engine.pre_tokenizer = rust.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = rust.trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(rust.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    return GPT2Tokenizer(engine.get_vocab(), merges_of(engine))


class Windows(keras.utils.PyDataset):
    """All documents in a row, `<|endoftext|>` between, cut into windows; reshuffled each epoch."""

    def __init__(self, documents, separator, seed=0):
        super().__init__()
        self.documents, self.separator = documents, separator
        self.random = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return len(self.inputs) // BATCH

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return {"token_ids": self.inputs[rows], "padding_mask": np.ones_like(self.inputs[rows])}, self.targets[rows]

    def on_epoch_end(self):
        order = self.random.permutation(len(self.documents))
        stream = np.concatenate([[self.separator, *self.documents[i]] for i in order]).astype("int32")
        count = (len(stream) - 1) // CONTEXT
        windows = self.random.permutation(count)
        self.inputs = stream[: count * CONTEXT].reshape(count, CONTEXT)[windows]
        self.targets = stream[1 : count * CONTEXT + 1].reshape(count, CONTEXT)[windows]


def train(lm, data, steps, checkpoint):
    rate = WarmUpDecay(PEAK_RATE, steps, WARM_UP)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.1, beta_2=0.95, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "embeddings"])
    lm.compile(optimizer, weighted_metrics=[], jit_compile="auto" if keras.backend.backend() == "jax" else False)
    backup = keras.callbacks.BackupAndRestore(checkpoint, save_freq=200, delete_checkpoint=False)
    epochs = math.ceil(steps / len(data))
    lm.fit(data, epochs=epochs, steps_per_epoch=min(steps, len(data)), callbacks=[backup, StopAt(steps)], verbose=2)


class StopAt(keras.callbacks.Callback):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) >= self.steps:
            self.model.stop_training = True


def perplexity(lm, documents, separator):
    """exp of the mean loss a token over the held-out documents."""
    loss = lm.evaluate(Windows(documents, separator), verbose=0, return_dict=True)["loss"]
    return math.exp(loss)


def card(lm, held_out_perplexity, sizes, steps):
    samples = "\n\n".join(
        f"> **{prompt}**{lm.generate(prompt, max_new_tokens=80, seed=1, strip_prompt=True)}".replace("\n\n", "\n>\n> ")
        for prompt in PROMPTS
    )
    return f"""# {NAME}

A GPT-2 of {lm.count_params():,} parameters (4 layers, 256 wide, a context of {CONTEXT} tokens) with a byte-pair
vocabulary of {VOCABULARY:,} entries, trained from scratch on public-domain English prose by
`tools/train_gpt2_prose.py`. It is here so that everything works without a network; its sentences are English, its
stories make no sense.

```python
import keras_nlp

lm = keras_nlp.models.CausalLM.from_preset("{NAME}")
lm.generate("Once upon a time", max_new_tokens=60)
```

- **Training text**: {sizes[0]:,} characters: the World English Bible, six novels by Jane Austen, tales of Grimm and
  Andersen, and Botchan by Natsume Sōseki; {steps} steps of {BATCH} x {CONTEXT} tokens.
- **Held-out perplexity**: {held_out_perplexity:.1f} a token on {sizes[1]:,} characters of chapters, tales and passages
  (every {corpus.HELD_OUT_EVERY}th) that it has not seen.
- **Weights**: float16. **Licence**: Apache-2.0; the texts are in the public domain.

Samples, with the default sampler:

{samples}
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("work", type=Path)
    arguments.add_argument("--steps", type=int, default=2600)
    arguments = arguments.parse_args()
    keras.utils.set_random_seed(0)

    train_texts, held_out_texts = corpus.build(arguments.work)
    tokenizer = train_tokenizer(train_texts)
    separator = tokenizer.end_token_id
    backbone = GPT2Backbone(VOCABULARY, 4, 8, 256, 1024, dropout=0.0, max_sequence_length=CONTEXT)
    lm = GPT2CausalLM(backbone)
    data = Windows(tokenizer.tokenize(train_texts), separator)
    train(lm, data, arguments.steps, arguments.work / "checkpoint")
    finish(lm, tokenizer, train_texts, held_out_texts, arguments.steps)


def finish(lm, tokenizer, train_texts, held_out_texts, steps):
    """Measures, then writes the preset and its card."""
    value = perplexity(lm, tokenizer.tokenize(held_out_texts), tokenizer.end_token_id)
    print(f"held-out perplexity {value:.2f}")
    lm = GPT2CausalLM(lm.backbone, GPT2CausalLMPreprocessor(tokenizer, CONTEXT))
    sizes = [sum(map(len, texts)) for texts in (train_texts, held_out_texts)]
    record = {
        "description": "A small GPT-2 that writes English prose; embedded, needs no network.",
        "family": "gpt2",
        "class_name": "GPT2CausalLM",
        "parameters": lm.count_params(),
        "license": "Apache-2.0",
        "metrics": {"held_out_perplexity": round(value, 2)},
    }
    lm.save_to_preset(TARGET, weights_dtype="float16", record=record)
    (TARGET / "README.md").write_text(card(lm, value, sizes, steps), encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
