"""The classes with torchcodec's and decord's names, beside the originals where they are installed."""

from __future__ import annotations

import numpy as np
import pytest

import deepsport
from deepsport.errors import FrameRangeError, InvalidRequestError

torch = pytest.importorskip("torch")
from deepsport.integrations import decord as our_decord
from deepsport.integrations.torchcodec import VideoDecoder

# Without open GOPs, of which torchcodec 0.13 cannot give the last frame.
RECIPES = ["h264-b-pyramid", "h264-vfr", "h264-no-b", "vp9"]
NEAR = 3  # levels: FFmpeg's fast colour conversion rounds down, ours to nearest


def close(found, expected):
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= NEAR


@pytest.fixture(params=RECIPES)
def clip(request, made_clip):
    return str(made_clip(request.param))


@pytest.fixture
def theirs(clip):
    """torchcodec's own decoder of the clip."""
    try:
        from torchcodec import decoders
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"torchcodec cannot be imported here: {error!r:.80}")
    return decoders.VideoDecoder(clip)


def test_torchcodec_agrees_on_facts(theirs, clip):
    ours = VideoDecoder(clip)
    for name in ("num_frames", "width", "height", "codec"):
        assert getattr(ours.metadata, name) == getattr(theirs.metadata, name), name
    for name in ("average_fps", "begin_stream_seconds", "end_stream_seconds"):
        assert getattr(ours.metadata, name) == pytest.approx(getattr(theirs.metadata, name)), name
    assert len(ours) == len(theirs)


@pytest.mark.parametrize(
    "ask",
    [
        lambda d: d.get_frames_at([7, 0, 7, -1]),
        lambda d: d.get_frames_at(torch.tensor([3, 2])),
        lambda d: d.get_frames_in_range(3, 20, 5),
        lambda d: d.get_frames_in_range(-4, 1000),
        lambda d: d.get_frames_played_at([0.5, 0.31]),
        lambda d: d.get_frames_played_in_range(0.3, 0.7),
        lambda d: d.get_frames_played_in_range(0.3, 0.7, fps=7),
        lambda d: d.get_frame_at(9),
        lambda d: d.get_frame_played_at(0.77),
    ],
)
def test_torchcodec_returns_the_same_frames_and_times(theirs, clip, ask):
    found, expected = ask(VideoDecoder(clip)), ask(theirs)
    close(found.data.numpy(), expected.data.numpy())
    np.testing.assert_allclose(found.pts_seconds, expected.pts_seconds, atol=1e-6)
    if "vfr" not in clip:  # theirs then is the packet's, ours how long the frame is on screen
        np.testing.assert_allclose(found.duration_seconds, expected.duration_seconds, atol=1e-6)


def test_torchcodec_slices_and_iterates_alike(theirs, clip):
    ours = VideoDecoder(clip)
    close(ours[2:9:3].numpy(), theirs[2:9:3].numpy())
    close(ours[-1].numpy(), theirs[-1].numpy())
    assert sum(1 for _ in ours) == len(theirs)


@pytest.mark.parametrize("recipe", ["h264-b-pyramid"])
def test_tensors_share_the_decoded_memory_and_follow_the_order_of_dimensions(made_clip, recipe):
    clip = made_clip(recipe)
    first = VideoDecoder(clip).get_frames_at([0])
    last = VideoDecoder(clip, dimension_order="NHWC").get_frames_at([0])
    assert first.data.shape == (1, 3, 108, 192)
    assert torch.equal(first.data.permute(0, 2, 3, 1), last.data)
    assert [tuple(part.data.shape) for part in first] == [(3, 108, 192)]


@pytest.mark.parametrize("wrong", [{"device": "cuda"}, {"seek_mode": "fast"}, {"stream_index": 1}])
def test_what_the_lookalike_cannot_do_is_refused(made_clip, wrong):
    with pytest.raises(InvalidRequestError, match=f"{next(iter(wrong))} is"):
        VideoDecoder(made_clip("h264-b-pyramid"), **wrong)


def test_ranges_outside_of_the_video_are_refused(made_clip):
    decoder = VideoDecoder(made_clip("h264-b-pyramid"))
    with pytest.raises(IndexError):
        decoder.get_frames_played_in_range(1.0, 2.5)
    with pytest.raises(ValueError, match="before the stop"):
        decoder.get_frames_played_in_range(1.0, 0.5)
    assert len(decoder.get_frames_played_in_range(0.5, 0.5)) == 0


@pytest.fixture
def decord():
    return pytest.importorskip("decord", reason="decord is not installed")


@pytest.mark.parametrize("recipe", ["h264-b-pyramid", "h264-no-b", "h264-one-gop"])
def test_decord_returns_the_same(decord, made_clip, recipe):
    clip = str(made_clip(recipe))
    ours, theirs = our_decord.VideoReader(clip, ctx=our_decord.cpu(0)), decord.VideoReader(clip)
    assert len(ours) == len(theirs)
    close(ours.get_batch([9, 0, 30]).asnumpy(), theirs.get_batch([9, 0, 30]).asnumpy())
    close(ours[5].asnumpy(), theirs[5].asnumpy())
    assert ours.get_avg_fps() == pytest.approx(theirs.get_avg_fps())
    assert ours.get_key_indices() == theirs.get_key_indices()
    np.testing.assert_allclose(
        ours.get_frame_timestamp([0, 20]), theirs.get_frame_timestamp([0, 20]), atol=1e-5
    )
    for reader in (ours, theirs):
        reader.seek_accurate(10)
        reader.skip_frames(3)
    close(ours.next().asnumpy(), theirs.next().asnumpy())
    assert ours[2:10:3].shape == theirs[2:10:3].shape


def test_the_reader_goes_from_frame_to_frame(made_clip):
    reader = our_decord.VideoReader(str(made_clip("h264-b-pyramid")))
    expected = deepsport.open(made_clip("h264-b-pyramid")).at(range(50)).data
    np.testing.assert_array_equal(reader.next(), expected[0])
    reader.skip_frames(2)
    np.testing.assert_array_equal(reader.next(), expected[3])
    reader.seek(49)
    np.testing.assert_array_equal(reader.next(), expected[49])
    with pytest.raises(StopIteration):
        reader.next()
    with pytest.raises(FrameRangeError):
        reader.seek(50)


def test_the_bridge_chooses_tensors_and_sizes_keep_the_aspect(made_clip):
    clip = str(made_clip("h264-b-pyramid"))
    our_decord.bridge.set_bridge("torch")
    try:
        batch = our_decord.VideoReader(clip, width=96).get_batch([1])
        assert isinstance(batch, torch.Tensor)
        assert batch.shape == (1, 54, 96, 3)
    finally:
        our_decord.bridge.reset_bridge()
    assert our_decord.VideoReader(clip, width=50, height=40)[0].shape == (40, 50, 3)
    with pytest.raises(InvalidRequestError, match="valid are 'native' and 'torch'"):
        our_decord.bridge.set_bridge("mxnet")
