"""An OpenAI-compatible chat endpoint over real HTTP whose replies, faults and log a test writes.

Runs on its own thread. A script is called with each `Asked` and returns what to do.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

LOOK = '<think>I look closer.</think><tool_call>{"action":"choose_frames","frame_range":[%d,%d]}</tool_call>'
ANSWER = "<think>Now I see it.</think><answer>%s</answer>"


@dataclass
class Asked:
    """One request as the server got it."""

    number: int
    key: str
    headers: dict[str, str]
    body: dict[str, Any]
    seen_before: int = 0  # requests with the same key before this one

    @property
    def turn(self) -> int:
        return sum(m["role"] == "assistant" for m in self.body["messages"])

    @property
    def images(self) -> int:
        parts = [
            p for m in self.body["messages"] if isinstance(m["content"], list) for p in m["content"]
        ]
        return sum(part["type"] == "image_url" for part in parts)

    @property
    def text(self) -> str:
        """All words of all messages."""
        words = []
        for message in self.body["messages"]:
            content = message["content"] or ""
            parts = [{"text": content}] if isinstance(content, str) else content
            words += [part.get("text", "") for part in parts]
        return "\n".join(words)


@dataclass
class Say:
    """A good reply."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()  # name, arguments as text
    reasoning: str | None = None
    finish: str = ""
    prompt_tokens: int = 100
    completion_tokens: int = 10
    delay: float = 0.0

    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.reasoning is not None:
            message["reasoning_content"] = self.reasoning
        if self.calls:
            message["tool_calls"] = [
                {"id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": a}}
                for i, (n, a) in enumerate(self.calls)
            ]
        return message

    @property
    def finish_reason(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")


@dataclass
class Refuse:
    """An HTTP error."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "no"
    code: str | None = None


class Hang:
    """Never reply."""


class Cut:
    """Send half of a good reply, then hang up."""


@dataclass
class Raw:
    """Status 200 with these bytes as the body."""

    body: bytes


@dataclass
class Logged:
    """What the server's own log says of a request."""

    key: str
    what: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    delivered: bool = False


def look_then_answer(answer: str = "B") -> Callable[[Asked], Any]:
    """One look, then the answer."""
    return lambda asked: Say(LOOK % (10, 30) if asked.turn == 0 else ANSWER % answer)


class FakeTeacher:
    """The server; a context manager."""

    def __init__(self, script: Callable[[Asked], Any] | None = None) -> None:
        self.script = script or look_then_answer()
        self.asked: list[Asked] = []
        self.log: list[Logged] = []
        self.in_flight = self.most_in_flight = 0
        self._seen: dict[str, int] = {}
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self._open: set[asyncio.Task[Any]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 26)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        key = headers.get("x-client-request-id", "")
        asked = Asked(len(self.asked), key, headers, body, self._seen.get(key, 0))
        self._seen[key] = asked.seen_before + 1
        self.asked.append(asked)
        entry = Logged(key, "")
        self.log.append(entry)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            action = self.script(asked)
            entry.what = type(action).__name__
            return await self._act(action, asked, entry, reader, writer)
        finally:
            self.in_flight -= 1

    async def _act(self, action, asked, entry, reader, writer) -> bool:
        if isinstance(action, Hang):
            await reader.read()  # until the client gives up
            return False
        if isinstance(action, Refuse):
            error = {"error": {"message": action.message, "type": "error", "code": action.code}}
            await _send(writer, action.status, json.dumps(error).encode(), action.headers)
            entry.delivered = True
            return True
        if isinstance(action, Raw):
            await _send(writer, 200, action.body)
            return True
        if isinstance(action, Cut):
            data = _whole(Say("x" * 2000), asked)
            if asked.body.get("stream"):
                await _send(writer, 200, b"".join(_chunks(Say("half"), asked))[:150], stream=True)
            else:
                await _send(writer, 200, data, cut=True)
            return False
        if action.delay:
            await asyncio.sleep(action.delay)
        entry.prompt_tokens = action.prompt_tokens
        entry.completion_tokens = action.completion_tokens
        if asked.body.get("stream"):
            await _send(writer, 200, b"".join(_chunks(action, asked)), stream=True)
            entry.delivered = True
            return False
        await _send(writer, 200, _whole(action, asked))
        entry.delivered = True
        return True


async def _send(writer, status, body, headers=None, *, cut=False, stream=False) -> None:
    lines = [f"HTTP/1.1 {status} X"]
    lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
    if stream:
        lines += ["content-type: text/event-stream", "connection: close"]
    else:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    writer.write(
        ("\r\n".join(lines) + "\r\n\r\n").encode() + (body[: len(body) // 2] if cut else body)
    )
    await writer.drain()


def _usage(say: Say) -> dict[str, int]:
    return {
        "prompt_tokens": say.prompt_tokens,
        "completion_tokens": say.completion_tokens,
        "total_tokens": say.prompt_tokens + say.completion_tokens,
    }


def _whole(say: Say, asked: Asked) -> bytes:
    choice = {"index": 0, "message": say.message(), "finish_reason": say.finish_reason}
    reply = {
        "id": f"chatcmpl-{asked.number}",
        "object": "chat.completion",
        "created": 1,
        "model": asked.body["model"],
        "choices": [choice],
        "usage": _usage(say),
    }
    return json.dumps(reply).encode()


def _chunks(say: Say, asked: Asked) -> list[bytes]:
    base = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": asked.body["model"],
    }
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant"}, None)]
    if say.reasoning:
        deltas.append(({"reasoning_content": say.reasoning}, None))
    deltas += [({"content": say.text[i : i + 7]}, None) for i in range(0, len(say.text), 7)]
    for index, (name, arguments) in enumerate(say.calls):
        function = {"name": name, "arguments": ""}
        call = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
        deltas.append(({"tool_calls": [call]}, None))
        for start in range(0, len(arguments), 5):
            piece = {"index": index, "function": {"arguments": arguments[start : start + 5]}}
            deltas.append(({"tool_calls": [piece]}, None))
    deltas.append(({}, say.finish_reason))
    records: list[dict[str, Any]] = [
        {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in deltas
    ]
    records.append({**base, "choices": [], "usage": _usage(say)})
    return [f"data: {json.dumps(r)}\n\n".encode() for r in records] + [b"data: [DONE]\n\n"]
