"""Train, validation and test by match or source video, never by clip; and the check for leaks.

Tasks that share a group, a file or the file's content move together, whatever source they are
from: SoccerBench asks about clips of SoccerReplay-1988 matches. Not for finding near-duplicates
(`deepsport.sources.duplicates`), which are taken as pairs.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deepsport.errors import SettingsError
from deepsport.task import Task

__all__ = [
    "Leak",
    "check_leakage",
    "components",
    "hold_out_sports",
    "keep_official_splits",
    "split_by_group",
]

STRICTNESS = ("train", "validation", "test")  # a clash is settled for the one further right


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that tasks of different splits share.

    Attributes
    ----------
    what : str
        ``"group"``, ``"media path"``, ``"media content"``, ``"near-duplicate media"`` or
        ``"question"``.
    key : str
        The group, path, hash or ``"path ~ path"`` shared.
    splits : mapping
        Split to the ids of its tasks.
    """

    what: str
    key: str
    splits: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        where = ", ".join(f"{len(ids)} in {split}" for split, ids in self.splits.items())
        return f"{self.what} {self.key}: {where}"


def _keys(task: Task) -> Iterator[tuple[str, str]]:
    """Yield what must not be shared over splits: group, media path, media content."""
    if task.group:
        yield "group", task.group
    for group in task.also_in:
        yield "group", group
    for medium in task.media:
        yield "media path", medium.path
        if medium.sha256:
            yield "media content", medium.sha256


def components(tasks: Sequence[Task], duplicates: Iterable[tuple[str, str]] = ()) -> list[int]:
    """Return for each task the number of its component: tasks that must stay in one split.

    Parameters
    ----------
    tasks : sequence of Task
    duplicates : iterable of (str, str)
        Pairs of media paths that show the same.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def find(key: tuple[str, str]) -> tuple[str, str]:
        root = key
        while (above := parent.setdefault(root, root)) != root:
            root = above
        while parent[key] != root:
            parent[key], key = root, parent[key]
        return root

    for one, other in duplicates:
        parent[find(("media path", one))] = find(("media path", other))
    for task in tasks:
        first, *rest = _keys(task)
        for key in rest:
            parent[find(key)] = find(first)
    numbers: dict[tuple[str, str], int] = {}
    return [numbers.setdefault(find(next(_keys(task))), len(numbers)) for task in tasks]


def split_by_group(
    tasks: Sequence[Task],
    fractions: Mapping[str, float],
    seed: int = 0,
    *,
    duplicates: Iterable[tuple[str, str]] = (),
) -> list[Task]:
    """Return the tasks, in their order, with `split` set; whole components go to one split.

    Components are visited in an order given by a hash of the seed and their group names and each
    goes where most tasks are still missing, so the result depends on neither the order of the
    tasks nor on where files lie. A split with a fraction above 0 gets at least one component when
    there are enough of them.

    Parameters
    ----------
    fractions : mapping
        Split name to its share, e.g. ``{"train": 0.8, "validation": 0.1, "test": 0.1}``;
        scaled to sum 1.

    Raises
    ------
    SettingsError
        When no fraction is positive, or one is negative.
    """
    total = sum(fractions.values())
    if not fractions or min(fractions.values()) < 0 or not 0 < total < float("inf"):
        raise SettingsError(f"fractions are {dict(fractions)}, valid are shares >= 0 and a sum > 0")
    wanted = {name: share / total * len(tasks) for name, share in fractions.items() if share > 0}
    members: dict[int, list[int]] = defaultdict(list)
    for position, number in enumerate(components(tasks, duplicates)):
        members[number].append(position)

    def order(positions: list[int]) -> str:
        name = min(tasks[p].group or tasks[p].media[0].path for p in positions)
        return hashlib.sha256(f"{seed}\x1f{name}".encode()).hexdigest()

    given = dict.fromkeys(wanted, 0)
    result = list(tasks)
    queue = sorted(members.values(), key=order)
    for left, positions in zip(range(len(queue), 0, -1), queue, strict=True):
        empty = [name for name in wanted if not given[name]]
        candidates = empty if 0 < left <= len(empty) else list(wanted)
        split = max(candidates, key=lambda name: (wanted[name] - given[name]) / wanted[name])
        given[split] += len(positions)
        for position in positions:
            result[position] = dataclasses.replace(tasks[position], split=split)
    return result


def hold_out_sports(tasks: Iterable[Task], sports: Iterable[str]) -> list[Task]:
    """Return the tasks with those of `sports` in ``"test"`` and no other task of theirs elsewhere.

    Tasks of other sports keep their split, except that their test tasks stay as they are: compare
    seen and unseen sports by `Task.sport`.

    Raises
    ------
    SettingsError
        When a sport has no task.
    """
    tasks, held = list(tasks), set(sports)
    missing = held - {task.sport for task in tasks}
    if missing:
        known = ", ".join(sorted({task.sport for task in tasks}))
        raise SettingsError(f"no task of {', '.join(sorted(missing))}; sports here: {known}")
    return [dataclasses.replace(t, split="test") if t.sport in held else t for t in tasks]


def keep_official_splits(
    tasks: Sequence[Task], duplicates: Iterable[tuple[str, str]] = ()
) -> tuple[list[Task], list[Task], list[Task]]:
    """Settle published splits that clash: the strictest one of a component wins.

    Returns
    -------
    settled : list of Task
        Tasks of components with a published split; tasks without one of their own take it.
    open_tasks : list of Task
        Tasks of components without any, for :func:`split_by_group`.
    removed : list of Task
        Tasks whose published split is a laxer one: the SoccerReplay-1988 train clips of a match
        that SoccerBench tests on.
    """
    numbers = components(tasks, duplicates)
    strictest: dict[int, int] = {}
    for task, number in zip(tasks, numbers, strict=True):
        if task.split in STRICTNESS:
            rank = STRICTNESS.index(task.split)
            strictest[number] = max(strictest.get(number, 0), rank)
    settled, open_tasks, removed = [], [], []
    for task, number in zip(tasks, numbers, strict=True):
        if number not in strictest:
            open_tasks.append(task)
        elif not task.split or task.split == STRICTNESS[strictest[number]]:
            settled.append(dataclasses.replace(task, split=STRICTNESS[strictest[number]]))
        else:
            removed.append(task)
    return settled, open_tasks, removed


def check_leakage(tasks: Iterable[Task], duplicates: Iterable[tuple[str, str]] = ()) -> list[Leak]:
    """Return everything that tasks of different splits share, worst first by number of tasks.

    Checked are groups, media paths, media content, near-duplicate pairs given, and questions that
    are the same in everything (`Task.content_hash`). Tasks without a split are not looked at.
    """
    seen: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    by_path: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for task in tasks:
        if not task.split:
            continue
        for key in dict.fromkeys([*_keys(task), ("question", task.content_hash)]):
            seen[key][task.split].append(task.task_id)
        for medium in task.media:
            by_path[medium.path][task.split].append(task.task_id)
    leaks = [
        Leak(what, key, {split: tuple(ids) for split, ids in sorted(splits.items())})
        for (what, key), splits in seen.items()
        if len(splits) > 1
    ]
    for one, other in duplicates:
        joined: dict[str, list[str]] = defaultdict(list)
        for path in (one, other):
            for split, ids in by_path.get(path, {}).items():
                joined[split].extend(ids)
        if len(joined) > 1 and by_path.get(one, {}).keys() != by_path.get(other, {}).keys():
            ids_by_split = {split: tuple(ids) for split, ids in sorted(joined.items())}
            leaks.append(Leak("near-duplicate media", f"{one} ~ {other}", ids_by_split))
    return sorted(leaks, key=lambda leak: -sum(map(len, leak.splits.values())))
