"""`deepsport frames`: write exact frames of a video as PNG files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from deepsport.errors import InvalidRequestError, MissingExtraError

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport frames rally.mp4 --at 0,10,-1 --out shots
  deepsport frames rally.mp4 --seconds 1.5,2 --out shots --json
  deepsport frames rally.mp4 --window 2.0:4.0 --num 8 --size 640x360 --out shots
"""


def _numbers(text: str, kind: type[int | float]) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: valid are {kind.__name__} numbers separated by commas"
        ) from None


def _indices(text: str) -> list[Any]:
    return _numbers(text, int)


def _seconds(text: str) -> list[Any]:
    return _numbers(text, float)


def _window(text: str) -> tuple[float, float]:
    try:
        start, stop = text.split(":")
        return float(start), float(stop)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: valid is START:STOP in seconds") from None


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = text.lower().split("x")
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: valid is WIDTHxHEIGHT") from None


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "frames",
        help="write exact frames of a video as PNG files",
        description="Decode exactly the frames asked for and write them as PNG files. Prints one "
        "record a frame: index, pts_seconds, status, file.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", type=Path, help="video file")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--at", type=_indices, metavar="I,J,...", help="frame indices; negative from the end"
    )
    which.add_argument(
        "--seconds", type=_seconds, metavar="S,T,...", help="the frames on screen at these seconds"
    )
    which.add_argument(
        "--window", type=_window, metavar="START:STOP", help="frames spread over these seconds"
    )
    parser.add_argument("--num", type=int, default=8, help="frames of a window (%(default)s)")
    parser.add_argument("--size", type=_size, metavar="WxH", help="size of the pictures")
    parser.add_argument("--threads", type=int, default=1, help="decoders at work (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the frames; 1 when some could not be decoded."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("writing PNG files needs Pillow; install deepsport[cli]") from error
    import deepsport

    video = deepsport.open(args.clip)
    how: dict[str, Any] = {"size": args.size, "threads": args.threads, "strict": False}
    if args.at is not None:
        batch = video.at(args.at, **how)
    elif args.seconds is not None:
        batch = video.played_at(args.seconds, **how)
    else:
        start, stop = args.window
        batch = video.window(start, stop, args.num, **how)
    if len(batch) == 0:
        raise InvalidRequestError("no frame was asked for; valid is a list such as 0,10,-1")

    args.out.mkdir(parents=True, exist_ok=True)
    missing = 0
    for k in range(len(batch)):
        index = int(batch.indices[k])
        file = args.out / f"{args.clip.stem}-{index:06d}.png"
        if batch.status[k] == "missing":
            missing += 1
        else:
            Image.fromarray(batch.data[k]).save(file)
        record = {
            "index": index,
            "pts_seconds": round(float(batch.pts_seconds[k]), 6),
            "status": batch.status[k],
            "file": str(file) if batch.status[k] != "missing" else None,
        }
        if args.json:
            print(json.dumps(record))
        else:
            print(
                f"{index:8d}  {record['pts_seconds']:12.6f}  {batch.status[k]:8}  {record['file']}"
            )
    return 1 if missing else 0
