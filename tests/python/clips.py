"""Videos to test on: made by a command each, or the real ones where they are at hand.

Real and awkward clips lie in the folder that DEEPSPORT_CLIPS names, else in ``../shared/clips``
beside the checkout. They are not part of the project.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def real_clips() -> Path | None:
    """The folder of real clips, or None."""
    folder = Path(os.environ.get("DEEPSPORT_CLIPS", ROOT.parent / "shared" / "clips"))
    return folder if (folder / "expected.json").is_file() else None


def real_clip(name: str) -> Path:
    """One real clip; skips the test where there are none."""
    folder = real_clips()
    if folder is None:
        pytest.skip("no real clips: set DEEPSPORT_CLIPS to their folder")
    return folder / name


def real_names(prefix: str = "") -> list[str]:
    """Names of the real clips, for parametrize; one that will skip where there are none."""
    folder = real_clips()
    if folder is None:
        return ["none-at-hand"]
    expected = json.loads((folder / "expected.json").read_text())
    return [name for name in expected if name.startswith(prefix)]


def need_ffmpeg() -> str:
    """The ffmpeg command; skips the test where it is not installed."""
    command = shutil.which("ffmpeg")
    if command is None:
        pytest.skip("the ffmpeg command is not installed")
    return command


@dataclass(frozen=True)
class OracleFrame:
    """One frame as the ffmpeg command decodes it."""

    pts_seconds: float
    size: int
    md5: str


@cache
def ffmpeg_frames(path: Path) -> list[OracleFrame]:
    """Decode all of a video with the ffmpeg command: times and MD5 of the planes of each frame."""
    text = subprocess.run(
        [need_ffmpeg(), "-v", "error", "-threads", "1", "-noautorotate",
         "-copyts", "-i", str(path), "-map", "0:v:0", "-autoscale", "0", "-fps_mode", "passthrough",
         "-enc_time_base", "-1", "-f", "framemd5", "-"],
        capture_output=True, text=True, check=True, timeout=300,
    ).stdout  # fmt: skip
    base = 0.0
    frames = []
    for line in text.splitlines():
        if line.startswith("#tb"):
            num, den = line.split()[-1].split("/")
            base = int(num) / int(den)
        elif not line.startswith("#"):
            fields = [field.strip() for field in line.split(",")]
            frames.append(OracleFrame(int(fields[2]) * base, int(fields[4]), fields[5]))
    return frames


def ffmpeg_frames_or_none(path: Path) -> list[OracleFrame]:
    """The same, empty for what ffmpeg cannot decode."""
    try:
        return ffmpeg_frames(path)
    except subprocess.CalledProcessError:
        return []


def md5(data: object) -> str:
    """MD5 of an array's bytes."""
    return hashlib.md5(memoryview(data)).hexdigest()  # type: ignore[arg-type]


@dataclass(frozen=True)
class Recipe:
    """How to make a clip: the arguments of ffmpeg after the input, and the file's suffix."""

    name: str
    suffix: str
    arguments: str
    size: str = "192x108"
    frames: int = 50
    rate: str = "25"


# One of each kind of structure: codec x GOP x B-frames x container.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("h264-b-pyramid", "mp4", "-c:v libx264 -preset medium -g 24 -bf 3 -x264-params b-pyramid=normal:scenecut=0"),
        Recipe("h264-open-gop", "mp4", "-c:v libx264 -g 12 -bf 3 -x264-params open-gop=1:scenecut=0"),
        Recipe("h264-no-b", "mp4", "-c:v libx264 -g 12 -bf 0"),
        Recipe("h264-one-gop", "mp4", "-c:v libx264 -g 999 -bf 3 -sc_threshold 0"),
        Recipe("h264-intra", "mp4", "-c:v libx264 -g 1"),
        Recipe("h264-intra-refresh", "mp4", "-c:v libx264 -g 12 -bf 0 -x264-params intra-refresh=1"),
        Recipe("h264-slices", "mp4", "-c:v libx264 -g 12 -bf 2 -x264-params slices=4"),
        Recipe("h264-fragmented", "mp4", "-c:v libx264 -g 12 -bf 2 -movflags frag_keyframe+empty_moov+default_base_moof"),
        Recipe("h264-interlaced", "mp4", "-c:v libx264 -g 12 -bf 2 -flags +ildct+ilme -x264-params tff=1"),
        Recipe("h264-mkv", "mkv", "-c:v libx264 -g 12 -bf 3"),
        Recipe("h264-ts", "ts", "-c:v libx264 -g 12 -bf 3"),
        Recipe("h264-open-ts", "ts", "-c:v libx264 -g 12 -bf 3 -x264-params open-gop=1:scenecut=0"),
        Recipe("h264-long-ts", "ts", "-c:v libx264 -g 20 -bf 3", size="96x64", frames=220),
        Recipe("mpeg2-long-ts", "ts", "-c:v mpeg2video -g 15 -bf 2", size="96x64", frames=220),
        Recipe("h264-flv", "flv", "-c:v libx264 -g 12 -bf 2"),
        Recipe("h264-10bit", "mp4", "-c:v libx264 -g 12 -bf 2 -pix_fmt yuv420p10le"),
        Recipe("h264-444", "mp4", "-c:v libx264 -g 12 -bf 2 -pix_fmt yuv444p"),
        Recipe("h264-vfr", "mp4", "-c:v libx264 -g 12 -bf 2 -vf select='mod(n,5)*mod(n+1,7)' -fps_mode vfr"),
        Recipe("hevc-b", "mp4", "-c:v libx265 -preset fast -x265-params keyint=24:bframes=4:log-level=error:pools=none:frame-threads=1 -movflags +faststart"),
        Recipe("hevc-open-gop", "mkv", "-c:v libx265 -preset fast -x265-params keyint=12:min-keyint=12:open-gop=1:bframes=4:log-level=error:pools=none:frame-threads=1"),
        Recipe("hevc-layers", "mp4", "-c:v libx265 -preset fast -x265-params keyint=24:bframes=4:temporal-layers=1:log-level=error:pools=none:frame-threads=1"),
        Recipe("hevc-ts", "ts", "-c:v libx265 -preset fast -x265-params keyint=12:bframes=3:log-level=error:pools=none:frame-threads=1"),
        Recipe("vp9", "webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 16 -auto-alt-ref 1 -lag-in-frames 12"),
        Recipe("vp9-mp4", "mp4", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 16"),
        Recipe("vp8-alt-ref", "webm", "-c:v libvpx -deadline good -cpu-used 4 -g 16 -auto-alt-ref 1 -lag-in-frames 12"),
        Recipe("av1-svt", "mp4", "-c:v libsvtav1 -preset 12 -g 16"),
        Recipe("av1-webm", "webm", "-c:v libsvtav1 -preset 12 -g 16"),
        Recipe("av1-aom", "mkv", "-c:v libaom-av1 -cpu-used 8 -usage realtime -g 16 -lag-in-frames 0", frames=24),
        Recipe("mpeg4-b", "mp4", "-c:v mpeg4 -g 12 -bf 2"),
        Recipe("mpeg4-avi", "avi", "-c:v mpeg4 -g 12 -bf 2"),
        Recipe("mpeg2-ts", "ts", "-c:v mpeg2video -g 12 -bf 2"),
        Recipe("mjpeg", "mov", "-c:v mjpeg -pix_fmt yuvj422p"),
        Recipe("theora", "ogv", "-c:v libtheora -g 12"),
    )
}  # fmt: skip


def make_clip(name: str, folder: Path) -> Path:
    """Make the clip of a recipe in a folder, or return the one made before."""
    recipe = RECIPES[name]
    path = folder / f"{name}.{recipe.suffix}"
    if path.exists():
        return path
    seconds = recipe.frames / float(recipe.rate)
    source = (
        f"testsrc2=size={recipe.size}:rate={recipe.rate}:duration={seconds},noise=alls=12:allf=t"
    )
    partial = path.with_stem(path.stem + "-partial")
    done = subprocess.run(
        [need_ffmpeg(), "-v", "error", "-y", "-threads", "1", "-f", "lavfi", "-i", source,
         "-pix_fmt", "yuv420p", *recipe.arguments.split(), "-frames:v", str(recipe.frames),
         "-threads", "1", str(partial)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"this ffmpeg cannot make {name}: {done.stderr.strip()[-200:]}")
    partial.rename(path)
    return path
