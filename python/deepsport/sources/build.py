"""Build a data set: unify sources, look at the media, drop what cannot be used, split, write.

Everything that is left out is counted with its reason. The same inputs and seed give the same
bytes, whether run once, in parallel or resumed.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from deepsport.errors import InternalError, SettingsError
from deepsport.sources.blind import Blind, blind_baselines, blind_table
from deepsport.sources.catalogue import find_source
from deepsport.sources.duplicates import near_duplicates
from deepsport.sources.files import Root
from deepsport.sources.funnel import Books, Funnel, funnel_text
from deepsport.sources.probe import MediaCache, MediaFacts, probe_all
from deepsport.sources.shards import SourceRequest, make_shard, read_shard
from deepsport.sources.split import (
    check_leakage,
    components,
    hold_out_sports,
    keep_official_splits,
    split_by_group,
)
from deepsport.sources.usable import Library, check_media, locate
from deepsport.task import Kind, Task, write_tasks

__all__ = ["BuildPlan", "BuildResult", "SourceRequest", "build"]

_CUT_GROUPS = 0.05  # share of matches in several published splits that makes it a split by clip


@dataclass(frozen=True)
class BuildPlan:
    """What to build.

    Attributes
    ----------
    root : Path
        Folder with one folder a source; media paths of tasks are relative to it.
    sources : tuple of SourceRequest
    out : Path
    seed : int
    fractions : mapping
        Split to share, for matches and videos without a published split.
    official : bool
        Keep published splits, but for those that cut through matches or videos.
    held_out : tuple of str
        Sports that go to test as a whole.
    media : str
        ``"require"``: leave out tasks whose media are missing or unreadable; ``"keep"``: look,
        but keep them; ``"skip"``: do not look.
    duplicates : bool
        Look for near-duplicate media across groups.
    shuffle : bool
        Reorder the options of all questions.
    jobs : int
    follow_links : bool
    """

    root: Path
    sources: tuple[SourceRequest, ...]
    out: Path
    seed: int = 0
    fractions: Mapping[str, float] = field(
        default_factory=lambda: {"train": 0.8, "validation": 0.1, "test": 0.1}
    )
    official: bool = True
    held_out: tuple[str, ...] = ()
    media: Literal["require", "keep", "skip"] = "require"
    duplicates: bool = True
    shuffle: bool = False
    jobs: int = 1
    follow_links: bool = False


@dataclass(frozen=True)
class BuildResult:
    """What was built: funnels by source, blind baselines, near-duplicate pairs, files."""

    funnels: Mapping[str, Funnel]
    blind: Sequence[Blind]
    duplicates: Sequence[tuple[str, str]]
    tasks: int
    files: Sequence[Path]

    def text(self) -> str:
        """Return the funnels and the blind baselines for a person."""
        published = {name: find_source(name).published for name in self.funnels}
        parts = [funnel_text(self.funnels, published), "", blind_table(self.blind)]
        if any(row.guessable for row in self.blind):
            parts.append("* guessable: answered from the text better than by chance")
        return "\n".join(parts)


def build(plan: BuildPlan) -> BuildResult:
    """Build the data set of a plan; see docs/data.md for the files.

    Raises
    ------
    SourceFormatError, SettingsError
        When a source cannot be read at all.
    """
    if not plan.sources or len({r.name for r in plan.sources}) != len(plan.sources):
        raise SettingsError("sources must be named once each, and at least one")
    shards = plan.out / ".build"
    funnels = {
        request.name: make_shard(
            plan.root,
            request,
            shards,
            seed=plan.seed,
            jobs=plan.jobs,
            shuffle=plan.shuffle,
            follow_links=plan.follow_links,
        )
        for request in plan.sources
    }
    tasks: list[Task] = []
    owners: dict[str, str] = {}  # task id to the source that made it
    for name, funnel in funnels.items():
        tasks += _without_repeats(read_shard(shards, name), name, owners, funnel)
    books = Books(funnels, owners)
    pairs: list[tuple[str, str]] = []
    if plan.media != "skip":
        folders = {request.name: request.folder for request in plan.sources}
        root = Library(plan.root, folders.values(), follow_links=plan.follow_links)
        tasks = locate(tasks, folders, root, books)
        facts = probe_all(
            root,
            (medium.path for task in tasks for medium in task.media),
            MediaCache(shards / "media.jsonl"),
            jobs=plan.jobs,
            pictures=plan.duplicates,
        )
        tasks = check_media(tasks, facts, books, require=plan.media == "require")
        if plan.duplicates:
            pairs = _near_duplicates(tasks, facts, root)
    tasks = _split(tasks, pairs, plan, books)
    for task in tasks:
        books.of(task).kept[task.split] += 1
    blind = blind_baselines(tasks)
    files = _write(tasks, pairs, blind, funnels, plan)
    return BuildResult(funnels, blind, pairs, len(tasks), files)


def _right(task: Task) -> Any:
    if task.options:
        return frozenset(task.options[ord(letter) - ord("A")] for letter in task.truth.labels)
    return task.truth.labels, task.truth.value, task.truth.spans


def _without_repeats(
    tasks: Iterable[Task], name: str, owners: dict[str, str], funnel: Funnel
) -> list[Task]:
    """Drop questions asked twice, and all of those whose answers contradict each other."""
    asked: dict[Any, list[Task]] = defaultdict(list)
    for task in tasks:
        paths = tuple(medium.path for medium in task.media)
        text = task.truth.references if task.kind is Kind.TEXT else ()
        asked[paths, task.kind, task.question, frozenset(task.options), text].append(task)
    kept = []
    for same in asked.values():
        where = f"{same[0].task_id} and {same[-1].task_id}"
        if len({_right(task) for task in same}) > 1:
            for _ in same:
                funnel.remove("contradictory answers to the same question", where)
            continue
        for _ in same[1:]:
            funnel.remove("question asked twice", where)
        task = same[0]
        if task.task_id in owners:
            funnel.remove("task id used twice", task.task_id)
            continue
        owners[task.task_id] = name
        kept.append(task)
    return kept


def _near_duplicates(
    tasks: Sequence[Task], facts: Mapping[str, MediaFacts], root: Root
) -> list[tuple[str, str]]:
    component = {
        medium.path: number
        for task, number in zip(tasks, components(tasks), strict=True)
        for medium in task.media
    }
    hashes = {path: facts[path].picture_hashes for path in sorted(component)}
    return near_duplicates(hashes, component, root.path)


def _split_by_clip(tasks: Sequence[Task], books: Books) -> set[str]:
    """Return the sources whose own published split cuts through their matches or videos.

    FineDiving and MTL-AQA divide dives at random, so that every competition is in train and in
    test: keeping such a split would mean to lose nearly all of the train side.
    """
    splits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for task in tasks:
        if task.split:
            splits[books.owners[task.task_id], task.group].add(task.split)
    total: Counter[str] = Counter()
    cut: Counter[str] = Counter()
    for (name, _), found in splits.items():
        total[name] += 1
        cut[name] += len(found) > 1
    return {name for name, count in cut.items() if count > _CUT_GROUPS * total[name]}


def _split(
    tasks: Sequence[Task],
    pairs: Sequence[tuple[str, str]],
    plan: BuildPlan,
    books: Books,
) -> list[Task]:
    order = {task.task_id: place for place, task in enumerate(tasks)}
    by_clip = _split_by_clip(tasks, books) if plan.official else set(books.funnels)
    if plan.official:
        for name in sorted(by_clip):
            books.funnels[name].notes["published split is by clip, not by video: not kept"] += 1
    tasks = [
        replace(task, split="") if books.owners[task.task_id] in by_clip else task for task in tasks
    ]
    settled, open_tasks, removed = keep_official_splits(tasks, pairs)
    for task in removed:
        books.of(task).remove(
            "match or video is in a stricter split", f"{task.task_id} ({task.group})"
        )
    done = settled
    if open_tasks:
        done = done + split_by_group(open_tasks, plan.fractions, plan.seed, duplicates=pairs)
    if plan.held_out:
        done = hold_out_sports(done, plan.held_out)
    leaks = check_leakage(done, pairs)
    if leaks:
        raise InternalError(f"the split leaks: {leaks[0]} (and {len(leaks) - 1} more)")
    return sorted(done, key=lambda task: order[task.task_id])


def _write(
    tasks: Sequence[Task],
    pairs: Sequence[tuple[str, str]],
    blind: Sequence[Blind],
    funnels: Mapping[str, Funnel],
    plan: BuildPlan,
) -> list[Path]:
    files = []
    for split in sorted({task.split for task in tasks} | set(plan.fractions)):
        path = plan.out / f"{split}.jsonl"
        write_tasks(path, (task for task in tasks if task.split == split))
        files.append(path)
    manifest = [
        {
            "id": task.task_id,
            "hash": task.content_hash,
            "split": task.split,
            "source": task.source,
            "group": task.group,
            "media": [medium.sha256 for medium in task.media],
        }
        for task in tasks
    ]
    _write_text(plan.out / "manifest.jsonl",
                "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in manifest))  # fmt: skip
    cards = {}
    for request in plan.sources:
        source = find_source(request.name)
        cards[source.name] = {
            "title": source.title,
            "licence": source.licence,
            "citation": source.citation,
            "url": source.url,
            "checked": source.checked,
            "published": dict(source.published),
            "funnel": funnels[source.name].to_json(),
        }
    record = {
        "schema": "deepsport.build/1",
        "seed": plan.seed,
        "fractions": dict(plan.fractions),
        "official_splits": plan.official,
        "held_out": list(plan.held_out),
        "media": plan.media,
        "shuffled": plan.shuffle,
        "tasks": len(tasks),
        "near_duplicates": [list(pair) for pair in pairs],
        "sources": cards,
        "blind": [
            {name: getattr(row, name) for name in
             ("source", "family", "kind", "tasks", "chance", "position", "longest", "shortest",
              "text", "guessable")}
            for row in blind
        ],
    }  # fmt: skip
    _write_text(plan.out / "build.json", json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    return [*files, plan.out / "manifest.jsonl", plan.out / "build.json"]


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
