"""What is kept: the settings of the filters, and the named sets of them.

``paper-v1`` and ``paper-v2`` follow the two versions of DeepSport (arXiv 2511.12908). Version 1 says
only that a language model decides; version 2 only that there are three steps "of text and vision".
Where the paper is silent the settings are ours, and are written here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deepsport.errors import SettingsError

__all__ = ["PRESETS", "FilterSettings", "preset"]


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """Which trajectories are kept.

    Attributes
    ----------
    name : str
    require_format : bool
        Every turn follows the protocol and the last one answers.
    min_score : float or None
        Smallest score by `deepsport.reward` of an answer that is right or wrong (choices, yes or
        no, numbers), 0..1; None leaves all answers to the judge. Open text has no such score: see
        `judge`.
    min_graded_score : float
        The same for answers that are more or less right: intervals, events, ratings, feedback.
    allow_rejected_calls, allow_repeated_windows : bool
        Whether calls the tool refused, or windows asked for before, may be in a kept trajectory.
    min_calls, max_calls : int, int or None
        Number of tool calls.
    max_turns : int or None
        Number of assistant turns.
    min_thought_chars, max_reply_chars : int, int or None
        Shortest thought (all turns together) and longest sum of the assistant's turns.
    scripts : tuple of str
        Writing systems of the assistant's words, as in the names of Unicode characters
        (``"LATIN"``, ``"CJK"``); empty allows all. What a teacher drifts into is told apart by
        script, not by dictionary.
    min_script_share : float
        Share of the letters that must be of `scripts`.
    min_evidence_seen : float
        Share of the annotated events of which a frame was shown, 0..1; 0 leaves the question open.
        Tasks without annotated events pass.
    evidence_slack_seconds : float
        A frame this close to an event shows it; for events of no length.
    judge : {"off", "text", "all"}
        Whose answers a judge decides: nobody's, those of open text, everybody's.
    min_judge_score : float
        Smallest score by the judge, 0..1.
    max_judge_spread : float
        Largest distance between the judge's scores of one trajectory: beyond it the judge does not
        know, and the trajectory is not kept.
    require_logic : bool
        The judge must also find that the answer follows from the thoughts.
    require_vision : bool
        A vision judge must find that the thoughts are supported by the frames.
    require_withheld_change : bool
        The answer must have changed when the looked-at frames were withheld.
    max_similarity : float
        Trajectories on the same video, more similar than this, are duplicates (Jaccard index of
        word triples of question and replies); 1 switches it off.
    max_per_task : int or None
        Trajectories kept of one task.
    max_per_source : int or None
    max_source_share : float
        Share of all kept trajectories that one source may have (1: no limit). With fewer sources
        than ``1 / share`` it is raised to an equal share.
    """

    name: str = "plain"
    require_format: bool = True
    min_score: float | None = 1.0
    min_graded_score: float = 0.5
    allow_rejected_calls: bool = False
    allow_repeated_windows: bool = False
    min_calls: int = 0
    max_calls: int | None = None
    max_turns: int | None = None
    min_thought_chars: int = 0
    max_reply_chars: int | None = 50_000
    scripts: tuple[str, ...] = ("LATIN",)
    min_script_share: float = 0.9
    min_evidence_seen: float = 0.0
    evidence_slack_seconds: float = 0.5
    judge: Literal["off", "text", "all"] = "off"
    min_judge_score: float = 0.5
    max_judge_spread: float = 0.5
    require_logic: bool = False
    require_vision: bool = False
    require_withheld_change: bool = False
    max_similarity: float = 0.95
    max_per_task: int | None = None
    max_per_source: int | None = None
    max_source_share: float = 1.0

    def __post_init__(self) -> None:
        for name in (
            "min_graded_score",
            "min_script_share",
            "min_evidence_seen",
            "min_judge_score",
            "max_judge_spread",
            "max_similarity",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} is {getattr(self, name)}, valid are 0..1")
        if not 0 < self.max_source_share <= 1:
            raise SettingsError(
                f"max_source_share is {self.max_source_share}, valid are 0..1, not 0"
            )
        if self.judge not in ("off", "text", "all"):
            raise SettingsError(f"judge is {self.judge!r}, valid are 'off', 'text' and 'all'")
        for name in ("max_calls", "max_turns", "max_reply_chars", "max_per_task", "max_per_source"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise SettingsError(f"{name} is {value}, valid is 0 or more, or None")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {**dataclasses.asdict(self), "scripts": list(self.scripts)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> FilterSettings:
        """Read settings written by :meth:`to_json`.

        Raises
        ------
        SettingsError
            When a setting is unknown or has a value that cannot work.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(record) - known)
        if unknown:
            raise SettingsError(f"unknown filter settings {unknown}, valid are {sorted(known)}")
        values = dict(record)
        if "scripts" in values:
            values["scripts"] = tuple(values["scripts"])
        try:
            return cls(**values)
        except TypeError as error:
            raise SettingsError(f"filter settings {values}: {error}") from error


PRESETS: Mapping[str, FilterSettings] = {
    # deterministic scores only: no judge is asked, so open text is never kept
    "plain": FilterSettings(),
    # a language model decides on every answer; nothing else is reported of version 1
    "paper-v1": FilterSettings(name="paper-v1", min_score=None, judge="all"),
    # text first (right answer, and it follows from the thoughts), then vision (the frames show it)
    "paper-v2": FilterSettings(
        name="paper-v2",
        judge="text",
        require_logic=True,
        require_vision=True,
        min_evidence_seen=1.0,
        min_thought_chars=20,
    ),
}


def preset(name: str) -> FilterSettings:
    """Return the settings called `name`.

    Raises
    ------
    SettingsError
        When there is no such preset.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise SettingsError(
            f"no filter preset is called {name!r}, valid are {sorted(PRESETS)}"
        ) from None
