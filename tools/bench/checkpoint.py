"""The checkpoint that all contestants load: a GPT-2 with random weights, as transformers saves it.

Usage: python tools/bench/checkpoint.py SHAPE DTYPE FOLDER     (with transformers and torch)
"""

import shutil
import sys
from pathlib import Path

import torch
import transformers
from rows import SHAPES

VOCABULARY = Path(__file__).parent.parent.parent / "presets/nlp/gpt2"


def write(shape, dtype, folder):
    torch.manual_seed(0)
    config = transformers.GPT2Config(**SHAPES[shape], initializer_range=0.02)
    model = transformers.GPT2LMHeadModel(config).eval()
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    shutil.copy(VOCABULARY / "vocabulary.json", folder / "vocab.json")
    shutil.copy(VOCABULARY / "merges.txt", folder / "merges.txt")


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
