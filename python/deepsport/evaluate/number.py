"""Read a number with its unit from what a model wrote: counts, times, ratings.

`read_number` wants exactly one number it can be sure of; several without an anchor are no answer.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from deepsport.evaluate.choice import normalise

__all__ = ["NumberReading", "read_number", "to_seconds"]


@dataclass(frozen=True, slots=True)
class NumberReading:
    """The number in the unit asked for, or None with the rule that failed."""

    value: float | None
    rule: str


# fmt: off
_WORD_VALUES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "hundred": 100, "none": 0, "once": 1, "twice": 2, "thrice": 3,
}
# fmt: on
_TEN_ONE = re.compile(
    r"\b(twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)[- ](one|two|three|four|five|six|seven|eight|nine)\b"
)
_WORD = re.compile(rf"\b({'|'.join(_WORD_VALUES)})\b")
_CLOCK = r"(?:\d{1,3}:)?\d{1,3}:[0-5]\d(?:\.\d+)?"
_PLAIN = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"(?<![\w.:])(?P<sign>[-+])?(?P<number>{_CLOCK}|{_PLAIN})(?P<exp>e[-+]?\d+)?"
    r"\s*(?P<unit>%|[a-z\u00b0]+(?:/[a-z]+)?)?",
)
_ANCHOR = re.compile(r"(?:answer|total|count|result)\s*(?:is|are|of|:|=)\s*$|=\s*$|\bis\s*$")

_UNITS_OF: dict[str, dict[str, float]] = {
    "length": {
        **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0),
        "cm": 0.01,
        "mm": 1e-3,
        "km": 1000.0,
        **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
        **dict.fromkeys(("yd", "yard", "yards"), 0.9144),
    },
    "time": {
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
        **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1e-3),
        **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
        **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    },
    "speed": {"m/s": 1.0, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704},
    "frames": {"frame": 1.0, "frames": 1.0},
    "share": {"%": 1.0, "percent": 1.0},
    "angle": dict.fromkeys(("\u00b0", "deg", "degree", "degrees"), 1.0),
}  # dimension -> unit -> factor to the first unit; as the unit asked for, a bare m is a metre


def to_seconds(text: str) -> float | None:
    """Return seconds of ``12.5``, ``1:05`` or ``1:02:03.5``; None when it is none of these.

    Examples
    --------
    >>> to_seconds("1:05.5")
    65.5
    """
    if not re.fullmatch(rf"{_CLOCK}|\d+(?:\.\d+)?|\.\d+", text.strip()):
        return None
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60 + float(part)
    return total


def read_number(answer: str, unit: str = "") -> NumberReading:
    """Read the number an answer states, converted to `unit`.

    Parameters
    ----------
    answer : str
    unit : str
        Unit of the truth, e.g. ``"s"``; empty for counts and ratings. A number without a unit is
        taken to be in it; one with a unit of another dimension ("40 frames" for seconds) is not
        an answer. ``mm:ss`` is read when the unit is one of time.

    Returns
    -------
    NumberReading
        `rule` is ``number``, ``anchored`` or ``single``; or, without value, ``empty``,
        ``no number``, ``ambiguous``, ``unit``, ``not finite``.

    Examples
    --------
    >>> read_number("about 1:05", "s")
    NumberReading(value=65.0, rule='single')
    """
    plain = _digits(normalise(answer))
    if not plain:
        return NumberReading(None, "empty")
    matches = list(_NUMBER.finditer(plain))
    if not matches:
        return NumberReading(None, "no number")
    # "3 out of 5", "7/10": the first number is what is stated, the second is the scale
    if len(matches) == 2 and re.fullmatch(r"\s*(?:out of|of|/)\s*", _between(plain, matches)):
        return _value(matches[0], unit, "number", drop_unit=True)
    if len(matches) == 1:
        whole = matches[0].group().strip() == plain
        return _value(matches[0], unit, "number" if whole else "single")
    anchored = [m for m in matches if _ANCHOR.search(plain[: m.start()])]
    if anchored:
        return _value(anchored[-1], unit, "anchored")
    values = {_value(match, unit, "").value for match in matches}
    if len(values) == 1 and None not in values:  # the same number said twice
        return _value(matches[0], unit, "single")
    return NumberReading(None, "ambiguous")


def _digits(text: str) -> str:
    """Replace number words by digits."""
    text = _TEN_ONE.sub(lambda m: str(_WORD_VALUES[m.group(1)] + _WORD_VALUES[m.group(2)]), text)
    return _WORD.sub(lambda m: str(_WORD_VALUES[m.group(1)]), text)


def _between(plain: str, matches: list[re.Match[str]]) -> str:
    unit = matches[0].group("unit") or ""
    end = matches[0].end() - len(unit) if unit in ("out", "of") else matches[0].end()
    return plain[end : matches[1].start()]


def _value(match: re.Match[str], unit: str, rule: str, *, drop_unit: bool = False) -> NumberReading:
    text = match.group("number")
    wanted = _dimension_of(unit)
    if ":" in text:
        if wanted is not None and wanted[0] != "time":
            return NumberReading(None, "unit")
        value = to_seconds(text)
        value = None if value is None else value / (wanted[1] if wanted else 1.0)
    else:
        if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
            text = text.replace(",", "")
        value = float(text.replace(",", ".") + (match.group("exp") or ""))
        found = None if drop_unit else (match.group("unit") or "")
        if found and wanted is not None and found != unit:
            same = _UNITS_OF[wanted[0]].get(found)
            if same is not None:
                value = value * same / wanted[1]
            elif any(found in units for units in _UNITS_OF.values()):
                return NumberReading(None, "unit")
    if value is None or not math.isfinite(value):
        return NumberReading(None, "not finite")
    return NumberReading(-value if match.group("sign") == "-" else value, rule)


def _dimension_of(unit: str) -> tuple[str, float] | None:
    for dimension, units in _UNITS_OF.items():
        if unit.casefold() in units:
            return dimension, units[unit.casefold()]
    return None
