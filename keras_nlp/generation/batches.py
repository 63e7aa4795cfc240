"""Long lists of prompts, a batch at a time; and what happens when a batch does not fit into memory."""

import warnings

from tqdm.auto import tqdm

OUT_OF_MEMORY = (
    "RESOURCE_EXHAUSTED",
    "ResourceExhausted",
    "out of memory",
    "can't allocate memory",
    "not enough memory",
)


def run(request, loop, batch_size, callback=None, verbose="auto"):
    """What was written for each of a request's rows, in their order.

    Rows of like length go together, the longest first, so that little is spent on padding and a batch too large shows
    at once. `callback(numbers, texts)` is called after each batch with the rows' numbers and what was written.
    """
    order = list(range(len(request.rows)))
    if len(order) > batch_size:
        order.sort(key=lambda i: -len(request.rows[i]))
    found = [None] * len(order)
    hidden = len(order) <= batch_size if verbose == "auto" else not verbose
    with tqdm(total=len(order), unit="prompt", disable=hidden or (None if verbose == "auto" else False)) as bar:
        first = 0
        while first < len(order):
            numbers = order[first : first + batch_size]
            texts = run_batch(request, numbers, loop, request.seed + first)
            if texts is None:
                batch_size = (len(numbers) + 1) // 2
                warnings.warn(
                    f"Memory ran out for a batch of {len(numbers)} prompts; going on with {batch_size} at a time. "
                    "Set batch_size to avoid the attempt.",
                    stacklevel=2,
                )
                continue
            for i, text in zip(numbers, texts, strict=True):
                found[i] = text
            if callback is not None:
                callback(numbers, [found[i] for i in numbers])
            bar.update(len(numbers))
            first += len(numbers)
    return found


def run_batch(request, numbers, loop, seed):
    """What was written for one batch, None where there was not enough memory for it."""
    try:
        return request.part(numbers, seed).finish(loop)
    except Exception as error:  # each backend has classes of its own for this
        if len(numbers) == 1 or not is_out_of_memory(error):
            raise
    return None


def is_out_of_memory(error):
    return isinstance(error, MemoryError) or any(sign in repr(error) for sign in OUT_OF_MEMORY)
