"""The child that decodes: `python -m deepsport.isolation.child DESCRIPTOR MEMORY_BYTES`.

It opens no file and no socket: both come from the parent, as descriptors. Before the first request it gives up
everything else (`deepsport._core.isolation`), and sets limits of memory and of file size for itself.
"""

from __future__ import annotations

import collections
import contextlib
import mmap
import os
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deepsport._core import isolation as _confinement
from deepsport._core import video as _core
from deepsport.errors import DeepsportError
from deepsport.isolation.message import receive, send

_OPEN_VIDEOS = 8
_PAGE = resource.getpagesize()


class _Child:
    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.videos: collections.OrderedDict[int, _core.Video] = collections.OrderedDict()

    def open(self, head: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], Any]:
        what: Any = (
            (self._read_at, head["size"], False) if head["size"] is not None else descriptors[0]
        )
        if head["size"] is None:
            descriptors.clear()  # the video's now
        video = _core.open(what, head["name"], *head["arguments"])
        self.videos[head["video"]] = video
        while len(self.videos) > _OPEN_VIDEOS:
            self.videos.popitem(last=False)
        return {"facts": video.facts()}, video.pts_seconds()

    def rgb(self, head: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], Any]:
        count, height, width = len(head["frames"]), head["height"], head["width"]
        # mapped, not sent: the parent sees the same memory
        memory = mmap.mmap(descriptors[0], count * height * width * 3)
        out = np.frombuffer(memory, np.uint8).reshape(count, height, width, 3)
        _, status, counts = self._video(head).rgb(
            head["frames"], width, height, head["threads"], head["drop"], head["seconds"], out
        )
        return {"counts": counts}, status

    def planes(self, head: dict[str, Any], _: list[int]) -> tuple[dict[str, Any], Any]:
        found = self._video(head).planes(
            head["frames"], head["threads"], head["drop"], head["seconds"]
        )
        rows = [(name, w, h, len(data), status) for name, w, h, data, status in found]
        data = [row[3] for row in found]
        return {"rows": rows}, np.concatenate(data) if data else b""

    def packets(self, head: dict[str, Any], _: list[int]) -> tuple[dict[str, Any], Any]:
        columns = self._video(head).packets()
        described = [(name, column.dtype.str, len(column)) for name, column in columns.items()]
        return {"columns": described}, b"".join(column.tobytes() for column in columns.values())

    def ask(self, head: dict[str, Any], _: list[int]) -> tuple[dict[str, Any], Any]:
        video = self._video(head)
        method: dict[str, Callable[..., Any]] = {
            "resolve": video.resolve, "played_at": video.played_at, "window": video.window,
        }  # fmt: skip
        return {}, method[head["method"]](*head["arguments"])

    def signature(self, head: dict[str, Any], _: list[int]) -> tuple[dict[str, Any], Any]:
        return {"signature": self._video(head).signature()}, b""

    def close(self, head: dict[str, Any], _: list[int]) -> tuple[dict[str, Any], Any]:
        self.videos.pop(head["video"], None)
        return {}, b""

    def _video(self, head: dict[str, Any]) -> _core.Video:
        self.videos.move_to_end(head["video"])
        return self.videos[head["video"]]

    def _read_at(self, offset: int, count: int) -> bytes:
        send(self.link, {"read": [offset, count]})
        head, body, _ = receive(self.link)
        if "error" in head:
            raise OSError(head["error"])
        return bytes(body)

    def serve(self) -> None:
        """Answer requests until the parent is gone."""
        todo = {
            name: getattr(self, name)
            for name in ("open", "rgb", "planes", "packets", "ask", "signature", "close")
        }
        while True:
            try:
                head, _, descriptors = receive(self.link, most_descriptors=1)
            except (EOFError, ConnectionError):
                return
            answer: dict[str, Any]
            try:
                if head["do"] != "open" and head["video"] not in self.videos:
                    answer, body = {"unknown": True}, b""
                else:
                    answer, body = todo[head["do"]](head, descriptors)
            except DeepsportError as error:
                answer, body = {"error": type(error).__name__, "message": str(error)}, b""
            except MemoryError:
                limit = "not enough memory for it within the limit of the isolated decoder"
                answer, body = {"error": "LimitExceededError", "message": limit}, b""
            finally:
                for descriptor in descriptors:
                    with contextlib.suppress(OSError):
                        os.close(descriptor)
            send(self.link, answer, body)


def _warm_up() -> None:
    """Import what is imported on first use: later no file can be opened."""
    with contextlib.suppress(DeepsportError):
        _core.open(b"no video", "warm-up", 1.0, 1, 1, True, "", 1.0)
    np.concatenate([np.zeros(1, np.uint8)]).tobytes()


def main() -> None:
    """Confine this process, say so, serve."""
    link = socket.socket(fileno=int(sys.argv[1]))
    _warm_up()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE
    memory = used + int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    why_not = _confinement.confine_this_thread()
    send(link, {"ready": True, "why_not_confined": why_not})
    _Child(link).serve()


if __name__ == "__main__":
    main()
