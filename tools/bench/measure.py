"""Measuring one row: who takes part, whose turn it is, and that all compute the same."""

import subprocess
from dataclasses import asdict, replace

from rows import CONTESTANTS, RANDOM, SAVED, YOLO_SHAPES, Work
from workers import HERE, Missing, Worker, WorkerError

CHECK = Work(prompts=(8, 8), new=16)
LONGEST = 60  # seconds of a call, above which a row in half precision is cut down
FEW_PROMPT, FEW = 8, 4  # to so many tokens


class Bench:
    """The workers, the checkpoints and the measuring of one row after another.

    Args:
        pythons: the interpreters by the names of `rows.INTERPRETERS`.
        scratch: a folder for checkpoints and logs, kept between runs.
        caches: a folder for compilation caches, which must be empty.
    """

    def __init__(self, pythons, scratch, caches, rounds, gpu=False):
        self.pythons, self.scratch, self.caches = pythons, scratch, caches
        self.rounds, self.gpu = rounds, gpu
        self.workers, self.versions = {}, {}
        self.expected = None
        scratch.mkdir(parents=True, exist_ok=True)

    def start(self, name, cache=None):
        contestant = CONTESTANTS[name]
        worker = Worker(contestant, self.pythons[contestant.interpreter], self.scratch / f"{name}.log", cache, self.gpu)
        self.versions.setdefault(contestant.interpreter, {}).update(worker.versions)
        return worker

    def worker(self, name, check):
        if name not in self.workers:
            self.workers[name] = self.start(name)
            if check:
                self.check(name)
        return self.workers[name]

    def check(self, name):
        """All contestants write the same tokens with the one checkpoint, or what they take cannot be compared."""
        digest = self.run(self.workers[name], CHECK)["digest"]
        self.expected = self.expected or (name, digest)
        if digest != self.expected[1]:
            raise WorkerError(f"{name} and {self.expected[0]} write different tokens with the same weights")

    def run(self, worker, work):
        if work.kind.startswith("augment"):
            return worker.ask(do="run", work=asdict(work), folder="", text=str(self.pictures(work)))
        folder = "" if work.shape == RANDOM else self.checkpoint(work.shape, "bfloat16" if self.gpu else "float32")
        text = str(self.text(work.megabytes)) if work.kind == "embed" or work.kind.startswith("tokenize") else ""
        return worker.ask(do="run", work=asdict(work), folder=str(folder), text=text)

    def checkpoint(self, shape, dtype):
        folder = self.scratch / f"{shape}-{dtype}"
        if not (folder / "config.json").exists():
            print(f"Writing the checkpoint {folder} …", flush=True)
            subprocess.run([*self.writer(shape, dtype), folder], check=True)
        return folder

    def writer(self, shape, dtype):
        """The command, but for its last argument, the folder."""
        if shape in SAVED:
            python, library, shape = SAVED[shape]
            return [self.pythons[python], HERE / "saved.py", library, shape]
        python, script = ("ultralytics", "yolo") if shape in YOLO_SHAPES else ("peers", "checkpoint")
        return [self.pythons[python], HERE / f"{script}.py", shape, dtype]

    def text(self, megabytes):
        file = self.scratch / f"prose-{megabytes}.txt"
        if not file.exists():
            part = file.with_suffix(".part")
            subprocess.run([self.pythons["ours"], HERE / "prose.py", str(megabytes), part], check=True)
            part.rename(file)
        return file

    def pictures(self, work):
        file = self.scratch / f"pictures-{work.pictures}-{work.picture_size}.npy"
        if not file.exists():
            part = file.with_suffix(".part")
            sizes = str(work.pictures), str(work.picture_size)
            subprocess.run([self.pythons["peers"], HERE / "pictures.py", *sizes, part], check=True)
            part.rename(file)
        return file

    def measure(self, row):
        """`{"name", "unit", "rounds", "sides": [{"label", "first_call", "seconds", "values", …}]}`."""
        check = not self.gpu and not row.fresh and row.work.writes
        if not row.fresh:
            for worker in [self.worker(side.contestant, check) for side in row.sides]:
                worker.ask(do="forget")
        if row.work.dtype != "float32" and row.work.writes:
            row = self.shortened(row)
        turns = [Turn(self, row, side) for side in row.sides]
        for turn in turns:
            turn.warm_up()
        taking_part = [turn for turn in turns if turn.record]
        for _ in range(self.rounds):
            for turn in taking_part:
                turn.take()
        for turn in taking_part[1:]:
            if turn.comparable(taking_part[0]):
                turn.record["same_output"] = turn.digest == taking_part[0].digest
        if row.work.new == FEW:
            taking_part[0].record["note"] = f"{FEW_PROMPT} + {FEW} tokens"
        return {
            "name": row.name,
            "unit": row.unit,
            "work": asdict(row.work),
            "rounds": self.rounds,
            "sides": [turn.record for turn in taking_part],
        }

    def shortened(self, row):
        """The row with few tokens where a call would last too long: some processors emulate half precision."""
        work = replace(row.work, new=FEW, prompts=(FEW_PROMPT,) * len(row.work.prompts))
        short = replace(row, work=work)
        times = [self.run(self.workers[s.contestant], short.work_of(s))["seconds"] for s in row.sides]
        return short if max(times) / FEW * row.work.new > LONGEST else row

    def stop(self, but=()):
        for name in [name for name in self.workers if name not in but]:
            self.workers.pop(name).stop()


class Turn:
    """One side of a row."""

    def __init__(self, bench, row, side):
        self.bench, self.row, self.side = bench, row, side
        self.work = row.work_of(side)
        self.record, self.digest = None, None

    def comparable(self, other):
        """Whether both should give the same tokens."""
        return self.digest and all(getattr(self.work, x) == getattr(other.work, x) for x in ("sampler", "int8"))

    def ask(self):
        """The answer of the row's worker, or of a new process that finds only the compilation cache."""
        if not self.row.fresh:
            return self.bench.run(self.bench.workers[self.side.contestant], self.work)
        ours = CONTESTANTS[self.side.contestant].interpreter == "ours"
        worker = self.bench.start(self.side.contestant, self.bench.caches / "fresh" if ours else None)
        try:
            return self.bench.run(worker, self.work)
        finally:
            worker.stop()

    def warm_up(self):
        """The first call. A side other than ours that lacks the feature is left out with a line."""
        try:
            answer = self.ask()
        except Missing as missing:
            if self.side is self.row.ours:
                raise
            print(f"{self.row.name}: without {self.side.label}, {missing}", flush=True)
            return
        self.digest = answer.get("digest")
        self.record = {"label": self.side.label, "first_call": answer["seconds"], "seconds": [], "values": []}

    def take(self):
        answer = self.ask()
        seconds = answer["seconds"]
        self.record["seconds"].append(seconds)
        self.record["values"].append(seconds if self.row.unit == "s" else answer["amount"] / seconds)
        if "note" in answer:
            self.record["note"] = answer["note"]
