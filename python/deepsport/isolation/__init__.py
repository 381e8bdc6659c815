"""Decode files that nobody trusts in another process, so that its crash is an error and not the end.

`deepsport.open(..., isolate=True)` comes here. Not for speed, and not for files of your own.
"""

from __future__ import annotations

from deepsport.isolation.pool import Isolation, shut_down
from deepsport.isolation.video import IsolatedVideo, open_isolated

__all__ = ["IsolatedVideo", "Isolation", "open_isolated", "shut_down"]
