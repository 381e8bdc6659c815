"""The questions of one source as a file of its own, made again only when something changed.

This is what makes a build resumable: a finished source is kept, and found by a fingerprint of the
annotation files, the settings, the seed and the code.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from deepsport.errors import DeepsportError
from deepsport.progress import Progress
from deepsport.sources.catalogue import find_source
from deepsport.sources.files import Root, relative_path
from deepsport.sources.funnel import Funnel
from deepsport.sources.interface import Context, Rejected, Row
from deepsport.sources.templates import shuffle_options
from deepsport.sources.unify import Outcome, fill_settings, make_context, unify_rows
from deepsport.task import TASK_SCHEMA, Kind, Task, read_tasks

__all__ = ["SourceRequest", "make_shard", "read_shard"]

_CHUNK_ROWS = 2000
_PARALLEL_ROWS = 10_000  # below, starting processes costs more than it saves
_LETTERED = (Kind.CHOICE, Kind.MULTI_CHOICE, Kind.FEEDBACK)


@dataclass(frozen=True)
class SourceRequest:
    """One source of a build: its name, its folder below the root, its settings."""

    name: str
    folder: str
    settings: Mapping[str, Any]


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Hash the code that makes tasks, so that a changed adapter makes its shard anew."""
    digest = hashlib.sha256(TASK_SCHEMA.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _fingerprint(
    request: SourceRequest, settings: Mapping[str, Any], root: Root, seed: int, *, shuffle: bool
) -> str:
    record = {
        "code": _code_digest(),
        "source": request.name,
        "folder": request.folder,
        "settings": dict(settings),
        "seed": seed,
        "shuffle": shuffle,
        "files": root.read_files,
        "listings": root.listings,
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _below(task: Task, folder: str) -> Task:
    """Make media paths relative to the root of all sources."""
    media = tuple(
        replace(m, path=f"{folder}/{m.path}" if folder not in ("", ".") else m.path)
        for m in task.media
    )
    return replace(task, media=media)


def _shuffled(task: Task, seed: int) -> Task:
    if task.kind not in _LETTERED:
        return task
    rng = Context(seed=seed).random("shuffle", task.task_id)
    options, letters = shuffle_options(rng, task.options, task.truth.labels)
    return replace(task, options=options, truth=replace(task.truth, labels=letters))


def _convert(
    name: str, folder: str, rows: Sequence[Row], context: Context, *, shuffle: bool
) -> tuple[list[str], Outcome]:
    """Convert a chunk; tasks come back as JSON lines, which travel cheaper than objects."""
    outcome = unify_rows(find_source(name), rows, context)
    lines = []
    for task in outcome.tasks:
        task = _below(_shuffled(task, context.seed) if shuffle else task, folder)
        line = json.dumps(task.to_json(), ensure_ascii=False) + "\n"
        try:
            line.encode()
            lines.append(line)
        except UnicodeEncodeError as error:
            where = Row(str(task.provenance.get("file")), str(task.provenance.get("row")), None)
            outcome.reject(where, Rejected("text that cannot be written", str(error)[:200]))
    outcome.tasks = []
    return lines, outcome


def make_shard(
    root_folder: Path,
    request: SourceRequest,
    shards: Path,
    *,
    seed: int,
    jobs: int,
    shuffle: bool = False,
    follow_links: bool = False,
) -> Funnel:
    """Write ``<shards>/<source>.jsonl`` and its funnel, or keep what an earlier run finished.

    Raises
    ------
    SourceFormatError
        When annotation files are missing or refused.
    SettingsError
        For settings the source does not have.
    UnsafePathError
        When the folder is not below the root.
    """
    if request.folder != ".":
        relative_path(request.folder, of="source folder")
    source = find_source(request.name)
    settings = fill_settings(source, request.settings)
    root = Root(root_folder / request.folder, follow_links=follow_links)
    rows = list(source.read(root, settings))
    fingerprint = _fingerprint(request, settings, root, seed, shuffle=shuffle)
    state, shard = shards / f"{request.name}.json", shards / f"{request.name}.jsonl"
    kept = _finished(state, shard, fingerprint)
    if kept is not None:
        return kept
    context = make_context(source, rows, settings, seed)
    shards.mkdir(parents=True, exist_ok=True)
    partial = shard.with_name(shard.name + ".partial")
    total, made = Outcome(), 0
    with (
        partial.open("w", encoding="utf-8") as file,
        Progress(f"unify {request.name}", len(rows)) as bar,
    ):
        for lines, outcome in _converted(request, rows, context, jobs, shuffle=shuffle):
            file.writelines(lines)
            made += len(lines)
            total.merge(outcome)
            bar.advance(outcome.rows, note=f"{made} questions")
    partial.replace(shard)
    funnel = Funnel(
        total.rows, total.rows_used, made, total.rejections, examples=dict(total.examples)
    )
    record = {"fingerprint": fingerprint, "sha256": _digest(shard), "funnel": funnel.to_json()}
    partial = state.with_name(state.name + ".partial")
    partial.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
    partial.replace(state)
    return funnel


def _converted(
    request: SourceRequest, rows: Sequence[Row], context: Context, jobs: int, *, shuffle: bool
) -> Iterator[tuple[list[str], Outcome]]:
    """Yield converted chunks in the order of the rows, from processes when it pays."""
    chunks = [rows[i : i + _CHUNK_ROWS] for i in range(0, len(rows), _CHUNK_ROWS)]
    arguments = (request.name, request.folder)
    if jobs <= 1 or len(rows) < _PARALLEL_ROWS:
        for chunk in chunks:
            yield _convert(*arguments, chunk, context, shuffle=shuffle)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[tuple[list[str], Outcome]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_convert, *arguments, chunk, context, shuffle=shuffle))
            while len(waiting) > 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finished(state: Path, shard: Path, fingerprint: str) -> Funnel | None:
    try:
        record = json.loads(state.read_text(encoding="utf-8"))
        if record["fingerprint"] == fingerprint and record["sha256"] == _digest(shard):
            return Funnel.from_json(record["funnel"])
    except (OSError, ValueError, KeyError, TypeError, DeepsportError):
        pass
    return None


def read_shard(shards: Path, name: str) -> Iterator[Task]:
    """Yield the tasks of a finished shard."""
    yield from read_tasks(shards / f"{name}.jsonl")
