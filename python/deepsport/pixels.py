"""How pictures lie in memory: order, element type, normalisation, patches; of the host or a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deepsport._core import frames as _core
from deepsport.errors import InvalidRequestError

__all__ = ["Element", "Order", "Pixels"]

Element = Literal["uint8", "float32", "bfloat16", "float16"]
Order = Literal["nhwc", "nchw", "patches"]
_ELEMENTS: dict[str, int] = {"uint8": 0, "float32": 1, "bfloat16": 2, "float16": 3}
_ORDERS: dict[str, int] = {"nhwc": 0, "nchw": 1, "patches": 2}


@dataclass(frozen=True, slots=True)
class Pixels:
    """How pictures lie in memory.

    Attributes
    ----------
    order : str
        ``"nhwc"``, ``"nchw"``, or ``"patches"`` as the Qwen2-VL family reads them.
    dtype : str
        ``"uint8"``, or ``"float32"``, ``"bfloat16"``, ``"float16"``: ``(x / 255 - mean) / std``.
    mean, std : three floats
        Of red, green and blue; unused for uint8.
    patch, merge, temporal : int
        Of ``"patches"``: pixels of a patch's side, patches of a block's side, frames of a patch.
    spans : bool
        A patch covers `temporal` frames that follow each other, instead of one repeated.
    """

    order: Order = "nhwc"
    dtype: Element = "uint8"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    patch: int = 14
    merge: int = 2
    temporal: int = 2
    spans: bool = True

    def shape(self, count: int, width: int, height: int) -> tuple[int, ...]:
        """Shape of `count` pictures."""
        if self.order == "nhwc":
            return (count, height, width, 3)
        if self.order == "nchw":
            return (count, 3, height, width)
        times = -(-count // self.temporal) if self.spans else count
        area = (height // self.patch) * (width // self.patch)
        return (times * area, 3 * self.temporal * self.patch * self.patch)

    def format(self, width: int, height: int) -> _core.Format:
        """The core's form of it, for pictures of a size.

        Raises
        ------
        InvalidRequestError
            An unknown order or dtype.
        """
        for name, value, valid in (
            ("order", self.order, _ORDERS),
            ("dtype", self.dtype, _ELEMENTS),
        ):
            if value not in valid:
                raise InvalidRequestError(f"{name} {value!r}: valid are {', '.join(valid)}")
        return _core.Format(
            width, height, _ORDERS[self.order], _ELEMENTS[self.dtype], list(self.mean),
            list(self.std), [self.patch, self.merge, self.temporal], self.spans,
        )  # fmt: skip
