"""Opening videos: facts, counts and times against FFmpeg, and what is refused."""

from __future__ import annotations

import io
import json
import pickle

import numpy as np
import pytest

import clips
import deepsport
from deepsport import errors


@pytest.mark.parametrize("name", sorted(clips.RECIPES))
def test_counts_and_times_are_those_of_ffmpeg(name, made_clip):
    path = made_clip(name)
    oracle = clips.ffmpeg_frames(path)
    video = deepsport.open(path)
    assert video.frame_count == len(oracle)
    # Half a step of Matroska's millisecond clock: ffmpeg prints rounded times.
    np.testing.assert_allclose(video.pts_seconds, [f.pts_seconds for f in oracle], atol=5e-4)


@pytest.mark.parametrize("name", clips.real_names())
def test_real_clips_have_the_frames_that_two_decoders_agree_on(name, real_clip):
    path = real_clip(name)
    expected = json.loads((clips.real_clips() / "expected.json").read_text())[name]
    if expected["ff51_frames"] == 0:
        with pytest.raises(errors.VideoError):
            deepsport.open(path).at([0])
        return
    video = deepsport.open(path)
    assert video.frame_count == expected["ff51_frames"] == expected["av_frames"]
    assert video.last_pts_seconds == pytest.approx(expected["ptsN"], abs=1e-4)
    assert video.first_pts_seconds == pytest.approx(expected["pts0"], abs=1e-4)


def test_size_is_the_displayed_one(real_clip):
    assert (deepsport.open(real_clip("rotation/four-colors-h264-bt601.mp4")).width) == 320
    turned = deepsport.open(real_clip("rotation/four-colors-h264-bt601-rotate-90.mp4"))
    assert (turned.width, turned.height) == (320, 240)
    assert turned.at([0]).data.shape == (1, 240, 320, 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(errors.VideoNotFoundError, match=r"none\.mp4") as raised:
        deepsport.open(tmp_path / "none.mp4")
    assert isinstance(raised.value, FileNotFoundError)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"not a video" * 99, b"#EXTM3U\nhttp://x/\n"]
)
def test_what_is_not_a_video_is_refused(content, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(errors.NotAVideoError):
        deepsport.open(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(errors.NotAVideoError, match="regular file"):
        deepsport.open(tmp_path)


def test_a_playlist_cannot_name_other_files(made_clip, tmp_path):
    other = made_clip("h264-ts")
    playlist = tmp_path / "x.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n")
    with pytest.raises(errors.NotAVideoError):
        deepsport.open(playlist)
    concat = tmp_path / "x.txt"
    concat.write_text(f"ffconcat version 1.0\nfile {other}\n")
    with pytest.raises(errors.NotAVideoError):
        deepsport.open(concat)


def test_too_large_a_picture_is_refused(made_clip):
    with pytest.raises(errors.LimitExceededError, match="192 x 108"):
        deepsport.open(made_clip("h264-no-b"), max_pixels=1000)


def test_too_long_a_video_is_refused_with_what_would_help(made_clip):
    with pytest.raises(
        errors.LimitExceededError, match=r"more than 49 packets.*valid is.*max_packets"
    ):
        deepsport.open(made_clip("h264-ts"), max_packets=49)


def test_memory_of_another_shape_is_named_by_its_shape(made_clip):
    video = deepsport.open(made_clip("h264-no-b"))
    out = np.zeros((1, 8, 8, 4), np.uint8)
    with pytest.raises(
        errors.InvalidRequestError, match=r"\(1, 8, 8, 4\); valid is \(1, 8, 8, 3\)"
    ):
        video._core.rgb([0], 8, 8, 1, True, 0.0, out)


def test_bytes_and_file_objects_give_the_same_frames(made_clip):
    path = made_clip("h264-b-pyramid")
    from_path = deepsport.open(path)
    data = path.read_bytes()
    from_bytes, from_file = deepsport.open(data), deepsport.open(io.BytesIO(data))
    want = from_path.at([0, 17, -1]).data
    np.testing.assert_array_equal(from_bytes.at([0, 17, -1]).data, want)
    np.testing.assert_array_equal(from_file.at([0, 17, -1]).data, want)
    assert from_bytes.signature == from_file.signature == from_path.signature


def test_a_failing_file_object_is_a_typed_error(made_clip):
    class Failing(io.BytesIO):
        def read(self, _count=-1):
            raise RuntimeError("the disk is gone")

    with pytest.raises(errors.VideoIOError, match="the disk is gone"):
        deepsport.open(Failing(made_clip("h264-no-b").read_bytes()))


class Raising(io.BytesIO):
    """A file object whose reads raise, when told what."""

    what = None

    def read(self, count=-1):
        if self.what is not None:
            raise self.what
        return super().read(count)


@pytest.mark.parametrize("what", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
@pytest.mark.parametrize("clip", ["h264-b-pyramid", "h264-ts"])
@pytest.mark.parametrize("isolate", [False, True])
def test_ending_the_program_from_within_a_read_is_no_error_of_the_file(
    what, clip, isolate, made_clip
):
    file = Raising(made_clip(clip).read_bytes())
    file.what = what
    with pytest.raises(type(what)):
        deepsport.open(file, isolate=isolate)
    file.what = None
    video = deepsport.open(file, isolate=isolate)
    want = video.at([40]).data
    file.what = what
    for ask in (lambda: video.at([3, 30], threads=2), lambda: video.planes_at([3])):
        with pytest.raises(type(what)):
            ask()
    file.what = None
    np.testing.assert_array_equal(video.at([40]).data, want)  # goes on as if nothing had been


def test_a_read_interrupted_anywhere_while_opening_is_heard(made_clip):
    data = made_clip("h264-ts").read_bytes()

    class After(io.BytesIO):
        left = 0

        def read(self, count=-1):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return super().read(count)

    reads = After(data)
    deepsport.open(reads)
    for after in range(1, 1 - reads.left):
        file = After(data)
        file.left = after
        with pytest.raises(KeyboardInterrupt):
            deepsport.open(file)


def test_a_file_object_in_text_mode_is_a_typed_error():
    with pytest.raises(
        errors.VideoIOError, match=r"gave a str; valid is one opened in binary mode"
    ):
        deepsport.open(io.StringIO("no bytes" * 1000))


def test_the_signature_follows_the_content(made_clip, tmp_path):
    path = made_clip("h264-no-b")
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(path.read_bytes())
    assert deepsport.open(copy).signature == deepsport.open(path).signature
    assert deepsport.open(made_clip("h264-slices")).signature != deepsport.open(path).signature


def test_a_video_survives_pickling(made_clip):
    video = deepsport.open(made_clip("h264-no-b"))
    again = pickle.loads(pickle.dumps(video))
    np.testing.assert_array_equal(again.at([3]).data, video.at([3]).data)


def test_variable_frame_rate_is_told_from_constant(made_clip):
    assert deepsport.open(made_clip("h264-vfr")).variable_frame_rate
    assert not deepsport.open(made_clip("h264-mkv")).variable_frame_rate
