"""MPEG-4 in avi with packed B-frames, as DivX 5 wrote it and ffmpeg cannot.

A packet holds a picture together with the B-picture that is decoded after it; the next packet is a placeholder. Not
for anything else in avi.
"""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

from clips import need_ffmpeg

# A picture that is not coded: type P, no second passed, marker, 5 bits of time, marker, "not coded", stuffing.
_PLACEHOLDER = b"\0\0\1\xb6" + int("01_0_1_00000_1_0_01111".replace("_", ""), 2).to_bytes(2, "big")
_DIVX_PACKED = b"\0\0\1\xb2DivX503b1393p"
_B_PICTURE = 2


def _chunk(tag: bytes, data: bytes) -> bytes:
    return tag + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _avi(packets: list[tuple[bytes, bool]], width: int, height: int, rate: int) -> bytes:
    """Packets, each with "can decoding start here?", as a file."""
    count = len(packets)
    main = struct.pack("<14I", 10**6 // rate, 0, 0, 0x10, count, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = struct.pack(
        "<4s4sIHH8I4H", b"vids", b"DX50", 0, 0, 0, 0, 1, rate, 0, count, 0, 2**32 - 1, 0,
        0, 0, width, height,
    )  # fmt: skip
    bitmap = struct.pack(
        "<IiiHH4sIiiII", 40, width, height, 1, 24, b"DX50", 3 * width * height, 0, 0, 0, 0
    )
    movie, index = b"movi", b""
    for data, is_start in packets:
        index += struct.pack("<4sIII", b"00dc", 0x10 * is_start, len(movie), len(data))
        movie += _chunk(b"00dc", data)
    described = _chunk(b"LIST", b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", bitmap))
    headers = _chunk(b"LIST", b"hdrl" + _chunk(b"avih", main) + described)
    return _chunk(b"RIFF", b"AVI " + headers + _chunk(b"LIST", movie) + _chunk(b"idx1", index))


def _pictures(stream: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """The headers before the first picture, and each picture's type (0 I, 1 P, 2 B) and bytes."""
    starts = [found.start() for found in re.finditer(rb"\x00\x00\x01(?=[\xb3\xb6])", stream)]
    pictures = []
    group_header = b""
    for begin, end in zip(starts, [*starts[1:], len(stream)], strict=True):
        piece = stream[begin:end]
        if piece[3] == 0xB3:
            group_header = piece
        else:
            pictures.append((piece[4] >> 6, group_header + piece))
            group_header = b""
    return stream[: starts[0]], pictures


def make_packed_avi(folder: Path) -> tuple[Path, Path]:
    """The same 30 pictures twice: packed, and a packet each."""
    raw = folder / "pictures.m4v"
    subprocess.run(
        [need_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1.2",
         "-pix_fmt", "yuv420p", "-c:v", "mpeg4", "-bf", "1", "-g", "12", "-f", "m4v", raw],
        check=True, timeout=60,
    )  # fmt: skip
    headers, pictures = _pictures(raw.read_bytes())
    headers = re.sub(rb"\x00\x00\x01\xb2[^\x00]*", b"", headers)  # by the name it is not DivX's
    packed: list[tuple[bytes, bool]] = []
    for kind, data in pictures:
        if kind == _B_PICTURE:
            before, is_start = packed[-1]
            packed[-1:] = [(before + data, is_start), (_PLACEHOLDER, False)]
        else:
            packed.append((data, kind == 0))
    plain = [(data, kind == 0) for kind, data in pictures]
    paths = folder / "packed.avi", folder / "plain.avi"
    for path, packets, name in ((paths[0], packed, _DIVX_PACKED), (paths[1], plain, b"")):
        packets[0] = (headers + name + packets[0][0], True)
        path.write_bytes(_avi(packets, 96, 64, 25))
    return paths
