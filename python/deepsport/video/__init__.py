"""Open a video and get exactly the frames asked for, with their true times.

Not for what a model does with frames (`deepsport.tool`) nor for many requests at once
(`deepsport.frames`).
"""

from __future__ import annotations

from deepsport.video.frame_batch import FrameBatch, Status
from deepsport.video.opened import Video
from deepsport.video.opening import index_cache_folder, open

__all__ = ["FrameBatch", "Status", "Video", "index_cache_folder", "open"]
