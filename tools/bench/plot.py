"""The stored ratios as horizontal bars.

Usage: python tools/bench/plot.py RESULTS.json PLOT.svg     (with matplotlib)
"""

import json
import sys
from pathlib import Path

import matplotlib
from report import comparisons

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "keras-zoo"  # the same file from the same numbers
BETTER, WORSE = "#3b7a57", "#b5651d"


def plot(data, file):
    import matplotlib.pyplot as plt

    bars = [c for c in comparisons(data["rows"]) if c["unit"] != "s"]  # in seconds less is better: the table has them
    bars.reverse()
    figure, axes = plt.subplots(figsize=(8, 0.32 * len(bars) + 1), layout="constrained")
    colours = [BETTER if bar["ratio"] >= 1 else WORSE for bar in bars]
    places = range(len(bars))
    axes.barh(places, [bar["ratio"] for bar in bars], color=colours, height=0.7)
    for place, bar in zip(places, bars, strict=True):
        axes.plot([bar["lowest"], bar["highest"]], [place, place], color="black", linewidth=1)
        axes.annotate(f" {bar['ratio']:.2f}", (bar["highest"], place), va="center", fontsize=8)
    axes.set_yticks(places, [f"{bar['row']}  against {bar['peer']['label']}" for bar in bars], fontsize=8)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xlabel("ours / peer, in tokens or megabytes per second")
    axes.set_title(data["device"], fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    plot(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2])
