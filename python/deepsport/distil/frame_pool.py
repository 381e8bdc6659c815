"""Frames beside the network: a few threads that decode and encode, with a bound of their own.

The event loop only ever waits for them, so a slow video does not hold up requests, and waiting
requests do not hold up decoding.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import MissingExtraError
from deepsport.task import Media
from deepsport.tool import FrameSource

__all__ = ["FramePool"]

T = TypeVar("T")
_SIGNATURE_BYTES = 1 << 20


class FramePool:
    """Threads for frames, and the encoded frames they made.

    Parameters
    ----------
    source : FrameSource
    threads : int
    cache_bytes : int
        Encoded frames kept, least recently used first to go.

    Notes
    -----
    Safe to share between threads.
    """

    def __init__(
        self, source: FrameSource, threads: int = 2, *, cache_bytes: int = 128 << 20
    ) -> None:
        try:
            import PIL.Image
        except ImportError as error:
            raise MissingExtraError(
                "deepsport[distil] is needed to encode frames: pip install 'deepsport[distil]'"
            ) from error
        self._encoder = PIL.Image
        self.source = source
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="deepsport-frames")
        self._cache_bytes = cache_bytes
        self._urls: OrderedDict[tuple[str, int, int, int, int], str] = OrderedDict()
        self._bytes = 0
        self._identities: dict[str, str] = {}
        self._lock = threading.Lock()

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Run blocking work on one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    def identity(self, media: Media) -> str:
        """Return a name of the video's content: its SHA-256 if the task knows it, else a signature.

        The signature is the SHA-256 of size, first and last mebibyte; a video that cannot be read is
        named by its path.
        """
        if media.sha256:
            return f"sha256:{media.sha256}"
        with self._lock:
            known = self._identities.get(media.path)
        if known is None:
            known = _signature(Path(self.source.root) / media.path) or f"path:{media.path}"
            with self._lock:
                self._identities[media.path] = known
        return known

    def data_url(
        self, video: str, index: int, image: NDArray[np.uint8], quality: int
    ) -> tuple[str, dict[str, Any]]:
        """Encode a frame as JPEG and return its data URL and the message part that names it.

        Parameters
        ----------
        video : str
            See :meth:`identity`.
        index : int
        image : uint8, (height, width, 3), RGB
        quality : int
        """
        height, width = image.shape[:2]
        part = {
            "type": "frame",
            "video": video,
            "index": index,
            "width": width,
            "height": height,
            "quality": quality,
        }
        key = (video, index, width, height, quality)
        with self._lock:
            url = self._urls.get(key)
            if url is not None:
                self._urls.move_to_end(key)
                return url, part
        buffer = io.BytesIO()
        self._encoder.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=quality)
        url = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
        with self._lock:
            if key not in self._urls:
                self._urls[key] = url
                self._bytes += len(url)
            while self._bytes > self._cache_bytes and self._urls:
                self._bytes -= len(self._urls.popitem(last=False)[1])
        return url, part

    def close(self) -> None:
        """Stop the threads, after the work they have begun."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _signature(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            digest = hashlib.sha256(str(size).encode())
            file.seek(0)
            digest.update(file.read(_SIGNATURE_BYTES))
            file.seek(max(0, size - _SIGNATURE_BYTES))
            digest.update(file.read(_SIGNATURE_BYTES))
    except OSError:
        return ""
    return f"ends:{digest.hexdigest()}"
