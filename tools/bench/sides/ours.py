"""This project, on the backend that KERAS_BACKEND names."""

import functools
from time import perf_counter

import keras

from keras_nlp import samplers
from keras_nlp.models import BertTokenizer, GPT2Backbone, GPT2CausalLM, GPT2Tokenizer
from sides import PROMPT, loading, padded, prompts

BATCH = 256  # lines to a batch, for tokenizers


def load(folder, dtype, int8):
    lm = GPT2CausalLM.from_preset(folder, dtype=dtype)
    if int8:
        lm.quantize("int8")
    return lm


def load_preset(folder, work):
    return loading.timed(lambda: GPT2CausalLM.from_preset(folder, dtype=work["dtype"]).backbone)


def forget():
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()


def sampler(name):
    return samplers.BeamSampler(num_beams=4) if name == "beam_4" else samplers.get(name)


@functools.cache
def draft(vocabulary_size):
    """A model of two small layers with random weights, whose guesses a large one checks."""
    keras.utils.set_random_seed(0)
    backbone = GPT2Backbone(vocabulary_size, num_layers=2, num_heads=4, hidden_dim=256, intermediate_dim=1024)
    return GPT2CausalLM(backbone)


def generate(lm, work):
    rows = prompts(work["prompts"])
    token_ids, padding_mask = padded(rows, max(map(len, rows)))
    inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
    options = {"max_new_tokens": work["new"], "stop_token_ids": None, "sampler": sampler(work["sampler"])}
    if work["draft"]:
        options["draft"] = draft(lm.backbone.vocabulary_size)
    begin = perf_counter()
    outputs = lm.generate(inputs, **options)
    seconds = perf_counter() - begin
    texts = zip(outputs["token_ids"], outputs["padding_mask"], rows, strict=True)
    return {"seconds": seconds, "rows": [ids[mask.astype(bool)].tolist()[len(row) :] for ids, mask, row in texts]}


def prompt_text(lm, work):
    """The given number of tokens of English, as text."""
    tokenizer = lm.preprocessor.tokenizer
    (length,) = work["prompts"]
    text = tokenizer.detokenize(tokenizer.tokenize(PROMPT)[:length])
    assert len(tokenizer.tokenize(text)) == length
    return text


def generate_text(lm, work):
    text = prompt_text(lm, work)
    begin = perf_counter()
    written = lm.generate(text, max_new_tokens=work["new"], stop_token_ids=None, strip_prompt=True, sampler="greedy")
    return {"seconds": perf_counter() - begin, "digest": written}


def stream(lm, work):
    text = prompt_text(lm, work)
    pieces, first = [], None
    begin = perf_counter()
    for piece in lm.stream(text, max_new_tokens=work["new"], stop_token_ids=None, sampler="greedy"):
        first = first or perf_counter() - begin
        pieces.append(piece)
    seconds = perf_counter() - begin
    return {"seconds": seconds, "digest": "".join(pieces), "note": f"first piece after {first:.3f} s"}


def compilations(lm, work):
    """The most that a call with another length costs at its first time over its second, and what was compiled."""
    forget()
    lm.compile(sampler="greedy")
    loop = lm.loop(samplers.get("greedy"))
    timed_length(lm, *work["calls"][0])
    before = loop.traces
    extra = [timed_length(lm, *call) - timed_length(lm, *call) for call in work["calls"][1:]]
    return {"seconds": max(extra), "note": f"{loop.traces - before} programs compiled in {len(extra)} new lengths"}


def timed_length(lm, prompt, max_length):
    token_ids, padding_mask = padded(prompts([prompt]), prompt)
    begin = perf_counter()
    lm.generate(
        {"token_ids": token_ids, "padding_mask": padding_mask},
        max_length=max_length,
        stop_token_ids=None,
        sampler="greedy",
    )
    return perf_counter() - begin


def tokenizer(folder):
    return GPT2Tokenizer(vocabulary=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))


def tokenize_dataset(lines, folder):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(lines).batch(BATCH)
    dataset = dataset.map(tokenizer(folder), num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    begin = perf_counter()
    count = sum(int(batch.flat_values.shape[0]) for batch in dataset)
    return {"seconds": perf_counter() - begin, "digest": count}


def tokenize_engine(lines, folder):
    return engine_alone(tokenizer(folder).engine, lines)


def engine_alone(engine, lines):
    """The Rust library that our tokenizers run on, called directly."""
    count = 0
    begin = perf_counter()
    for i in range(0, len(lines), BATCH):
        encodings = engine.encode_batch_fast(lines[i : i + BATCH], add_special_tokens=False)
        count += sum(len(encoding.ids) for encoding in encodings)
    return {"seconds": perf_counter() - begin, "digest": count}


@functools.cache
def word_pieces():
    return BertTokenizer.from_preset("bert_base_en_uncased")


def tokenize_words(lines, folder):
    tokenizer, count = word_pieces(), 0
    begin = perf_counter()
    for i in range(0, len(lines), BATCH):
        count += sum(map(len, tokenizer(lines[i : i + BATCH])))
    return {"seconds": perf_counter() - begin, "digest": count}


def tokenize_words_engine(lines, folder):
    return engine_alone(word_pieces().engine, lines)
