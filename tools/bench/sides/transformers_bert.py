"""transformers' BERT and sentence-transformers, on torch."""

from pathlib import Path
from time import perf_counter

import torch
import transformers

from sides import train_batches


class Training:
    """A classifier with the optimizer that transformers' own `Trainer` takes."""

    def __init__(self, folder, dtype):
        load = transformers.AutoModelForSequenceClassification.from_pretrained
        self.model = load(folder, dtype=getattr(torch, dtype)).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=5e-5, fused=True)

    def step(self, token_ids, labels):
        self.optimizer.zero_grad()
        loss = self.model(token_ids, attention_mask=torch.ones_like(token_ids), labels=labels).loss
        loss.backward()
        self.optimizer.step()
        return loss.item()


def load(folder, dtype, int8):
    if not Path(folder, "modules.json").exists():
        return Training(folder, dtype)
    import sentence_transformers

    return sentence_transformers.SentenceTransformer(folder, device="cpu")


def train(training, work):
    x, y = (torch.tensor(a, dtype=torch.int64) for a in train_batches(work, training.model.config.vocab_size))
    begin = perf_counter()
    for rows, labels in zip(x.split(work["rows"][0]), y.split(work["rows"][0]), strict=True):
        training.step(rows, labels)
    return {"seconds": (perf_counter() - begin) / work["steps"]}


def embed(embedder, work, texts):
    begin = perf_counter()
    vectors = embedder.encode(texts, show_progress_bar=False)
    return {"seconds": perf_counter() - begin, "digest": [round(float(x), 3) for x in vectors[:: len(texts) // 10, 0]]}
