"""Rubrics: what a judge is told, in a file with a version and a digest."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from deepsport.errors import RecordFormatError, SettingsError

__all__ = ["Rubric", "load_rubric"]

_FOLDER = resources.files("deepsport.reward.judge") / "rubrics"


@dataclass(frozen=True, slots=True)
class Rubric:
    """Instructions for a judge.

    Attributes
    ----------
    name : str
    version : int
    instructions : str
    digest : str
        SHA-256 (hex) of the instructions; part of every cache key.
    """

    name: str
    version: int
    instructions: str
    digest: str


def load_rubric(rubric: str | Path = "open-answer-1") -> Rubric:
    """Load a rubric that comes with deepsport by its name, or any by the path of its file.

    Raises
    ------
    SettingsError
        No such rubric.
    RecordFormatError
        A file without a name, an integer version or instructions.
    """
    path = _FOLDER / f"{rubric}.toml" if isinstance(rubric, str) else rubric
    if isinstance(rubric, str) and not path.is_file():
        known = sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir())
        raise SettingsError(f"rubric {rubric!r}: valid are {', '.join(known)}, or a Path")
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
        name, version = record["name"], record["version"]
        instructions = record["instructions"].strip()
    except FileNotFoundError as error:
        raise SettingsError(f"rubric {rubric}: there is no such file") from error
    except (tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
        raise RecordFormatError(
            f"rubric {rubric}: {error!r}; valid is TOML with name, version, instructions"
        ) from error
    if not isinstance(name, str) or type(version) is not int or not instructions:
        raise RecordFormatError(
            f"rubric {rubric}: name {name!r}, version {version!r}; valid are a text, an integer "
            "and instructions that are not blank"
        )
    return Rubric(name, version, instructions, hashlib.sha256(instructions.encode()).hexdigest())
