"""Runs one contestant: tasks come as JSON lines on the standard input, answers go back as JSON lines.

Usage: python tools/bench/worker.py SIDE     (started by workers.py)
"""

import functools
import gc
import hashlib
import importlib
import json
import os
import platform
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sides import Missing

PACKAGES = (
    "keras",
    "jax",
    "tensorflow",
    "torch",
    "transformers",
    "sentence-transformers",
    "tokenizers",
    "keras-hub",
    "ctranslate2",
    "numpy",
    "keras-cv",
    "torchvision",
    "onnxruntime",
    "albumentations",
    "opencv-python-headless",
    "pillow",
    "ultralytics",
)


class Worker:
    def __init__(self, side):
        self.side = side
        load = getattr(side, "load", dict)
        self.models = functools.lru_cache(maxsize=2)(load)  # a row has at most two models of one contestant

    def versions(self):
        found = {"python": platform.python_version()}
        for package in PACKAGES:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                continue
        return found

    def forget(self):
        """Drops compiled programs, so that the next call compiles its own."""
        getattr(self.side, "forget", lambda: None)()
        self.models.cache_clear()
        gc.collect()
        return {}

    def run(self, work, folder, text):
        """Does the work once. The answer has `seconds`, `amount` (tokens, megabytes, images) and the result's digest.

        `text` is the path of what is read: English, or pictures.
        """
        function = getattr(self.side, work["kind"], None)
        if function is None:
            raise Missing(f"no {work['kind']}")
        if work["kind"].startswith("augment"):
            return {"amount": work["pictures"]} | function(text, work)
        if work["kind"].startswith("tokenize"):
            lines, megabytes = read(text, work["megabytes"])
            return {"amount": megabytes} | function(lines, Path(folder))
        if work["kind"] == "load_preset":
            return {"amount": 1} | function(Path(folder), work)
        model = self.models(folder, work["dtype"], work["int8"])
        if work["kind"] == "train":
            return {"amount": work["steps"]} | function(model, work)
        if work["kind"] == "embed":
            texts, _ = read(text, work["megabytes"])
            texts = texts[:: max(len(texts) // work["texts"], 1)][: work["texts"]]
            return {"amount": len(texts)} | function(model, work, texts)
        answer = function(model, work)
        rows = answer.pop("rows", None)
        if rows is not None:
            lengths = {len(row) for row in rows}
            if len(rows) != len(work["prompts"]) or lengths != {work["new"]}:
                raise RuntimeError(f"wrote {len(rows)} rows of {sorted(lengths)} tokens")
            answer["digest"] = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
        return {"amount": len(work["prompts"]) * work["new"]} | answer

    def bandwidth(self):
        return self.side.bandwidth()


def read(path, megabytes):
    """The first lines of a text, and how many megabytes they are."""
    text = Path(path).read_bytes()[: int(megabytes * 1e6)].decode("utf-8", errors="ignore")
    lines = text.splitlines()
    return lines, sum(len(line.encode()) for line in lines) / 1e6


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print; the answers have a channel of their own
    worker = Worker(importlib.import_module(f"sides.{sys.argv[1]}"))
    for line in sys.stdin:
        task = json.loads(line)
        try:
            answer = getattr(worker, task.pop("do"))(**task)
        except Missing as missing:
            answer = {"missing": str(missing)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
