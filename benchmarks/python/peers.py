"""One decoder in a process of its own: reads jobs as JSON lines, answers with time and a checksum.

Run by bench_frames.py; a process each, because two FFmpegs in one process are nobody's use case.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Frames = Any  # (n, height, width, 3) or (n, 3, height, width), an array of the peer's kind


def deepsport_peer(threads: int) -> dict[str, Callable[..., Any]]:
    import deepsport
    from deepsport.frames import patches

    def opened(path: str) -> Any:
        return deepsport.open(path, index_cache=False)

    def to_patches(path: str, indices: list[int], max_pixels: int) -> Any:
        return patches(opened(path), indices, max_pixels=max_pixels, threads=threads).pixel_values

    return {
        "version": lambda: deepsport.__version__,
        "open": lambda path: opened(path).frame_count,
        "at": lambda path, indices: opened(path).at(indices, threads=threads).data,
        "patches": to_patches,
    }


def torchcodec_peer(threads: int) -> dict[str, Callable[..., Any]]:
    import torchcodec
    from torchcodec.decoders import VideoDecoder

    def opened(path: str) -> Any:
        return VideoDecoder(path, num_ffmpeg_threads=threads, dimension_order="NHWC")

    def at(path: str, indices: list[int]) -> Any:
        return opened(path).get_frames_at(indices).data.numpy()

    return {
        "version": lambda: torchcodec.__version__,
        "open": lambda path: len(opened(path)),
        "at": at,
        "patches": _through_transformers(at),
    }


def pyav_peer(threads: int) -> dict[str, Callable[..., Any]]:
    import av

    def at(path: str, indices: list[int]) -> Any:
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = threads
            step = 1 / (stream.average_rate * stream.time_base)  # constant rate clips only
            start = stream.start_time or 0
            found: dict[int, Any] = {}
            position = -1
            for index in sorted(set(indices)):
                target = start + round(index * step)
                if position < 0 or index > position + 48:
                    container.seek(target, stream=stream)
                for frame in container.decode(stream):
                    position = round((frame.pts - start) / step)
                    if position >= index:
                        found[index] = frame.to_ndarray(format="rgb24")
                        break
            return np.stack([found[index] for index in indices])

    return {
        "version": lambda: av.__version__,
        "open": lambda path: av.open(path).streams.video[0].frames,
        "at": at,
        "patches": _through_transformers(at),
    }


def decord_peer(threads: int) -> dict[str, Callable[..., Any]]:
    import decord

    def opened(path: str) -> Any:
        return decord.VideoReader(path, num_threads=threads)

    def at(path: str, indices: list[int]) -> Any:
        return opened(path).get_batch(indices).asnumpy()

    return {
        "version": lambda: decord.__version__,
        "open": lambda path: len(opened(path)),
        "at": at,
        "patches": _through_transformers(at),
    }


def opencv_peer(threads: int) -> dict[str, Callable[..., Any]]:
    import cv2

    cv2.setNumThreads(threads)

    def opened(path: str) -> Any:
        return cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads])

    def at(path: str, indices: list[int]) -> Any:
        capture = opened(path)
        out: dict[int, Any] = {}
        for index in sorted(set(indices)):
            if int(capture.get(cv2.CAP_PROP_POS_FRAMES)) != index:
                capture.set(cv2.CAP_PROP_POS_FRAMES, index)
            out[index] = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        return np.stack([out[index] for index in indices])

    return {
        "version": lambda: cv2.__version__,
        "open": lambda path: int(opened(path).get(cv2.CAP_PROP_FRAME_COUNT)),
        "at": at,
        "patches": _through_transformers(at),
    }


def _through_transformers(at: Callable[..., Any]) -> Callable[..., Any]:
    def to_patches(path: str, indices: list[int], max_pixels: int) -> Any:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
            Qwen2VLImageProcessorPil,
        )

        size = {"shortest_edge": 56 * 56, "longest_edge": max_pixels}
        processor = Qwen2VLImageProcessorPil(size=size)
        return processor(list(at(path, indices)), return_tensors="np")["pixel_values"]

    return to_patches


PEERS = {
    "deepsport": deepsport_peer,
    "torchcodec": torchcodec_peer,
    "pyav": pyav_peer,
    "decord2": decord_peer,
    "opencv": opencv_peer,
}


def main() -> None:
    """Serve jobs until standard input ends."""
    peer = PEERS[sys.argv[1]](int(sys.argv[2]))
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        job, arguments = json.loads(line)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            result = peer[job](*arguments)
            answer = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            if job == "at":  # rows tell whether the same frames came
                answer["means"] = [float(frame[::8, ::8].mean()) for frame in result]
            elif job in {"version", "open"}:
                answer["value"] = result
        except Exception as error:  # noqa: BLE001 - a peer may raise anything
            answer = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
