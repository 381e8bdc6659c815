"""Draw the times of a GPU report: milliseconds of each request by each way.

python tests/gpu/figure.py docs/gpu-report.md --out docs/images/bench-gpu.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path


def times(report: str) -> dict[tuple[str, str], dict[str, float]]:
    """Median milliseconds by (clip, request) and way; rows of a way that failed are left out."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    section = report.partition("\n## Times\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 6 or not cells[3].replace(".", "", 1).isdigit():
            continue
        clip, request, way, median = cells[:4]
        found.setdefault((clip, request), {})[way] = float(median)
    return found


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = times(args.report.read_text(encoding="utf-8"))
    if not rows:
        parser.error(f"{args.report} has no section 'Times' with rows; run nox -s gpu")
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "deepsport"
    from matplotlib import pyplot as plt

    ways = list(dict.fromkeys(way for row in rows.values() for way in row if "CPU" not in way))
    figure, axes = plt.subplots(figsize=(9, 0.8 + 0.55 * len(rows)), layout="constrained")
    for k, way in enumerate(ways):
        places = [at + 0.8 / len(ways) * (k - (len(ways) - 1) / 2) for at in range(len(rows))]
        lengths = [row.get(way, 0.0) for row in rows.values()]
        axes.barh(places, lengths, height=0.72 / len(ways), label=way)
    axes.set_yticks(range(len(rows)), [f"{clip}, {request}" for clip, request in rows])
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds from file to RGB in device memory")
    axes.legend(loc="lower right")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
