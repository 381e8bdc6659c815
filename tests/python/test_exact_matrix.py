"""Every cell of the matrix: all frames, their times, and random requests, against FFmpeg's full decode."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clips
import deepsport
import exact_matrix

# A few streams with the most to get wrong are in every run; the whole takes minutes.
QUICK = {
    "h264-open-b-yuv420p", "h264-one-b-yuv444p", "hevc-open-b-yuv420p10le", "av1-short-layers-yuv420p",
    "vp9-short-alt-ref-gbrp", "vp8-one-alt-ref-yuv420p", "mpeg2-short-b-yuv420p", "mpeg4-short-b-yuv420p",
    "prores-intra-no-b-yuv422p10le",
}  # fmt: skip
STREAMS = [
    pytest.param(s, id=str(s), marks=[] if str(s) in QUICK else pytest.mark.slow)
    for s in exact_matrix.streams()
]


def _oracle(path):
    """Return FFmpeg's frames, with what is known better of two kinds of files."""
    frames = clips.ffmpeg_frames(path)
    if path.name.startswith("av1") and path.name.endswith("-0.28.mp4"):
        # its wrapper of dav1d shows what the edit list hides, unlike every other decoder
        frames = [frame for frame in frames if frame.pts_seconds >= 0]
    if path.name.endswith("-0.28.ogv"):
        # Ogg cannot say that a stream begins before zero; FFmpeg wraps such times around
        frames = [
            dataclasses.replace(frame, pts_seconds=n / exact_matrix.RATE - 0.28)
            for n, frame in enumerate(frames)
        ]
    return frames


def _planes(video, wanted, **how):
    found = video.planes_at(wanted, **how)
    assert {status for *_, status in found} == {"ok"}
    return [clips.md5(data) for *_, data, _ in found]


@pytest.mark.parametrize("stream", STREAMS)
def test_every_cell_equals_a_full_decode(stream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    made = exact_matrix.make(stream, folder)
    assert made, "no container took the stream"
    cells = []
    for path in made.values():
        oracle = _oracle(path)
        video = deepsport.open(path)
        assert video.frame_count == len(oracle) >= 1, path
        # avi stores no times of pictures; of the last one ffmpeg guesses half a step less than a step.
        slack = 0.021 if path.suffix == ".avi" else 1e-3
        np.testing.assert_allclose(
            video.pts_seconds, [f.pts_seconds for f in oracle], atol=slack, err_msg=str(path)
        )
        sums = [frame.md5 for frame in oracle]
        assert _planes(video, range(len(sums))) == sums, path
        cells.append((path, sums))

    requests = [0]

    @settings(max_examples=8, deadline=None)
    @given(data=st.data())
    def ask(data):
        path, sums = data.draw(st.sampled_from(cells))
        video = deepsport.open(path)
        index = st.integers(-len(sums), len(sums) - 1)
        for _ in range(3):  # the second and third meet decoders that stand somewhere
            wanted = data.draw(st.lists(index, min_size=1, max_size=6))
            how = {
                "threads": data.draw(st.sampled_from([1, 2])),
                "drop_unneeded": data.draw(st.booleans()),
            }
            assert _planes(video, wanted, **how) == [sums[i] for i in wanted], path
            requests[0] += 1

    ask()
    origins = sorted({deepsport.open(path).index_origin for path, _ in cells})
    print(  # for the summary in docs/frames.md: pytest -m "slow or not slow" -s
        f"matrix: {stream}: {len(cells)} files, {sum(len(sums) for _, sums in cells)} frames, "
        f"{requests[0]} requests, {'+'.join(origins)}"
    )
    exact_matrix.drop(folder)
