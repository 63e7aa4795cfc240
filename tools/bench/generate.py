"""Measures generation, training and augmentation against other libraries, and stores the table under docs/performance/.

Usage: make bench     or     python tools/bench/generate.py [--only 'jax/*'] [--rounds 3] [--quick] …

The sides of a row take turns on one machine: each is called once to warm up, then `--rounds` times in turn, and the
medians are compared. Rows that are not measured keep what is stored about them.
"""

import argparse
import datetime
import os
import signal
import sys
import tempfile
from pathlib import Path

import report
from measure import Bench
from rows import CONTESTANTS, GPU_ROWS, INTERPRETERS, ROWS, select
from workers import ROOT, Missing, WorkerError

FLOAT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def gpu_limit(bench, record, row):
    """Tokens per second if a step did nothing but read every weight once, at the speed of a copy."""
    found = bench.workers["transformers"].ask(do="bandwidth")
    folder = bench.checkpoint(row.work.shape, "bfloat16")
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 2  # stored in bfloat16
    steps = found["bytes"] / (size * FLOAT_BYTES[row.work.dtype])
    record["limit"] = steps * len(row.work.prompts)
    return found["name"]


def device_name():
    """The processor and how many of its cores this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'CPU'}, {len(os.sched_getaffinity(0))} cores"


def gpu_name(bench):
    """The GPU's name; ends the program where there is none."""
    try:
        return bench.worker("transformers", check=False).ask(do="bandwidth")["name"]
    except Missing:
        bench.stop()
        sys.exit("--gpu needs a GPU, and the peers' torch sees none.")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", metavar="GLOB", help="rows by name, such as 'torch/*'")
    parser.add_argument("--rounds", type=int, default=3)
    for name in INTERPRETERS:
        what = "this project" if name == "ours" else f"tools/bench/{name}.txt"
        default = ROOT / f".venv/bench-{name}/bin/python"
        parser.add_argument(f"--{name}", default=default, help=f"interpreter with {what}")
    parser.add_argument("--device-name", help="by default the processor's or the GPU's own name")
    parser.add_argument("--dtype", choices=sorted(FLOAT_BYTES), help="all rows in another dtype")
    parser.add_argument("--quick", action="store_true", help="one round, little work: to try the program, not stored")
    parser.add_argument("--gpu", action="store_true", help="the rows for a GPU instead of those for a CPU")
    parser.add_argument("--out", type=Path, help="where to store; by default docs/performance")
    parser.add_argument("--scratch", type=Path, default=ROOT / "build/bench", help="checkpoints and logs")
    options = parser.parse_args()
    options.rounds = 1 if options.quick else options.rounds
    options.out = options.out or (None if options.quick else ROOT / "docs/performance")
    return options


def interpreters(options, rows):
    """The interpreters by name; ends the program where one that the rows need is missing."""
    sides = (side.contestant for row in rows for side in row.sides)
    for name in {"ours", "peers", *(CONTESTANTS[side].interpreter for side in sides)}:
        if not Path(getattr(options, name)).exists():
            sys.exit(f"--{name}: there is no {getattr(options, name)}; `make bench` makes it")
    return {name: str(getattr(options, name)) for name in INTERPRETERS}


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Terminated."))  # so that stopped workers end too
    rows = select(GPU_ROWS if options.gpu else ROWS, options.only, options.dtype, options.quick)
    if not rows:
        sys.exit(f"No row is called {options.only!r}.")
    records, failed = [], False
    with tempfile.TemporaryDirectory() as caches:
        pythons = interpreters(options, rows)
        bench = Bench(pythons, options.scratch, Path(caches), options.rounds, options.gpu)
        device = options.device_name or (gpu_name(bench) if options.gpu else device_name())
        try:
            for i, row in enumerate(rows):
                print(f"{row.name} …", flush=True)
                try:
                    record = bench.measure(row)
                    if options.gpu:
                        gpu_limit(bench, record, row)
                except Missing as missing:
                    print(f"{row.name}: skipped, {missing}", flush=True)
                    continue
                except WorkerError as error:
                    failed = True
                    print(f"{row.name}: failed, {error}", flush=True)
                    bench.stop()
                    continue
                record["date"] = datetime.date.today().isoformat()
                records.append(record)
                print("\n".join(report.table([record])[2:]), flush=True)
                bench.stop(but={side.contestant for later in rows[i + 1 :] if not later.fresh for side in later.sides})
        finally:
            bench.stop()
    print("\n" + "\n".join(report.table(records)))
    if options.out and records:
        print(report.store(options.out, device, records, bench.versions, pythons["peers"]))
    sys.exit(failed)


if __name__ == "__main__":
    main()
