"""Write what bench_frames.py measured into docs/benchmarks.md, with figures.

python benchmarks/python/bench_page.py build/bench.json --page docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import clips

BEGIN, END = "<!-- frames: written by nox -s bench -->\n", "<!-- frames: end -->\n"
SHOWN = {"deepsport": "deepsport", "torchcodec": "torchcodec", "pyav": "PyAV", "decord2": "decord2",
         "opencv": "OpenCV"}  # fmt: skip


def median_ms(one: dict[str, Any], clock: str) -> float | None:
    """Milliseconds, or None for a peer that failed."""
    return statistics.median(one[clock]) * 1000 if one[clock] else None


def cell(row: dict[str, Any], name: str, clock: str) -> str:
    """Time and, for peers, its ratio to deepsport's."""
    one = row["peers"].get(name)
    if one is None:
        return ""
    found, ours = median_ms(one, clock), median_ms(row["peers"]["deepsport"], clock)
    if found is None or ours is None:
        return "fails"
    text = f"{found:.2f}" if found < 10 else f"{found:.0f}"
    if name != "deepsport":
        text += f" ({found / ours:.2f})" if found / ours < 10 else f" ({found / ours:.0f})"
    return text + (" other frames" if one.get("other_frames") else "")


def table(results: list[dict[str, Any]], *, threads: int) -> list[str]:
    """Rows of Markdown: processor time with one thread, wall time with two."""
    clock = "cpu" if threads == 1 else "wall"
    floor = any("floor_ms" in row for row in results) and threads == 1
    lines = [
        "| clip | job | " + " | ".join(SHOWN.values()) + (" | floor |" if floor else " |"),
        "|---|---" + "|---" * (len(SHOWN) + floor) + "|",
    ]
    before = ""
    for row in results:
        if row["job"].endswith("2 threads") != (threads == 2):
            continue
        label = "" if row["clip"] == before else f"{row['clip']}: {clips.RECIPES[row['clip']].what}"
        before = row["clip"]
        cells = [cell(row, name, clock) for name in SHOWN]
        if floor:
            limit, ours = row.get("floor_ms"), median_ms(row["peers"]["deepsport"], "cpu")
            share = f"{statistics.median(limit):.0f}" if limit and ours else ""
            cells.append(share and f"{share} ({ours / statistics.median(limit):.2f})")
        lines.append(f"| {label} | {row['job']} | " + " | ".join(cells) + " |")
    return lines if len(lines) > 2 else []


def largest(results: list[dict[str, Any]], key: str, jobs: tuple[str, ...]) -> list[str]:
    """The most that these jobs took of memory or files."""
    lines = [
        "| clip | job | " + " | ".join(SHOWN.values()) + " |",
        "|---|---" + "|---" * len(SHOWN) + "|",
    ]
    for row in results:
        found = [row["peers"].get(name, {}).get(key) for name in SHOWN]
        if row["job"].startswith(jobs) and any(found):
            cells = [
                (f"{max(f):.0f}" if max(f) >= 10 else f"{max(f):.2f}") if f else "" for f in found
            ]
            lines.append(f"| {row['clip']} | {row['job']} | " + " | ".join(cells) + " |")
    return lines if len(lines) > 2 else []


def figure(results: list[dict[str, Any]], path: Path) -> bool:
    """Bars: how many times longer each peer takes, by clip and job."""
    rows = [r for r in results if "open" not in r["job"] and not r["job"].endswith("2 threads")]
    if not rows:
        return False
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "deepsport"
    from matplotlib import pyplot as plt

    figure_, axes = plt.subplots(figsize=(9, 0.6 + 0.62 * len(rows)), layout="constrained")
    names = list(SHOWN)[1:]
    for k, name in enumerate(names):
        places, lengths = [], []
        for at, row in enumerate(rows):
            one, ours = row["peers"].get(name), median_ms(row["peers"]["deepsport"], "cpu")
            found = median_ms(one, "cpu") if one else None
            if found and ours:
                places.append(at + 0.2 * (k - 1.5))
                lengths.append(min(found / ours, 6))
        axes.barh(places, lengths, height=0.18, label=SHOWN[name])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{r['clip']}, {r['job']}" for r in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 6)
    axes.set_xlabel("processor time over deepsport's, one thread (cut off at 6)")
    axes.legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure_.savefig(path, metadata={"Date": None})
    return True


def page(known: dict[str, Any], picture: str | None) -> str:
    """The part of the page that this script owns."""
    m = known["machine"]
    order = {name: number for number, name in enumerate(clips.RECIPES)}
    results = sorted(known["results"], key=lambda row: order[row["clip"]])
    versions = ", ".join(f"{SHOWN[name]} {v}" for name, v in known["versions"].items())
    loads = [row["load"] for row in results]
    head = (
        f"{m['date']}, {m['cores']} cores of {m['cpu']}, Python {m['python']}, FFmpeg {m['ffmpeg']} "
        f"(deepsport, torchcodec); {versions}. Load average while it ran: {min(loads):.0f} to "
        f"{max(loads):.0f}. Milliseconds, medians of {known['rounds']} rounds; in brackets the peer's "
        "time over deepsport's, for the floor deepsport's time over it.\n"
    )
    parts = [head, "Processor time, one thread:\n", "\n".join(table(results, threads=1)) + "\n"]
    for title, lines in (
        ("Wall time, two threads:", table(results, threads=2)),
        (
            "Peak memory above the idle process, MB:",
            largest(results, "peak_mb", ("group", "sequential")),
        ),
        ("Read from the file to open it, MB:", largest(results, "read_mb", ("open",))),
    ):
        if lines:
            parts += [title + "\n", "\n".join(lines) + "\n"]
    if picture:
        parts.append(f"![How many times longer the peers take]({picture})\n")
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json", type=Path)
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"))
    args = parser.parse_args()
    known = json.loads(args.json.read_text())
    picture = Path("images") / "bench-frames.svg"
    drawn = figure(known["results"], args.page.parent / picture)
    text = args.page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    owned = page(known, str(picture) if drawn else None)
    args.page.write_text(before + BEGIN + "\n" + owned + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
