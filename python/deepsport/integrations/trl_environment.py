"""The frame tool as an environment of TRL's `GRPOTrainer`.

    GRPOTrainer(..., environment_factory=frame_environment("/data/videos"))

Every row of the data names its video in the column ``video``. TRL offers the public methods of the
environment to the model as tools and puts what they return, text and images, into the conversation.
Needs a chat template that TRL can extend by tool turns: see TRL's own list, and
`deepsport.chat.guard.template_faults` for what one of your own lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deepsport.chat.guard import refuse_video_blocks
from deepsport.errors import (
    DeepsportError,
    FrameRangeError,
    InvalidRequestError,
    LimitExceededError,
    SettingsError,
)
from deepsport.integrations.budget import Budget
from deepsport.integrations.frame_service import FrameService, Shown

__all__ = ["FrameEnvironment", "frame_environment"]

#: errors that say what the model asked; all others say that something broke
_ASKED_WRONGLY = (InvalidRequestError, FrameRangeError, LimitExceededError)


class FrameEnvironment:
    """One rollout's view of its video; TRL makes a few and resets them between rollouts.

    Attributes
    ----------
    windows : list of (int, int)
        What was shown in this rollout, for reward functions: ``kwargs["environments"][i].windows``.
    refused : int
        Calls that asked for what cannot be had: outside of the video or of the budget.
    fault : str
        What broke, for no fault of the policy (decoding, time-out, a tool); empty when nothing did.
        A reward function returns None for such a rollout, which TRL leaves out of its group.
    """

    # TRL offers every public function of the class to the model; state must not look like one.
    def __init__(self, service: FrameService, frames_per_call: int = 8) -> None:
        self._service = service
        self._frames = frames_per_call
        self._video = ""
        self._rollout = 0
        self.windows: list[tuple[int, int]] = []
        self.refused = 0
        self.fault = ""

    def reset(self, **row: Any) -> str:
        """Begin a rollout with a row of the data; the text is added to the last user message.

        Raises
        ------
        SettingsError
            When the row has no column ``video``, or its prompt holds a video block.
        VideoError
            When its video cannot be opened.
        """
        if not isinstance(row.get("video"), str):
            raise SettingsError(
                f"a row with the columns {sorted(row)}: the environment needs 'video', "
                "the path of the video below its root"
            )
        refuse_video_blocks(row.get("prompt"))
        self._video = row["video"]
        self._rollout += 1
        self.windows, self.refused, self.fault = [], 0, ""
        facts = self._service.video_info(self._video)
        return (
            f"\nTotal frames: {facts['frame_count']} (indices 0 to {facts['frame_count'] - 1}). "
            f"FPS: {facts['average_fps']:.2f}. Duration: {facts['duration_seconds']:.2f} s."
        )

    def choose_frames(self, start_frame: int, end_frame: int) -> list[dict[str, Any]]:
        """
        Show frames of the video between two frame indices.

        Args:
            start_frame: First frame index of the window.
            end_frame: Frame index behind the window.

        Returns:
            The frames, each after its index and second.
        """
        try:
            arguments = {
                "video": self._video, "start_frame": start_frame, "end_frame": end_frame,
                "num_frames": self._frames,
            }  # fmt: skip
            shown = self._service.run("choose_frames", arguments, (id(self), self._rollout))
        except DeepsportError as error:
            return self._failed(error)
        self.windows.append((start_frame, end_frame))
        return _blocks(shown)

    def zoom(self, frame: int, region: list[float]) -> list[dict[str, Any]]:
        """
        Show a region of one frame at higher resolution.

        Args:
            frame: Frame index.
            region: Left, top, right, bottom in thousandths of the frame's width and height.

        Returns:
            The region, after its frame's index and second.
        """
        try:
            arguments = {"video": self._video, "frame": frame, "region": region}
            shown = self._service.run("zoom", arguments, (id(self), self._rollout))
        except DeepsportError as error:
            return self._failed(error)
        self.windows.append((frame, frame + 1))
        return _blocks(shown)

    def _failed(self, error: DeepsportError) -> list[dict[str, Any]]:
        """Tell the model; count it for the policy only where the request was wrong."""
        if isinstance(error, _ASKED_WRONGLY):
            self.refused += 1
        else:
            self.fault = str(error)
        return [{"type": "text", "text": f"error: {error}"}]


def _blocks(shown: Shown) -> list[dict[str, Any]]:
    from PIL import Image

    blocks: list[dict[str, Any]] = []
    for index, second, image in zip(shown.indices, shown.seconds, shown.images, strict=True):
        blocks.append({"type": "text", "text": f"frame {index} at {second:.3f} s:"})
        blocks.append({"type": "image", "image": Image.fromarray(image)})
    return blocks


def frame_environment(
    root: Path | str | Sequence[Path | str],
    *,
    frames_per_call: int = 8,
    max_calls: int = 5,
    max_side: int = 640,
) -> Callable[[], FrameEnvironment]:
    """Return an `environment_factory` whose environments share open videos and decoded frames.

    Parameters
    ----------
    root : path, or sequence of paths
        Folders of the videos.
    frames_per_call, max_calls : int
        What a rollout may look at.
    max_side : int
        Longer side of a frame, in pixels.
    """
    budget = Budget(
        frames_per_call=frames_per_call,
        calls_per_session=max_calls,
        frames_per_session=frames_per_call * max_calls,
        max_side=max_side,
    )
    service = FrameService([root] if isinstance(root, (str, Path)) else root, budget)

    def factory() -> FrameEnvironment:
        return FrameEnvironment(service, frames_per_call)

    return factory
