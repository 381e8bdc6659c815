"""Makes the clips to measure on, once: a broadcast of one minute in several codecs, with sound.

    python benchmarks/clips.py --folder build/bench-clips --only h264-720p,av1-720p

Ten-minute clips repeat the coded minute without coding it again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["QUICK", "RECIPES", "Recipe", "make"]

RATE = 30
SOUND = "anoisesrc=color=pink:sample_rate=48000:amplitude=0.3:seed=3"


@dataclass(frozen=True)
class Recipe:
    """How a clip is made.

    Attributes
    ----------
    height : int
        1080 or 720.
    encoder : str
        Arguments of the ffmpeg command; empty copies the packets of `source`.
    suffix : str
        Of the file: its container.
    source : str
        A clip to copy from; empty for the broadcast itself.
    repeats : int
        How often `source` is shown.
    what : str
        For people.
    """

    height: int
    encoder: str
    suffix: str
    what: str
    source: str = ""
    repeats: int = 1


_X264 = "-c:v libx264 -preset medium"
_X265 = "-c:v libx265 -preset fast -tag:v hvc1 -x265-params log-level=error:pools=1:frame-threads=1"
RECIPES = {
    "h264-720p": Recipe(720, f"{_X264} -b:v 3M", "mp4", "x264 defaults: GOP 250, B-pyramid"),
    "h264-1080p": Recipe(1080, f"{_X264} -b:v 5M", "mp4", "x264 defaults: GOP 250, B-pyramid"),
    "av1-720p": Recipe(720, "-c:v libsvtav1 -preset 9 -b:v 2M -g 240 -svtav1-params lp=1", "mp4", "SVT-AV1, GOP 240"),
    "h264-720p-nob": Recipe(720, f"{_X264} -b:v 3M -bf 0", "mp4", "x264 without B-frames"),
    "hevc-720p": Recipe(720, f"{_X265} -b:v 2M", "mp4", "x265, preset fast, GOP 250"),
    "h264-720p-gop48": Recipe(720, f"{_X264} -b:v 3M -g 48", "mp4", "x264, GOP 48"),
    "vp9-720p": Recipe(720, "-c:v libvpx-vp9 -b:v 2M -deadline good -cpu-used 5 -g 240", "webm", "libvpx VP9, GOP 240"),
    "hevc-1080p": Recipe(1080, f"{_X265} -b:v 3M", "mp4", "x265, preset fast, GOP 250"),
    "h264-720p-mkv": Recipe(720, "", "mkv", "the same packets in Matroska", "h264-720p"),
    "h264-720p-ts": Recipe(720, "", "ts", "the same packets in a transport stream", "h264-720p"),
    "h264-720p-10min": Recipe(720, "", "mp4", "ten minutes of it", "h264-720p", 10),
    "h264-1080p-10min": Recipe(1080, "", "mp4", "ten minutes of it", "h264-1080p", 10),
}  # fmt: skip
QUICK = ("h264-720p", "h264-720p-mkv", "h264-720p-10min")


def _run(command: list[str], partial: Path, path: Path, stdin: int | None = None) -> None:
    subprocess.run([*command, str(partial)], check=True, stdin=stdin)
    partial.rename(path)


def _broadcast(folder: Path, seconds: int) -> Path:
    """The minute all are coded from, at high quality."""
    path = folder / "broadcast.mkv"
    if path.exists():
        return path
    script = str(Path(__file__).with_name("broadcast.py"))
    size = ("1920", "1080", str(RATE), str(seconds), "11")
    drawn = subprocess.Popen([sys.executable, script, *size], stdout=subprocess.PIPE)
    assert drawn.stdout is not None
    command = [
        "ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", "1920x1080",
        "-r", str(RATE), "-i", "-", "-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p",
        "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-qp", "12",
    ]  # fmt: skip
    _run(command, folder / "partial-broadcast.mkv", path, drawn.stdout.fileno())
    if drawn.wait() != 0:
        path.unlink()
        raise RuntimeError("drawing the broadcast failed")
    return path


def make(name: str, folder: Path, seconds: int = 60) -> Path:
    """Make a clip, and what it is made from, or return the one made before."""
    recipe = RECIPES[name]
    path = folder / f"{name}.{recipe.suffix}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"partial-{path.name}"
    if recipe.source:
        source = make(recipe.source, folder, seconds)
        command = ["ffmpeg", "-v", "error", "-y", "-stream_loop", str(recipe.repeats - 1), "-i",
                   str(source), "-c", "copy"]  # fmt: skip
    else:
        shape = "1920:1080" if recipe.height == 1080 else "1280:720"
        sound = "libopus" if recipe.suffix == "webm" else "aac"
        command = [
            "ffmpeg", "-v", "error", "-y", "-i", str(_broadcast(folder, seconds)), "-f", "lavfi", "-i", SOUND,
            "-map", "0:v", "-map", "1:a", "-shortest", "-vf", f"scale={shape}", *recipe.encoder.split(),
            "-threads", "1", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
            "-c:a", sound, "-b:a", "128k",
        ]  # fmt: skip
    _run(command, partial, path)
    return path


def main() -> None:
    """Make clips from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/bench-clips"))
    parser.add_argument("--only", default=",".join(RECIPES))
    args = parser.parse_args()
    for name in args.only.split(","):
        print(make(name, args.folder), flush=True)


if __name__ == "__main__":
    main()
