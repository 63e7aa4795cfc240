"""The contestants. Each module loads the shared checkpoint and does the work of a row, one function a kind.

`load(folder, dtype, int8)` gives the model. A function `kind(model, work)` returns a dictionary with `seconds`, and
`rows`, the new tokens alone, where tokens are written. A kind that a module lacks is skipped.
"""

import random
import sys
import types
from time import perf_counter

import numpy as np

# torchvision's compiled operators may not fit this torch; transformers, too, imports what is left of it.
sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("stub"))

PROMPT = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a "
    "wife. However little known the feelings or views of such a man may be on his first entering a neighbourhood"
)
RESNET_50 = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 128, 256, 512],
    "stackwise_num_blocks": [3, 4, 6, 3],
    "stackwise_num_strides": [1, 2, 2, 2],
    "block_type": "bottleneck_block",
}
ORDINARY_TOKENS = 50256  # GPT-2's end token has this id, and all others lie below


class Missing(Exception):
    """The contestant has no such feature."""


def prompts(lengths):
    """Random token ids, the same for every contestant."""
    generator = random.Random(0)
    return [[generator.randrange(ORDINARY_TOKENS) for _ in range(length)] for length in lengths]


def padded(rows, width, left=False):
    """`(token_ids, mask)`, int32 `(B, width)`."""
    token_ids, mask = np.zeros((2, len(rows), width), "int32")
    for i, row in enumerate(rows):
        place = slice(width - len(row), None) if left else slice(len(row))
        token_ids[i, place], mask[i, place] = row, 1
    return token_ids, mask


def train_batches(work, vocabulary_size):
    """`(token_ids, labels)` of all steps in a row, the same for every contestant."""
    batch, length = work["rows"]
    random = np.random.default_rng(0)
    size = batch * work["steps"]
    return random.integers(0, vocabulary_size, (size, length)).astype("int32"), random.integers(0, 2, size).astype(
        "int32"
    )


def train_images(classifier, work):
    """Trains on random square images; seconds of a step."""
    batch, side = work["rows"]
    random, count = np.random.default_rng(0), batch * work["steps"]
    x, y = random.random((count, side, side, 3), "float32"), random.integers(0, classifier.num_classes, count)
    begin = perf_counter()
    classifier.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
    return {"seconds": (perf_counter() - begin) / work["steps"]}


def run_images(function, work, channels_last=True):
    """Calls `function` with one batch of random square images, again and again; seconds of a call."""
    batch, side = work["rows"]
    x = np.random.default_rng(0).random((batch, side, side, 3), "float32")
    x = x if channels_last else np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    begin = perf_counter()
    for _ in range(work["steps"]):
        function(x)
    return {"seconds": (perf_counter() - begin) / work["steps"]}
