"""Write a distilled data set: trajectories, examples, tasks, and a manifest that accounts for all.

The folder appears whole or not at all. The same input gives the same bytes, so the hashes in the
manifest name the data set.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import deepsport
from deepsport.dataset.parquet import write_examples
from deepsport.distil.keep import Funnel
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.task import Task, write_tasks
from deepsport.tool import FrameSource
from deepsport.trajectory import Trajectory, TrajectoryStore

__all__ = ["MANIFEST_SCHEMA", "check_release", "write_release"]

MANIFEST_SCHEMA = "deepsport.release/1"
MANIFEST = "manifest.json"


def write_release(
    out: Path | str,
    kept: Sequence[Trajectory],
    tasks: Mapping[str, Task],
    funnel: Funnel,
    *,
    made_by: Mapping[str, Any],
    licences: Mapping[str, str] | None = None,
    embed: FrameSource | None = None,
    rows_per_shard: int = 2000,
) -> dict[str, Any]:
    """Write the data set and return its manifest.

    Parameters
    ----------
    out : Path or str
        A folder that is not there yet.
    kept : sequence of Trajectory
    tasks : mapping by task_id
        At least those of `kept` and of what the funnel rejected.
    funnel : Funnel
    made_by : mapping
        Command, settings of teacher and filters, totals: whatever is needed to do it again.
    licences : mapping, optional
        By source, where `deepsport.sources` does not know better.
    embed : FrameSource, optional
        Also write the frames, as JPEG.
    rows_per_shard : int

    Raises
    ------
    SettingsError
        When `out` is there already, or nothing was kept.
    """
    out = Path(out)
    if out.exists():
        raise SettingsError(f"{out} is there already; valid is a new folder")
    if not kept:
        raise SettingsError(f"nothing was kept of {funnel.entered} trajectories:\n{funnel}")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files: dict[str, int] = {}
    shards = [kept[i : i + rows_per_shard] for i in range(0, len(kept), rows_per_shard)]
    for number, shard in enumerate(shards):
        name = f"{number:05d}-of-{len(shards):05d}"
        with TrajectoryStore(partial / f"trajectories-{name}.jsonl") as store:
            for trajectory in shard:
                store.append(trajectory)
        files[f"trajectories-{name}.jsonl"] = len(shard)
        files[f"examples-{name}.parquet"] = write_examples(
            partial / f"examples-{name}.parquet", shard, tasks, embed=embed
        )
    used = {t.task_id for t in kept}
    files["tasks.jsonl"] = write_tasks(
        partial / "tasks.jsonl", (task for task in tasks.values() if task.task_id in used)
    )
    manifest = {
        "schema": MANIFEST_SCHEMA,
        "deepsport": deepsport.__version__,
        "trajectories": len(kept),
        "tasks": len(used),
        "funnel": funnel.to_json(),
        "sources": _sources(kept, tasks, funnel, licences or {}),
        "videos": _videos(used, tasks),
        "files": [
            {"path": name, "rows": rows, **_identity(partial / name)}
            for name, rows in sorted(files.items())
        ],
        "made_by": made_by,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    (partial / MANIFEST).write_text(text + "\n", encoding="utf-8")
    partial.replace(out)
    return manifest


def check_release(folder: Path | str) -> dict[str, Any]:
    """Return the manifest of a data set after comparing every file with it.

    Raises
    ------
    RecordFormatError
        When a file is missing or another one.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordFormatError(f"{folder} has no readable {MANIFEST}: {error}") from error
    if manifest.get("schema") != MANIFEST_SCHEMA:
        raise RecordFormatError(
            f"{folder}: schema is {manifest.get('schema')!r}, valid is {MANIFEST_SCHEMA!r}"
        )
    for entry in manifest["files"]:
        path = folder / entry["path"]
        found = _identity(path) if path.is_file() else None
        if found != {key: entry[key] for key in ("bytes", "sha256")}:
            raise RecordFormatError(
                f"{path}: manifest says {entry['sha256'][:12]}, found "
                f"{found['sha256'][:12] if found else 'no file'}"
            )
    return manifest


def _sources(
    kept: Iterable[Trajectory],
    tasks: Mapping[str, Task],
    funnel: Funnel,
    licences: Mapping[str, str],
) -> dict[str, Any]:
    counts = Counter(tasks[t.task_id].source for t in kept)
    rejected: dict[str, Counter[str]] = {}
    for (task_id, _), objection in funnel.objections.items():
        source = tasks[task_id].source
        rejected.setdefault(source, Counter())[objection.reason] += 1
    return {
        source or "(none)": {
            "licence": licences.get(source) or _licence(source),
            "kept": counts[source],
            "rejected": dict(rejected.get(source, Counter()).most_common()),
        }
        for source in sorted({*counts, *rejected})
    }


def _licence(source: str) -> str:
    """Return what the source's card says; the media stay under the terms of their owners."""
    from deepsport.sources.catalogue import find_source

    try:
        return find_source(source).licence
    except SettingsError:
        return "unknown"


def _videos(used: Iterable[str], tasks: Mapping[str, Task]) -> list[dict[str, str]]:
    media = {m.path: m.sha256 for task_id in used for m in tasks[task_id].media}
    return [{"path": path, "sha256": media[path]} for path in sorted(media)]


def _identity(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
