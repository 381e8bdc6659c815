"""What trades exactness for speed, only when asked: nearby frames, no loop filter."""

from __future__ import annotations

import numpy as np
import pytest

import deepsport
from deepsport.errors import FrameRangeError, InvalidRequestError


@pytest.mark.parametrize("name", ["h264-b-pyramid", "h264-open-gop", "h264-ts", "h264-vfr"])
def test_a_snapped_frame_is_near_and_never_dearer(name, made_clip):
    video = deepsport.open(made_clip(name))
    frames = range(video.frame_count)
    snapped = video.snap(frames, 0.13)
    assert snapped != list(frames)
    assert (abs(video.pts_seconds[snapped] - video.pts_seconds) <= 0.13 + 1e-6).all()
    for frame, near in zip(frames, snapped, strict=True):
        alone = [
            deepsport.open(video.path).at([k]).counts["packets_decoded"] for k in (frame, near)
        ]
        assert alone[1] <= alone[0] + 2, (frame, near)  # the reorder delay differs
    batch = video.at(snapped)
    assert batch.indices.tolist() == snapped
    np.testing.assert_array_equal(batch.pts_seconds, video.pts_seconds[snapped])


def test_a_key_picture_in_reach_is_taken_and_nothing_else_changes(made_clip):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    keys = video.packets()["frame"][video.packets()["is_key"]]
    assert int(keys[1]) == 24
    assert video.snap([26, -24, 24], 0.1) == [24, 24, 24]
    assert video.snap([26, 5], 0) == [26, 5]
    for within in (-1, float("nan"), float("inf")):
        with pytest.raises(InvalidRequestError, match="0 or more"):
            video.snap([3], within)
    with pytest.raises(FrameRangeError):
        video.snap([50], 1)


@pytest.mark.parametrize("name", ["h264-b-pyramid", "hevc-b"])
def test_without_the_loop_filter_frames_are_near_and_the_decoder_forgets_them(name, made_clip):
    video = deepsport.open(made_clip(name))
    exact = video.at(range(30)).data
    rough = video.at(range(30), loop_filter=False).data
    away = np.abs(exact.astype(int) - rough).mean()
    assert 0 < away < 12
    np.testing.assert_array_equal(video.at(range(30)).data, exact)
    for k in (3, 4, 5, 6):  # one after the other, in turns
        np.testing.assert_array_equal(video.at([k]).data[0], exact[k])
        np.testing.assert_array_equal(video.at([k + 1], loop_filter=False).data[0], rough[k + 1])


def test_no_loop_filter_is_refused_where_it_would_be_ignored(made_clip):
    with pytest.raises(InvalidRequestError, match="loop_filter=False"):
        deepsport.open(made_clip("h264-no-b")).at([0], loop_filter=False, device="cuda")
    isolated = deepsport.open(made_clip("h264-no-b"), isolate=True)
    with pytest.raises(InvalidRequestError, match="isolated"):
        isolated.at([0], loop_filter=False)
