"""Conversations as tokens: rendering, masks, frames to pixel values, checkpoints."""

from __future__ import annotations

from deepsport.chat.batch import IGNORED, collate
from deepsport.chat.checkpoint import Checkpoint, load_checkpoint, load_renderer, save_checkpoint
from deepsport.chat.frames import FrameEncoder
from deepsport.chat.renderer import ChatRenderer, chat_template
from deepsport.chat.transcript import ShownFrame, Transcript

__all__ = [
    "IGNORED",
    "ChatRenderer",
    "Checkpoint",
    "FrameEncoder",
    "ShownFrame",
    "Transcript",
    "chat_template",
    "collate",
    "load_checkpoint",
    "load_renderer",
    "save_checkpoint",
]
