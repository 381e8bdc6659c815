"""An external detector's output for the frames of a window: labels and boxes as text.

As a foundation model for one sport would give them (players, ball, referee). Boxes are written in
thousandths of the frame, the unit of `zoom`, so that a model can zoom into what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deepsport.errors import SettingsError, ToolFailedError
from deepsport.protocol import Action, Argument, ArgumentKind, ToolCall, window_indices
from deepsport.tool.detections import Detection, read_detections, registered_detector
from deepsport.tool.interface import Finding, Scene
from deepsport.tool.settings import ToolSettings
from deepsport.tool.windows import AskedWindows
from deepsport.trajectory import Box

__all__ = ["Detect"]

_OPTIONS = ("file", "detector", "draw", "max_boxes", "min_score")


class Detect:
    """Tell what a detector found.

    Options
    -------
    file : str
        Detections of `deepsport.tool.detections`, or
    detector : str
        name of a registered callable; exactly one of both.
    draw : bool
        Also show the frames, with the boxes drawn on them. False by default: words alone cost no
        frames.
    max_boxes : int
        Told of each frame, those of the highest score; 12 by default, and the model is told when
        there are more.
    min_score : float
        Weaker ones are left out; 0 by default.
    """

    def __init__(self, settings: ToolSettings, options: Mapping[str, Any]) -> None:
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise SettingsError(f"options {unknown} of detect: valid are {sorted(_OPTIONS)}")
        if ("file" in options) == ("detector" in options):
            raise SettingsError(
                f"options {sorted(options)} of detect: valid is exactly one of 'file' and 'detector'"
            )
        self._file, self._detector = options.get("file"), options.get("detector")
        self._draw = bool(options.get("draw", False))
        self._most = int(options.get("max_boxes", 12))
        self._least_score = float(options.get("min_score", 0.0))
        if self._most < 1 or not 0 <= self._least_score <= 1:
            raise SettingsError(
                f"detect with max_boxes {self._most} and min_score {self._least_score}; valid are "
                "max_boxes >= 1 and 0 <= min_score <= 1"
            )
        self._asked = AskedWindows(whole_is_repeated=False)
        self.action = Action(
            "detect",
            f"Tell what a detector finds in up to {settings.frames_per_call} frames of a window: "
            "labels, scores and boxes [left, top, right, bottom] in thousandths of the frame.",
            (Argument("frame_range", ArgumentKind.WINDOW),),
            {"frame_range": [120, 180]},
        )

    def use(self, call: ToolCall, scene: Scene) -> Finding:
        """Tell what was found in the frames that `choose_frames` would show of the window."""
        opened = self._asked.open(call, scene)
        if isinstance(opened, Finding):
            return opened
        indices = window_indices(*opened.window, scene.settings.frames_per_call)
        lines, frames = [], []
        for index, found in zip(indices, self._found(indices, scene), strict=True):
            second = f" ({float(scene.pts_seconds[index]):.2f} s)"
            name = f"frame {index}{second if scene.settings.labels_seconds else ''}"
            lines.append(f"{name}: {self._words(found)}")
            if self._draw:
                told = found[: self._most] if found is not None else []
                frames.append(scene.frame(index, boxes=[box for _, box in told]))
        return Finding("\n".join(lines), tuple(frames), opened.window, opened.notes)

    def _words(self, found: list[tuple[float, Box]] | None) -> str:
        if found is None:
            return "the detector was not run on it"
        if not found:
            return "nothing found"
        told = [
            f"{box.label} {score:.2f} [{box.left}, {box.top}, {box.right}, {box.bottom}]"
            for score, box in found[: self._most]
        ]
        more = len(found) - len(told)
        return "; ".join(told) + (f"; and {more} more, of lower score" if more else "")

    def _found(self, indices: Sequence[int], scene: Scene) -> list[list[tuple[float, Box]] | None]:
        """Return scores and boxes of each frame, strongest first; None where nobody looked."""
        if self._file is not None:
            videos = read_detections(self._file)
            if scene.path not in videos:
                raise ToolFailedError(
                    f"detections {self._file} hold nothing of {scene.path!r}; valid is a file with "
                    f"the videos that are played (it has {len(videos)})"
                )
            records = [videos[scene.path].get(index) for index in indices]
            return [None if r is None else self._boxes(r.found, r.width, r.height) for r in records]
        assert self._detector is not None
        detect = registered_detector(self._detector)
        pictures = scene.pixels([scene.frame(index) for index in indices])
        answers = detect(scene.path, indices, pictures)
        if len(answers) != len(indices):
            raise ToolFailedError(
                f"detector {self._detector!r} answered for {len(answers)} of {len(indices)} frames"
            )
        return [
            self._boxes(found, picture.shape[1], picture.shape[0])
            for found, picture in zip(answers, pictures, strict=True)
        ]

    def _boxes(
        self, found: Sequence[Detection], width: int, height: int
    ) -> list[tuple[float, Box]]:
        boxes = []
        for one in sorted(found, key=lambda d: -d.score):
            left, right = (
                min(1000, max(0, round(v * 1000 / width))) for v in (one.left, one.right)
            )
            top, bottom = (
                min(1000, max(0, round(v * 1000 / height))) for v in (one.top, one.bottom)
            )
            if one.score >= self._least_score and left < right and top < bottom:
                # a label is foreign text: one line, bounded
                label = " ".join(one.label.split())[:40]
                boxes.append((one.score, Box(label, left, top, right, bottom)))
        return boxes
