"""deepsport: answer questions about sports videos by looking at the right frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepsport.pixels import Pixels
    from deepsport.video import FrameBatch, Video, open

__version__ = "0.1.0"
__all__ = ["FrameBatch", "Pixels", "Video", "__version__", "open"]


def __getattr__(name: str) -> Any:
    # The compiled core is loaded when a video is first needed, so that `--help` is quick and pure
    # Python parts work where it is not built.
    if name in {"FrameBatch", "Video", "open"}:
        from deepsport import video

        return getattr(video, name)
    if name == "Pixels":
        from deepsport.pixels import Pixels

        return Pixels
    raise AttributeError(f"module 'deepsport' has no attribute {name!r}")
