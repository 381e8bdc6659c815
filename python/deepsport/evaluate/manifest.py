"""The questions of a split as its manifest lists them: what a published number must be made on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from deepsport.errors import RecordFormatError, SettingsError
from deepsport.task import Task, read_tasks

__all__ = ["manifest_tasks"]


def manifest_tasks(path: Path | str, split: str) -> list[Task]:
    """Return the tasks of a split after comparing each with the manifest.

    Parameters
    ----------
    path : Path or str
        ``manifest.jsonl`` of ``deepsport data build``; the tasks lie beside it in ``SPLIT.jsonl``.
    split : str

    Raises
    ------
    SettingsError
        When the manifest has no task of that split, or there is no such file.
    RecordFormatError
        When a line is none of a manifest, or the tasks are not those the manifest lists.
    """
    path = Path(path)
    if not path.is_file():
        raise SettingsError(
            f"there is no manifest {path}; valid is the manifest.jsonl that `deepsport data build` "
            "wrote"
        )
    listed: dict[str, str] = {}
    splits: Counter[str] = Counter()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            splits[record["split"]] += 1
            if record["split"] == split:
                listed[record["id"]] = record["hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise RecordFormatError(
                f"{path}, line {number}: {type(error).__name__}: {error}; valid is an object with "
                "id, hash and split"
            ) from error
    if not listed:
        found = ", ".join(f"{name} ({count})" for name, count in sorted(splits.items()))
        raise SettingsError(f"{path} lists no task of split {split!r}; found are {found or 'none'}")
    tasks = list(read_tasks(path.with_name(f"{split}.jsonl")))
    found_hashes = {task.task_id: task.content_hash for task in tasks}
    missing = sorted(listed.keys() - found_hashes.keys())
    extra = sorted(found_hashes.keys() - listed.keys())
    changed = sorted(i for i in listed.keys() & found_hashes.keys() if listed[i] != found_hashes[i])
    for what, ids in (("lacks", missing), ("also has", extra), ("has another content of", changed)):
        if ids:
            raise RecordFormatError(
                f"{path.with_name(f'{split}.jsonl')} {what} {len(ids)} of the {len(listed)} tasks "
                f"that {path.name} lists, first {ids[0]!r}; valid is the split as it was built"
            )
    return tasks
