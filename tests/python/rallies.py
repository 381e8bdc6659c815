"""Drawn rallies: a still court on which two players and a ball move along a seeded path."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from clips import need_ffmpeg


def draw_rally(seed: int, *, court: int = 0, seconds: float = 6.0, fps: float = 25.0) -> np.ndarray:
    """Frames of a rally, uint8 (n, 90, 160, 3); `court` seeds the picture that stands still."""
    rng = np.random.default_rng([court, 1])
    coarse = rng.integers(20, 236, (6, 10, 3))
    still = np.kron(coarse, np.ones((15, 16, 1))).astype(np.uint8)
    paths = np.random.default_rng([seed, 2])
    n = round(seconds * fps)
    times = np.arange(n) / fps
    frames = np.repeat(still[None], n, axis=0)
    for _ in range(3):
        phase, speed = paths.uniform(0, 6, 4), paths.uniform(0.3, 1.1, 4)
        xs = (
            70
            + 40 * np.sin(speed[0] * times + phase[0])
            + 25 * np.sin(2 * speed[1] * times + phase[1])
        )
        ys = (
            38
            + 20 * np.sin(speed[2] * times + phase[2])
            + 12 * np.sin(2 * speed[3] * times + phase[3])
        )
        colour = paths.integers(0, 256, 3)
        for frame, x, y in zip(frames, xs.astype(int), ys.astype(int), strict=True):
            frame[max(0, y) : y + 14, max(0, x) : x + 12] = colour
    return frames


def write_rally(
    path: Path,
    frames: np.ndarray,
    *,
    fps: float = 25.0,
    size: str = "160x90",
    crf: int = 20,
    gop: int = 25,
) -> Path:
    """Encode frames to H.264."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [need_ffmpeg(), "-v", "error", "-y", "-threads", "1", "-f", "rawvideo", "-pix_fmt",
               "rgb24", "-s", f"{frames.shape[2]}x{frames.shape[1]}", "-r", str(fps), "-i", "-",
               "-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), "-g", str(gop), "-s",
               size, "-pix_fmt", "yuv420p", "-threads", "1", str(path)]  # fmt: skip
    subprocess.run(command, input=frames.tobytes(), check=True, timeout=60)
    return path
