"""Draw how looking changes under each reward: the curves of `deepsport.demo.study`.

python benchmarks/python/study_curves.py study-0 study-1 study-2 --out docs/images/study-curves.svg
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

COLOURS = {"deepsport-v1": "#1f6eb4", "deepsport-v2": "#b8511f", "deepsport-guarded": "#1f7a4a"}
PANELS = {
    "reward_accuracy": "right", "called": "rollouts that call", "window_hit": "windows on the event",
    "frames": "frames a rollout",
}  # fmt: skip
SMOOTHED = 5  # steps


def main() -> None:
    """Write the figure: thin lines are seeds, thick ones their mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "deepsport"
    from matplotlib import pyplot as plt

    figure, rows = plt.subplots(2, 2, figsize=(9, 5.5), layout="constrained", sharex=True)
    window = np.ones(SMOOTHED) / SMOOTHED
    for axes, (name, title) in zip(rows.flat, PANELS.items(), strict=True):
        for reward, colour in COLOURS.items():
            lines = []
            for study in args.studies:
                text = (study / reward / "curve.jsonl").read_text(encoding="utf-8")
                records = [json.loads(line) for line in text.splitlines()]
                values = [record[name] for record in records if name in record]
                lines.append(np.convolve(values, window, "valid"))
                axes.plot(lines[-1], color=colour, linewidth=0.6, alpha=0.5)
            shortest = min(map(len, lines))
            mean = np.mean([line[:shortest] for line in lines], axis=0)
            axes.plot(mean, color=colour, linewidth=2, label=reward)
        axes.set_title(title, fontsize=10)
        axes.grid(visible=True, linewidth=0.3)
    rows[0, 0].legend(fontsize=8)
    for axes in rows[1]:
        axes.set_xlabel(f"step (mean of {SMOOTHED})")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
