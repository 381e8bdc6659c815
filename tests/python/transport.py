"""Transport streams taken apart and put together again, to make those that no muxer writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

VIDEO_PID, TABLE_PID = 0x100, 0x1000


@dataclass(frozen=True)
class Pes:
    """A PES of the video stream: its times in ticks of 1/90000 s, none for no time, and its payload."""

    pts: int | None
    dts: int | None
    payload: bytes


def split(data: bytes, distance: int = 188) -> list[bytearray]:
    """Cut a stream into its packets."""
    return [bytearray(data[at : at + distance]) for at in range(0, len(data), distance)]


def pid_of(packet: bytes) -> int:
    """Return whose packet it is."""
    return (packet[-187] & 0x1F) << 8 | packet[-186]


def payload_of(packet: bytes) -> bytes:
    """Return what a packet of 188 bytes carries."""
    if not packet[3] & 0x10:
        return b""
    return bytes(packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:])


def _time(data: bytes) -> int:
    return (data[0] >> 1 & 7) << 30 | (int.from_bytes(data[1:3], "big") >> 1) << 15 | int.from_bytes(data[3:5], "big") >> 1  # fmt: skip


def read(data: bytes, pid: int = VIDEO_PID) -> list[Pes]:
    """Return all PES of a stream whose video always has times."""
    whole: list[bytearray] = []
    for packet in split(data):
        if pid_of(packet) != pid:
            continue
        if packet[1] & 0x40:
            whole.append(bytearray())
        whole[-1] += payload_of(packet)
    found = []
    for pes in whole:
        pts = _time(pes[9:14])
        dts = _time(pes[14:19]) if pes[7] >> 6 == 3 else pts
        found.append(Pes(pts, dts, bytes(pes[9 + pes[8] :])))
    return found


def _stamp(prefix: int, time: int) -> bytes:
    return bytes([prefix << 4 | (time >> 30 & 7) << 1 | 1]) + (
        (time >> 15 & 0x7FFF) << 17 | 1 << 16 | (time & 0x7FFF) << 1 | 1
    ).to_bytes(4, "big")


def _crc(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc.to_bytes(4, "big")


def section(table: int, number: int, content: bytes, version: int = 0) -> bytes:
    """Return a section of a table as the payload of a packet."""
    length = len(content) + 9
    head = bytes([table, 0xB0 | length >> 8, length & 255]) + number.to_bytes(2, "big")
    body = head + bytes([0xC1 | version << 1, 0, 0]) + content
    return b"\0" + body + _crc(body)


class Writer:
    """Writes packets of 188 bytes and counts them."""

    def __init__(self) -> None:
        self.packets: list[bytearray] = []
        self._counters: dict[int, int] = {}

    def carry(self, pid: int, payload: bytes) -> None:
        """Put a section or a PES into packets, the last one filled up with an adaptation field."""
        for at in range(0, len(payload), 184):
            part = payload[at : at + 184]
            counter = self._counters[pid] = (self._counters.get(pid, -1) + 1) & 15
            spare = 184 - len(part)
            field = b"" if spare == 0 else bytes([spare - 1]) + (b"\0" + b"\xff" * (spare - 2))[: spare - 1]  # fmt: skip
            head = [0x47, (0x40 if at == 0 else 0) | pid >> 8, pid & 255, (0x30 if spare else 0x10) | counter]  # fmt: skip
            self.packets.append(bytearray(bytes(head) + field + part))

    def tables(self, streams: bytes, version: int = 0) -> None:
        """Write both tables; `streams` as in the program map table."""
        for pid, payload in (
            (0, section(0, 1, b"\0\1" + (0xE000 | TABLE_PID).to_bytes(2, "big"))),
            (TABLE_PID, section(2, 1, (0xE000 | VIDEO_PID).to_bytes(2, "big") + b"\xf0\0" + streams, version)),
        ):  # fmt: skip
            self.carry(pid, payload.ljust(184, b"\xff"))

    def pes(self, pes: Pes, *, with_length: bool = False, stream_id: int = 0xE0) -> None:
        """Write one PES."""
        if pes.pts is None:
            times, flags = b"", 0
        elif pes.dts is None or pes.dts == pes.pts:
            times, flags = _stamp(2, pes.pts), 0x80
        else:
            times, flags = _stamp(3, pes.pts) + _stamp(1, pes.dts), 0xC0
        length = 3 + len(times) + len(pes.payload) if with_length else 0
        head = b"\0\0\1" + bytes([stream_id]) + length.to_bytes(2, "big") + bytes([0x80, flags, len(times)])  # fmt: skip
        self.carry(VIDEO_PID, head + times + pes.payload)

    def data(self) -> bytes:
        """Return the stream."""
        return b"".join(bytes(packet) for packet in self.packets)


def stream(kind: int = 0x1B, pid: int = VIDEO_PID, descriptors: bytes = b"") -> bytes:
    """Return an entry of the program map table."""
    return (
        bytes([kind]) + (0xE000 | pid).to_bytes(2, "big")
        + (0xF000 | len(descriptors)).to_bytes(2, "big") + descriptors
    )  # fmt: skip


def write(many: list[Pes], streams: bytes | None = None, **how: bool) -> bytes:
    """Return a stream with its tables in front of these."""
    writer = Writer()
    writer.tables(stream() if streams is None else streams)
    for pes in many:
        writer.pes(pes, **how)
    return writer.data()


def moved(many: list[Pes], ticks: int) -> Iterator[Pes]:
    """Move times, around the clock's 33 bits where they pass its end."""
    for pes in many:
        assert pes.pts is not None
        assert pes.dts is not None
        yield replace(pes, pts=(pes.pts + ticks) % (1 << 33), dts=(pes.dts + ticks) % (1 << 33))
