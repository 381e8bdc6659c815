"""Choosing among good trajectories: duplicates, how many of a task, balance between sources.

Every choice is made in an order that depends on names alone, so the same set of trajectories gives
the same result however it was listed.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from deepsport.distil.filters import Objection
from deepsport.distil.presets import FilterSettings
from deepsport.task import Task
from deepsport.trajectory import Trajectory

__all__ = ["balance", "duplicates", "per_task", "source_limits"]

_WORD = re.compile(r"\w+")


def duplicates(
    trajectories: Sequence[Trajectory], tasks: Mapping[str, Task], settings: FilterSettings
) -> dict[int, Objection]:
    """Return objections, by position, to near-copies of an earlier trajectory on the same video."""
    if settings.max_similarity >= 1:
        return {}
    by_video: dict[str, list[int]] = defaultdict(list)
    for position, trajectory in enumerate(trajectories):
        media = tasks[trajectory.task_id].media[0]
        by_video[media.sha256 or media.path].append(position)
    found: dict[int, Objection] = {}
    for positions in by_video.values():
        positions.sort(key=lambda p: _shuffled(trajectories[p]))
        kept: list[tuple[int, set[int]]] = []
        for position in positions:
            trajectory = trajectories[position]
            words = _triples(tasks[trajectory.task_id], trajectory)
            for other, others in kept:
                if _jaccard(words, others) > settings.max_similarity:
                    first = trajectories[other]
                    found[position] = Objection(
                        "duplicate", f"of task {first.task_id!r}, attempt {first.attempt}"
                    )
                    break
            else:
                kept.append((position, words))
    return found


def per_task(trajectories: Sequence[Trajectory], settings: FilterSettings) -> dict[int, Objection]:
    """Return objections, by position, to more trajectories of a task than are wanted.

    The ones with fewer tool calls stay, then the shorter ones, then the earlier attempts.
    """
    limit = settings.max_per_task
    if limit is None:
        return {}
    order = sorted(
        range(len(trajectories)),
        key=lambda p: (
            len(trajectories[p].calls),
            sum(map(len, trajectories[p].replies)),
            trajectories[p].attempt,
        ),
    )
    count: Counter[str] = Counter()
    found: dict[int, Objection] = {}
    for position in order:
        task_id = trajectories[position].task_id
        count[task_id] += 1
        if count[task_id] > limit:
            found[position] = Objection("enough_of_task", f"at most {limit}")
    return found


def balance(
    trajectories: Sequence[Trajectory], tasks: Mapping[str, Task], settings: FilterSettings
) -> dict[int, Objection]:
    """Return objections, by position, to what a source has beyond its share."""
    sources = [tasks[t.task_id].source for t in trajectories]
    limits = source_limits(Counter(sources), settings.max_source_share, settings.max_per_source)
    order = sorted(range(len(trajectories)), key=lambda p: _shuffled(trajectories[p]))
    count: Counter[str] = Counter()
    found: dict[int, Objection] = {}
    for position in order:
        source = sources[position]
        count[source] += 1
        if count[source] > limits[source]:
            found[position] = Objection(
                "enough_of_source", f"{source or '(no source)'}: {limits[source]}"
            )
    return found


def source_limits(
    counts: Mapping[str, int], max_share: float, max_count: int | None
) -> dict[str, int]:
    """Return how many of each source may stay so that none has more than `max_share` of the whole.

    The largest common ceiling with that property; never less than the smallest source has.
    """
    capped = {s: n if max_count is None else min(n, max_count) for s, n in counts.items()}
    present = sorted(n for n in capped.values() if n)
    if not present or max_share >= 1:
        return capped
    share = max(max_share, 1 / len(present))
    low, high = present[0], present[-1]
    while low < high:
        middle = (low + high + 1) // 2
        total = sum(min(n, middle) for n in present)
        if middle <= share * total + 1e-9:
            low = middle
        else:
            high = middle - 1
    return {s: min(n, low) for s, n in capped.items()}


def _triples(task: Task, trajectory: Trajectory) -> set[int]:
    words = _WORD.findall(" ".join((task.question, *trajectory.replies)).lower())
    return {hash(tuple(words[i : i + 3])) for i in range(max(1, len(words) - 2))}


def _jaccard(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b)


def _shuffled(trajectory: Trajectory) -> str:
    """Return a sort key without favour: a hash of the name."""
    name = f"{trajectory.task_id}\0{trajectory.attempt}\0{trajectory.policy}"
    return hashlib.sha256(name.encode()).hexdigest()
