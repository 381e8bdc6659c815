"""The frames shown on the page: decoded again by their index, small, each only once."""

from __future__ import annotations

import base64
import io
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepsport.errors import MissingExtraError, VideoError
from deepsport.evaluate.run_folder import Run
from deepsport.progress import Progress
from deepsport.tool import FrameSource
from deepsport.tool.pixels import frame_pixels, picture_name
from deepsport.trajectory import FrameRef

__all__ = ["INLINE_PICTURES", "Pictures"]

INLINE_PICTURES = 1200
_QUALITY = 82
_AT_ONCE = 64  # frames decoded in one request

_log = logging.getLogger(__name__)


class Pictures:
    """Numbers for frames while the page is gathered, then their pixels.

    Parameters
    ----------
    runs : sequence of Run
    folder : Path
        Where pictures go when there are more than `inline`.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        folder: Path,
        *,
        media_root: Path | str | None,
        inline: int,
        limit: int,
        width: int,
    ) -> None:
        self._folder, self._inline, self._limit, self._width = folder, inline, limit, width
        self._roots = [Path(media_root or run.info.media_root or ".") for run in runs]
        self._kept = [run.folder for run in runs]
        self._numbers: dict[tuple[Path, str, FrameRef], int] = {}
        self._made: dict[int, str] = {}
        self._used_folder = False

    def number(self, run: int, path: str, frame: FrameRef) -> int:
        """Return the number under which the page finds a frame, -1 beyond the limit."""
        # the same picture whatever the task's media are called
        key = (self._roots[run], path, replace(frame, pts_seconds=0.0, media=0))
        if key not in self._numbers and len(self._numbers) >= self._limit:
            return -1
        return self._numbers.setdefault(key, len(self._numbers))

    @property
    def count(self) -> int:
        """Pictures made."""
        return len(self._made)

    @property
    def missing(self) -> int:
        """Pictures that could not be made."""
        return len(self._numbers) - len(self._made)

    def index(self) -> list[str]:
        """Return for each number a data URI, a path beside the page, or an empty text."""
        return [self._made.get(number, "") for number in range(len(self._numbers))]

    def decode(self) -> None:
        """Decode every frame that has a number; what cannot be decoded stays without picture."""
        image = _pillow()
        self._used_folder = len(self._numbers) > self._inline
        wanted: dict[tuple[Path, str], list[tuple[FrameRef, int]]] = defaultdict(list)
        for (root, path, frame), number in self._numbers.items():
            wanted[root, path].append((frame, number))
        sources: dict[Path, FrameSource] = {}
        with Progress("decode frames", len(self._numbers)) as bar:
            for (root, path), frames in sorted(wanted.items()):
                source = sources.setdefault(root, FrameSource(root, cache_bytes=1, open_videos=2))
                in_order = sorted(frames, key=lambda pair: (pair[0].index, pair[1]))
                self._decode_video(image, source, path, in_order)
                bar.advance(len(frames))

    def _decode_video(
        self, image: Any, source: FrameSource, path: str, frames: list[tuple[FrameRef, int]]
    ) -> None:
        try:
            for start in range(0, len(frames), _AT_ONCE):
                part = frames[start : start + _AT_ONCE]
                views = [frame for frame, _ in part]
                arrays = frame_pixels(source, path, views, self._width, self._width)
                for (frame, number), array in zip(part, arrays, strict=True):
                    self._made[number] = self._write(image, path, frame, array)
        except VideoError as error:
            left = [(frame, number) for frame, number in frames if number not in self._made]
            kept = [number for frame, number in left if self._take_kept(path, frame, number)]
            if len(kept) < len(left):
                _log.warning("no pictures of %s: %s", path, error)

    def _take_kept(self, path: str, frame: FrameRef, number: int) -> bool:
        """Take a picture that training has kept beside its rollouts, when the video is gone."""
        name = picture_name(path, frame)
        for folder in self._kept:
            if (folder / name).is_file():
                self._made[number] = self._place(path, frame, (folder / name).read_bytes())
                return True
        return False

    def _write(self, image: Any, path: str, frame: FrameRef, array: Any) -> str:
        buffer = io.BytesIO()
        image.fromarray(array).save(buffer, "JPEG", quality=_QUALITY, optimize=True)
        return self._place(path, frame, buffer.getvalue())

    def _place(self, path: str, frame: FrameRef, jpeg: bytes) -> str:
        if not self._used_folder:
            return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
        target = self._folder / picture_name(path, frame)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(jpeg)
        return target.relative_to(self._folder.parent).as_posix()


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("deepsport[report] is needed for frames (pillow)") from error
    return Image
