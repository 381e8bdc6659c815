"""Frames by index, second and window: exact against FFmpeg's own full decode."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clips
import deepsport
from deepsport import errors
from packed_avi import make_packed_avi

EXACT = sorted(clips.RECIPES)


def _planes_md5(video, indices, **how):
    found = video.planes_at(indices, **how)
    assert {status for *_, status in found} == {"ok"}
    return [clips.md5(data) for _, _, _, data, _ in found]


@pytest.mark.parametrize("name", EXACT)
def test_every_frame_alone_is_that_of_a_full_decode(name, made_clip):
    path = made_clip(name)
    oracle = [frame.md5 for frame in clips.ffmpeg_frames(path)]
    video = deepsport.open(path)
    order = np.random.default_rng(7).permutation(len(oracle)).tolist()
    alone = [_planes_md5(video, [i])[0] for i in order]
    assert alone == [oracle[i] for i in order]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_request_equals_the_full_decode(data, made_clip):
    path = made_clip(data.draw(st.sampled_from(EXACT), label="clip"))
    oracle = [frame.md5 for frame in clips.ffmpeg_frames(path)]
    video = deepsport.open(path)
    index = st.integers(-len(oracle), len(oracle) - 1)
    for _ in range(3):  # the second and third meet decoders that stand somewhere
        wanted = data.draw(st.lists(index, min_size=1, max_size=9), label="frames")
        how = {
            "threads": data.draw(st.sampled_from([1, 2])),
            "drop_unneeded": data.draw(st.booleans()),
        }
        assert _planes_md5(video, wanted, **how) == [oracle[i] for i in wanted]


@pytest.mark.parametrize(
    ("b_frames", "suffix"), [("0", "mkv"), ("2", "mkv"), ("2", "mp4"), ("2", "ts")]
)
def test_frames_that_share_a_time_are_all_there_in_the_order_they_are_shown(
    b_frames, suffix, tmp_path
):
    pairs, path = tmp_path / "pairs.mkv", tmp_path / f"copy.{suffix}"
    # the second of each two frames at the time of the first; decoding times stay before
    same_times = "setts=pts=0.08/TB*(1+floor(PTS*TB/0.08+0.01)):dts=DTS-0.04/TB"
    for arguments in (
        ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1.2", "-pix_fmt", "yuv420p",
         "-c:v", "libx264", "-g", "12", "-bf", b_frames, tmp_path / "plain.mkv"],
        ["-i", tmp_path / "plain.mkv", "-c", "copy", "-bsf:v", same_times, pairs],
        ["-copyts", "-i", pairs, "-c", "copy", path],
    ):  # fmt: skip
        subprocess.run([clips.need_ffmpeg(), "-v", "error", *arguments], check=True, timeout=60)
    oracle = [frame.md5 for frame in clips.ffmpeg_frames(path)]
    video = deepsport.open(path)
    assert video.frame_count == len(oracle) == 30
    assert len(set(video.pts_seconds.tolist())) == 15
    assert _planes_md5(video, range(30)) == oracle
    for index in np.random.default_rng(7).permutation(30).tolist():
        assert _planes_md5(video, [index]) == [oracle[index]]
    # the first of two is never on screen
    assert video.indices_played_at(video.pts_seconds.tolist()) == [i | 1 for i in range(30)]


def test_packed_b_frames_are_the_frames_that_lie_in_them(tmp_path):
    packed, plain = make_packed_avi(tmp_path)
    oracle = clips.ffmpeg_frames(plain)
    assert clips.ffmpeg_frames(packed) == oracle
    video = deepsport.open(packed)
    assert (video.frame_count, video.packets()["size"].min()) == (30, 6)  # placeholders are packets
    np.testing.assert_allclose(video.pts_seconds, [frame.pts_seconds for frame in oracle])
    assert _planes_md5(video, range(30)) == [frame.md5 for frame in oracle]
    for index in np.random.default_rng(7).permutation(30).tolist():
        assert _planes_md5(video, [index]) == [oracle[index].md5]


@pytest.mark.parametrize("name", clips.real_names())
def test_real_clips_are_bit_identical_to_ffmpeg(name, real_clip):
    path = real_clip(name)
    oracle = [frame.md5 for frame in clips.ffmpeg_frames_or_none(path)]
    if not oracle:
        pytest.skip("no decoder finds a frame in it")
    video = deepsport.open(path)
    assert [clips.md5(d) for _, _, _, d, _ in video.planes_at(range(len(oracle)))] == oracle
    order = np.random.default_rng(7).permutation(len(oracle))[:12].tolist()
    assert [_planes_md5(video, [i])[0] for i in order] == [oracle[i] for i in order]


def test_indices_repeat_in_any_order_and_count_from_the_end(made_clip):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    batch = video.at([7, -1, 7, 0, -50])
    assert batch.indices.tolist() == [7, 49, 7, 0, 0]
    assert batch.data.shape == (5, 108, 192, 3)
    assert batch.data.dtype == np.uint8
    np.testing.assert_array_equal(batch.data[0], batch.data[2])
    np.testing.assert_array_equal(batch.data[3], batch.data[4])
    assert not np.array_equal(batch.data[0], batch.data[1])
    np.testing.assert_allclose(batch.pts_seconds, [0.28, 1.96, 0.28, 0, 0], atol=1e-9)


def test_an_index_outside_names_the_valid_range(made_clip):
    video = deepsport.open(made_clip("h264-no-b"))
    for bad in (50, -51, 10**12):
        with pytest.raises(errors.FrameRangeError, match=r"valid are -50\.\.49"):
            video.at([0, bad])
    with pytest.raises(errors.InvalidRequestError, match="whole number"):
        video.at([1.5])


def test_a_second_shows_the_frame_on_screen(made_clip):
    video = deepsport.open(made_clip("h264-no-b"))
    shown = video.played_at([0.0, 0.039, 0.04, 0.0401, 1.999]).indices.tolist()
    assert shown == [0, 0, 1, 1, 49]
    for bad in (-0.001, 2.0, float("nan"), float("inf")):
        with pytest.raises(errors.FrameRangeError, match="valid are seconds"):
            video.played_at([bad])


@pytest.mark.parametrize("name", ["h264-vfr", "h264-mkv", "h264-ts"])
def test_each_frame_is_on_screen_at_its_own_time(name, made_clip):
    video = deepsport.open(made_clip(name))
    shown = video.played_at(video.pts_seconds, size=(32, 18)).indices
    assert shown.tolist() == list(range(video.frame_count))


def test_a_window_spreads_its_frames(made_clip):
    video = deepsport.open(made_clip("h264-no-b"))
    assert video.window(0.4, 0.8, 5).indices.tolist() == [10, 12, 14, 16, 18]
    assert video.window(0.0, video.end_seconds, 4).indices.tolist() == [0, 12, 25, 37]
    assert video.window(0.4, 0.44, 3).indices.tolist() == [10, 10, 10]


@pytest.mark.parametrize(
    ("start", "stop", "num", "error", "words"),
    [
        (0.8, 0.4, 4, errors.InvalidRequestError, "runs backwards"),
        (0.4, 0.4, 4, errors.InvalidRequestError, "no length"),
        (0.4, 0.8, 0, errors.InvalidRequestError, "one or more"),
        (float("nan"), 0.8, 4, errors.InvalidRequestError, "not finite"),
        (-1.0, 0.8, 4, errors.FrameRangeError, "within"),
        (1.0, 9.0, 4, errors.FrameRangeError, "within"),
    ],
)
def test_a_window_that_cannot_be_says_what_could(start, stop, num, error, words, made_clip):
    video = deepsport.open(made_clip("h264-no-b"))
    with pytest.raises(error, match=words):
        video.window(start, stop, num)


def test_the_deadline_stops_decoding(made_clip):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    with pytest.raises(errors.DecodeTimeoutError, match="deadline"):
        video.at(range(50), deadline_seconds=1e-9)
    assert video.at([5]).status == ("ok",)


def test_sizes_that_cannot_be_are_refused(made_clip):
    video = deepsport.open(made_clip("h264-no-b"))
    for bad in ((0, 5), (5, -1), (1, 2, 3), (10**6, 5), (2.5, 3)):
        with pytest.raises(errors.InvalidRequestError):
            video.at([0], size=bad)


@pytest.mark.parametrize("name", ["h264-open-ts", "h264-ts", "hevc-ts", "mpeg2-ts"])
def test_a_stream_joined_on_the_way_begins_with_its_first_whole_picture(name, made_clip, tmp_path):
    """No picture is handed out that is predicted from one before the beginning."""
    data = made_clip(name).read_bytes()
    whole = [frame.md5 for frame in clips.ffmpeg_frames(made_clip(name))]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(data[len(data) * 3 // 10 // 188 * 188 :])
    video = deepsport.open(joined)
    assert 0 < video.frame_count < len(whole)
    assert _planes_md5(video, range(video.frame_count)) == whole[-video.frame_count :]
    if name != "hevc-ts":  # of which FFmpeg shows pictures that lack what they are predicted from
        assert video.frame_count == len(clips.ffmpeg_frames(joined))
