"""`deepsport index`: what is in a video file, found without decoding it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport index rally.mp4
  deepsport index rally.mp4 --json | jq .frame_count
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "index",
        help="show frames, times and keyframes of a video",
        description="Find every frame of a video and show what is known of it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", type=Path, help="video file")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument(
        "--deadline",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="give up after (%(default)s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the facts of one video."""
    import deepsport

    video = deepsport.open(args.clip, deadline_seconds=args.deadline)
    facts: dict[str, Any] = {
        "file": str(args.clip),
        "container": video.container,
        "codec": video.codec,
        "width": video.width,
        "height": video.height,
        "rotation": video.rotation,
        "sample_aspect_ratio": "{}:{}".format(*video.sample_aspect_ratio),
        "color_range": video.color_range,
        "color_primaries": video.color_primaries,
        "color_transfer": video.color_transfer,
        "color_matrix": video.color_matrix,
        "is_hdr": video.is_hdr,
        "frame_count": video.frame_count,
        "first_pts_seconds": round(video.first_pts_seconds, 6),
        "last_pts_seconds": round(video.last_pts_seconds, 6),
        "duration_seconds": round(video.duration_seconds, 6),
        "average_fps": round(video.average_fps, 6),
        "keyframe_count": video.keyframe_count,
        "variable_frame_rate": video.variable_frame_rate,
        "truncated": video.truncated,
        "signature": video.signature,
        "index_origin": video.index_origin,
    }
    if args.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name:20} {value}")
    return 0
