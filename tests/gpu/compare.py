"""Pictures of the device against those of the CPU path, byte for byte; part of check.py."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deepsport
from deepsport import cuda

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Heard(logging.Handler):
    """Why the CPU decoded what NVDEC was asked for."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.why = ""

    def emit(self, record: logging.LogRecord) -> None:
        if "uploaded" in record.msg and record.args:
            self.why = str(record.args[-1])


def difference(found: NDArray[Any], wanted: NDArray[Any]) -> str:
    """Empty when the bytes are the same; else how far apart they are, for who looks for the cause."""
    if found.shape == wanted.shape and found.tobytes() == wanted.tobytes():
        return ""
    if found.shape != wanted.shape:
        return f"shape {found.shape} for {wanted.shape}"
    apart = np.abs(found.astype(np.float64) - wanted.astype(np.float64))
    frames = np.unique(np.nonzero(apart)[0])
    return (
        f"{np.count_nonzero(apart) / apart.size:.2%} of the values differ, by {apart.max():.3g} at "
        f"most; {len(frames)} of {len(found)} rows of the first axis, the first is {frames[0]}"
    )


def pictures(clips: list[Path], most: int) -> tuple[list[str], int]:
    """Every clip natively, resized, and as normalised patches; a row each."""
    rows = ["| clip | frames | decoded by | MD5 of the CPU's | native | resized | patches |",
            "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    failed = 0
    for clip in clips:
        row, wrong = one_clip(clip, most)
        rows.append(row)
        failed += wrong
    return rows, failed


def one_clip(clip: Path, most: int) -> tuple[str, int]:
    heard = Heard()
    logger = logging.getLogger("deepsport")
    logger.addHandler(heard)
    level = logger.level
    logger.setLevel(logging.INFO)
    cells, wrong, frames, md5 = [], 0, [], ""
    try:
        video = deepsport.open(clip)
        frames = list(range(len(video)))[:most]
        host = video.at(frames)
        native = host.data
        md5 = hashlib.md5(native.tobytes()).hexdigest()[:12]
        small = video.at(frames, (224, 168)).data
        patches = cuda.Pixels("patches", "float32", MEAN, STD)
        for size, pixels, wanted in (
            (None, cuda.Pixels(), native),
            ((224, 168), cuda.Pixels(), small),
            ((224, 168), patches, patches_of(small, patches)),
        ):
            batch = video.at(frames, size, device="cuda", pixels=pixels)
            apart = difference(batch.data.numpy(), wanted)
            told = sum(a != b for a, b in zip(batch.status, host.status, strict=True))
            apart += f" {told} frames have another status" if told else ""
            cells.append(apart or "same")
            wrong += bool(apart)
    except deepsport.errors.DeepsportError as error:
        cells.append(f"{type(error).__name__}: {error}")
        wrong += 1
    finally:
        logger.removeHandler(heard)
        logger.setLevel(level)
    wrong += heard.why.startswith("NVDEC failed")
    by = f"the CPU: {heard.why}" if heard.why else "NVDEC"
    cells += [""] * (3 - len(cells))
    return f"| {clip.name} | {len(frames)} | {by} | {md5} | {' | '.join(cells)} |", wrong


def patches_of(rgb: NDArray[np.uint8], pixels: cuda.Pixels) -> NDArray[Any]:
    from deepsport._core import frames

    values, _ = frames.patches(
        rgb, pixels.patch, pixels.merge, pixels.temporal, pixels.mean, pixels.std, True, 0
    )
    return values


def damaged(folder: Path, copies: int = 6) -> tuple[list[str], int]:
    """Copies of the clips with bytes of their pictures overwritten: a typed error, or pictures.

    Nothing but those errors is caught here, and a copy must not spoil what comes after it. What is
    shown of a damaged picture, and whether a decoder sees the damage, is each decoder's own affair:
    such frames are counted.
    """
    rows = ["| clip | copies | refused | frames | not whole, CPU | not whole, device | whole, unequal |",
            "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    failed = 0
    for clip in sorted(folder.iterdir()):
        refused = frames = by_host = marked = unequal = 0
        for seed in range(copies):
            draw = np.random.default_rng(seed)
            content = bytearray(clip.read_bytes())
            tables = content.find(b"moov")  # of an mp4: damage there is refused by both alike
            end = tables if tables > len(content) // 2 else len(content)
            for place in draw.integers(len(content) // 4, end, 4 + 4 * seed).tolist():
                content[place] = int(draw.integers(0, 256))
            try:
                video = deepsport.open(bytes(content))
                wanted = list(range(len(video)))
                by_cpu = video.at(wanted, strict=False)
                by_device = video.at(wanted, device="cuda", strict=False)
            except deepsport.errors.DeepsportError:
                refused += 1
                continue
            frames += len(wanted)
            found = by_device.data.numpy()
            for i, status in enumerate(by_device.status):
                by_host += by_cpu.status[i] != "ok"
                marked += status != "ok"
                both = status == "ok" == by_cpu.status[i]
                unequal += both and not np.array_equal(found[i], by_cpu.data[i])
        whole = deepsport.open(clip)
        apart = difference(whole.at([9], device="cuda").data.numpy(), whole.at([9]).data)
        failed += bool(apart)
        rows.append(
            f"| {clip.name} | {copies} | {refused} | {frames} | {by_host} | {marked} | {unequal} |"
        )
    return rows, failed


def requests(clip: Path, devices: int) -> tuple[list[str], int]:
    """Frames in any order with repeats, from threads at once, and on every other device."""
    video = deepsport.open(clip)
    count = len(video)
    order = np.random.default_rng(0).integers(0, count, 40).tolist()
    wanted = video.at(order).data
    answers = {"40 frames in any order": video.at(order, device="cuda").data.numpy()}
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(lambda: video.at(order, device="cuda").data.numpy()) for _ in range(8)]
        for number, job in enumerate(jobs):
            answers[f"four threads, request {number}"] = job.result()
    for ordinal in range(1, devices):
        answers[f"cuda:{ordinal}"] = video.at(order, device=f"cuda:{ordinal}").data.numpy()
    cuda.release_decoders()
    answers["after the kept decoders were released"] = video.at(order, device="cuda").data.numpy()
    lines, failed = [], 0
    for name, found in answers.items():
        apart = difference(found, wanted)
        lines.append(f"- {name}: {apart or 'same'}")
        failed += bool(apart)
    return lines, failed
