"""Messages between a process and the child that decodes for it: JSON, then raw bytes, then descriptors.

No pickle: what a child sends may be written by a hostile file. Only the child takes descriptors.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

__all__ = ["MOST_BYTES", "read_exactly", "receive", "send"]

_LENGTHS = struct.Struct("<IQ")
_MOST_JSON = 1 << 26
MOST_BYTES = 1 << 32  # planes of many frames; what is more is refused before it is allocated


def send(
    link: socket.socket, head: dict[str, Any], body: Any = b"", descriptors: Sequence[int] = ()
) -> None:
    """Send one message; `body` is anything with the buffer protocol."""
    text = json.dumps(head).encode()
    view = memoryview(body).cast("B")
    first = _LENGTHS.pack(len(text), len(view))
    if descriptors:
        socket.send_fds(link, [first], list(descriptors))
    else:
        link.sendall(first)
    link.sendall(text)
    if len(view):
        link.sendall(view)


def read_exactly(link: socket.socket, count: int) -> bytearray:
    """Read so many bytes; EOFError when the other side has gone."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = link.recv_into(view)
        if got == 0:
            raise EOFError
        view = view[got:]
    return data


def receive(
    link: socket.socket, *, most_descriptors: int = 0
) -> tuple[dict[str, Any], bytearray, list[int]]:
    """Receive one message; ValueError for what is none."""
    descriptors: list[int] = []
    if most_descriptors:
        first, descriptors, _, _ = socket.recv_fds(link, _LENGTHS.size, most_descriptors)
        if not first:
            raise EOFError
        first = bytes(first) + bytes(read_exactly(link, _LENGTHS.size - len(first)))
    else:
        first = bytes(read_exactly(link, _LENGTHS.size))
    text_bytes, body_bytes = _LENGTHS.unpack(first)
    if text_bytes > _MOST_JSON or body_bytes > MOST_BYTES:
        raise ValueError(f"a message of {text_bytes} and {body_bytes} bytes")
    head = json.loads(read_exactly(link, text_bytes))
    if not isinstance(head, dict):
        raise ValueError(f"a message that is a {type(head).__name__}")  # noqa: TRY004
    return head, read_exactly(link, body_bytes), descriptors
