"""Makes the clips to measure on: moving, noisy, with long groups of pictures, seeded by their recipe."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["RECIPES", "make"]

# name: (size, seconds, encoder arguments, suffix). 30 frames a second.
RECIPES = {
    "h264-720p": ("1280x720", 40, "-c:v libx264 -preset medium -g 250", "mp4"),
    "h264-1080p": ("1920x1080", 20, "-c:v libx264 -preset medium -g 250", "mp4"),
    "h264-720p-gop48": ("1280x720", 40, "-c:v libx264 -preset medium -g 48", "mp4"),
    "h264-720p-no-b": ("1280x720", 12, "-c:v libx264 -preset veryfast -g 250 -bf 0", "mp4"),
    "hevc-720p": (
        "1280x720",
        12,
        "-c:v libx265 -preset superfast -x265-params log-level=error",
        "mp4",
    ),
    "av1-720p": ("1280x720", 12, "-c:v libsvtav1 -preset 12 -g 160", "mp4"),
    "h264-720p-mkv": ("1280x720", 40, "-c:v libx264 -preset medium -g 250", "mkv"),
}


def make(name: str, folder: Path) -> Path:
    """Make a clip with the ffmpeg command, or return the one made before."""
    size, seconds, arguments, suffix = RECIPES[name]
    path = folder / f"{name}.{suffix}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        source = (
            f"testsrc2=size={size}:rate=30:duration={seconds},"
            "scroll=horizontal=0.004:vertical=0.002,noise=all_seed=7:alls=6:allf=t,format=yuv420p"
        )
        partial = path.with_stem(path.stem + "-partial")
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, *arguments.split(),
             str(partial)],
            check=True,
        )  # fmt: skip
        partial.rename(path)
    return path
