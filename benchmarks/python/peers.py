"""One decoder in a process of its own: reads jobs as JSON lines, answers with time and a checksum.

Run by bench_frames.py; a process each, because two FFmpegs in one process are nobody's use case.
Each peer is used as its documentation shows; every job opens the file anew.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

Frames = Any  # (n, height, width, 3), an array or a tensor
Windows = list[list[int]]
GROUP_SIZE = (588, 336)  # of the frames of a rollout group
_size = {"min_pixels": 56 * 56, "max_pixels": 640 * 360}


class Peer:
    """What is asked of a decoder; `at` and `opened` are each peer's own, the rest is made of them."""

    threads: int

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def version(self) -> str:
        raise NotImplementedError

    def open(self, path: str) -> int:
        """Open; the number of frames."""
        raise NotImplementedError

    def at(self, path: str, indices: list[int]) -> Frames:
        """Frames by index, full size."""
        raise NotImplementedError

    def sequential(self, path: str, count: int) -> list[float]:
        """The first frames in order, sixteen at a time; their means."""
        raise NotImplementedError

    def patches(self, path: str, indices: list[int]) -> Any:
        """File to `pixel_values`."""
        return self.tail(self.at(path, indices))

    def tail(self, frames: Frames) -> Any:
        """Frames to `pixel_values`: the image processor of transformers, used as it is."""
        processor = processor_of_transformers()
        return processor(list(as_torch(frames)), return_tensors="pt")["pixel_values"]

    def group(self, path: str, windows: Windows) -> Any:
        """The windows of a rollout group, a call each, resized."""
        return [resized(self.at(path, window)) for window in windows]

    def union(self, path: str, windows: Windows) -> Any:
        """The same, told all at once: each distinct frame is decoded once."""
        distinct = sorted({index for window in windows for index in window})
        frames = resized(self.at(path, distinct))
        place = {index: row for row, index in enumerate(distinct)}
        return [frames[[place[index] for index in window]] for window in windows]


def as_torch(frames: Frames) -> Any:
    """Frames as a torch tensor (n, 3, height, width)."""
    import torch

    tensor = torch.from_numpy(frames) if isinstance(frames, np.ndarray) else frames
    return tensor.permute(0, 3, 1, 2)


_processor: list[Any] = []
_declared: list[Any] = []


def import_torchvision() -> None:
    """Import torchvision although its compiled operators may not load beside a CPU build of torch."""
    import torch

    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        import torchvision  # noqa: F401


def processor_of_transformers() -> Any:
    """The fast image processor of Qwen2.5-VL, on torchvision."""
    if not _processor:
        import_torchvision()
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

        size = {"shortest_edge": _size["min_pixels"], "longest_edge": _size["max_pixels"]}
        _processor.append(Qwen2VLImageProcessor(size=size))
    return _processor[0]


def resized(frames: Frames) -> Any:
    """Frames at the group's size, as torch resizes (bicubic, antialiased)."""
    import torch

    width, height = GROUP_SIZE
    small = torch.nn.functional.interpolate(
        as_torch(frames), (height, width), mode="bicubic", antialias=True, align_corners=False
    )
    return small.permute(0, 2, 3, 1).contiguous()


class Deepsport(Peer):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import deepsport

        self.deepsport = deepsport
        self.cache: str | bool = False

    def version(self) -> str:
        return self.deepsport.__version__

    def _opened(self, path: str) -> Any:
        return self.deepsport.open(path, index_cache=self.cache)

    def open(self, path: str) -> int:
        return self._opened(path).frame_count

    def open_with_sidecar(self, path: str, folder: str) -> int:
        self.cache = folder
        try:
            return self.open(path)
        finally:
            self.cache = False

    def at(self, path: str, indices: list[int]) -> Frames:
        return self._opened(path).at(indices, threads=self.threads).data

    def sequential(self, path: str, count: int) -> list[float]:
        video = self._opened(path)
        out = np.empty((16, video.height, video.width, 3), np.uint8)
        means: list[float] = []
        for first in range(0, count, 16):
            batch = video.at(range(first, min(first + 16, count)), out=out[: count - first])
            means += spot(batch.data)
        return means

    def patches(self, path: str, indices: list[int]) -> Any:
        from deepsport.frames import patches

        video = self._opened(path)
        return patches(
            video, indices, max_pixels=_size["max_pixels"], threads=self.threads
        ).pixel_values

    def tail(self, frames: Frames) -> Any:
        from deepsport.frames import QwenImageProcessor

        return QwenImageProcessor.like(processor_of_transformers())(frames)

    def group(self, path: str, windows: Windows) -> Any:
        return [
            self._opened(path).at(window, GROUP_SIZE, threads=self.threads).data
            for window in windows
        ]

    def union(self, path: str, windows: Windows) -> Any:
        from deepsport.frames import union

        video = self._opened(path)
        return [b.data for b in union(video, windows, GROUP_SIZE, threads=self.threads)]


class Torchcodec(Peer):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        stubs = os.environ.get("DEEPSPORT_CUDA_STUBS")
        if stubs:
            import cuda_stubs

            cuda_stubs.load(Path(stubs))
        import torchcodec
        from torchcodec.decoders import VideoDecoder

        self.torchcodec, self.decoder = torchcodec, VideoDecoder

    def version(self) -> str:
        return self.torchcodec.__version__

    def _opened(self, path: str) -> Any:
        return self.decoder(path, num_ffmpeg_threads=self.threads, dimension_order="NHWC")

    def open(self, path: str) -> int:
        return len(self._opened(path))

    def at(self, path: str, indices: list[int]) -> Frames:
        return self._opened(path).get_frames_at(indices).data

    def sequential(self, path: str, count: int) -> list[float]:
        decoder, means = self._opened(path), []
        for first in range(0, count, 16):
            means += spot(decoder.get_frames_in_range(first, min(first + 16, count)).data.numpy())
        return means


class Pyav(Peer):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import av

        self.av = av

    def version(self) -> str:
        return self.av.__version__

    def open(self, path: str) -> int:
        with self.av.open(path) as container:
            return container.streams.video[0].frames

    def at(self, path: str, indices: list[int]) -> Frames:
        with self.av.open(path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = self.threads
            step = 1 / (stream.average_rate * stream.time_base)  # constant rate clips only
            start = stream.start_time or 0
            found: dict[int, Any] = {}
            position = -1
            for index in sorted(set(indices)):
                if position < 0 or index > position + 48:
                    container.seek(start + round(index * step), stream=stream)
                for frame in container.decode(stream):
                    position = round((frame.pts - start) / step)
                    if position >= index:
                        found[index] = frame.to_ndarray(format="rgb24")
                        break
            return np.stack([found[index] for index in indices])

    def sequential(self, path: str, count: int) -> list[float]:
        means: list[float] = []
        with self.av.open(path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = self.threads
            for frame in container.decode(stream):
                means += spot(frame.to_ndarray(format="rgb24")[None])
                if len(means) == count:
                    break
        return means


class Decord(Peer):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import decord

        self.decord = decord

    def version(self) -> str:
        return self.decord.__version__

    def _opened(self, path: str) -> Any:
        return self.decord.VideoReader(path, num_threads=self.threads)

    def open(self, path: str) -> int:
        return len(self._opened(path))

    def at(self, path: str, indices: list[int]) -> Frames:
        return self._opened(path).get_batch(indices).asnumpy()

    def sequential(self, path: str, count: int) -> list[float]:
        reader, means = self._opened(path), []
        for first in range(0, count, 16):
            means += spot(reader.get_batch(range(first, min(first + 16, count))).asnumpy())
        return means


class Opencv(Peer):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import cv2

        cv2.setNumThreads(threads)
        self.cv2 = cv2

    def version(self) -> str:
        return self.cv2.__version__

    def _opened(self, path: str) -> Any:
        cv2 = self.cv2
        return cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, self.threads])

    def open(self, path: str) -> int:
        return int(self._opened(path).get(self.cv2.CAP_PROP_FRAME_COUNT))

    def _read(self, capture: Any) -> Any:
        return self.cv2.cvtColor(capture.read()[1], self.cv2.COLOR_BGR2RGB)

    def at(self, path: str, indices: list[int]) -> Frames:
        capture = self._opened(path)
        out: dict[int, Any] = {}
        for index in sorted(set(indices)):
            if int(capture.get(self.cv2.CAP_PROP_POS_FRAMES)) != index:
                capture.set(self.cv2.CAP_PROP_POS_FRAMES, index)
            out[index] = self._read(capture)
        return np.stack([out[index] for index in indices])

    def sequential(self, path: str, count: int) -> list[float]:
        capture = self._opened(path)
        return [spot(self._read(capture)[None])[0] for _ in range(count)]


PEERS: dict[str, type[Peer]] = {
    "deepsport": Deepsport,
    "torchcodec": Torchcodec,
    "pyav": Pyav,
    "decord2": Decord,
    "opencv": Opencv,
}


def spot(frames: Any) -> list[float]:
    """The mean of a few pixels of each frame: tells whether the same frames came."""
    return [float(np.asarray(frame)[::8, ::8].mean()) for frame in frames]


def status_kb(name: str) -> int:
    """A line of this process's memory, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def bytes_read() -> int:
    """What this process has asked files for so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


def answers() -> Iterator[dict[str, Any]]:
    """Do the jobs of standard input, one a line."""
    peer = PEERS[sys.argv[1]](int(sys.argv[2]))
    for line in sys.stdin:
        job, arguments = json.loads(line)
        try:
            if job == "threads":
                peer.threads = arguments[0]
                yield {}
                continue
            if job == "tail":  # of frames that are there already, without decoding them
                frames = peer.at(*arguments)
                peer.tail(frames[:1])
            Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
            before, read = status_kb("VmRSS"), bytes_read()
            wall, cpu = time.perf_counter(), time.process_time()
            result = peer.tail(frames) if job == "tail" else getattr(peer, job)(*arguments)
            answer: dict[str, Any] = {
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "peak_mb": (status_kb("VmHWM") - before) / 1024,
                "read_mb": (bytes_read() - read) / 1e6,
            }
            if job == "at":
                answer["means"] = spot(result)
            elif job == "sequential":
                answer["means"] = result
            elif job in {"group", "union"}:
                answer["means"] = [mean for window in result for mean in spot(window)]
            elif job in {"version", "open", "open_with_sidecar"}:
                answer["value"] = result
        except Exception as error:  # noqa: BLE001 - a peer may raise anything
            answer = {"error": f"{type(error).__name__}: {error}"[:200]}
        yield answer


def main() -> None:
    """Serve jobs until standard input ends."""
    lines, sys.stdout = sys.stdout, sys.stderr
    for answer in answers():
        print(json.dumps(answer), file=lines, flush=True)


if __name__ == "__main__":
    main()
