"""Children taken over by a file: whatever they send, a call ends in time, in bounds, with a typed error."""

from __future__ import annotations

import contextlib
import io
import socket
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import deepsport
from deepsport import errors
from deepsport.isolation import Isolation, pool
from deepsport.isolation.message import receive, send

FACTS = {
    "container": "mp4", "codec": "h264", "width": 8, "height": 8, "rotation": 0,
    "sample_aspect_ratio": [1, 1], "square_size": [8, 8], "color_range": "limited",
    "color_primaries": "bt709", "color_transfer": "bt709", "color_matrix": "bt709", "is_hdr": False,
    "time_base": [1, 10], "frame_count": 3, "keyframe_count": 1, "packet_count": 3, "end_seconds": 0.3,
    "variable_frame_rate": False, "truncated": False, "from_cache": False, "remark": "",
    "modified_ns": 0, "origin": "sample table",
}  # fmt: skip
PTS = np.array([0.0, 0.1, 0.2])


class _Taken(pool.Child):
    """A child whose side of the socket is a function; its process only sleeps."""

    def __init__(self, limits, play):
        self.limits, self.videos = limits, set()
        self.link, self.theirs = socket.socketpair()
        self.link.settimeout(pool._LOOK_SECONDS)
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.thread = threading.Thread(target=self._play, args=(play,), daemon=True)
        self.thread.start()

    def _play(self, play):
        with self.theirs, contextlib.suppress(OSError, EOFError):
            play(self.theirs)
            while self.theirs.recv(1 << 16):  # and says nothing more
                pass


@pytest.fixture
def taken(monkeypatch):
    """Let the next children be played by a function of their socket; returns fresh limits each time."""
    children = []
    numbers = iter(range(1, 1000))

    def by(play, **limits):
        def child(limits):
            children.append(_Taken(limits, play))
            return children[-1]

        monkeypatch.setattr(pool, "Child", child)
        monkeypatch.setattr(pool, "_GRACE_SECONDS", 0.1)
        # a pool of its own: limits that no other test has
        return Isolation(processes=1, cpu_seconds=1000.0 + next(numbers), **limits)

    yield by
    for child in children:
        child.end()
        child.thread.join(10)
        assert not child.thread.is_alive()


def reads_for_ever(link):
    receive(link, most_descriptors=1)
    while True:
        send(link, {"read": [0, 1]})
        receive(link)


def drips(link):
    receive(link, most_descriptors=1)
    link.sendall(b"\x00\x00\x01\x00" + bytes(8))
    while True:
        link.sendall(b" ")
        time.sleep(0.02)


def asks_and_never_takes(link):
    receive(link, most_descriptors=1)
    while True:
        send(link, {"read": [0, 1 << 28]})


@pytest.mark.parametrize("play", [reads_for_ever, drips, asks_and_never_takes])
def test_no_stream_of_messages_outlives_the_deadline(play, taken):
    limits = taken(play)
    begin = time.monotonic()
    with pytest.raises(errors.DecodeTimeoutError, match="did not answer in time"):
        deepsport.open(io.BytesIO(bytes(1 << 23)), isolate=limits, deadline_seconds=0.3)
    assert time.monotonic() - begin < 60  # it would be for ever


def answers_open_and_then(play):
    def whole(link):
        receive(link, most_descriptors=1)
        send(link, {"facts": FACTS}, PTS)
        play(link)

    return whole


@pytest.mark.parametrize("play", [reads_for_ever, drips, asks_and_never_takes, lambda link: None])
def test_a_call_hears_that_it_is_cancelled_whatever_the_child_sends(play, taken):
    video = deepsport.open(
        io.BytesIO(bytes(1 << 23)),
        isolate=taken(answers_open_and_then(play)),
        deadline_seconds=None,
    )
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    with pytest.raises(errors.DecodeCancelledError):
        # a long request: the last child does not even take all of it
        video._core.rgb([0] * 200_000, 1, 1, 1, True, 0.0, cancel=stop)
    timer.join()


def test_no_more_is_taken_than_was_asked_for(taken):
    def promises(link):
        receive(link, most_descriptors=1)
        link.sendall((2).to_bytes(4, "little") + (1 << 31).to_bytes(8, "little") + b"{}")

    for play, ask in (
        (promises, lambda video: video.at([0])),
        (answers_open_and_then(promises), lambda video: video.at([0])),
        (answers_open_and_then(promises), lambda video: video.resolve([0])),
        (answers_open_and_then(promises), lambda video: video.planes_at([0])),
        (answers_open_and_then(promises), lambda video: video.packets()),
        (answers_open_and_then(promises), lambda video: video.signature),
    ):
        limits = taken(play, memory_bytes=1 << 30)
        tracemalloc.start()
        try:
            with pytest.raises(errors.DecoderCrashedError, match="nonsense"):
                ask(deepsport.open(b"x", isolate=limits))
            assert tracemalloc.get_traced_memory()[1] < 64 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in FACTS),
        {"width": 0}, {"height": True}, {"square_size": [8]}, {"square_size": [0, 8]},
        {"time_base": [1, 0]}, {"end_seconds": float("inf")}, {"frame_count": 4}, {"remark": ["x"]},
        {"sample_aspect_ratio": [1, 0]},
    ],
    ids=repr,
)  # fmt: skip
def test_facts_that_no_stream_has_are_nonsense(change, taken):
    def play(link):
        receive(link, most_descriptors=1)
        send(link, {"facts": {**FACTS, **change}}, PTS)

    with pytest.raises(errors.DecoderCrashedError, match="nonsense"):
        deepsport.open(b"x", isolate=taken(play))


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (b"{}", b""),
        (b'{"rows": 3, "columns": 3, "counts": 3}', b"\0"),
        (b'{"rows": [[]], "columns": [[]], "counts": []}', b"\0"),
        (b'{"rows": [["x", 1, 1, -1, 0]], "columns": [["pts", "|O", -1]], "counts": [1, 2, null]}', b"\0"),
        (b'{"rows": [["x", 1, 1, 1e999, 0]], "columns": [["pts", "<i8", 1e999]], "counts": [0, 0, 1e999]}',
         b"\0"),
        (b'{"rows": [["x", 1, 1, 9, 0]], "columns": [], "counts": [0, 0, 0]}', b"\7"),
        (b"[" * 100_000, b""),
        (b'{"a": ' * 100_000, b""),
        (b"\xff", b""),
        (b"3", b""),
    ],
)  # fmt: skip
def test_answers_that_are_none_are_typed_errors(text, body, taken):
    def play(link):
        receive(link, most_descriptors=1)
        lengths = len(text).to_bytes(4, "little") + len(body).to_bytes(8, "little")
        link.sendall(lengths + text + body)

    for ask in (
        lambda video: video.at([0]),
        lambda video: video.planes_at([0]),
        lambda video: video.packets(),
    ):
        with pytest.raises(errors.DecoderCrashedError, match="nonsense"):
            ask(deepsport.open(b"x", isolate=taken(answers_open_and_then(play))))


def test_a_child_gets_no_more_of_a_file_object_than_it_may_ask_for(taken):
    asked = []

    class Watched(io.BytesIO):
        def read(self, count=-1):
            asked.append(count)
            return super().read(count)

    def play(link):
        receive(link, most_descriptors=1)
        for wish in ([0, -1], [-5, 3], [0, 1 << 60], ["x", None], []):
            send(link, {"read": wish})
            receive(link)
        send(link, {"facts": FACTS}, PTS)

    deepsport.open(Watched(b"abc"), isolate=taken(play))
    assert asked == [0, 3, 1 << 28]
