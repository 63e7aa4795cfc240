"""The checkpoint that all contestants load: a GPT-2 or a BERT with random weights, as transformers saves it.

Usage: python tools/bench/checkpoint.py SHAPE DTYPE FOLDER     (with transformers and torch)
"""

import shutil
import sys
from pathlib import Path

import sides  # noqa: F401  before torchvision is imported
import torch
import transformers
from rows import BERT_SHAPES, SHAPES

VOCABULARY = Path(__file__).parent.parent.parent / "presets/nlp"


def write(shape, dtype, folder):
    torch.manual_seed(0)
    if shape in BERT_SHAPES:
        return write_bert(shape, folder)
    config = transformers.GPT2Config(**SHAPES[shape], initializer_range=0.02)
    model = transformers.GPT2LMHeadModel(config).eval()
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    shutil.copy(VOCABULARY / "gpt2/vocabulary.json", folder / "vocab.json")
    shutil.copy(VOCABULARY / "gpt2/merges.txt", folder / "merges.txt")


def write_bert(shape, folder):
    config = transformers.BertConfig(**BERT_SHAPES[shape])
    embeds = shape == "minilm"
    model = transformers.BertModel(config) if embeds else transformers.BertForSequenceClassification(config)
    model.save_pretrained(folder)
    tokens = (VOCABULARY / "bert/vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer = transformers.BertTokenizer({token: i for i, token in enumerate(tokens)}, model_max_length=256)
    tokenizer.save_pretrained(folder)
    if embeds:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.models import Normalize, Pooling, Transformer

        encoder = Transformer(str(folder), max_seq_length=256)
        SentenceTransformer(modules=[encoder, Pooling(config.hidden_size), Normalize()]).save(str(folder))


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
