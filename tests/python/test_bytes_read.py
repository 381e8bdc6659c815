"""How much of a file is read to open it: little of a long one, wherever its tables lie."""

from __future__ import annotations

import io
import subprocess

import pytest

import clips
import deepsport

MOST_BYTES = 2_000_000  # that a cold open may take from a disk or a server, whatever the length
MINUTES = [1, 10]


class Counted(io.FileIO):
    """A file that counts what is read from it."""

    bytes_read = 0

    def read(self, count=-1):
        data = super().read(count)
        self.bytes_read += len(data)
        return data


def _opened(path, **how):
    """The video, and the bytes read to open it."""
    with Counted(path) as file:
        return deepsport.open(file, **how), file.bytes_read


@pytest.fixture(scope="module", params=MINUTES)
def long_clip(request, tmp_path_factory):
    """A clip of a minute or ten, 30 frames a second and sound, in a container asked for."""
    folder = tmp_path_factory.mktemp("long")
    first = folder / f"{request.param}.mp4"
    subprocess.run(
        [
            clips.need_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=96x64:r=30",
            "-f", "lavfi", "-i", "anullsrc=r=48000", "-t", str(60 * request.param),
            "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-b_strategy", "0", "-c:a", "aac", first,
        ],
        check=True,
    )  # fmt: skip

    def make(name, *options):
        path = folder / name
        if not path.exists():
            subprocess.run(
                [clips.need_ffmpeg(), "-v", "error", "-i", first, "-c", "copy", *options, path],
                check=True,
            )
        return path, 1800 * request.param

    return make


@pytest.mark.parametrize("flags", ["", "faststart"], ids=["moov at the end", "moov at the front"])
def test_of_an_mp4_its_own_tables_and_a_few_starts_are_read(flags, long_clip):
    path, frames = long_clip(f"moov-{flags}.mp4", "-movflags", flags or "0")
    video, read = _opened(path)
    assert (video.frame_count, video.index_origin) == (frames, "sample table")
    tables = 20 * frames  # sizes 4, times 8, chunks 4 to 8 bytes a frame, with B-frames
    assert read <= tables + 150_000 <= MOST_BYTES


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_of_a_video_whose_index_was_kept_the_ends_are_read(suffix, long_clip, tmp_path):
    path, frames = long_clip(f"kept.{suffix}")
    kept = {"index_cache": tmp_path, "keep_after_seconds": 0}
    _opened(path, **kept)
    video, read = _opened(path, **kept)
    assert (video.frame_count, video.index_from_cache) == (frames, True)
    assert read <= 64 << 10
