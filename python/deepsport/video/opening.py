"""Opening: where the bytes come from, and where slow indexes are kept."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from deepsport._core import video as _core
from deepsport.errors import InvalidRequestError
from deepsport.video.opened import Video

if TYPE_CHECKING:
    from threading import Event

    from deepsport.isolation import IsolatedVideo, Isolation
    from deepsport.remote import RangeReader

__all__ = ["index_cache_folder", "open", "open_again"]

logger = logging.getLogger(__name__)
_told: set[str] = set()  # remarks


def open(
    path: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO,
    *,
    max_pixels: int = 1 << 26,
    max_packets: int = 1 << 24,
    deadline_seconds: float | None = 120.0,
    sample_tables: bool = True,
    index_cache: str | os.PathLike[str] | bool = True,
    keep_after_seconds: float = 0.0005,
    isolate: bool | Isolation = False,
    cancel: Event | None = None,
) -> Video:
    """Open a video and find its frames, in the order and at the times a player shows them.

    Parameters
    ----------
    path : path, address, bytes or binary file object
        Where the bytes are. An address such as ``https://...`` or ``s3://...`` is read in ranges by
        fsspec (:mod:`deepsport.remote`). A file object must seek; it is read under a lock, and only in
        the process that opened it, unless it is a `BytesIO`. A KeyboardInterrupt that its ``read``
        raises goes through to the caller.
    max_pixels : int
        Largest picture accepted.
    max_packets : int
        Longest video accepted.
    deadline_seconds : float or None
        Give up after this long.
    sample_tables : bool
        Read mp4, Matroska and transport streams directly where that tells everything; otherwise, and
        with ``False`` always, let FFmpeg visit every packet.
    index_cache : bool or path
        Keep indexes that took long to make: ``True`` in :func:`index_cache_folder`,
        ``False`` nowhere, or in a folder of yours. Tables of an mp4 are as quick to read, and not kept.
    keep_after_seconds : float
        What counts as long; the default is twice what it takes to keep the index of a minute.
    isolate : bool or deepsport.isolation.Isolation
        Read and decode in another process, for files that nobody trusts: whatever they do to it is an
        error of that call. Its limits are those of the object. Indexes are not kept.
    cancel : threading.Event or None
        Stop soon after it is set. Not with `isolate`.

    Raises
    ------
    VideoNotFoundError, NotAVideoError, TruncatedVideoError, CorruptVideoError,
    EncryptedVideoError, UnsupportedVideoError, LimitExceededError, DecodeTimeoutError, DecodeCancelledError,
    VideoIOError, DecoderCrashedError
    InvalidRequestError
        A path that is none; `cancel` together with `isolate`.
    """
    if isolate and cancel is not None:
        raise InvalidRequestError(
            "cancel with isolate; valid is one of them: deadline_seconds bounds what a child may take, "
            "and Video.at takes cancel also for a child"
        )
    options = {
        "max_pixels": max_pixels,
        "max_packets": max_packets,
        "deadline_seconds": deadline_seconds,
        "sample_tables": sample_tables,
        "index_cache": index_cache,
        "keep_after_seconds": keep_after_seconds,
        "isolate": isolate,
    }
    what: Any
    reopen = None
    if isinstance(path, (str, os.PathLike)):
        name = what = os.fspath(path)
        if not isinstance(name, str) or "\0" in name:
            raise InvalidRequestError(f"path {name!r}: valid is text without a zero character")
        if name.startswith("~"):
            name = what = str(Path(name).expanduser())
        if "://" in name and not name.startswith("file://"):
            from deepsport.remote import open_address

            reopen, what = (name, options), _from_file_object(open_address(name))[1]
        else:
            what = name.removeprefix("file://")
            reopen = (str(Path(what).absolute()), options)
    elif isinstance(path, (bytes, bytearray, memoryview)):
        name, what = f"<{len(path)} bytes in memory>", bytes(path)
    else:
        name, what = _from_file_object(path)
    folder = index_cache_folder() if index_cache is True else index_cache or ""
    seconds = deadline_seconds or 0.0
    limits = (seconds, max_pixels, max_packets, sample_tables)
    core: _core.Video | IsolatedVideo
    if isolate:
        from deepsport.isolation import open_isolated

        # a child that may write no file keeps no index files
        core = open_isolated(what, name, seconds, (*limits, "", keep_after_seconds), isolate)
    else:
        stop: dict[str, Any] = {} if cancel is None else {"cancel": cancel}
        core = _core.open(what, name, *limits, os.fspath(folder), keep_after_seconds, **stop)
    facts = core.facts()
    if facts["remark"] and facts["remark"] not in _told:  # of a folder, once is enough
        _told.add(facts["remark"])
        logger.warning("%s: %s", name, facts["remark"])
    return Video(core, facts, name, reopen)


def index_cache_folder() -> str:
    """Return where index files are kept, empty for nowhere.

    The folder that ``DEEPSPORT_INDEX_CACHE`` names, ``off`` for none; else
    ``$XDG_CACHE_HOME/deepsport/index``, else ``~/.cache/deepsport/index``.
    """
    wanted = os.environ.get("DEEPSPORT_INDEX_CACHE")
    if wanted is not None:
        return "" if wanted.lower() in {"", "0", "off", "no"} else wanted
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:  # no home
        return ""
    return str(folder / "deepsport" / "index")


def open_again(path: str, options: dict[str, Any]) -> Video:
    """Open what a pickle names."""
    return open(path, **options)


def _from_file_object(
    file: BinaryIO | RangeReader,
) -> tuple[str, tuple[Callable[[int, int], bytes], int, bool]]:
    """A name, and what the core takes: a function that reads, the size, may it be called after fork."""
    if not hasattr(file, "read") or not hasattr(file, "seek"):
        raise InvalidRequestError(
            f"a {type(file).__name__} is not a video source; valid are a path, bytes, or a binary "
            "file object that can seek"
        )
    from deepsport.remote import RangeReader

    size = file.seek(0, os.SEEK_END)

    def read_at(offset: int, count: int) -> bytes:
        file.seek(offset)
        return file.read(count)

    # of these each process has a position of its own; of others the system may keep one for all
    works_after_fork = type(file) is io.BytesIO or isinstance(file, RangeReader)
    return f"<{getattr(file, 'name', type(file).__name__)}>", (read_at, size, works_after_fork)
