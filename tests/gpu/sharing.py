"""Memory and streams shared with torch, both ways; part of check.py."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import deepsport
from deepsport import cuda


def with_torch(clip: Path, is_fake: bool) -> tuple[list[str], int]:
    if is_fake or importlib.util.find_spec("torch") is None:
        return ["Not tried: torch is not installed here, or this is the fake driver."], 0
    import torch

    if not torch.cuda.is_available():
        return ["Not tried: this torch has no CUDA."], 0
    checks = (out_on_a_stream, allocator_reuse, export_outlives, patches, rewards, pinned)
    lines, failed = [], 0
    for check in checks:
        try:
            right = _quietly(check, torch, clip)
            answer = "agrees" if right else "**differs**"
        except Exception as error:  # noqa: BLE001 - reported, and the others run
            right, answer = False, f"**failed**: {type(error).__name__}: {error}"
        lines.append(f"- {check.__name__.replace('_', ' ')}: {answer}")
        failed += not right
    return lines, failed


def _quietly(check: Callable[[Any, Path], bool], torch: Any, clip: Path) -> bool:
    before = (torch.cuda.current_device(), torch.cuda.current_stream().cuda_stream)
    right = check(torch, clip)
    torch.cuda.synchronize()
    after = (torch.cuda.current_device(), torch.cuda.current_stream().cuda_stream)
    return right and before == after


def out_on_a_stream(torch: Any, clip: Path) -> bool:
    """`out=` on torch's current stream; what is queued behind sees the frames without waiting."""
    video = deepsport.open(clip)
    wanted = torch.from_numpy(video.at([3, 30]).data)
    right = True
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream()):
        with torch.cuda.stream(stream):
            out = torch.zeros(wanted.shape, dtype=torch.uint8, device="cuda")
            torch.cuda._sleep(20_000_000)  # the stream is busy: the decode must queue behind
            video.at([3, 30], device="cuda", out=out)
            doubled = out.int() * 2
        stream.synchronize()
        right = right and torch.equal(doubled.cpu(), wanted.int() * 2)
    return right


def allocator_reuse(torch: Any, clip: Path) -> bool:
    """Tensors dropped while their readers are queued: the caching allocator hands memory out again."""
    video = deepsport.open(clip)
    wanted = [torch.from_numpy(video.at([i]).data) for i in range(20)]
    copies = []
    for i in range(20):
        out = torch.empty(wanted[i].shape, dtype=torch.uint8, device="cuda")
        video.at([i], device="cuda", out=out)
        copies.append(out.clone())
        del out
    return all(torch.equal(a.cpu(), b) for a, b in zip(copies, wanted, strict=True))


def export_outlives(torch: Any, clip: Path) -> bool:
    """from_dlpack on a side stream; the batch goes before its reader has run."""
    video = deepsport.open(clip)
    wanted = torch.from_numpy(video.at([9]).data)
    right = True
    for _ in range(10):
        with torch.cuda.stream(torch.cuda.Stream()):
            shared = torch.from_dlpack(video.at([9], device="cuda").data)
            torch.cuda._sleep(20_000_000)
            kept = shared.clone()
            del shared
            video.at([20], device="cuda")  # wants memory, and may get that which was given back
        torch.cuda.synchronize()
        right = right and torch.equal(kept.cpu(), wanted)
    return right


def patches(torch: Any, clip: Path) -> bool:
    from deepsport.frames import patches as make

    video = deepsport.open(clip)
    right = True
    for dtype in ("float32", "bfloat16", "float16"):
        how = {"max_pixels": 20000, "dtype": dtype}
        found = make(video, [0, 7, 31], device="cuda", **how)
        on_host = make(video, [0, 7, 31], **how)
        right = right and np.array_equal(found.pixel_values.numpy(), on_host.pixel_values)
        tensor = torch.from_dlpack(found.pixel_values)
        right = right and str(tensor.dtype) == f"torch.{dtype}" and bool(tensor.isfinite().all())
    return right


def rewards(torch: Any, clip: Path) -> bool:
    """Advantages against the formula in double precision, and their spreading over tokens."""
    values = torch.rand(64, device="cuda")
    found = torch.empty_like(values)
    cuda.group_advantages(values, found, group_size=8)
    groups = values.double().view(-1, 8)
    exact = (groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)
    mask = torch.rand(64, 17, device="cuda") > 0.5
    tokens = torch.empty(64, 17, device="cuda")
    cuda.spread(found, mask, tokens)
    same = torch.equal(tokens, found[:, None] * mask)
    return same and torch.allclose(found.double(), exact.flatten(), atol=1e-6)


def pinned(torch: Any, clip: Path) -> bool:
    """Pinned memory of deepsport's is pinned to torch, too, and uploads what was decoded into it."""
    video = deepsport.open(clip)
    array = cuda.pinned_empty((2, video.height, video.width, 3))
    video.at([4, 20], out=array)
    tensor = torch.from_numpy(array)
    uploaded = tensor.to("cuda", non_blocking=True)
    torch.cuda.synchronize()
    return tensor.is_pinned() and np.array_equal(uploaded.cpu().numpy(), video.at([4, 20]).data)
