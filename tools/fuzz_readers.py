"""Loads spoiled presets of every layout by the million: what comes out is a model or a `PresetError`, in bounded time.

    python tools/fuzz_readers.py --count 100000 [--full 0.02] [--first 0] [--seed NAME] [--log fuzz.jsonl]
    python tools/fuzz_readers.py --seed "native bert" --first 1234 --count 1 --show

An input is a tiny preset (`fuzzing/seeds.py`) spoiled by chance (`fuzzing/mutations.py`); its number says how. Most go
through everything that reads files: the layout, the header of every file of weights, the values of each tensor,
tokenizer and preprocessor. The share `--full` goes through `from_preset` as a user calls it, with and without weights.
Anything but a `PresetError`, more than SECONDS, more than MEMORY or the death of the process is a finding: a line in
the log and on the screen. Runs in processes of their own, one at a time.
"""

import argparse
import collections
import importlib
import json
import os
import pickle
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parent))
SECONDS, SILENCE = 10, 300  # of processor time, and of waiting for a process
MEMORY = {False: 2 * 2**30, True: 5 * 2**30}  # bytes of address space; a backend begins with two and a half
AT_ONCE = {False: 1000, True: 40}  # inputs that share a process


class TooLong(BaseException):
    """Raised by the alarm, past all that catches errors."""


def attempts(path, full):
    """`(name, function)` of what is done with a preset, one after the other."""
    from keras_zoo import Backbone, Task, presets

    if full:
        yield "Task", lambda: Task.from_preset(path)
        yield "Backbone", lambda: Backbone.from_preset(path)
        yield "Task without weights", lambda: Task.from_preset(path, load_weights=False)
        return
    opened = []
    yield "layout", lambda: opened.append(presets.open_preset(path))
    if not opened:
        return
    layout = opened[0]
    preprocessor = (layout.task_class or layout.family.tasks[0]).preprocessor_class
    if layout.family.tokenizer is not None:
        yield "tokenizer", lambda: presets.make_tokenizer(layout.family.tokenizer, layout, {})
    yield "preprocessor", lambda: presets.make_preprocessor(preprocessor, layout, {})
    if layout.backbone_config is not None and layout.has_weights:
        yield "tensors", lambda: [tensor.read() for tensor in layout.tensors().values()]


def outcome(attempt):
    """`"loaded"`, `"refused"` or a finding, `{"error", "trace"}`."""
    from keras_zoo import PresetError

    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        attempt()
        return "loaded"
    except PresetError as error:
        str(error).encode()
        return "refused"
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [
            f"{Path(f.filename).name}:{f.lineno}" for f in frames if "keras_" in f.filename or "keras/" in f.filename
        ]
        return {"error": f"{type(error).__name__}: {error!s:.300}", "trace": own[-6:]}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def too_long(*_):
    raise TooLong(f"more than {SECONDS} seconds")


def run(jobs, seeds, full, write_to, folder):
    """Does the jobs, `(seed name, number)`, in this process; a line for each begun and each done."""
    from fuzzing.mutations import disturb, mutated
    from fuzzing.seeds import write

    warnings.simplefilter("ignore")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY[full], size + MEMORY[full]))
    signal.signal(signal.SIGPROF, too_long)
    for name, number in jobs:
        os.write(write_to, json.dumps(["begin", name, number]).encode() + b"\n")
        chance = random.Random(f"{name} {number}")
        preset = mutated(seeds[name], chance)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path = write(preset, folder)
        if chance.random() < 0.01:
            disturb(folder, chance)
        found = {key: outcome(attempt) for key, attempt in attempts(path, full)}
        os.write(write_to, json.dumps(["end", name, number, found]).encode() + b"\n")


def supervise(jobs, seeds, full, folder):
    """Runs jobs in a child; yields `(name, number, outcomes)`. A death or a silence is the finding of one job."""
    while jobs:
        read_from, write_to = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_from)
            run(jobs, seeds, full, write_to, folder)
            os._exit(0)
        os.close(write_to)
        current, done, buffer, hung = None, 0, b"", False
        while True:
            ready, _, _ = select.select([read_from], [], [], SILENCE)
            if not ready:
                hung = True
                os.kill(child, signal.SIGKILL)
                break
            if not (more := os.read(read_from, 1 << 16)):
                break
            *lines, buffer = (buffer + more).split(b"\n")
            for line in map(json.loads, lines):
                if line[0] == "begin":
                    current = line[1:]
                else:
                    done, current = done + 1, None
                    yield line[1:]
        os.close(read_from)
        _, status = os.waitpid(child, 0)
        if current is not None:
            how = "hung outside of Python" if hung else f"the process died, status {status}"
            yield [*current, {"process": {"error": how, "trace": []}}]
            done += 1
        jobs = jobs[done:]


def seeds_of(cache):
    """The seeds, made by another process: this one must not have begun to compute before it forks."""
    if not cache.exists():
        code = "import pickle, sys; from fuzzing import seeds; pickle.dump(seeds.make(), open(sys.argv[1], 'wb'))"
        where = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        subprocess.run([sys.executable, "-c", code, str(cache)], check=True, env=os.environ | {"PYTHONPATH": where})
    return pickle.loads(cache.read_bytes())  # our own file


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--full", type=float, default=0.02)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed")
    parser.add_argument("--seeds", type=Path, help="where the unspoiled presets are kept for the next run")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--show", action="store_true", help="say what each input came to")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    seeds = seeds_of(options.seeds or base / "seeds.pickle")
    importlib.import_module("keras_cv")  # here, so that children need not; nothing is computed before they are
    importlib.import_module("keras_nlp")
    names = [options.seed] if options.seed else sorted(seeds)
    jobs = [(names[i % len(names)], i) for i in range(options.first, options.first + options.count)]
    counts, findings, begin = collections.defaultdict(collections.Counter), collections.Counter(), time.monotonic()
    often = round(1 / options.full) if options.full else 0
    shares = {
        False: [j for j in jobs if not often or j[1] % often],
        True: [j for j in jobs if often and j[1] % often == 0],
    }
    for full, share in shares.items():
        for start in range(0, len(share), AT_ONCE[full]):
            print(
                f"{'full' if full else 'light'}: {start} of {len(share)}, {time.monotonic() - begin:.0f} s", flush=True
            )
            for name, number, found in supervise(share[start : start + AT_ONCE[full]], seeds, full, base / "preset"):
                for key, result in found.items():
                    kind = result if isinstance(result, str) else "FINDING"
                    counts[f"{'full' if full else 'light'} {name}"][f"{key} {kind}"] += 1
                    if options.show:
                        print(name, number, key, result)
                    if kind == "FINDING":
                        line = json.dumps({"seed": name, "number": number, "full": full, "in": key} | result)
                        signature = result["error"].partition(":")[0] + " " + " ".join(result["trace"][-2:])
                        findings[signature] += 1
                        if findings[signature] <= 3:
                            print(line, flush=True)
                        if options.log:
                            with options.log.open("a") as log:
                                log.write(line + "\n")
    for name, found in sorted(counts.items()):
        print(f"{name:45}", dict(sorted(found.items())))
    print(f"{len(jobs)} inputs, {sum(findings.values())} findings, {time.monotonic() - begin:.0f} s")
    shutil.rmtree(base)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
