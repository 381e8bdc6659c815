"""Memory of frames that were let go, which is kept for the next ones."""

from __future__ import annotations

from deepsport._core import frames as _core

__all__ = ["release_spare_memory"]


def release_spare_memory() -> int:
    """Return to the system what is kept of arrays that were let go; how many bytes that was.

    At most 128 MiB a process are kept, since new memory costs more than converting frames into it,
    and none that went unused for ten seconds when frames are next asked for or let go.
    """
    return _core.release_spare_memory()
