"""KerasHub, on the backend that KERAS_BACKEND names."""

from time import perf_counter

import keras
import keras_hub

from sides import Missing, loading, padded, prompts


def load(folder, dtype, int8):
    backbone = keras_hub.models.GPT2Backbone.from_preset(folder, dtype=dtype)
    lm = keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=None)
    if int8:
        lm.quantize("int8")
    lm.compile(sampler="greedy")
    return lm


def load_preset(folder, work):
    return loading.timed(lambda: keras_hub.models.GPT2CausalLM.from_preset(str(folder), dtype=work["dtype"]).backbone)


def forget():
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()


def generate(lm, work):
    """All rows are written up to one common length, so that unequal prompts get their tokens; only those count."""
    if work["sampler"] != "greedy":
        raise Missing("only greedy is compared")
    rows = prompts(work["prompts"])
    token_ids, padding_mask = padded(rows, max(map(len, rows)) + work["new"])
    begin = perf_counter()
    outputs = lm.generate({"token_ids": token_ids, "padding_mask": padding_mask}, stop_token_ids=None)
    seconds = perf_counter() - begin
    texts = zip(outputs["token_ids"].tolist(), rows, strict=True)
    return {"seconds": seconds, "rows": [ids[len(row) : len(row) + work["new"]] for ids, row in texts]}


def compilations(lm, work):
    """The most that a call with another length costs at its first time over its second."""
    forget()
    lm.compile(sampler="greedy")
    timed_length(lm, *work["calls"][0])
    extra = [timed_length(lm, *call) - timed_length(lm, *call) for call in work["calls"][1:]]
    return {"seconds": max(extra)}


def timed_length(lm, prompt, max_length):
    token_ids, padding_mask = padded(prompts([prompt]), max_length)
    begin = perf_counter()
    lm.generate({"token_ids": token_ids, "padding_mask": padding_mask}, stop_token_ids=None)
    return perf_counter() - begin


def tokenize_dataset(lines, folder):
    import tensorflow as tf

    tokenizer = keras_hub.tokenizers.BytePairTokenizer(
        vocabulary=str(folder / "vocab.json"), merges=str(folder / "merges.txt")
    )
    dataset = tf.data.Dataset.from_tensor_slices(lines).batch(256)
    dataset = dataset.map(tokenizer, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    begin = perf_counter()
    count = sum(int(batch.flat_values.shape[0]) for batch in dataset)
    return {"seconds": perf_counter() - begin, "digest": count}
