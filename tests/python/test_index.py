"""Sample tables against the packet scan, two ways to the same index; and what is kept of it."""

from __future__ import annotations

import struct

import numpy as np
import pytest

import clips
import deepsport
from deepsport import errors

TABLED = [
    "h264-b-pyramid", "h264-open-gop", "h264-no-b", "h264-one-gop", "h264-intra", "h264-slices",
    "h264-10bit", "h264-444", "h264-vfr", "h264-fragmented", "hevc-b", "hevc-layers", "vp9-mp4",
    "av1-svt",
]  # fmt: skip


def _same(path):
    table, scan = deepsport.open(path), deepsport.open(path, sample_tables=False)
    assert scan.index_origin in {"packet scan", "decoding"}
    # A last sample of no stated length: FFmpeg takes the nominal rate, the table its neighbour.
    assert table.end_seconds == pytest.approx(scan.end_seconds, abs=1e-4)
    for fact in ("width", "height", "rotation", "codec", "container", "frame_count",
                 "keyframe_count", "variable_frame_rate", "sample_aspect_ratio", "signature"):  # fmt: skip
        assert getattr(table, fact) == getattr(scan, fact), fact
    ours, theirs = table.packets(), scan.packets()
    for column in ("pts", "dts", "offset", "size", "frame"):
        np.testing.assert_array_equal(ours[column], theirs[column], err_msg=column)
    np.testing.assert_array_equal(ours["is_key"], theirs["is_key"])
    return table


@pytest.mark.parametrize("name", TABLED)
def test_sample_tables_tell_what_a_packet_scan_finds(name, made_clip):
    assert _same(made_clip(name)).index_origin == "sample table"


@pytest.mark.parametrize("name", [n for n in clips.real_names() if n.endswith((".mp4", ".mov"))])
def test_sample_tables_of_real_clips_tell_what_a_packet_scan_finds(name, real_clip):
    path = real_clip(name)
    try:
        deepsport.open(path, sample_tables=False)
    except errors.VideoError as refused:
        with pytest.raises(type(refused)):
            deepsport.open(path)
        return
    _same(path)


@pytest.mark.parametrize("name", ["h264-intra-refresh", "h264-interlaced", "mpeg4-b"])
def test_what_tables_cannot_tell_is_left_to_the_packets(name, made_clip):
    assert deepsport.open(made_clip(name)).index_origin in {"packet scan", "decoding"}


def _boxes(data, start, stop):
    while start + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start, size
        if kind in {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}:
            yield from _boxes(data, start + 8, start + size)
        start += size


def _find(data, kind):
    return next((at, size) for found, at, size in _boxes(data, 0, len(data)) if found == kind)


@pytest.mark.parametrize(
    "box", [b"stsz", b"stts", b"ctts", b"stsc", b"stco", b"stss", b"elst", b"stsd"]
)
@pytest.mark.parametrize("value", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_damaged_table_is_an_error_or_the_true_frames(box, value, made_clip, tmp_path):
    data = bytearray(made_clip("h264-b-pyramid").read_bytes())
    at, size = _find(data, box)
    for offset in range(at + 12, min(at + size, at + 40), 4):
        harmed = bytearray(data)
        struct.pack_into(">I", harmed, offset, value)
        path = tmp_path / f"{offset}.mp4"
        path.write_bytes(harmed)
        try:
            video = deepsport.open(path, deadline_seconds=20)
            batch = video.at([0, -1], strict=False, deadline_seconds=20)
        except errors.DeepsportError:
            continue
        assert 1 <= video.frame_count <= 50
        assert set(batch.status) <= {"ok", "damaged", "missing"}


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    "name", ["h264-b-pyramid", "h264-mkv", "h264-ts", "av1-webm", "h264-fragmented"]
)
def test_a_cut_file_is_an_error_or_the_frames_that_are_there(name, part, made_clip, tmp_path):
    path = made_clip(name)
    cut = tmp_path / f"cut{path.suffix}"
    data = path.read_bytes()
    cut.write_bytes(data[: int(len(data) * part)])
    try:
        video = deepsport.open(cut)
    except errors.VideoError:
        return
    assert video.frame_count <= 50
    batch = video.at(range(video.frame_count), strict=False)
    whole = deepsport.open(path).at(range(video.frame_count))
    intact = [k for k in range(len(batch) - 8) if batch.status[k] == "ok"]
    np.testing.assert_array_equal(batch.data[intact], whole.data[intact])


def test_a_moov_at_the_front_or_the_back_gives_the_same(made_clip, tmp_path):
    import subprocess

    path = made_clip("h264-b-pyramid")
    front = tmp_path / "front.mp4"
    subprocess.run(
        [
            clips.need_ffmpeg(),
            "-v",
            "error",
            "-i",
            path,
            "-c",
            "copy",
            "-movflags",
            "+faststart",
            front,
        ],
        check=True,
    )
    assert _same(front).index_origin == "sample table"


def test_a_cut_by_edit_list_shows_what_a_player_shows(made_clip, tmp_path):
    import subprocess

    path, cut = made_clip("h264-b-pyramid"), tmp_path / "cut.mp4"
    subprocess.run(
        [clips.need_ffmpeg(), "-v", "error", "-ss", "0.3", "-i", path, "-c", "copy", cut],
        check=True,
    )
    oracle = clips.ffmpeg_frames(cut)
    video = _same(cut)
    assert 0 < video.frame_count == len(oracle) < 50
    planes = video.planes_at(range(video.frame_count))
    assert [clips.md5(data) for *_, data, _ in planes] == [frame.md5 for frame in oracle]
    np.testing.assert_allclose(video.pts_seconds, [f.pts_seconds for f in oracle], atol=5e-4)


KEPT = ["h264-ts", "h264-mkv", "mpeg4-avi", "vp8-alt-ref", "av1-webm", "h264-intra-refresh"]


def _open_kept(path, folder, **how):
    return deepsport.open(path, index_cache=folder, keep_after_seconds=0, **how)


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_index_is_the_same_index(name, made_clip, tmp_path):
    path = made_clip(name)
    first, again = (_open_kept(path, tmp_path, sample_tables=False) for _ in range(2))
    assert not first.index_from_cache
    assert again.index_from_cache
    for column, values in first.packets().items():
        np.testing.assert_array_equal(values, again.packets()[column])
    np.testing.assert_array_equal(first.pts_seconds, again.pts_seconds)
    np.testing.assert_array_equal(first.at([3, 20, -1]).data, again.at([3, 20, -1]).data)
    assert first.end_seconds == again.end_seconds


@pytest.mark.parametrize("name", ["h264-mkv", "vp9", "vp8-alt-ref", "av1-webm"])
def test_a_kept_index_of_block_headers_is_used_like_a_fresh_one(name, made_clip, tmp_path):
    path = made_clip(name)
    first, again = (_open_kept(path, tmp_path) for _ in range(2))
    assert again.index_from_cache
    assert again.index_origin == first.index_origin == "block headers"
    for column, values in first.packets().items():
        np.testing.assert_array_equal(values, again.packets()[column])
    for indices in ([3, 20, -1], [40], range(10, 20)):  # what may be dropped is still looked up
        want, got = (video.at(indices) for video in (first, again))
        np.testing.assert_array_equal(want.data, got.data)
        assert want.counts == got.counts


def test_a_kept_index_of_block_headers_does_not_pass_for_a_scan(made_clip, tmp_path):
    path = made_clip("h264-mkv")
    assert _open_kept(path, tmp_path).index_origin == "block headers"
    for from_cache in (False, True):  # the scan's takes the file's place
        scan = _open_kept(path, tmp_path, sample_tables=False)
        assert (scan.index_origin, scan.index_from_cache) == ("packet scan", from_cache)
    either = _open_kept(path, tmp_path)
    assert (either.index_origin, either.index_from_cache) == ("packet scan", True)


@pytest.mark.parametrize("name", ["h264-ts", "h264-mkv"])
def test_nothing_is_kept_when_off_or_quick(name, made_clip, tmp_path):
    path = made_clip(name)
    deepsport.open(path, index_cache=False, keep_after_seconds=0)
    deepsport.open(path, index_cache=tmp_path, keep_after_seconds=1e9)
    _open_kept(made_clip("h264-no-b"), tmp_path)  # its tables are as quick
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("name", ["h264-ts", "h264-mkv"])
@pytest.mark.parametrize("how", ["cut", "flip", "empty", "version", "noise"])
def test_a_damaged_index_file_is_made_again_with_a_log_line(how, name, made_clip, tmp_path, caplog):
    path = made_clip(name)
    want = _open_kept(path, tmp_path).at([7]).data
    (kept,) = tmp_path.rglob("*.dsx")
    data = bytearray(kept.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 1
    if how == "version":
        data[8] = 99
    kept.write_bytes({"cut": data[:-7], "empty": b"", "noise": b"x" * 900}.get(how, data))
    video = _open_kept(path, tmp_path)
    assert not video.index_from_cache
    assert "was made again" in caplog.text
    np.testing.assert_array_equal(video.at([7]).data, want)
    assert _open_kept(path, tmp_path).index_from_cache


@pytest.mark.parametrize("name", ["h264-ts", "h264-mkv"])
def test_an_index_of_a_changed_video_is_not_used(name, made_clip, tmp_path, caplog):
    import os
    import shutil

    path = tmp_path / f"x-{name}"
    shutil.copy(made_clip(name), path)
    assert not _open_kept(path, tmp_path / "kept").index_from_cache
    os.utime(path, ns=(1, 1))
    assert not _open_kept(path, tmp_path / "kept").index_from_cache
    assert "the video has changed" in caplog.text
    assert _open_kept(path, tmp_path / "kept").index_from_cache


def test_a_folder_that_cannot_be_written_is_only_logged(made_clip, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert _open_kept(made_clip("h264-ts"), blocked / "folder").frame_count == 50
    assert "could not be written" in caplog.text


def test_of_what_has_no_time_only_slow_indexes_are_kept(made_clip, tmp_path):
    data = made_clip("h264-ts").read_bytes()
    deepsport.open(data, index_cache=tmp_path, keep_after_seconds=10 / 40)
    assert list(tmp_path.rglob("*.dsx")) == []
    _open_kept(data, tmp_path)
    assert _open_kept(data, tmp_path).index_from_cache


def test_old_index_files_make_room_for_new_ones(made_clip, tmp_path):
    import os

    path = made_clip("h264-ts")
    _open_kept(path, tmp_path)
    (kept,) = tmp_path.rglob("*.dsx")
    folder = kept.parent
    for number in range(4):  # of 1.5 MiB; a folder may have 4
        old = folder / f"{number:032x}.dsx"
        old.write_bytes(bytes(3 << 19))
        os.utime(old, (number, number))
    for name, age in (("left.partial", 1), ("being-written.partial", None)):
        (folder / name).write_bytes(b"x")
        if age is not None:
            os.utime(folder / name, (age, age))
    kept.write_bytes(b"damaged")
    _open_kept(path, tmp_path)
    left = sorted(file.name for file in folder.iterdir())
    assert left == sorted([f"{2:032x}.dsx", f"{3:032x}.dsx", "being-written.partial", kept.name])
    assert _open_kept(path, tmp_path).index_from_cache
