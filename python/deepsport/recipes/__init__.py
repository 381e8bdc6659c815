"""Recipes: command lines for known models and machines, and the shapes of those models.

A recipe is a TOML file with the options of `deepsport sft` and `deepsport rl` under ``[sft]`` and
``[rl]``, and the machine it is for under ``[hardware]``. What is given on the command line wins.
Shapes are the configurations of released models, for a dry run where the model itself is not.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepsport.errors import SettingsError

__all__ = ["Hardware", "Recipe", "apply_recipe", "read_recipe", "recipe_names", "shape_folder"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine of a recipe.

    Attributes
    ----------
    gpus : int
        That train, over all machines.
    gpu_memory_gib : float
        Of each.
    server_gpus : int
        That serve rollouts, with the engine ``vllm-server``.
    """

    gpus: int = 1
    gpu_memory_gib: float = 80.0
    server_gpus: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as read.

    Attributes
    ----------
    name : str
    hardware : Hardware
    options : mapping
        By command (``"sft"``, ``"rl"``) the options by their long names without dashes in front.
    """

    name: str
    hardware: Hardware
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with deepsport."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read_recipe(name: str | Path) -> Recipe:
    """Read a recipe by name, or one's own by path.

    Raises
    ------
    SettingsError
        When there is none, it is not TOML, or it has a part that nobody reads.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = _FOLDER / f"{name}.toml"
    if not path.is_file():
        raise SettingsError(
            f"there is no recipe {str(name)!r}; valid are {', '.join(recipe_names())}, or the path of "
            "a .toml file"
        )
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"recipe {path}: {error}") from error
    unknown = sorted(set(record) - {"hardware", "sft", "rl"})
    if unknown:
        raise SettingsError(f"recipe {path} has {unknown}; valid are hardware, sft and rl")
    try:
        hardware = Hardware(**record.pop("hardware", {}))
    except TypeError as error:
        raise SettingsError(f"recipe {path}, [hardware]: {error}") from error
    return Recipe(path.stem, hardware, record)


def apply_recipe(
    parser: argparse.ArgumentParser,
    recipe: Recipe,
    command: str,
    arguments: argparse.Namespace,
    given: Sequence[str] = (),
) -> None:
    """Put a recipe's options where the command line says nothing.

    Parameters
    ----------
    parser : ArgumentParser
        Of the command.
    recipe : Recipe
    command : str
    arguments : Namespace
        What `parser` made of the command line; changed.
    given : sequence of str
        The command line.

    Raises
    ------
    SettingsError
        When the recipe has no part for the command, or an option that the command has not.
    """
    options = recipe.options.get(command)
    if options is None:
        raise SettingsError(
            f"recipe {recipe.name!r} has nothing for {command}; it has {sorted(recipe.options)}"
        )
    known = {action.dest: action for action in parser._actions}  # noqa: SLF001 - argparse shows none
    for name, value in options.items():
        action = known.get(name.replace("-", "_"))
        if action is None:
            raise SettingsError(f"recipe {recipe.name!r}: {command} has no option --{name}")
        if action.choices is not None and value not in action.choices:
            raise SettingsError(
                f"recipe {recipe.name!r}: {name} is {value!r}, valid are {list(action.choices)}"
            )
        if not any(_names(word, action.option_strings) for word in given):
            as_path = action.type is Path and isinstance(value, str)
            setattr(arguments, action.dest, Path(value) if as_path else value)


def _names(word: str, options: Sequence[str]) -> bool:
    """Return whether a word of a command line names an option, perhaps cut short as argparse allows."""
    word = word.split("=", maxsplit=1)[0]
    return word.startswith("--") and any(option.startswith(word) for option in options)


def shape_folder(model: str | Path) -> Path | None:
    """Return the folder with the shape of a released model, by its name; None when unknown."""
    folder = _FOLDER / "shapes" / Path(model).name.lower()
    return folder if (folder / "config.json").is_file() else None
