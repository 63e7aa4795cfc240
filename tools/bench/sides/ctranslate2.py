"""CTranslate2 on the CPU, all cores for one batch."""

import os
from pathlib import Path
from time import perf_counter

import ctranslate2

from sides import Missing, prompts


def load(folder, dtype, int8):
    import json

    converted = Path(folder) / "ctranslate2"
    if not (converted / "model.bin").exists():
        ctranslate2.converters.TransformersConverter(folder).convert(str(converted), force=True)
    generator = ctranslate2.Generator(
        str(converted),
        device="cpu",
        compute_type="int8" if int8 else dtype,
        inter_threads=1,
        intra_threads=len(os.sched_getaffinity(0)),
    )
    ids = json.loads((Path(folder) / "vocab.json").read_text(encoding="utf-8"))
    return generator, {i: token for token, i in ids.items()}


def generate(model, work):
    if work["sampler"] != "greedy":
        raise Missing("only greedy is compared")
    generator, tokens = model
    rows = [[tokens[i] for i in row] for row in prompts(work["prompts"])]
    begin = perf_counter()
    results = generator.generate_batch(
        rows,
        max_length=work["new"],
        beam_size=1,
        sampling_topk=1,
        end_token=[],
        include_prompt_in_result=False,
    )
    rows = [result.sequences_ids[0] for result in results]
    return {"seconds": perf_counter() - begin, "rows": rows}
