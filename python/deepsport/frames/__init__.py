"""Frames for models and for many requests at once: patches, unions of windows, batches of clips."""

from __future__ import annotations

from deepsport.frames.batch import BatchItem, BatchRequest, decode_many
from deepsport.frames.image_processor import QwenImageProcessor
from deepsport.frames.memory import release_spare_memory
from deepsport.frames.patches import PatchBatch, PatchLayout, patches, smart_resize
from deepsport.frames.union import union, windows

__all__ = [
    "BatchItem",
    "BatchRequest",
    "PatchBatch",
    "PatchLayout",
    "QwenImageProcessor",
    "decode_many",
    "patches",
    "release_spare_memory",
    "smart_resize",
    "union",
    "windows",
]
