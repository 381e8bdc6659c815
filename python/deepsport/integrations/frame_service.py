"""What an agent can ask of a folder of videos: facts, the frames of a window, frames by name.

The functions behind the MCP server and every tool adapter. What a request means is decided here,
how it travels there.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import DeepsportError, InvalidRequestError, MissingExtraError, VideoError
from deepsport.integrations.budget import Budget, Ledger
from deepsport.integrations.roots import Roots
from deepsport.protocol import Reason, ToolCall, check_window, window_indices
from deepsport.task import Kind, Media, Task, Truth
from deepsport.tool import Scene, ToolSettings
from deepsport.tool.detections import read_detections
from deepsport.tool.frame_source import FrameSource, fit_inside
from deepsport.tool.registry import make_tools
from deepsport.video import Video

__all__ = ["FrameService", "Shown", "encode_jpeg"]


@dataclass(frozen=True, slots=True)
class Shown:
    """Frames for an agent.

    Attributes
    ----------
    text : str
        What was done, one line a frame.
    indices : tuple of int
    seconds : tuple of float
        When each frame begins to be shown.
    images : tuple of array
        uint8, (height, width, 3), RGB; read-only.
    """

    text: str
    indices: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()
    images: tuple[NDArray[np.uint8], ...] = ()


def encode_jpeg(image: NDArray[np.uint8], quality: int = 85) -> bytes:
    """Return an RGB image, uint8 (height, width, 3), as JPEG.

    Raises
    ------
    MissingExtraError
        When Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError(
            "Pillow is needed to encode frames: pip install 'deepsport[mcp]'"
        ) from error
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


class FrameService:
    """Answer requests of agents within folders and budgets. Safe to share between threads.

    Parameters
    ----------
    roots : sequence of Path or str
        Folders the videos lie in; nothing outside of them is ever opened.
    budget : Budget, optional
    cache_bytes : int
        Decoded frames kept.
    detections : Path or str, optional
        A file of `deepsport.tool.detections`, for `detect`.

    Raises
    ------
    SettingsError
        When a root is not a folder.
    """

    def __init__(
        self,
        roots: Sequence[Path | str],
        budget: Budget | None = None,
        *,
        cache_bytes: int = 256 << 20,
        detections: Path | str | None = None,
    ) -> None:
        self.detections = detections
        if detections is not None:
            read_detections(detections)  # what is wrong with it is said now
        self.roots = Roots(roots)
        self.ledger = Ledger(budget or Budget())
        each = cache_bytes // len(self.roots.folders)
        self._sources = {root: FrameSource(root, cache_bytes=each) for root in self.roots.folders}

    @property
    def budget(self) -> Budget:
        """The limits in force."""
        return self.ledger.budget

    def video_info(self, video: str, session: Hashable = None) -> dict[str, Any]:
        """Return the facts of a video and what is left of the session's budget.

        Raises
        ------
        VideoError
            When the video cannot be found, named or opened.
        """
        opened, _, _ = self._open(video)
        calls, frames = self.ledger.left(session)
        return {
            "video": video,
            "frame_count": int(opened.frame_count),
            "duration_seconds": round(float(opened.duration_seconds), 3),
            "average_fps": round(float(opened.average_fps), 3),
            "width": int(opened.width),
            "height": int(opened.height),
            "frames_per_call": self.budget.frames_per_call,
            "calls_left": calls,
            "frames_left": frames,
        }

    def choose_frames(
        self,
        video: str,
        start_frame: int,
        end_frame: int,
        num_frames: int = 8,
        session: Hashable = None,
    ) -> Shown:
        """Show up to `num_frames` frames spread over the window ``[start_frame, end_frame)``.

        Raises
        ------
        InvalidRequestError
            When the window is empty, reversed or outside of the video.
        LimitExceededError
            When the budget does not allow it.
        VideoError
            When the video cannot be found, opened or decoded.
        """
        opened, root, path = self._open(video)
        if num_frames < 1:
            raise InvalidRequestError(
                f"num_frames is {num_frames}, valid are 1..{self.budget.frames_per_call}"
            )
        verdict = check_window(
            (start_frame, end_frame), int(opened.frame_count), full_range_shown=False
        )
        if not verdict.ok:
            raise InvalidRequestError(verdict.message)
        start, stop = verdict.window
        limit = self.budget.frames_per_call
        indices = window_indices(start, stop, min(num_frames, limit))
        what = f"{len(indices)} frames between {start} and {stop}"
        if num_frames > limit:
            what += f" ({num_frames} were asked for, {limit} is the most a call shows)"
        return self._show(opened, root, path, indices, session, what)

    def frames_at(
        self,
        video: str,
        frames: Sequence[int] = (),
        seconds: Sequence[float] = (),
        session: Hashable = None,
    ) -> Shown:
        """Show frames by index (negative ones count from the end), or those on screen at seconds.

        Raises
        ------
        InvalidRequestError
            When neither or both are given.
        FrameRangeError
            When a frame or second is outside of the video.
        LimitExceededError
            When the budget does not allow it.
        VideoError
            When the video cannot be found, opened or decoded.
        """
        if bool(frames) == bool(seconds):
            raise InvalidRequestError(
                f"{len(frames)} frames and {len(seconds)} seconds asked for; "
                "valid is one or more of one kind, and none of the other"
            )
        if max(len(frames), len(seconds)) > self.budget.frames_per_call:
            self.ledger.charge(session, max(len(frames), len(seconds)))  # refuses
        opened, root, path = self._open(video)
        indices = opened.indices_played_at(seconds) if seconds else opened.resolve(frames)
        return self._show(opened, root, path, indices, session, f"{len(indices)} frames")

    def zoom(
        self, video: str, frame: int, region: Sequence[float], session: Hashable = None
    ) -> Shown:
        """Show a region of one frame at its own resolution.

        Parameters
        ----------
        region : sequence of 4 numbers
            Left, top, right, bottom in thousandths of the frame; cut to the frame and to a quarter
            of its area.

        Raises
        ------
        InvalidRequestError
            When there is no such frame or the region holds nothing of it.
        LimitExceededError
            When the budget does not allow it.
        VideoError
            When the video cannot be found, opened or decoded.
        """
        if len(region) != 4:
            raise InvalidRequestError(
                f"region has {len(region)} numbers, valid are 4: left, top, right, bottom"
            )
        call = ToolCall("zoom", {"frame": frame, "region": list(region)})
        return self._use("zoom", {}, call, video, session)

    def detect(
        self, video: str, start_frame: int, end_frame: int, session: Hashable = None
    ) -> Shown:
        """Tell what a detector found in frames of the window; costs no frames.

        Raises
        ------
        InvalidRequestError
            When there are no detections here, or the window is none.
        LimitExceededError
            When the budget does not allow it.
        VideoError
            When the video cannot be found or opened.
        ToolFailedError
            When the detections hold nothing of this video.
        """
        if self.detections is None:
            raise InvalidRequestError(
                "no detections are served here; valid are the other tools (or a server started "
                "with --detections FILE)"
            )
        call = ToolCall("detect", {"frame_range": [start_frame, end_frame]})
        return self._use("detect", {"file": str(self.detections)}, call, video, session)

    def _use(
        self, name: str, options: dict[str, Any], call: ToolCall, video: str, session: Hashable
    ) -> Shown:
        """Run a tool of the protocol on its own: the same rules, this service's budget."""
        opened, root, path = self._open(video)
        side, each = self.budget.max_side, self.budget.frames_per_call
        settings = ToolSettings(
            tools=(name,), tool_options={name: options}, max_width=side, max_height=side,
            frames_per_call=min(8, each), first_frames=0,
        )  # fmt: skip
        source = self._sources[root]
        scene = Scene(
            task=Task(path, Kind.TEXT, path, Truth(references=(path,)), (Media(path),)),
            path=path, settings=settings, source=source, frame_count=int(opened.frame_count),
            fps=float(opened.average_fps), duration_seconds=float(opened.duration_seconds),
            width=int(opened.width), height=int(opened.height), pts_seconds=opened.pts_seconds,
        )  # fmt: skip
        try:
            found = make_tools(settings)[name].use(call, scene)
        except DeepsportError as error:
            raise type(error)(self._without_folders(str(error))) from error
        if found.verdict is not Reason.OK:
            raise InvalidRequestError(found.text)
        self.ledger.charge(session, len(found.frames))
        try:
            images = scene.pixels(found.frames)
        except VideoError as error:
            self.ledger.refund(session, len(found.frames))
            raise type(error)(self._without_folders(str(error))) from error
        calls, frames = self.ledger.left(session)
        lines = [
            *found.notes,
            *([found.text] if found.text else []),
            *(
                f"frame {f.index} at {f.pts_seconds:.3f} s, pixels {list(f.region)} of "
                f"{scene.width}x{scene.height}"
                for f in found.frames
                if f.region is not None
            ),
            f"{calls} more calls and {frames} more frames can be shown.",
        ]
        return Shown(
            "\n".join(lines),
            tuple(f.index for f in found.frames),
            tuple(round(f.pts_seconds, 3) for f in found.frames),
            tuple(images),
        )

    def run(self, name: str, arguments: Mapping[str, Any], session: Hashable = None) -> Shown:
        """Run a tool by name with its JSON arguments; `video_info` answers in text alone.

        Raises
        ------
        InvalidRequestError
            When the tool is unknown or its arguments do not fit.
        VideoError
            See the methods.
        """
        tools: dict[str, Callable[..., Any]] = {
            "video_info": self.video_info,
            "choose_frames": self.choose_frames,
            "frames_at": self.frames_at,
            "zoom": self.zoom,
            **({} if self.detections is None else {"detect": self.detect}),
        }
        if name not in tools:
            raise InvalidRequestError(f"no tool {name!r}, valid are {sorted(tools)}")
        given = {key: value for key, value in arguments.items() if value is not None}
        given.pop("session", None)
        try:
            answer = tools[name](**given, session=session)
        except (TypeError, ValueError) as error:
            if isinstance(error, DeepsportError):
                raise
            raise InvalidRequestError(f"arguments of {name}: {error}") from error
        return answer if isinstance(answer, Shown) else Shown(json.dumps(answer))

    def _open(self, video: str) -> tuple[Video, Path, str]:
        if not isinstance(video, str):
            raise InvalidRequestError(f"video is {video!r}, valid is a path such as 'clip.mp4'")
        root, path = self.roots.find(video)
        try:
            return self._sources[root].video(path), root, path
        except VideoError as error:
            raise type(error)(self._without_folders(str(error))) from error

    def _show(
        self,
        video: Video,
        root: Path,
        path: str,
        indices: Sequence[int],
        session: Hashable,
        what: str,
    ) -> Shown:
        self.ledger.charge(session, len(indices))
        side = self.budget.max_side
        size = fit_inside(video.width, video.height, side, side)
        try:
            images = self._sources[root].frames(path, indices, size)
        except VideoError as error:
            self.ledger.refund(session, len(indices))
            raise type(error)(self._without_folders(str(error))) from error
        seconds = [round(float(video.pts_seconds[index]), 3) for index in indices]
        calls, frames = self.ledger.left(session)
        lines = [
            f"{what} of {path} ({video.frame_count} frames, {video.duration_seconds:.2f} s):",
            *(f"frame {i} at {s:.3f} s" for i, s in zip(indices, seconds, strict=True)),
            f"{calls} more calls and {frames} more frames can be shown.",
        ]
        return Shown("\n".join(lines), tuple(indices), tuple(seconds), tuple(images))

    def _without_folders(self, text: str) -> str:
        """Keep where the folders lie on this machine from an agent."""
        for root in self.roots.folders:
            text = text.replace(f"{root}/", "")
        if self.detections is not None:
            file = Path(self.detections)
            for name in (str(file.resolve()), str(file)):
                text = text.replace(name, file.name)
        return text
