"""A closer look: a region of one frame, cut from the original at its own resolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepsport.errors import SettingsError
from deepsport.protocol import Action, Argument, ArgumentKind, Reason, ToolCall, WindowUnit
from deepsport.tool.interface import Finding, Scene
from deepsport.tool.settings import ToolSettings

__all__ = ["Zoom"]

_OPTIONS = {"max_share": 0.25, "min_pixels": 56}


class Zoom:
    """Show a region of a frame.

    Regions are written in thousandths of the frame's width and height, as Qwen3-VL grounds; so they
    mean the same at every resolution.

    Options
    -------
    max_share : float
        Largest part of the frame's area; a larger region is shrunk around its middle and the model
        is told. 0.25 by default: half the width and half the height.
    min_pixels : int
        Shortest side in pixels of the video; a smaller region is grown around its middle. 56 by
        default, two patches of Qwen2.5-VL.
    """

    def __init__(self, settings: ToolSettings, options: Mapping[str, Any]) -> None:
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise SettingsError(f"options {unknown} of zoom: valid are {sorted(_OPTIONS)}")
        self._share = float(options.get("max_share", _OPTIONS["max_share"]))
        self._least = int(options.get("min_pixels", _OPTIONS["min_pixels"]))
        if not 0 < self._share <= 1 or self._least < 1:
            raise SettingsError(
                f"zoom with max_share {self._share} and min_pixels {self._least}; valid are "
                "0 < max_share <= 1 and min_pixels >= 1"
            )
        self._in_seconds = settings.unit is WindowUnit.SECONDS
        self._asked: set[tuple[int, tuple[int, int, int, int]]] = set()
        where = (
            Argument("second", ArgumentKind.NUMBER, "time of the frame in seconds")
            if self._in_seconds
            else Argument("frame", ArgumentKind.INTEGER, "frame index")
        )
        region = Argument(
            "region",
            ArgumentKind.NUMBERS,
            "left, top, right, bottom in thousandths of the frame's width and height",
            least=4,
            most=4,
        )
        moment = {"second": 5.0} if self._in_seconds else {"frame": 150}
        self.action = Action(
            "zoom",
            "Show a region [left, top, right, bottom] of one frame at higher resolution, in "
            "thousandths of the frame's width and height.",
            (where, region),
            {**moment, "region": [400, 300, 700, 600]},
        )

    def use(self, call: ToolCall, scene: Scene) -> Finding:
        """Name the region, cut to the frame and to the budget."""
        if self._in_seconds:
            second = float(call.arguments["second"])
            if not 0 <= second < max(scene.duration_seconds, 1e-9):
                return Finding(
                    f"There is no frame at {second:g} s. Valid: 0 to below "
                    f"{scene.duration_seconds:.2f} s.",
                    verdict=Reason.FRAME_OUTSIDE,
                )
            index = scene.frame_at(second)
        else:
            index = int(call.arguments["frame"])
            if not 0 <= index < scene.frame_count:
                return Finding(
                    f"There is no frame {index}. Valid: 0 to {scene.frame_count - 1}.",
                    verdict=Reason.FRAME_OUTSIDE,
                )
        asked = [float(v) for v in call.arguments["region"]]
        left, top, right, bottom = (min(1000.0, max(0.0, v)) for v in asked)
        if left >= right or top >= bottom:
            return Finding(
                f"The region {_plain(asked)} holds nothing of the frame. Valid: left < right and "
                "top < bottom within 0 to 1000.",
                verdict=Reason.REGION_EMPTY,
            )
        notes = []
        if [left, top, right, bottom] != asked:
            notes.append(f"The region was cut to the frame: {_plain([left, top, right, bottom])}.")
        pixels, note = self._within_budget((left, top, right, bottom), scene)
        notes += [note] if note else []
        if (index, pixels) in self._asked:
            return Finding(
                f"This region of frame {index} was shown before: asking again shows the same. "
                "Valid: another frame or region.",
                verdict=Reason.CALL_REPEATED,
            )
        self._asked.add((index, pixels))
        frame = scene.frame(index, region=pixels)
        return Finding("", (frame,), (index, index + 1), tuple(notes))

    def _within_budget(
        self, region: tuple[float, float, float, float], scene: Scene
    ) -> tuple[tuple[int, int, int, int], str]:
        """Return the region in pixels, of allowed area and size, and a note when it was changed."""
        left, top, right, bottom = region
        wide, high = (right - left) * scene.width / 1000, (bottom - top) * scene.height / 1000
        note = ""
        share = wide * high / (scene.width * scene.height)
        if share > self._share * (1 + 1e-9):
            shrink = (self._share / share) ** 0.5
            wide, high = wide * shrink, high * shrink
            note = (
                f"The region was larger than {self._share:.0%} of the frame and has been shrunk "
                "around its middle."
            )
        least = min(self._least, scene.width, scene.height)
        if min(wide, high) < least:
            wide, high = max(wide, least), max(high, least)
            note = note or f"The region was smaller than {least} pixels and has been grown."
        across = _span((left + right) / 2000 * scene.width, wide, scene.width)
        down = _span((top + bottom) / 2000 * scene.height, high, scene.height)
        return (across[0], down[0], across[1], down[1]), note


def _span(middle: float, length: float, limit: int) -> tuple[int, int]:
    """Return whole pixels [begin, end) of a length around a middle, moved inside [0, limit)."""
    whole = max(1, min(limit, round(length)))
    begin = min(max(0, round(middle - whole / 2)), limit - whole)
    return begin, begin + whole


def _plain(values: list[float]) -> str:
    return "[" + ", ".join(f"{v:g}" for v in values) + "]"
