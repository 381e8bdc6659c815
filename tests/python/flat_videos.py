"""Videos that exist only as arithmetic: a stand-in for FrameSource where decoding is not the point."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from deepsport.errors import CorruptVideoError, VideoNotFoundError


class FlatVideos:
    """Every path is a video of `frame_count` flat grey frames; two names are broken."""

    def __init__(self, frame_count=100, size=(32, 16), delay=0.0):
        self.root = Path("/nowhere")
        self.frame_count, self.size, self.delay = frame_count, size, delay
        self.threads_busy = self.most_threads = 0
        self._lock = threading.Lock()

    def video(self, path):
        if path == "missing.mp4":
            raise VideoNotFoundError("missing.mp4: no such file")
        return SimpleNamespace(
            frame_count=self.frame_count,
            pts_seconds=np.arange(self.frame_count) / 10,
            average_fps=10.0,
            duration_seconds=self.frame_count / 10,
            width=self.size[0],
            height=self.size[1],
        )

    def frames(self, path, indices, size):
        with self._lock:
            self.threads_busy += 1
            self.most_threads = max(self.most_threads, self.threads_busy)
        try:
            time.sleep(self.delay)
            if path == "corrupt.mp4":
                raise CorruptVideoError("corrupt.mp4: frame 0 cannot be decoded")
            width, height = size
            return [np.full((height, width, 3), i % 256, np.uint8) for i in indices]
        finally:
            with self._lock:
                self.threads_busy -= 1
