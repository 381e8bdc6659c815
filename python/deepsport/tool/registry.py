"""Which tools exist: the built-in ones, those of installed packages, those registered by hand.

Settings name tools and never code: a checkpoint's `tool_settings.json` cannot make a program run
anything that was not installed or registered on purpose.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from deepsport.errors import SettingsError
from deepsport.protocol import Action, ParsedTurn, parse_turn
from deepsport.tool.choose_frames import ChooseFrames
from deepsport.tool.detect import Detect
from deepsport.tool.interface import Tool
from deepsport.tool.settings import ToolSettings
from deepsport.tool.zoom import Zoom

__all__ = ["make_tools", "read_turn", "register_tool", "tool_actions", "tool_names"]

#: Makes a tool for one rollout from the settings of the rollout and the options of the tool.
ToolFactory = Callable[[ToolSettings, Mapping[str, Any]], Tool]

ENTRY_POINTS = "deepsport.tools"  #: group under which packages offer tool factories


def _choose_frames(settings: ToolSettings, options: Mapping[str, Any]) -> Tool:
    if options:
        raise SettingsError(
            f"options {sorted(options)} of choose_frames: it has none, see ToolSettings"
        )
    return ChooseFrames(settings)


_FACTORIES: dict[str, ToolFactory] = {
    "choose_frames": _choose_frames,
    "zoom": Zoom,
    "detect": Detect,
}
_BUILT_IN = frozenset(_FACTORIES)


def register_tool(name: str, factory: ToolFactory) -> None:
    """Make a tool known in this process, for ``ToolSettings(tools=("choose_frames", name))``.

    Packages offer theirs without a call, by an entry point of the group ``deepsport.tools``.

    Parameters
    ----------
    name : str
        Of the tool's action.
    factory : callable
        ``factory(settings, options)`` returns a `Tool`; called once a rollout.

    Raises
    ------
    SettingsError
        The name of a built-in tool.
    """
    if name in _BUILT_IN:
        raise SettingsError(f"tool {name!r} is built in; valid is another name")
    _FACTORIES[name] = factory


@functools.cache
def _offered() -> dict[str, Any]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def tool_names() -> list[str]:
    """Return the names of all tools that can be used."""
    return sorted({*_FACTORIES, *_offered()})


def make_tools(settings: ToolSettings) -> dict[str, Tool]:
    """Return the tools of the settings by name, fresh ones for one rollout.

    Raises
    ------
    SettingsError
        A tool that nobody registered, one whose action has another name, or options that cannot be.
    """
    tools = {}
    for name in settings.tools:
        factory = _FACTORIES.get(name)
        if factory is None and name in _offered():
            factory = _FACTORIES[name] = _offered()[name].load()
        if factory is None:
            raise SettingsError(
                f"tool {name!r} is not known in this process; known are {', '.join(tool_names())}. "
                "A tool of your own is made known by deepsport.tool.register_tool or an entry point "
                f"of the group {ENTRY_POINTS}"
            )
        tool = factory(settings, settings.tool_options.get(name, {}))
        if tool.action.name != name:
            raise SettingsError(
                f"tool {name!r} has an action {tool.action.name!r}; the names must be the same"
            )
        tools[name] = tool
    return tools


def tool_actions(settings: ToolSettings) -> tuple[Action, ...]:
    """Return the actions that a model may take under these settings, beside answering."""
    return tuple(tool.action for tool in make_tools(settings).values())


def read_turn(
    text: str | bytes, settings: ToolSettings, actions: tuple[Action, ...] | None = None
) -> ParsedTurn:
    """Parse a turn as these settings have it; `actions` spares making them again."""
    return parse_turn(
        text,
        settings.form,
        require_think=settings.require_think,
        actions=tool_actions(settings) if actions is None else actions,
        unit=settings.unit,
    )
