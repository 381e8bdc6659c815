"""All sources by name. A new one is a module with a `SOURCE` and one line here."""

from __future__ import annotations

import importlib

from deepsport.errors import SettingsError
from deepsport.sources.interface import Source

__all__ = ["PAPER", "find_source", "source_names"]

_MODULES = {
    "soccerbench": "soccerbench",
    "soccerreplay": "soccerreplay",
    "xfoul": "xfoul",
    "mvfoul": "mvfoul",
    "finediving": "finediving",
    "facts-fencing": "facts:FENCING",
    "facts-boxing": "facts:BOXING",
    "t3set": "t3set",
    "sportu": "sportu",
    "sportsqa": "sportsqa",
    "finebadminton": "finebadminton",
    "sportr": "sportr",
    "soccernet": "soccernet",
    "f3set": "f3set",
    "mtl-aqa": "mtl_aqa",
    "shuttleset": "shuttleset",
    "osl": "osl",
    "statsbomb": "statsbomb",
    "class-folders": "class_folders",
    "mapped": "mapped",
}
# Ten sources after the paper; four of its ten are named nowhere and are our best guess.
PAPER = (
    "soccerbench", "soccerreplay", "xfoul", "finediving", "facts-fencing", "facts-boxing", "t3set",
    "sportu", "sportsqa", "finebadminton",
)  # fmt: skip


def source_names() -> tuple[str, ...]:
    """Return the names of all sources."""
    return tuple(_MODULES)


def find_source(name: str) -> Source:
    """Return a source by its name.

    Raises
    ------
    SettingsError
        Naming the sources there are.
    """
    if name not in _MODULES:
        raise SettingsError(f"no source {name!r}; valid are {', '.join(_MODULES)}")
    module, _, attribute = _MODULES[name].partition(":")
    source = getattr(importlib.import_module(f"deepsport.sources.{module}"), attribute or "SOURCE")
    assert isinstance(source, Source)
    return source
