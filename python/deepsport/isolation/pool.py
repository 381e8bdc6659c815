"""Children that decode: started when needed, used again, replaced after a crash."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deepsport import errors
from deepsport.errors import (
    DecodeCancelledError,
    DecoderCrashedError,
    DecodeTimeoutError,
    DeepsportError,
)
from deepsport.isolation.message import MOST_BYTES, Look, receive, send

__all__ = ["Child", "Isolation", "Pool", "pool_for", "shut_down"]

logger = logging.getLogger(__name__)

_START_SECONDS = 300.0  # an overloaded machine takes its time
_GRACE_SECONDS = 5.0  # after a deadline that the child should have kept itself
_LOOK_SECONDS = 0.05
_MOST_JSON = 1 << 20  # of a child's message, beside what a call's answer has for each frame
_MOST_READ = 1 << 28  # what a child gets at once of a file object
ReadAt = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a child may use.

    Attributes
    ----------
    memory_bytes : int
        Address space beyond what an idle child has.
    cpu_seconds : float
        Processor time of one call; a child that needs more is ended by the kernel.
    processes : int
        Children at work at once; further calls wait. Each is used again for later calls.
    """

    memory_bytes: int = 2 << 30
    cpu_seconds: float = 600.0
    processes: int = 2


class Child:
    """One child process. Serves one call at a time."""

    def __init__(self, limits: Isolation) -> None:
        self.limits = limits
        self.videos: set[int] = set()
        self.link, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deepsport.isolation.child", str(theirs.fileno()),
                 str(limits.memory_bytes)],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, cwd="/", env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip
        try:
            self.link.settimeout(_LOOK_SECONDS)  # each wait is short; see `_look`
            look = self._look(time.monotonic() + _START_SECONDS, None, "starting")
            ready, _ = self._answer(look, None, "starting", _MOST_JSON, 0)
        except BaseException:
            self.end()
            raise
        if why := ready.get("why_not_confined"):
            logger.warning("the isolated decoder may open files and sockets: %s", why)

    def call(
        self,
        head: dict[str, Any],
        descriptors: Sequence[int] = (),
        *,
        seconds: float = 0.0,
        read_at: ReadAt | None = None,
        cancel: threading.Event | None = None,
        most_rows: int = 0,
        most_bytes: int = MOST_BYTES,
    ) -> tuple[dict[str, Any], bytearray]:
        """Ask and wait. Whatever goes wrong in between, the child is ended: its state is unknown.

        An answer with more than `most_rows` rows of JSON or `most_bytes` bytes is nonsense; so is one with more
        bytes than the child may have memory.

        Raises
        ------
        VideoError
            What the child reports; DecoderCrashedError when it died, DecodeTimeoutError when it did not answer.
        """
        doing = f"{head['do']} of {head.get('name', 'a video')}"
        until = time.monotonic() + seconds + _GRACE_SECONDS if seconds else None
        look = self._look(until, cancel, doing)
        most_bytes = min(most_bytes, self.limits.memory_bytes)
        try:
            self._allow_processor_time()
            try:
                send(self.link, head, descriptors=descriptors, look=look)
            except ConnectionError:
                raise self._crashed(doing) from None
            answer, body = self._answer(
                look, read_at, doing, _MOST_JSON + 256 * most_rows, most_bytes
            )
        except BaseException:
            self.end()
            raise
        if "error" in answer:
            kind = getattr(errors, str(answer["error"]), None)
            if not (isinstance(kind, type) and issubclass(kind, errors.DeepsportError)):
                kind = errors.InternalError
            raise kind(str(answer.get("message"))[:10_000])
        return answer, body

    @staticmethod
    def _look(until: float | None, cancel: threading.Event | None, doing: str) -> Look:
        """What is asked all along a call, whatever the child sends meanwhile: is it time to give up?"""

        def look() -> None:
            if cancel is not None and cancel.is_set():
                raise DecodeCancelledError(f"{doing}: cancelled; ask again")
            if until is not None and time.monotonic() > until:
                raise DecodeTimeoutError(
                    f"{doing}: the isolated decoder did not answer in time and was ended; allow more time, "
                    "or take the file as damaged"
                )

        return look

    def _answer(
        self, look: Look, read_at: ReadAt | None, doing: str, most_json: int, most_bytes: int
    ) -> tuple[dict[str, Any], bytearray]:
        while True:
            look()
            try:
                head, body, _ = receive(
                    self.link, most_json=most_json, most_bytes=most_bytes, look=look
                )
                if "read" not in head or read_at is None:
                    return head, body
                self._serve_read(head, read_at, look)
            except DeepsportError:
                raise
            except (EOFError, ConnectionError):
                raise self._crashed(doing) from None
            except ValueError as error:
                raise DecoderCrashedError(
                    f"{doing}: the isolated decoder answered nonsense ({error}); take the file as damaged"
                ) from None

    def _serve_read(self, head: dict[str, Any], read_at: ReadAt, look: Look) -> None:
        answer: dict[str, Any] = {}
        data = b""
        try:
            offset, count = map(int, head["read"])
            data = read_at(max(offset, 0), max(0, min(count, _MOST_READ)))
        except Exception as error:  # noqa: BLE001 - whatever a file object raises
            answer = {"error": f"{type(error).__name__}: {error}"}
        send(self.link, answer, data, look=look)

    def _allow_processor_time(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            stat = f"/proc/{self.process.pid}/stat"
            with open(stat, encoding="ascii", errors="replace") as file:  # noqa: PTH123
                fields = file.read().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            soft = int(used + self.limits.cpu_seconds) + 1
            resource.prlimit(self.process.pid, resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))

    def _crashed(self, doing: str) -> DecoderCrashedError | DecodeTimeoutError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        code = self.process.poll()
        if code == -signal.SIGXCPU:
            return DecodeTimeoutError(
                f"{doing}: the isolated decoder used {self.limits.cpu_seconds:g} s of processor time and "
                "was ended; allow more, or take the file as damaged"
            )
        how = "went silent" if code is None else f"ended with code {code}"
        if code is not None and code < 0:
            how = f"died of {signal.Signals(-code).name}"
            how += " (perhaps for want of memory)" if code == -signal.SIGKILL else ""
        said = b""
        if code is not None and self.process.stderr is not None:
            os.set_blocking(self.process.stderr.fileno(), False)
            with contextlib.suppress(OSError):
                said = (self.process.stderr.read() or b"")[-500:]
        more = f": {said.decode(errors='replace').strip()}" if said.strip() else ""
        return DecoderCrashedError(
            f"{doing}: the isolated decoder {how}{more}; take the file as damaged; other videos go on"
        )

    def alive(self) -> bool:
        """Is it there to be asked?"""
        return self.link.fileno() >= 0 and self.process.poll() is None

    def end(self) -> None:
        """End it now."""
        self.link.close()
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


class Pool:
    """The children of one process with the same limits. Safe to share between threads."""

    def __init__(self, limits: Isolation) -> None:
        self.limits = limits
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._lock = threading.Lock()
        self._free = threading.Semaphore(max(1, limits.processes))

    @contextlib.contextmanager
    def child(self, video: int) -> Iterator[Child]:
        """Lend a child, if possible one that has this video open."""
        with self._free:
            with self._lock:
                for child in [child for child in self._idle if not child.alive()]:
                    self._idle.remove(child)
                    child.end()
                having = [child for child in self._idle if video in child.videos]
                known = (having or self._idle)[-1:]
                for child in known:
                    self._idle.remove(child)
            child = known[0] if known else Child(self.limits)
            with self._lock:
                self._busy.add(child)
            try:
                yield child
            finally:
                with self._lock:
                    self._busy.discard(child)
                    if child.alive():
                        self._idle.append(child)

    @property
    def process_ids(self) -> list[int]:
        """Of the children that are there now."""
        with self._lock:
            return [child.process.pid for child in (*self._idle, *self._busy) if child.alive()]

    def close(self) -> None:
        """End the idle children; those at work end with their calls."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()


@functools.cache
def _pool(process: int, limits: Isolation) -> Pool:
    pool = Pool(limits)
    _pools.append((process, pool))
    return pool


_pools: list[tuple[int, Pool]] = []


def pool_for(limits: Isolation) -> Pool:
    """Return this process's pool with these limits."""
    return _pool(os.getpid(), limits)


@atexit.register
def shut_down() -> None:
    """End the idle children of this process; later calls start new ones."""
    for process, pool in _pools:
        if process == os.getpid():
            pool.close()
