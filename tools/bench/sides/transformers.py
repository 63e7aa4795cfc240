"""transformers on torch, eager, as `model.generate` runs by default."""

from time import perf_counter

import torch
import transformers

from sides import Missing, padded, prompts

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def load(folder, dtype, int8):
    if int8:
        raise Missing("int8 is not compared")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).to(DEVICE).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


def generate(model, work):
    if work["sampler"] != "greedy":
        raise Missing("only greedy is compared")
    rows = prompts(work["prompts"])
    width = max(map(len, rows))
    token_ids, mask = (torch.tensor(x, dtype=torch.int64) for x in padded(rows, width, left=True))
    begin = perf_counter()
    with torch.inference_mode():
        outputs = model.generate(
            token_ids.to(DEVICE), attention_mask=mask.to(DEVICE), do_sample=False, max_new_tokens=work["new"]
        )
    rows = outputs[:, width:].tolist()
    return {"seconds": perf_counter() - begin, "rows": rows}


def bandwidth():
    """Bytes per second of the GPU's memory, read and written, in copies of 1 GiB; and the GPU's name."""
    if DEVICE == "cpu":
        raise Missing("torch sees no GPU")
    source = torch.empty(2**30, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    rounds = 20
    target.copy_(source)
    torch.cuda.synchronize()
    begin = perf_counter()
    for _ in range(rounds):
        target.copy_(source)
    torch.cuda.synchronize()
    return {"bytes": 2 * rounds * 2**30 / (perf_counter() - begin), "name": torch.cuda.get_device_name()}
