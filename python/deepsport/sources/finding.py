"""One finding of the data doctor."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor found.

    Attributes
    ----------
    check : str
        Short name, stable over releases.
    level : str
        ``"error"``: tasks would be wrong; ``"warning"``: results would mislead or rows are lost;
        ``"note"``: good to know.
    count, of : int
        How many, of how many looked at.
    text : str
    examples : tuple of str
    """

    check: str
    level: Literal["error", "warning", "note"]
    count: int
    of: int
    text: str
    examples: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)
