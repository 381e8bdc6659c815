"""`deepsport cache`: the frame caches that processes of this machine share, and what they save."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  export DEEPSPORT_FRAME_CACHE=2GiB    # switches it on for everything started from this shell
  deepsport cache                      # what is there: size, hit rate, who uses it
  deepsport cache --remove-stale       # remove what killed processes have left
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "cache",
        help="show the frame caches shared by processes",
        description="Show the segments of decoded frames that your processes share.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, help="where segments lie (default: /dev/shm)")
    parser.add_argument(
        "--remove-stale", action="store_true", help="remove segments that no process uses"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a segment")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one line for each segment."""
    from deepsport.cache import FrameCache, segments

    found = segments(args.folder, remove=args.remove_stale)
    for segment in found:
        row = {"path": segment.path, "in_use": segment.in_use, "file_bytes": segment.used_bytes}
        if segment.in_use:
            cache = FrameCache(path=segment.path)
            facts = cache.facts()
            cache.close()
            row |= {name: getattr(facts, name) for name in facts.__slots__}
            row["processes"] = facts.processes - 1  # not this one
            row["hit_rate"] = round(facts.hit_rate, 4)
        if args.json:
            print(json.dumps(row))
        elif segment.in_use:
            print(
                f"{segment.path}: {facts.used_bytes / 2**20:.0f} of {facts.capacity_bytes / 2**20:.0f} MiB, "
                f"{facts.frames} frames, {row['processes']} processes, hit rate {facts.hit_rate:.1%} "
                f"({facts.hits} hits, {facts.misses} decoded), {facts.evictions} evicted"
            )
        else:
            done = "removed" if args.remove_stale else "not in use; --remove-stale removes it"
            print(f"{segment.path}: {segment.used_bytes / 2**20:.0f} MiB, {done}")
    if not found and not args.json:
        print("no segments; DEEPSPORT_FRAME_CACHE=2GiB switches the cache on")
    return 0
