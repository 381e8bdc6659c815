"""Videos at addresses that fsspec opens (https, s3, hf, zip, ...), read in ranges as needed.

`deepsport.open` comes here for a path with ``://`` in it. The table of an mp4 and the frames asked for
are read, not the file; other containers are read whole once, for their index.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Any

from deepsport.errors import (
    MissingExtraError,
    UnsupportedVideoError,
    VideoIOError,
    VideoNotFoundError,
)

__all__ = ["RangeReader", "open_address"]

BLOCK_BYTES = 256 << 10
KEPT_BLOCKS = 128


class RangeReader:
    """Read ranges of a file object in blocks, of which the latest are kept.

    Parameters
    ----------
    fetch : callable
        ``fetch(begin, end)`` returns these bytes.
    size : int
        Bytes in all.

    Attributes
    ----------
    fetched_bytes : int
        What was really read.
    """

    def __init__(self, fetch: Any, size: int, name: str) -> None:
        self._fetch = fetch
        self.size = size
        self.name = name
        self.fetched_bytes = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._place = 0
        self._lock, self._process = threading.Lock(), os.getpid()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, like a file object."""
        self._place = offset + (0, self._place, self.size)[whence]
        return self._place

    def read(self, count: int = -1) -> bytes:
        """Read, like a file object.

        Raises
        ------
        VideoIOError
            When the other side fails or sends less than it should.
        """
        begin = self._place
        end = self.size if count < 0 else min(self.size, begin + count)
        parts = []
        if self._process != os.getpid():  # a thread that the forked child lacks may hold the lock
            self._lock, self._process = threading.Lock(), os.getpid()
        with self._lock:
            for number in range(begin // BLOCK_BYTES, -(-end // BLOCK_BYTES)):
                self._load(number, -(-end // BLOCK_BYTES))
                start = number * BLOCK_BYTES
                parts.append(self._blocks[number][max(0, begin - start) : end - start])
        data = b"".join(parts)
        self._place += len(data)
        return data

    def _load(self, number: int, stop: int) -> None:
        """Have block `number`, fetching it together with its absent followers below `stop`."""
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return
        last = number + 1
        while last < stop and last not in self._blocks and last - number < KEPT_BLOCKS // 2:
            last += 1
        begin, end = number * BLOCK_BYTES, min(self.size, last * BLOCK_BYTES)
        try:
            data = self._fetch(begin, end)
        except Exception as error:  # what fsspec's file systems raise has no common base
            raise VideoIOError(f"bytes {begin}..{end} of {self.name}: {error!r}") from error
        if len(data) != end - begin:
            raise VideoIOError(
                f"bytes {begin}..{end} of {self.name}: {len(data)} came, {end - begin} were asked for"
            )
        self.fetched_bytes += len(data)
        for k in range(number, last):
            offset = (k - number) * BLOCK_BYTES
            self._blocks[k] = data[offset : offset + BLOCK_BYTES]
        while len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)


def open_address(address: str, **storage_options: Any) -> RangeReader:
    """Return a reader of the file at an address, to hand to :func:`deepsport.open`.

    Parameters
    ----------
    address : str
        Anything fsspec knows, e.g. ``"https://host/clip.mp4"``.
    **storage_options
        For fsspec, e.g. headers or credentials.

    Raises
    ------
    MissingExtraError
        When fsspec, or what it needs for this kind of address, is not installed.
    VideoNotFoundError
        When there is nothing at the address.
    UnsupportedVideoError
        When the server does not tell the size or cannot send ranges.
    VideoIOError
        When it cannot be reached.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(
            f"{address}: fsspec is needed for addresses: pip install 'deepsport[remote]'"
        ) from error
    try:
        system, path = fsspec.core.url_to_fs(address, **storage_options)
        facts = system.info(path)
    except ImportError as error:
        raise MissingExtraError(f"{address}: {error}: pip install 'deepsport[remote]'") from error
    except FileNotFoundError as error:
        raise VideoNotFoundError(
            f"{address}: there is nothing there; valid is the address of a file that the server has"
        ) from error
    except Exception as error:  # what fsspec's file systems raise has no common base
        raise VideoIOError(f"{address}: {error!r}") from error
    size = facts.get("size")
    if not size or facts.get("partial") is False or not _sends_ranges(system, path, size):
        raise UnsupportedVideoError(
            f"{address}: the server tells no size or sends no ranges; valid is one that does, or "
            "a downloaded file"
        )
    systems = {os.getpid(): system}

    def fetch(begin: int, end: int) -> Any:
        process = os.getpid()
        if process not in systems:  # fsspec's own refuses to work in a forked child
            systems[process] = fsspec.core.url_to_fs(address, **storage_options)[0]
        return systems[process].cat_file(path, start=begin, end=end)

    return RangeReader(fetch, int(size), address)


def _sends_ranges(system: Any, path: str, size: int) -> bool:
    """Ask a web server for its last byte: one that ignores ranges would send all of the file."""
    if "http" not in system.protocol or size == 1:
        return True
    try:
        with system.open(path, "rb", size=size, cache_type="none") as file:
            file.seek(size - 1)
            return len(file.read(1)) == 1
    except ValueError:  # what fsspec raises for a whole file where a range was asked for
        return False
