"""Which questions a step plays: a curriculum, and more of those that tell rollouts apart.

A group whose rollouts all earn the same trains nothing. *Variance-aware* selection draws a question
in proportion to how much its groups have differed so far, as p (1 - p) of right answers does in
learnability sampling (Foster and Foerster 2025); questions not played yet count as differing most.
A *curriculum* lets kinds of questions in one after another.

Everything follows from the seed, the step and what was earned before, so that all processes choose
the same and a run that is resumed goes on as it would have.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from deepsport.errors import SettingsError
from deepsport.task import Task

__all__ = ["PromptLog", "PromptSchedule", "PromptSettings", "parse_curriculum"]

By = Literal["difficulty", "source", "dimension", "sport", "family"]
Select = Literal["shuffle", "variance"]


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How questions are chosen.

    Attributes
    ----------
    select : {"shuffle", "variance"}
        Each question once before any comes again; or drawn by how much its rollouts differ.
    floor : float
        Of variance: smallest weight of a question, as a share of the largest; keeps solved and
        hopeless questions from being forgotten.
    decay : float
        Of variance: what a question's past counts at each new group.
    curriculum_by : str
        Field of the task that stages go by; empty: no curriculum.
    stages : tuple of tuple of str
        Values that each stage lets in, beside those of the stages before. Questions with another
        value come in with the last.
    stage_steps : tuple of int
        Steps of every stage but the last; empty: equal shares.
    """

    select: Select = "shuffle"
    floor: float = 0.05
    decay: float = 0.7
    curriculum_by: By | Literal[""] = ""
    stages: tuple[tuple[str, ...], ...] = ()
    stage_steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.select not in get_args(Select):
            raise SettingsError(
                f"select is {self.select!r}, valid are {', '.join(get_args(Select))}"
            )
        if not 0 < self.floor <= 1 or not 0 <= self.decay < 1:
            raise SettingsError(
                f"floor {self.floor} and decay {self.decay}; valid are 0 < floor <= 1 and "
                "0 <= decay < 1"
            )
        if bool(self.curriculum_by) != bool(self.stages):
            raise SettingsError(
                f"curriculum_by is {self.curriculum_by!r} and stages {self.stages}; valid are both, as "
                "'difficulty' and (('easy',), ('hard',)), or neither"
            )
        if self.curriculum_by and self.curriculum_by not in get_args(By):
            raise SettingsError(
                f"a curriculum by {self.curriculum_by!r}; valid are {', '.join(get_args(By))}"
            )
        if self.stage_steps and (
            len(self.stage_steps) != len(self.stages) - 1 or min(self.stage_steps) < 1
        ):
            raise SettingsError(
                f"stage_steps {self.stage_steps} for {len(self.stages)} stages; valid is a number "
                "of steps, 1 or more, for each but the last"
            )


def parse_curriculum(text: str) -> tuple[By, tuple[tuple[str, ...], ...]]:
    """Read ``FIELD=VALUE[+VALUE],VALUE,...``: stages separated by commas.

    Raises
    ------
    SettingsError
        When it is not of that form.

    Examples
    --------
    >>> parse_curriculum("difficulty=easy+medium,hard")
    ('difficulty', (('easy', 'medium'), ('hard',)))
    """
    field, equals, rest = text.partition("=")
    stages = tuple(
        tuple(value.strip() for value in stage.split("+") if value.strip())
        for stage in rest.split(",")
    )
    if not equals or field not in get_args(By) or not all(stages):
        raise SettingsError(
            f"curriculum {text!r}: valid is FIELD=VALUE[+VALUE],VALUE,... with a field of "
            f"{', '.join(get_args(By))}"
        )
    return field, stages  # type: ignore[return-value]


class PromptSchedule:
    """Choose the questions of each step.

    Parameters
    ----------
    tasks : sequence of Task
    settings : PromptSettings
    prompts_per_step, steps, seed : int

    Raises
    ------
    SettingsError
        When a stage has fewer questions than a step plays; names the values that were found.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        settings: PromptSettings,
        *,
        prompts_per_step: int,
        steps: int,
        seed: int = 0,
    ) -> None:
        self.settings, self.seed, self._count = settings, seed, prompts_per_step
        self._ids = [task.task_id for task in tasks]
        self._stage_of = np.array([self._stage(task) for task in tasks])
        self._ends = self._stage_ends(steps)
        #: mean and mean square of what a question's rollouts earned, and the weight of both
        self._moments: dict[str, tuple[float, float]] = {}
        for stage in range(len(self._ends)):
            inside = int((self._stage_of <= stage).sum())
            if inside < prompts_per_step:
                found = sorted({str(self._value(task)) for task in tasks})
                raise SettingsError(
                    f"stage {stage + 1} of the curriculum has {inside} questions for "
                    f"{prompts_per_step} a step; values of {self.settings.curriculum_by!r} found: "
                    f"{', '.join(found)}"
                )

    def stage(self, step: int) -> int:
        """Return the stage, counted from 0, of a step, counted from 0."""
        return next(k for k, end in enumerate(self._ends) if step < end)

    def choose(self, step: int) -> list[str]:
        """Return the ids of the questions of a step, each once."""
        open_now = np.flatnonzero(self._stage_of <= self.stage(step))
        rng = np.random.default_rng([self.seed, step])
        if self.settings.select == "shuffle":
            chosen = self._next_in_order(step, open_now)
        else:
            weights = self._weights([self._ids[i] for i in open_now])
            chosen = rng.choice(open_now, self._count, replace=False, p=weights).tolist()
        return [self._ids[i] for i in chosen]

    def learn(self, rewards: Mapping[str, Sequence[float]]) -> None:
        """Take what the rollouts of a step earned, by question; masked ones left out."""
        for name, earned in rewards.items():
            if len(earned) < 2:  # one alone says nothing about differences
                continue
            mean = math.fsum(earned) / len(earned)
            square = math.fsum(r * r for r in earned) / len(earned)
            if name in self._moments:
                decay, old = self.settings.decay, self._moments[name]
                mean = decay * old[0] + (1 - decay) * mean
                square = decay * old[1] + (1 - decay) * square
            self._moments[name] = (mean, square)

    def spread(self, name: str) -> float | None:
        """Return the deviation of a question's rewards so far; None when it was not played."""
        if name not in self._moments:
            return None
        mean, square = self._moments[name]
        return math.sqrt(max(0.0, square - mean * mean))

    def _weights(self, names: Sequence[str]) -> Any:
        known = [self.spread(name) for name in names]
        seen = [spread for spread in known if spread is not None]
        most = max(seen, default=0.0) or 1.0
        spreads = np.array([most if spread is None else spread for spread in known])
        # rounding left over from the difference of squares is no difference
        spreads = np.where(spreads < 1e-6 * most, 0.0, spreads)
        weights = np.maximum(spreads, self.settings.floor * most)
        return weights / weights.sum()

    def _next_in_order(self, step: int, open_now: Any) -> list[int]:
        """Walk through one permutation after another of the questions that are in."""
        stage = self.stage(step)
        first = self._ends[stage - 1] if stage else 0
        begin, size = (step - first) * self._count, len(open_now)
        chosen: list[int] = []
        place = begin
        while len(chosen) < self._count:
            order = np.random.default_rng([self.seed, stage, place // size]).permutation(open_now)
            for index in order[place % size :].tolist():
                place += 1
                if index not in chosen:
                    chosen.append(index)
                if len(chosen) == self._count:
                    break
        return chosen

    def _value(self, task: Task) -> str:
        return str(getattr(task, self.settings.curriculum_by) or "")

    def _stage(self, task: Task) -> int:
        stages = self.settings.stages
        if not stages:
            return 0
        value = self._value(task)
        return next((k for k, stage in enumerate(stages) if value in stage), len(stages) - 1)

    def _stage_ends(self, steps: int) -> list[int]:
        count = max(1, len(self.settings.stages))
        given = self.settings.stage_steps or tuple([max(1, steps // count)] * (count - 1))
        return [*np.cumsum(given, dtype=int).tolist(), 2**62]


class PromptLog:
    """What questions earned, in a file a step a line: a resumed run reads what it had learnt.

    Parameters
    ----------
    path : Path
    writes : bool
        Whether this process writes; of several one does.
    """

    def __init__(self, path: Path, *, writes: bool) -> None:
        self.path, self._writes = path, writes

    def before(self, step: int) -> Iterator[Mapping[str, Sequence[float]]]:
        """Yield the records of earlier steps, and drop those of this one and later."""
        kept = [record for record in self._records() if record["step"] < step]
        if self._writes and self.path.exists():
            beside = self.path.with_suffix(".new")
            beside.write_text("".join(json.dumps(r) + "\n" for r in kept), encoding="utf-8")
            beside.replace(self.path)
        for record in kept:
            yield record["rewards"]

    def append(self, step: int, rewards: Mapping[str, Sequence[float]]) -> None:
        """Write what a step earned."""
        if not self._writes:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "rewards": rewards}) + "\n")

    def _records(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        records = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                break  # the half line of a killed run
        return records
