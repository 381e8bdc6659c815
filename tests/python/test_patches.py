"""Patches against the image processors of transformers and against a plain NumPy layout."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deepsport
from deepsport import Pixels, errors
from deepsport._core import frames as _core
from deepsport.frames import PatchLayout, patches, smart_resize

LAYOUTS = {"qwen2.5-vl": PatchLayout.QWEN25_VL, "qwen3-vl": PatchLayout.QWEN3_VL}


def _reference(pictures, layout, as_video):
    """The layout in NumPy, transposes as in Qwen2VLVideoProcessor of transformers 4."""
    n, height, width, _ = pictures.shape
    scaled = (pictures.astype(np.float32) / 255 - np.float32(layout.mean)) / np.float32(layout.std)
    frames = scaled.transpose(0, 3, 1, 2)
    p, m, t = layout.patch, layout.merge, layout.temporal
    if as_video:
        groups = np.concatenate([frames, frames[-1:].repeat(-n % t, 0)]).reshape(
            -1, t, 3, height, width
        )
    else:
        groups = frames[:, None].repeat(t, 1)
    cut = groups.reshape(len(groups), t, 3, height // p // m, m, p, width // p // m, m, p)
    return cut.transpose(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(-1, 3 * t * p * p)


@pytest.mark.parametrize("as_video", [False, True])
@pytest.mark.parametrize("name", LAYOUTS)
def test_patches_are_the_frames_in_the_models_order(name, as_video, made_clip):
    layout = LAYOUTS[name]
    video = deepsport.open(made_clip("h264-b-pyramid"))
    batch = patches(video, [3, 9, 4], layout, max_pixels=70_000, as_video=as_video)
    high, wide = smart_resize(
        108, 192, factor=layout.factor, min_pixels=layout.min_pixels, max_pixels=70_000
    )
    want = _reference(video.at([3, 9, 4], size=(wide, high)).data, layout, as_video)
    np.testing.assert_allclose(batch.pixel_values, want, atol=2e-7)
    grid = [2 if as_video else 1, high // layout.patch, wide // layout.patch]
    assert batch.image_grid_thw.tolist() == [grid] * (1 if as_video else 3)
    assert batch.image_grid_thw.prod(-1).sum() == len(batch.pixel_values)


@pytest.mark.parametrize("name", ["sports/basketball.mp4", "sports/pose2sim_single_cam01.mp4"])
def test_patches_are_close_to_the_processor_of_transformers(name, real_clip):
    pytest.importorskip("transformers", reason="transformers is not installed: deepsport[train]")
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    video = deepsport.open(real_clip(name))
    bounds = {"shortest_edge": 56 * 56, "longest_edge": 640 * 360}
    theirs = Qwen2VLImageProcessorPil(size=bounds)(
        list(video.at([5, 50]).data), return_tensors="np"
    )
    ours = patches(video, [5, 50], max_pixels=640 * 360)
    np.testing.assert_array_equal(ours.image_grid_thw, theirs["image_grid_thw"])
    difference = np.abs(ours.pixel_values - theirs["pixel_values"]) * 0.27 * 255  # in 8-bit steps
    # Pillow rounds between the axes; this resizes the planes before colours are mixed.
    assert difference.mean() < 0.3
    assert np.percentile(difference, 99.9) < 4


def test_half_precision_rounds_to_nearest(made_clip):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    full = patches(video, [0, 25]).pixel_values
    half = patches(video, [0, 25], dtype="float16").pixel_values
    np.testing.assert_array_equal(half, full.astype(np.float16))
    brain = patches(video, [0, 25], dtype="bfloat16").pixel_values
    assert brain.dtype == np.uint16
    back = (brain.astype(np.uint32) << 16).view(np.float32)
    assert (np.abs(back - full) <= np.abs(full) * 2.0**-8).all()
    torch = pytest.importorskip("torch", reason="torch is not installed: deepsport[train]")
    assert torch.equal(
        torch.from_numpy(brain).view(torch.bfloat16), torch.from_numpy(full).to(torch.bfloat16)
    )


@given(
    height=st.integers(1, 4000),
    width=st.integers(1, 4000),
    bound=st.sampled_from([200_000, 1_003_520]),
)
def test_sizes_follow_the_rule_of_transformers(height, width, bound):
    module = pytest.importorskip(
        "transformers.models.qwen2_vl.image_processing_pil_qwen2_vl",
        reason="transformers is not installed",
    )
    try:
        want = module.smart_resize(height, width, 28, 3136, bound)
    except ValueError:
        with pytest.raises(errors.InvalidRequestError):
            smart_resize(height, width, factor=28, min_pixels=3136, max_pixels=bound)
        return
    assert smart_resize(height, width, factor=28, min_pixels=3136, max_pixels=bound) == want


def test_an_unknown_element_and_no_frame_are_refused(made_clip):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    with pytest.raises(errors.InvalidRequestError, match="bfloat16"):
        patches(video, [0], dtype="int8")
    with pytest.raises(errors.InvalidRequestError, match="one or more pictures"):
        patches(video, [])


MEAN, STD = (0.48, 0.45, 0.4), (0.26, 0.25, 0.27)


@pytest.mark.parametrize("order", ["nhwc", "nchw"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "bfloat16"])
def test_pictures_come_in_the_order_and_type_asked_for(order, dtype, made_clip):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    frames, size = [5, 0, 5], (97, 45)
    rgb = video.at(frames, size).data
    found = video.at(frames, size, pixels=Pixels(order, dtype, MEAN, STD)).data
    want = rgb if order == "nhwc" else rgb.transpose(0, 3, 1, 2)
    if dtype != "uint8":
        scaled = (rgb.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
        want = scaled if order == "nhwc" else scaled.transpose(0, 3, 1, 2)
    if dtype == "bfloat16":
        torch = pytest.importorskip("torch", reason="torch is not installed: deepsport[train]")
        exact = torch.from_numpy(np.ascontiguousarray(want)).to(torch.bfloat16)
        want = exact.view(torch.uint16).numpy()
    np.testing.assert_array_equal(found, want.astype(found.dtype))


def test_an_array_to_write_into_is_filled_or_refused(made_clip):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    out = np.zeros((2, 3, 54, 96), np.float32)
    pixels = Pixels("nchw", "float32", MEAN, STD)
    batch = video.at([1, 2], (96, 54), pixels=pixels, out=out)
    assert batch.data is out
    np.testing.assert_array_equal(out, video.at([1, 2], (96, 54), pixels=pixels).data)
    for wrong in (out[:1], out.astype(np.float64), out[:, ::-1], list(out)):
        with pytest.raises(errors.InvalidRequestError, match=r"^out (is|has)"):
            video.at([1, 2], (96, 54), pixels=pixels, out=wrong)


# The kernels are chosen once a process, so each choice has a process of its own.
_DIGEST = """
import hashlib, sys, deepsport, deepsport._core
video = deepsport.open(sys.argv[1])
seen = hashlib.sha256()
for order, dtype in (("nhwc", "uint8"), ("nchw", "bfloat16"), ("patches", "float32")):
    pixels = deepsport.Pixels(order, dtype, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    for size in (None, (84, 56), (196, 140)):
        if size is None and order == "patches":
            continue
        seen.update(video.at([0, 7, 30], size, pixels=pixels).data.tobytes())
        rgb = video.at([0, 7]).data
        height, width = rgb.shape[1:3]
        format_ = pixels.format(*(size or (width, height)))
        seen.update(deepsport._core.frames.lay_out(rgb, format_).tobytes())
print(seen.hexdigest())
"""


@pytest.mark.parametrize("clip", ["h264-b-pyramid", "h264-10bit"])
def test_every_set_of_instructions_gives_the_same_bytes(clip, made_clip):
    path = str(made_clip(clip))
    digests = {
        name: subprocess.run(
            [sys.executable, "-c", _DIGEST, path], env={**os.environ, "DEEPSPORT_SIMD": name},
            check=True, capture_output=True, text=True,
        ).stdout
        for name in ("scalar", "avx2", "avx512", "neon", "no such set")  # absent ones: the best
    }  # fmt: skip
    assert len(set(digests.values())) == 1, digests


def test_pictures_of_another_shape_are_named_by_their_shape():
    pictures = np.zeros((2, 28, 28, 4), np.uint8)
    for ask in (
        lambda: _core.lay_out(pictures, Pixels("nchw").format(28, 28)),
        lambda: _core.patches(pictures, 14, 2, 2, [0, 0, 0], [1, 1, 1], False, 1),
    ):
        with pytest.raises(errors.InvalidRequestError, match=r"shape \(2, 28, 28, 4\); valid is"):
            ask()


@pytest.mark.parametrize("field", ["patch", "merge", "temporal"])
@pytest.mark.parametrize("value", [0, -1, 5000])
def test_patches_of_no_size_are_refused(field, value, made_clip):
    video = deepsport.open(made_clip("h264-no-b"))
    with pytest.raises(errors.InvalidRequestError, match="valid are 1"):
        video.at([0], size=(28, 28), pixels=Pixels("patches", "float32", **{field: value}))
