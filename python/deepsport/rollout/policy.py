"""What plays: a policy replies to conversations. Models, endpoints and scripts all fit behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from deepsport.trajectory import Fault

if TYPE_CHECKING:
    from deepsport.rollout.episode import Episode

__all__ = ["Policy", "Reply", "ScriptedPolicy"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One assistant turn.

    Attributes
    ----------
    text : str
        Exactly what the model wrote, without the end-of-turn token.
    truncated : bool
        The token limit cut it off.
    fault : Fault or None
        Set when no reply could be had for no fault of the model; `text` is then empty.
    usage : mapping
        Tokens and seconds spent, added up on the trajectory.
    """

    text: str
    truncated: bool = False
    fault: Fault | None = None
    usage: Mapping[str, float] = field(default_factory=dict)


class Policy(Protocol):
    """Anything that can play."""

    @property
    def name(self) -> str:
        """Name and fingerprint, written into trajectories."""
        ...

    def reply(self, episodes: Sequence[Episode]) -> list[Reply]:
        """Return one reply an episode, in order; every episode is waiting for one.

        A policy reads ``episode.turns`` and ``episode.images`` and changes neither. A failure of
        one episode is a reply with a fault, not an exception.
        """
        ...


class ScriptedPolicy:
    """A policy made of a function from an episode to the text of its next turn.

    Examples
    --------
    >>> from deepsport.rollout import ScriptedPolicy
    >>> always_a = ScriptedPolicy("always-a", lambda episode: "<think></think><answer>A</answer>")
    >>> always_a.name
    'always-a'
    """

    def __init__(self, name: str, script: Callable[[Episode], str]) -> None:
        self.name = name
        self._script = script

    def reply(self, episodes: Sequence[Episode]) -> list[Reply]:
        """Return the script's text for each episode."""
        return [Reply(self._script(episode)) for episode in episodes]
