"""What an external detector found in the frames of videos: a versioned file, or a callable.

The file `deepsport.detections/1` is JSON lines, one frame a line (docs/formats/detections-v1.md). A
callable is registered under a name, so that settings, which are data, can only name it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import RecordFormatError, SettingsError
from deepsport.record_file import read_records

__all__ = [
    "DETECTIONS_SCHEMA",
    "Detection",
    "Detector",
    "FrameDetections",
    "read_detections",
    "register_detector",
    "registered_detector",
]

DETECTIONS_SCHEMA = "deepsport.detections/1"


@dataclass(frozen=True, slots=True)
class Detection:
    """One object in a frame.

    Attributes
    ----------
    label : str
    score : float
        In [0, 1].
    left, top, right, bottom : float
        In pixels of the picture it was found in.
    """

    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        numbers = (self.score, self.left, self.top, self.right, self.bottom)
        if not all(isinstance(v, int | float) and math.isfinite(v) for v in numbers):
            raise RecordFormatError(f"detection {self.label!r}: {numbers} are not finite numbers")
        if not 0 <= self.score <= 1 or self.left >= self.right or self.top >= self.bottom:
            raise RecordFormatError(
                f"detection {self.label!r}: score {self.score} and box {numbers[1:]}; valid are a "
                "score in [0, 1], left < right and top < bottom"
            )


@dataclass(frozen=True, slots=True)
class FrameDetections:
    """Everything found in one frame of one video; an empty `found` says that there is nothing.

    Attributes
    ----------
    video : str
        Path below the media root, as tasks name it.
    frame : int
        Index in display order.
    width, height : int
        Of the picture that boxes are given in; usually the video's.
    found : tuple of Detection
    detector : str
        Name and version of the model.
    """

    video: str
    frame: int
    width: int
    height: int
    found: tuple[Detection, ...]
    detector: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {
            "schema": DETECTIONS_SCHEMA,
            "video": self.video,
            "frame": self.frame,
            "width": self.width,
            "height": self.height,
            "detector": self.detector,
            "found": [
                {"label": d.label, "score": d.score, "box": [d.left, d.top, d.right, d.bottom]}
                for d in self.found
            ],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> FrameDetections:
        """Read a record.

        Raises
        ------
        RecordFormatError
            Another schema, a field that is missing, or a box that is none.
        """
        if not isinstance(record, Mapping) or record.get("schema") != DETECTIONS_SCHEMA:
            found = record.get("schema") if isinstance(record, Mapping) else type(record).__name__
            raise RecordFormatError(
                f"not a record of detections: schema is {found!r}, valid is {DETECTIONS_SCHEMA!r}"
            )
        try:
            out = cls(
                video=str(record["video"]),
                frame=int(record["frame"]),
                width=int(record["width"]),
                height=int(record["height"]),
                detector=str(record.get("detector", "")),
                found=tuple(
                    Detection(str(one["label"]), float(one["score"]), *map(float, one["box"]))
                    for one in record["found"]
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordFormatError(
                f"detections of {record.get('video', '?')!r} frame {record.get('frame', '?')!r}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if out.frame < 0 or out.width < 1 or out.height < 1:
            raise RecordFormatError(
                f"detections of {out.video!r} frame {out.frame} of {out.width}x{out.height}; valid "
                "are frame >= 0 and a size of 1 and more"
            )
        return out


@functools.lru_cache(maxsize=8)
def _read(path: str, changed_ns: int) -> dict[str, dict[int, FrameDetections]]:  # noqa: ARG001
    table: dict[str, dict[int, FrameDetections]] = {}
    for record in read_records(path, FrameDetections.from_json):
        table.setdefault(record.video, {})[record.frame] = record
    return table


def read_detections(path: Path | str) -> Mapping[str, Mapping[int, FrameDetections]]:
    """Return the detections of a file by video and frame; read once, shared, not to be changed.

    Raises
    ------
    SettingsError
        No such file.
    RecordFormatError
        Naming file and line, when a line is no such record.
    """
    file = Path(path)
    if not file.is_file():
        raise SettingsError(f"detections {file}: there is no such file; valid is a JSON lines file")
    return _read(str(file.resolve()), file.stat().st_mtime_ns)


#: Given the path of a video, frame indices and their pictures (uint8, (height, width, 3), RGB), the
#: objects in each, in pixels of these pictures.
Detector = Callable[
    [str, Sequence[int], Sequence[NDArray[np.uint8]]], Sequence[Sequence[Detection]]
]

_DETECTORS: dict[str, Detector] = {}


def register_detector(name: str, detector: Detector) -> None:
    """Make a callable known under a name, for ``tool_options={"detect": {"detector": name}}``."""
    _DETECTORS[name] = detector


def registered_detector(name: str) -> Detector:
    """Return a registered detector.

    Raises
    ------
    SettingsError
        Nobody registered it in this process.
    """
    if name not in _DETECTORS:
        raise SettingsError(
            f"detector {name!r} is not registered in this process; registered are "
            f"{sorted(_DETECTORS)}; valid is one of them, or a file of detections"
        )
    return _DETECTORS[name]
