"""The core in the place of transformers' image processor: the same inputs, the same replies."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: deepsport[train]")
pytest.importorskip("transformers", reason="transformers is not installed: deepsport[train]")

import torch
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import deepsport
from deepsport.chat import FrameEncoder, ShownFrame, collate, load_checkpoint
from deepsport.errors import InvalidRequestError, SettingsError
from deepsport.frames import PatchLayout, QwenImageProcessor
from deepsport.testbed.tiny import make_tiny_checkpoint
from deepsport.trajectory import FrameRef, Turn

pytestmark = pytest.mark.train
LAYOUTS = {"qwen2.5-vl": PatchLayout.QWEN25_VL, "qwen3-vl": PatchLayout.QWEN3_VL}


def _theirs(layout, longest):
    return Qwen2VLImageProcessorPil(
        patch_size=layout.patch,
        image_mean=list(layout.mean),
        image_std=list(layout.std),
        size={"shortest_edge": 56 * 56, "longest_edge": longest},
    )


@pytest.mark.parametrize("clip", ["sports/basketball.mp4", "sports/pose2sim_single_cam01.mp4"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_real_frames_are_close_to_the_processor_of_transformers(name, clip, real_clip):
    layout = LAYOUTS[name]
    theirs = _theirs(layout, 640 * 360)
    frames = list(deepsport.open(real_clip(clip)).at([5, 50]).data)
    want = theirs(frames, return_tensors="np")
    found = QwenImageProcessor.like(theirs)(frames)
    np.testing.assert_array_equal(found["image_grid_thw"], want["image_grid_thw"])
    deviation = np.repeat(np.float32(layout.std), 2 * layout.patch**2)
    steps = np.abs(found["pixel_values"] - want["pixel_values"]) * deviation * 255
    print(f"{name} {clip}: max {steps.max():.2f}, mean {steps.mean():.4f} of 255")
    assert steps.mean() < 0.2  # Pillow rounds twice
    assert steps.max() < 8  # and cuts off between the axes


def test_frames_of_the_right_size_are_the_same_numbers(made_clip):
    theirs = _theirs(PatchLayout.QWEN25_VL, 1 << 20)
    frames = list(deepsport.open(made_clip("h264-b-pyramid")).at([3, 20], (168, 112)).data)
    want = theirs(frames, return_tensors="pt")
    found = QwenImageProcessor.like(theirs)(frames, return_tensors="pt")
    torch.testing.assert_close(found["pixel_values"], want["pixel_values"], atol=3e-7, rtol=0)
    assert torch.equal(found["image_grid_thw"], want["image_grid_thw"])


@pytest.mark.parametrize("architecture", ["qwen2_5_vl", "qwen3_vl"])
def test_a_model_replies_the_same_with_either_encoder(architecture, made_clip, tmp_path):
    text = "What is shown here? <image> and here? <image> A ball. Nothing. The left team."
    make_tiny_checkpoint(tmp_path, [text] * 3, architecture=architecture, frame_side=112, seed=3)
    checkpoint = load_checkpoint(tmp_path)
    video = deepsport.open(made_clip("h264-b-pyramid"))
    frames = [ShownFrame(pixels) for pixels in video.at([3, 40]).data]  # resized on the way
    shown = (FrameRef(3, 0.1), FrameRef(40, 1.3))
    turns = [Turn("user", "What is shown here? <image> and here? <image>", shown)]
    replies = {}
    for backend in ("transformers", "core"):
        renderer = checkpoint.renderer
        renderer.encoder = FrameEncoder(checkpoint.image_processor, backend=backend)
        batch = collate([renderer.begin(turns, frames)], renderer, side="left")
        ids = checkpoint.model.generate(**batch, do_sample=False, max_new_tokens=24)
        replies[backend] = ids[0, batch["input_ids"].shape[1] :].tolist()
    assert len(replies["core"]) > 3
    assert replies["core"] == replies["transformers"]


def test_pictures_come_as_arrays_views_tensors_or_those_of_pillow():
    torch = pytest.importorskip("torch", reason="torch is not installed: deepsport[train]")
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    wide = np.random.default_rng(5).integers(0, 256, (3, 90, 200, 3), np.uint8)
    frames = wide[:, :, 20:170]  # no picture's rows lie side by side
    processor = QwenImageProcessor(PatchLayout.QWEN3_VL)
    want = processor([frame.copy() for frame in frames])
    packed = torch.from_numpy(frames.copy())
    forms = {
        "views": frames,
        "tensors": list(packed),
        "one tensor": packed,
        "Pillow": [pillow.fromarray(frame) for frame in frames],
    }
    for name, pictures in forms.items():
        found = processor(pictures)
        for key in want:
            np.testing.assert_array_equal(found[key], want[key], err_msg=name)
    mixed = processor([frames[0], wide[1], frames[2]])  # of two sizes, in the order given
    assert mixed["image_grid_thw"].shape == (3, 3)
    one = len(want["pixel_values"]) // 3
    np.testing.assert_array_equal(mixed["pixel_values"][:one], want["pixel_values"][:one])
    np.testing.assert_array_equal(mixed["pixel_values"][-one:], want["pixel_values"][-one:])


def test_the_environment_switches(monkeypatch):
    theirs = _theirs(PatchLayout.QWEN25_VL, 1 << 20)
    assert FrameEncoder(theirs).backend == "transformers"
    monkeypatch.setenv("DEEPSPORT_FRAME_ENCODER", "core")
    assert FrameEncoder(theirs).backend == "core"
    monkeypatch.setenv("DEEPSPORT_FRAME_ENCODER", "fast")
    with pytest.raises(SettingsError, match="valid are transformers, core"):
        FrameEncoder(theirs)


def test_a_processor_that_leaves_out_a_step_is_refused():
    theirs = _theirs(PatchLayout.QWEN25_VL, 1 << 20)
    theirs.do_normalize = False
    with pytest.raises(SettingsError, match="do_normalize=False"):
        FrameEncoder(theirs, backend="core")
    with pytest.raises(InvalidRequestError, match="valid is uint8"):
        QwenImageProcessor(PatchLayout.QWEN25_VL)([np.zeros((8, 8))])
