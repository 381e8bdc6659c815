"""The matrix of test_exact_matrix.py: codec x group of pictures x B-frames x pixel format, and for
each of these streams several containers and times of the first frame.

Every stream is encoded once; it meets its containers and start times in turn, so that over the
streams of a codec all pairs of them come up.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import clips

FRAMES = 22
RATE = 25
STARTS = ("0", "7.3", "-0.28")  # seconds; the last begins before zero where a container can say so
EACH = 3  # containers a stream


@dataclass(frozen=True)
class Family:
    """The choices of one encoder."""

    encoder: str
    groups: dict[str, str]  # name -> arguments
    b_frames: dict[str, str]
    formats: tuple[str, ...]
    containers: tuple[str, ...]
    common: str = ""


_X265 = "log-level=error:pools=none:frame-threads=1:min-keyint=1"
FAMILIES = {
    "h264": Family(
        "libx264",
        {
            "intra": "-g 1",
            "short": "-g 7",
            "one": "-g 999",
            "open": "-g 8 -x264-params open-gop=1:scenecut=0",
        },
        {"no-b": "-bf 0", "b": "-bf 3 -b_strategy 0"},
        ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"),
        ("mp4", "fragmented.mp4", "mkv", "ts", "flv", "mov"),
        "-preset veryfast",
    ),
    "hevc": Family(
        "libx265",
        {
            "short": f"-x265-params keyint=7:open-gop=0:{_X265}",
            "one": f"-x265-params keyint=999:open-gop=0:{_X265}",
            "open": f"-x265-params keyint=8:open-gop=1:{_X265}",
        },
        {"no-b": "-bf 0", "b": "-bf 4"},
        ("yuv420p", "yuv444p", "yuv420p10le", "gbrp"),
        ("mp4", "fragmented.mp4", "mkv", "ts"),
        "-preset ultrafast",
    ),
    "av1": Family(
        "libsvtav1",
        {"short": "-g 7", "one": "-g 999"},
        {"layers": ""},
        ("yuv420p", "yuv420p10le"),
        ("mp4", "fragmented.mp4", "webm"),
        "-preset 12",
    ),
    "vp9": Family(
        "libvpx-vp9",
        {"short": "-g 7", "one": "-g 999"},
        {"plain": "-lag-in-frames 0", "alt-ref": "-auto-alt-ref 1 -lag-in-frames 8"},
        ("yuv420p", "yuv444p", "yuv420p10le", "gbrp"),
        ("webm", "mp4", "fragmented.mp4", "mkv"),
        "-deadline realtime -cpu-used 8",
    ),
    "vp8": Family(
        "libvpx",
        {"short": "-g 7", "one": "-g 999"},
        {"plain": "-lag-in-frames 0", "alt-ref": "-auto-alt-ref 1 -lag-in-frames 8"},
        ("yuv420p",),
        ("webm", "mkv"),
        "-deadline realtime -cpu-used 8 -b:v 100k",
    ),
    "mpeg4": Family(
        "mpeg4",
        {"short": "-g 7", "one": "-g 300"},
        {"no-b": "-bf 0", "b": "-bf 2"},
        ("yuv420p",),
        ("avi", "mp4", "mkv", "mov"),
    ),
    "mpeg2": Family(
        "mpeg2video",
        {"intra": "-g 1", "short": "-g 7", "one": "-g 300"},
        {"no-b": "-bf 0", "b": "-bf 2"},
        ("yuv420p", "yuv422p"),
        ("ts", "mpg", "mkv", "mov"),
    ),
    "mjpeg": Family(
        "mjpeg", {"intra": ""}, {"no-b": ""}, ("yuvj420p", "yuvj444p"), ("mov", "avi", "mkv")
    ),
    "prores": Family(
        "prores_ks", {"intra": ""}, {"no-b": ""}, ("yuv422p10le", "yuv444p10le"), ("mov", "mkv")
    ),
    "theora": Family(
        "libtheora", {"short": "-g 7"}, {"no-b": ""}, ("yuv420p", "yuv444p"), ("ogv", "mkv")
    ),
    "ffv1": Family("ffv1", {"intra": "-g 1"}, {"no-b": ""}, ("yuv420p", "gray"), ("mkv", "avi")),
}


@dataclass(frozen=True)
class Stream:
    """One encoded stream and where it goes."""

    codec: str
    group: str
    b_frames: str
    pixel_format: str
    places: tuple[tuple[str, str], ...]  # container, start

    def __str__(self) -> str:
        return f"{self.codec}-{self.group}-{self.b_frames}-{self.pixel_format}"


def streams() -> Iterator[Stream]:
    """All streams of the matrix, each with its places."""
    for codec, family in FAMILIES.items():
        places = itertools.cycle(
            (container, STARTS[(k + turn) % len(STARTS)])
            for turn in range(len(STARTS))
            for k, container in enumerate(family.containers)
        )
        for group, b_frames, pixel_format in itertools.product(
            family.groups, family.b_frames, family.formats
        ):
            if group == "intra" and b_frames == "b":
                continue
            yield Stream(
                codec, group, b_frames, pixel_format, tuple(itertools.islice(places, EACH))
            )


@cache
def _encoders() -> str:
    return subprocess.run(
        [clips.need_ffmpeg(), "-hide_banner", "-encoders"], capture_output=True, text=True,
        check=True, timeout=60,
    ).stdout  # fmt: skip


def _ffmpeg(*arguments: str) -> None:
    done = subprocess.run(
        [clips.need_ffmpeg(), "-v", "error", "-y", "-threads", "1", *arguments],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    if done.returncode != 0:
        raise ValueError(done.stderr.strip()[-300:])


def make(stream: Stream, folder: Path) -> dict[tuple[str, str], Path]:
    """Encode a stream and put it into its places; skips, with the reason, what cannot be made."""
    family = FAMILIES[stream.codec]
    if f" {family.encoder} " not in _encoders():
        pytest.skip(f"this ffmpeg has no encoder {family.encoder}")
    base = folder / f"{stream}.nut"
    arguments = f"{family.common} {family.groups[stream.group]} {family.b_frames[stream.b_frames]}"
    source = f"testsrc2=size=96x64:rate={RATE}:duration={FRAMES / RATE},noise=alls=9:allf=t"
    if not base.exists():
        try:
            _ffmpeg(
                "-f", "lavfi", "-i", source, "-pix_fmt", stream.pixel_format, "-c:v",
                family.encoder, *arguments.split(), "-threads", "1", str(base),
            )  # fmt: skip
        except ValueError as refused:
            pytest.skip(f"this {family.encoder} cannot make it: {refused}")
    made = {}
    for container, start in stream.places:
        path = folder / f"{stream}.{start}.{container}"
        flags = "frag_keyframe+empty_moov+default_base_moof" if "fragmented" in container else ""
        keeps = container.endswith(("mp4", "mov")) and start.startswith("-")  # as an edit list
        negative = ["-avoid_negative_ts", "disabled"] if keeps else []
        with_flags = ["-movflags", flags] if flags else []
        try:
            _ffmpeg(
                "-i", str(base), "-c", "copy", "-output_ts_offset", start, *negative, *with_flags,
                str(path),
            )  # fmt: skip
        except ValueError:
            continue  # the container does not take this codec, format or time
        made[container, start] = path
    return made


def drop(folder: Path) -> None:
    """Remove what was made: a matrix of clips is not kept."""
    shutil.rmtree(folder, ignore_errors=True)
