"""Messages between a process and the child that decodes for it: JSON, then raw bytes, then descriptors.

No pickle: what a child sends may be written by a hostile file. Only the child takes descriptors. Whoever gives a
`look` has set a timeout on the socket: `look` is called at least as often as that, and raises to give up, so that a
sender of single bytes holds nobody.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["MOST_BYTES", "MOST_JSON", "Look", "read_exactly", "receive", "send"]

_LENGTHS = struct.Struct("<IQ")
MOST_JSON = 1 << 26
MOST_BYTES = 1 << 32  # planes of many frames; what is more is refused before it is allocated
Look = Callable[[], None]


def send(
    link: socket.socket,
    head: dict[str, Any],
    body: Any = b"",
    descriptors: Sequence[int] = (),
    look: Look | None = None,
) -> None:
    """Send one message; `body` is anything with the buffer protocol."""
    text = json.dumps(head).encode()
    view = memoryview(body).cast("B")
    first = _LENGTHS.pack(len(text), len(view))
    if descriptors:
        gone = 0
        while not gone:
            if look is not None:
                look()
            try:
                gone = socket.send_fds(link, [first], list(descriptors))
            except TimeoutError:
                if look is None:
                    raise
        first = first[gone:]
    for part in (memoryview(first), memoryview(text), view):
        _send_all(link, part, look)


def _send_all(link: socket.socket, view: memoryview, look: Look | None) -> None:
    if look is None:
        link.sendall(view)
        return
    while view:
        look()
        try:
            view = view[link.send(view) :]
        except TimeoutError:
            continue


def read_exactly(link: socket.socket, count: int, look: Look | None = None) -> bytearray:
    """Read so many bytes; EOFError when the other side has gone."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        if look is not None:
            look()
        try:
            got = link.recv_into(view)
        except TimeoutError:
            if look is None:
                raise
            continue
        if got == 0:
            raise EOFError
        view = view[got:]
    return data


def receive(
    link: socket.socket,
    *,
    most_descriptors: int = 0,
    most_json: int = MOST_JSON,
    most_bytes: int = MOST_BYTES,
    look: Look | None = None,
) -> tuple[dict[str, Any], bytearray, list[int]]:
    """Receive one message; ValueError for what is none, or is larger than the bounds."""
    descriptors: list[int] = []
    if most_descriptors:
        first, descriptors, _, _ = socket.recv_fds(link, _LENGTHS.size, most_descriptors)
        if not first:
            raise EOFError
        first = bytes(first) + bytes(read_exactly(link, _LENGTHS.size - len(first)))
    else:
        first = bytes(read_exactly(link, _LENGTHS.size, look))
    text_bytes, body_bytes = _LENGTHS.unpack(first)
    if text_bytes > most_json or body_bytes > most_bytes:
        raise ValueError(
            f"a message of {text_bytes} and {body_bytes} bytes, where {most_json} and {most_bytes} are the most"
        )
    try:
        head = json.loads(read_exactly(link, text_bytes, look))
    except RecursionError:
        raise ValueError("a message nested too deeply") from None
    if not isinstance(head, dict):
        raise ValueError(f"a message that is a {type(head).__name__}")  # noqa: TRY004
    return head, read_exactly(link, body_bytes, look), descriptors
