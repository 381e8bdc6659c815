"""Keep what is worth learning: the filters in their order, and the count of every rejection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deepsport.distil import choose, filters
from deepsport.distil.answers import score_answer
from deepsport.distil.filters import Objection, Score
from deepsport.distil.presets import FilterSettings, preset
from deepsport.errors import RecordFormatError
from deepsport.task import Kind, Task
from deepsport.trajectory import Trajectory

__all__ = ["Funnel", "Opinion", "Stage", "first_objection", "keep"]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge and the withholding test said of one trajectory; empty fields: not asked.

    Attributes
    ----------
    scores : tuple of float
        The judge's scores of the answer, 0..1, one a time it was asked.
    logic, vision : bool or None
        Whether the answer follows from the thoughts; whether the frames support the thoughts.
    withheld_answer : str or None
        Answer given when the looked-at frames were withheld.
    judge : str
        Model and settings that said so.
    """

    scores: tuple[float, ...] = ()
    logic: bool | None = None
    vision: bool | None = None
    withheld_answer: str | None = None
    judge: str = ""


@dataclass(slots=True)
class Stage:
    """One filter in the funnel: how many came in, and how many it objected to, by reason."""

    name: str
    entered: int
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def passed(self) -> int:
        """How many went on."""
        return self.entered - self.reasons.total()


@dataclass(slots=True)
class Funnel:
    """What every filter did, in order.

    Attributes
    ----------
    stages : list of Stage
    objections : dict
        Objection by ``(task_id, attempt)`` for what was not kept.
    """

    stages: list[Stage] = field(default_factory=list)
    objections: dict[tuple[str, int], Objection] = field(default_factory=dict)

    @property
    def entered(self) -> int:
        """Number of trajectories looked at."""
        return self.stages[0].entered if self.stages else 0

    @property
    def kept(self) -> int:
        """Number of trajectories kept."""
        return self.stages[-1].passed if self.stages else 0

    @property
    def reasons(self) -> Counter[str]:
        """Number of rejections by reason, over all stages."""
        return sum((stage.reasons for stage in self.stages), Counter())

    def to_json(self) -> dict[str, Any]:
        """Return counts as plain JSON values."""
        return {
            "entered": self.entered,
            "kept": self.kept,
            "stages": [
                {"name": s.name, "entered": s.entered, "rejected": dict(s.reasons.most_common())}
                for s in self.stages
            ],
        }

    def __str__(self) -> str:
        width = max([len(s.name) for s in self.stages] + [8])
        lines = [f"{'came in':<{width}} {self.entered:>8}"]
        for stage in self.stages:
            why = ", ".join(f"{reason} {n}" for reason, n in stage.reasons.most_common())
            lines.append(f"{stage.name:<{width}} {stage.passed:>8}  {why}".rstrip())
        return "\n".join(lines)


def keep(
    trajectories: Iterable[Trajectory],
    tasks: Iterable[Task] | Mapping[str, Task],
    settings: FilterSettings | str = "plain",
    *,
    opinions: Mapping[tuple[str, int], Opinion] | None = None,
    score: Score = score_answer,
) -> tuple[list[Trajectory], Funnel]:
    """Return the trajectories worth learning from, in their order, and the funnel.

    Parameters
    ----------
    trajectories : iterable of Trajectory
        Each ``(task_id, attempt)`` once.
    tasks : iterable of Task, or mapping by task_id
        Every task that a trajectory names.
    settings : FilterSettings or str
        Or the name of a preset.
    opinions : mapping, optional
        By ``(task_id, attempt)``. Where settings ask for an opinion and there is none, the
        trajectory is not kept and the reason is ``not_judged``.
    score : callable
        Deterministic score of an answer, 0..1, or None when there is no such score.

    Raises
    ------
    RecordFormatError
        When a trajectory names an unknown task, or a task of another content, or occurs twice.

    Examples
    --------
    >>> from deepsport.distil import keep
    >>> kept, funnel = keep([], [])
    >>> len(kept), funnel.kept
    (0, 0)
    """
    wanted = preset(settings) if isinstance(settings, str) else settings
    by_id = tasks if isinstance(tasks, Mapping) else {task.task_id: task for task in tasks}
    given = opinions or {}
    funnel = Funnel()
    left: list[Trajectory] = []
    stopped: dict[str, Counter[str]] = {name: Counter() for name in _ROW_STAGES}
    entered = 0
    for t in _checked(trajectories, by_id):  # one at a time: most of a large job is not kept
        entered += 1
        name, objection = _first(_objections(by_id[t.task_id], t, wanted, score, given))
        if objection is None:
            left.append(t)
        else:
            stopped[name][objection.reason] += 1
            funnel.objections[t.task_id, t.attempt] = objection
    for name, reasons in stopped.items():
        funnel.stages.append(Stage(name, entered, reasons))
        entered = funnel.stages[-1].passed
    left = _drop(left, "duplicates", choose.duplicates(left, by_id, wanted), funnel)
    left = _drop(left, "per task", choose.per_task(left, wanted), funnel)
    left = _drop(left, "balance", choose.balance(left, by_id, wanted), funnel)
    return left, funnel


_ROW_STAGES = (
    *("played", "format", "answer", "tool calls", "windows", "turns", "length", "language"),
    *("evidence", "judge"),
)


def _objections(
    task: Task,
    t: Trajectory,
    wanted: FilterSettings,
    score: Score,
    opinions: Mapping[tuple[str, int], Opinion] | None,
) -> Iterator[tuple[str, Objection | None]]:
    """Yield what each filter of one trajectory says, in the order of `_ROW_STAGES`, as asked."""
    yield "played", filters.played(t)
    yield "format", filters.format_(t) if wanted.require_format else None
    yield "answer", filters.answer(task, t, score, wanted)
    yield "tool calls", filters.tool_calls(t, wanted)
    yield "windows", filters.windows(t, wanted)
    yield "turns", filters.turns(t, wanted)
    yield "length", filters.length(t, wanted)
    yield "language", filters.language(t, wanted)
    yield "evidence", filters.evidence(task, t, wanted)
    if opinions is not None:
        yield "judge", _judged(task, t, opinions.get((t.task_id, t.attempt), Opinion()), wanted)


def _first(
    objections: Iterator[tuple[str, Objection | None]],
) -> tuple[str, Objection | None]:
    return next((found for found in objections if found[1] is not None), ("", None))


def first_objection(
    task: Task, trajectory: Trajectory, settings: FilterSettings, *, score: Score = score_answer
) -> Objection | None:
    """Return what the filters that need no judge and no other trajectory object to, or None."""
    return _first(_objections(task, trajectory, settings, score, None))[1]


def _judged(
    task: Task, trajectory: Trajectory, opinion: Opinion, wanted: FilterSettings
) -> Objection | None:
    """Object by what others said of the trajectory."""
    if wanted.judge == "all" or (wanted.judge == "text" and task.kind is Kind.TEXT):
        if not opinion.scores:
            return Objection("not_judged", "no score by a judge")
        if max(opinion.scores) - min(opinion.scores) > wanted.max_judge_spread:
            return Objection("judge_inconsistent", f"scores {opinion.scores}")
        points = sum(opinion.scores) / len(opinion.scores)
        if points < wanted.min_judge_score:
            return Objection("judge_says_wrong", f"score {points:.2f}")
    for name, required, said in (
        ("logic", wanted.require_logic, opinion.logic),
        ("vision", wanted.require_vision, opinion.vision),
    ):
        if required and said is None:
            return Objection("not_judged", f"no opinion on {name}")
        if required and not said:
            return Objection(f"judge_rejects_{name}")
    if wanted.require_withheld_change and trajectory.windows:
        if opinion.withheld_answer is None:
            return Objection("not_judged", "not asked without the looked-at frames")
        if _plain(opinion.withheld_answer) == _plain(trajectory.answer or ""):
            return Objection("frames_not_needed", f"same answer {trajectory.answer!r}")
    return None


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .")


def _checked(trajectories: Iterable[Trajectory], tasks: Mapping[str, Task]) -> Iterator[Trajectory]:
    """Yield trajectories that fit their tasks, each once."""
    seen: set[tuple[str, int]] = set()
    hashes: dict[str, str] = {}
    for t in trajectories:
        task = tasks.get(t.task_id)
        if task is None:
            raise RecordFormatError(
                f"trajectory of task {t.task_id!r}: no such task among the {len(tasks)} given"
            )
        if t.task_id not in hashes:
            hashes[t.task_id] = task.content_hash
        if t.task_hash and t.task_hash != hashes[t.task_id]:
            raise RecordFormatError(
                f"trajectory of task {t.task_id!r}: made for content {t.task_hash[:12]}, the task "
                f"given has {hashes[t.task_id][:12]}; valid are the tasks it was made from"
            )
        if (t.task_id, t.attempt) in seen:
            raise RecordFormatError(
                f"task {t.task_id!r}, attempt {t.attempt} occurs twice; valid is once"
            )
        seen.add((t.task_id, t.attempt))
        yield t


def _drop(
    left: list[Trajectory], name: str, found: Mapping[int, Objection], funnel: Funnel
) -> list[Trajectory]:
    funnel.stages.append(Stage(name, len(left), Counter(o.reason for o in found.values())))
    for position, objection in found.items():
        trajectory = left[position]
        funnel.objections[trajectory.task_id, trajectory.attempt] = objection
    return [t for position, t in enumerate(left) if position not in found]
