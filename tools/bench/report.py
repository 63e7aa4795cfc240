"""From raw timings to the table, and both into files."""

import json
import re
import subprocess
from pathlib import Path
from statistics import median

from rows import GPU_ROWS, ROWS

ORDER = [row.name for row in (*ROWS, *GPU_ROWS)]
HERE = Path(__file__).parent
HEAD = ["| row | ours | peer | ours / peer | lowest–highest | first call, s |", "|---|---|---|---|---|---|"]


def comparisons(records):
    """For each row and peer: names, medians, ratio, the ratios of single rounds, first calls."""
    for record in records:
        ours, *peers = record["sides"]
        for peer in peers:
            rounds = [a / b for a, b in zip(ours["values"], peer["values"], strict=True)]
            yield {
                "row": record["name"],
                "unit": record["unit"],
                "ours": ours,
                "peer": peer,
                "ratio": median(ours["values"]) / median(peer["values"]),
                "lowest": min(rounds),
                "highest": max(rounds),
                "limit": record.get("limit"),
            }


def table(records):
    """Lines of Markdown. Of "tokens/s" and "MB/s" more is better, of "s" less."""
    lines = list(HEAD)
    for c in comparisons(records):
        ours, peer = (f"{c[side]['label']} {amount(median(c[side]['values']), c['unit'])}" for side in ("ours", "peer"))
        notes = "".join(f" ({c[side]['note']})" for side in ("ours", "peer") if "note" in c[side])
        other = "" if c["peer"].get("same_output", True) else " (other tokens)"
        limit = f"; the memory allows {number(c['limit'])}" if c["limit"] else ""
        first = f"{c['ours']['first_call']:.1f} · {c['peer']['first_call']:.1f}"
        lines.append(
            f"| `{c['row']}` | {ours}{notes}{limit} | {peer}{other} | {c['ratio']:.2f} "
            f"| {c['lowest']:.2f}–{c['highest']:.2f} | {first} |"
        )
    return lines


def amount(x, unit):
    return f"{number(1000 * x)} ms" if unit == "s" and x < 1 else f"{number(x)} {unit}"


def number(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def store(folder, device, records, versions, plotter):
    """Puts the records into the device's files, in place of older ones of the same rows; returns a line about it.

    A record keeps the versions that it was measured with. The plot is drawn by the interpreter `plotter`, if that
    has matplotlib.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    data = {"device": device, "rows": []}
    if base.with_suffix(".json").exists():
        data = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
    for record in records:
        record["versions"] = versions
    rows = {record["name"]: record for record in [*data["rows"], *records]}
    data["rows"] = sorted(rows.values(), key=place)
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in data["rows"])
    text = f'{{"device": {json.dumps(device)}, "rows": [\n{lines}\n]}}\n'
    base.with_suffix(".json").write_text(text, encoding="utf-8")
    base.with_suffix(".md").write_text("\n".join([*page(data), ""]), encoding="utf-8")
    plotted = subprocess.run([plotter, HERE / "plot.py", base.with_suffix(".json"), base.with_suffix(".svg")])
    return f"Stored in {base}.json and .md" + (" and .svg" if plotted.returncode == 0 else "; no plot was drawn")


def place(record):
    """Declared rows in their order, others behind them by name."""
    name = record["name"]
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def page(data):
    """The stored table as a page of Markdown."""
    dates = sorted({record["date"] for record in data["rows"]})
    versions = {}
    for record in data["rows"]:
        for side, found in record["versions"].items():
            for package, version in found.items():
                versions.setdefault(side, {}).setdefault(package, set()).add(version)
    yield from [f"# {data['device']}", ""]
    yield from [f"Measured {' to '.join(dict.fromkeys((dates[0], dates[-1])))}; the method is in performance.md.", ""]
    yield from table(data["rows"])
    yield ""
    for side, found in versions.items():
        names = ", ".join(f"{package} {' and '.join(sorted(v))}" for package, v in sorted(found.items()))
        yield f"- {side}: {names}"
