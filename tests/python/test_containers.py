"""Fragmented mp4 and Matroska read directly: the same index as a packet scan, or left to it."""

from __future__ import annotations

import contextlib
import struct
import subprocess

import numpy as np
import pytest

import clips
import deepsport
from deepsport import errors

FRAGMENTED = {  # movflags of ffmpeg: where samples, offsets and times are written
    "one a group": "frag_keyframe+empty_moov",
    "first in moov": "frag_keyframe",
    "offsets from moof": "frag_keyframe+empty_moov+default_base_moof",
    "offsets left out": "frag_keyframe+empty_moov+omit_tfhd_offset",
    "a moof a track": "frag_keyframe+empty_moov+separate_moof",
    "one a frame": "frag_every_frame+empty_moov",
    "edit list": "frag_keyframe+delay_moov",
    "dash": "dash",
    "dash with one sidx": "dash+global_sidx",
}
CLUSTERED = {  # options of ffmpeg's Matroska writer
    "plain": "",
    "live, sizes unknown": "-live 1",
    "many clusters": "-cluster_time_limit 100",
    "checksums": "-write_crc32 1",
    "cues in front": "-reserve_index_space 4000",
}


def same_index(path, origin):
    """Open directly and by a scan, compare all that both tell, return the direct one."""
    direct, scan = deepsport.open(path), deepsport.open(path, sample_tables=False)
    assert direct.index_origin == origin
    assert scan.index_origin == "packet scan"
    for fact in ("width", "height", "rotation", "codec", "container", "frame_count",
                 "keyframe_count", "variable_frame_rate", "sample_aspect_ratio", "signature"):  # fmt: skip
        assert getattr(direct, fact) == getattr(scan, fact), fact
    # Matroska that gives no length of frames: we take that of the one before, FFmpeg an average.
    slack = 1e-4 if origin == "sample table" else 1.5e-3
    assert direct.end_seconds == pytest.approx(scan.end_seconds, abs=slack)
    ours, theirs = direct.packets(), scan.packets()
    columns = {"pts", "offset", "size", "frame", "is_key", "is_direct", "is_hidden"}
    if origin == "sample table":
        columns.add("dts")  # Matroska stores none
    for column in sorted(columns):
        np.testing.assert_array_equal(ours[column], theirs[column], err_msg=column)
    assert np.all(np.diff(ours["dts"]) > 0)
    assert np.all(ours["dts"] <= ours["pts"])
    return direct


def remux(source, target, *options):
    subprocess.run(
        [clips.need_ffmpeg(), "-v", "error", "-i", source, *options, target], check=True, timeout=60
    )
    return target


def with_sound(path, folder):
    target = folder / f"sound{path.suffix}"
    return remux(
        path, target, "-f", "lavfi", "-i", "sine=d=2", "-c:v", "copy", "-c:a", "aac", "-shortest"
    )


@pytest.mark.parametrize("how", FRAGMENTED)
@pytest.mark.parametrize("name", ["h264-b-pyramid", "hevc-b"])
def test_fragments_tell_what_a_packet_scan_finds(name, how, made_clip, tmp_path):
    source = with_sound(made_clip(name), tmp_path)
    path = remux(source, tmp_path / "x.mp4", "-c", "copy", "-movflags", FRAGMENTED[how])
    video = same_index(path, "sample table")
    whole = deepsport.open(source)
    assert video.frame_count == whole.frame_count
    np.testing.assert_array_equal(video.at([3, 30, -1]).data, whole.at([3, 30, -1]).data)


@pytest.mark.parametrize("how", CLUSTERED)
@pytest.mark.parametrize("name", ["h264-b-pyramid", "hevc-b", "vp9", "vp8-alt-ref", "av1-svt"])
def test_block_headers_tell_what_a_packet_scan_finds(name, how, made_clip, tmp_path):
    source = made_clip(name)
    path = remux(source, tmp_path / "x.mkv", "-c", "copy", *CLUSTERED[how].split())
    video = same_index(path, "block headers")
    whole = deepsport.open(source)
    np.testing.assert_array_equal(video.at([3, 30, -1]).data, whole.at([3, 30, -1]).data)


@pytest.mark.parametrize("name", ["h264-mkv", "hevc-open-gop", "vp9", "vp8-alt-ref", "av1-webm"])
def test_made_matroska_is_read_from_its_block_headers(name, made_clip):
    same_index(made_clip(name), "block headers")


@pytest.mark.parametrize("name", [n for n in clips.real_names() if n.endswith((".webm", ".mkv"))])
def test_real_matroska_is_read_exactly_or_left_to_the_scan(name, real_clip):
    path = real_clip(name)
    try:
        scan = deepsport.open(path, sample_tables=False)
    except errors.VideoError as refused:
        with pytest.raises(type(refused)):
            deepsport.open(path)
        return
    video = deepsport.open(path)
    if video.index_origin == "block headers":
        same_index(path, "block headers")
    else:
        np.testing.assert_array_equal(video.pts_seconds, scan.pts_seconds)


def test_negative_shifts_of_times_are_left_to_the_scan(made_clip, tmp_path):
    path = remux(made_clip("h264-b-pyramid"), tmp_path / "x.mp4", "-c", "copy", "-movflags", "cmaf")
    assert deepsport.open(path).index_origin == "packet scan"


def _patched(path, tmp_path, find, change, count=1):
    """A copy with `change` applied to a bytearray and each of the first places of `find`."""
    data = bytearray(path.read_bytes())
    at = -1
    for _ in range(count):
        at = data.index(find, at + 1)
        change(data, at)
    copy = tmp_path / f"patched{path.suffix}"
    copy.write_bytes(data)
    return copy


def test_lacing_is_left_to_the_scan(made_clip, tmp_path):
    path = made_clip("h264-mkv")
    first = int(deepsport.open(path).packets()["offset"][5])
    data = bytearray(path.read_bytes())
    data[first - 1] |= 4  # fixed-size lacing of the block whose payload begins here
    copy = tmp_path / "laced.mkv"
    copy.write_bytes(data)
    with contextlib.suppress(errors.VideoError):
        assert deepsport.open(copy).index_origin != "block headers"


def test_fragments_that_overlap_are_left_to_the_scan(made_clip, tmp_path):
    source = remux(
        made_clip("h264-b-pyramid"), tmp_path / "x.mp4", "-c", "copy",
        "-movflags", "frag_keyframe+empty_moov+default_base_moof",
    )  # fmt: skip

    def back_in_time(data, at):
        struct.pack_into(">Q", data, at + 8, 0)

    copy = _patched(source, tmp_path, b"tfdt", back_in_time, count=2)
    assert deepsport.open(copy).index_origin == "packet scan"


@pytest.mark.parametrize("field", range(4, 40, 4))
@pytest.mark.parametrize("box", [b"tfhd", b"tfdt", b"trun", b"trex"])
def test_a_damaged_fragment_is_an_error_or_true_frames(box, field, made_clip, tmp_path):
    for value in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
        copy = _patched(
            made_clip("h264-fragmented"), tmp_path, box,
            lambda data, at, value=value: struct.pack_into(">I", data, at + field, value),
        )  # fmt: skip
        try:
            video = deepsport.open(copy, deadline_seconds=20)
            batch = video.at([0, -1], strict=False, deadline_seconds=20)
        except errors.DeepsportError:
            continue
        assert 1 <= video.frame_count <= 50
        assert set(batch.status) <= {"ok", "damaged", "missing"}


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_video_streams_without_pictures_are_passed_over(suffix, made_clip, tmp_path):
    """Three video streams, of which the first two are emptied."""
    source = made_clip("h264-b-pyramid")
    path = tmp_path / f"three.{suffix}"
    remux(source, path, *["-map", "0:v"] * 3, "-c", "copy")
    data = bytearray(path.read_bytes())
    if suffix == "mp4":
        for box in (b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stco"):
            at = -1
            for _ in range(2):
                at = data.index(box, at + 1)
                struct.pack_into(">I", data, at + (12 if box == b"stsz" else 8), 0)
    else:
        for offset in _blocks_of(path, {1, 2}):
            data[offset] = 0xEC  # Void
    path.write_bytes(data)
    video = deepsport.open(path)
    assert video.frame_count == 50
    whole = deepsport.open(source)
    np.testing.assert_array_equal(video.at([3, 30, -1]).data, whole.at([3, 30, -1]).data)


def _blocks_of(path, tracks):
    """Where the blocks of these tracks, or the groups around them, begin; by its own small walk."""
    data = path.read_bytes()

    def number(at, keep):
        length = 9 - data[at].bit_length()
        value = int.from_bytes(data[at : at + length], "big")
        return value if keep else value & (1 << 7 * length) - 1, at + length

    found, at = [], 0
    while at < len(data):
        begin = at
        ident, at = number(at, keep=True)
        size, at = number(at, keep=False)
        if ident in {0x18538067, 0x1F43B675}:
            continue  # look inside
        block = data[at : at + size]
        if ident == 0xA0:
            block = block[block.index(0xA1) :][3:]  # behind its ID and a size of two bytes
        if ident in {0xA3, 0xA0} and block[0] & 0x7F in tracks:
            found.append(begin)
        at += size
    return found
