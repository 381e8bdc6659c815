"""What does the distillation engine add to a request?

The same conversations are sent twice over the same `openai` client to the same server (a process of
its own that answers at once): by a bare asyncio loop that only sends, and by the engine, which also
plays the episode, journals, paces and budgets. The difference is the engine's overhead.

    python benchmarks/python/bench_distil.py [--tasks 400] [--concurrency 32] [--size 640x360]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

LOOK = (
    '<think>I look.</think><tool_call>{"action":"choose_frames","frame_range":[10,60]}</tool_call>'
)
ANSWER = "<think>There.</think><answer>B</answer>"


async def serve() -> None:
    """Answer every request at once: a look first, then the answer."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                text = ANSWER if b'"role":"assistant"' in body.replace(b" ", b"") else LOOK
                reply = json.dumps({
                    "id": "x", "object": "chat.completion", "created": 1, "model": "m",
                    "choices": [{"index": 0, "finish_reason": "stop",
                                 "message": {"role": "assistant", "content": text}}],
                    "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
                }).encode()  # fmt: skip
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
                    + str(len(reply)).encode() + b"\r\n\r\n" + reply
                )  # fmt: skip
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, limit=1 << 26)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Drawn:
    """Frames that cost nothing to decode; noise, so that JPEG has something to do."""

    root = Path("/nowhere")

    def __init__(self, width: int, height: int) -> None:
        coarse = np.random.default_rng(0).integers(
            0, 256, (100, height // 8 + 1, width // 8 + 1, 3)
        )
        fine = coarse.astype(np.uint8).repeat(8, 1).repeat(8, 2)
        self._frames = fine[:, :height, :width]
        self.facts = SimpleNamespace(
            frame_count=100, pts_seconds=np.arange(100) / 25, average_fps=25.0,
            duration_seconds=4.0, width=width, height=height,
        )  # fmt: skip

    def video(self, path: str) -> SimpleNamespace:  # noqa: ARG002
        return self.facts

    def frames(self, path: str, indices: list[int], size: object) -> list[np.ndarray]:  # noqa: ARG002
        return [self._frames[i] for i in indices]


def bare(url: str, bodies: list[dict], concurrency: int) -> None:
    """Send bodies, `concurrency` at a time, and do nothing else."""
    import openai

    async def main() -> None:
        client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        left = iter(bodies)

        async def worker() -> None:
            for body in left:
                reply = await client.chat.completions.create(**body)
                assert reply.choices[0].message.content

        await asyncio.gather(*(worker() for _ in range(concurrency)))
        await client.close()

    asyncio.run(main())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve())
        return
    import openai

    from deepsport.distil.conversation import Conversation
    from deepsport.distil.engine import distil
    from deepsport.distil.frame_pool import FramePool
    from deepsport.distil.request import Completion
    from deepsport.distil.settings import DistilSettings, PaceSettings, TeacherSettings
    from deepsport.task import Kind, Media, Task, Truth

    width, height = map(int, args.size.split("x"))
    source = Drawn(width, height)
    tasks = [
        Task(f"t{i}", Kind.CHOICE, f"Question {i}?", Truth(labels=("B",)), (Media("v.mp4"),), ("a", "b"))
        for i in range(args.tasks)
    ]  # fmt: skip
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE) as server:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        settings = DistilSettings(TeacherSettings(url, "m"))
        with FramePool(source, 1) as frames:
            bodies = []
            for task in tasks:
                talk = Conversation(task, frames, settings)
                for text in (LOOK, ANSWER):
                    request = talk.request()
                    bodies.append({**request.body(), **request.options})
                    talk.accept(Completion(text))
        kilobytes = sum(len(json.dumps(body)) for body in bodies[:2]) / 2 / 1024
        print(
            f"{len(bodies)} requests of {kilobytes:.0f} kB on average, {args.concurrency} in flight, "
            f"frames {args.size}; Python {platform.python_version()}, openai {openai.__version__}, "
            f"{os.cpu_count()} cores"
        )
        pace = PaceSettings(
            start_concurrency=args.concurrency, max_concurrency=args.concurrency, decode_threads=1
        )
        for _ in range(args.repeats):
            rates = {}
            for name in ("bare", "engine"):
                wall, cpu = time.perf_counter(), time.process_time()
                if name == "bare":
                    bare(url, bodies, args.concurrency)
                else:
                    with tempfile.TemporaryDirectory() as folder:
                        summary = distil(tasks, settings, out=folder, source=source, pace=pace)
                        assert summary.totals["replied"] == len(bodies)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                rates[name] = (wall / len(bodies), cpu / len(bodies))
                print(
                    f"  {name:<7} {len(bodies) / wall:7.0f} requests/s, "
                    f"{1e3 * cpu / len(bodies):6.2f} ms CPU a request"
                )
            overhead = rates["engine"][1] - rates["bare"][1]
            print(f"  overhead {1e3 * overhead:5.2f} ms CPU a request")
        server.terminate()


if __name__ == "__main__":
    main()
