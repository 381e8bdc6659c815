"""SoccerNet-XFoul (X-VARS): referees' open answers about the fouls of SoccerNet-MVFoul.

A list of question, answer and action folder; the same question about the same action is one task
with several references. Views come from MVFoul's `annotations.json` where it lies beside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deepsport.errors import SourceFormatError, UnsafePathError
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.sources.mvfoul import SPLITS, clip_media
from deepsport.sources.soccer import match_group
from deepsport.task import Dimension, Kind, Media, Task, Truth

__all__ = ["SOURCE"]

_ACTION = re.compile(r"(?:(.*)/)?([^/]+)/(action_\d+)/?")


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    actions: dict[str, Any] = {}
    for file in root.glob("**/annotations.json"):
        value = root.json(file)
        if isinstance(value, dict) and isinstance(value.get("Actions"), dict):
            folder = file.rpartition("/")[0]
            for key, action in value["Actions"].items():
                actions[f"{folder}/action_{key}".lower()] = {"folder": folder, "action": action}
    files = [f for f in root.find("**/*.json") if not f.endswith("annotations.json")]
    merged: dict[tuple[str, str], Row] = {}
    for file in files:
        for number, value in root.json_rows(file):
            if not (isinstance(value, dict) and {"question", "answer", "path"} <= value.keys()):
                yield Row(file, number, SourceFormatError("row without question, answer and path"))
                continue
            key = (str(value["path"]), str(value["question"]).strip())
            if key in merged:
                merged[key].value["answers"].append(value["answer"])
                continue
            try:
                known = actions.get(relative_path(value["path"]).lower())
            except UnsafePathError:
                known = None  # `convert` refuses the row and says why
            merged[key] = Row(file, number, {**value, "answers": [value["answer"]], "known": known})
    yield from merged.values()


def _convert(row: Row, context: Context) -> Iterator[Task]:
    value = row.value
    path = relative_path(value["path"])
    found = _ACTION.fullmatch(path)
    if not found:
        raise Rejected("path names no action", f"{path!r:.80}, valid is Train/action_12")
    references = tuple(
        dict.fromkeys(text.strip() for text in value["answers"] if text and text.strip())
    )
    if not references:
        raise Rejected("no answer")
    known = value.get("known")
    if known:
        media = clip_media(known["folder"], known["action"]["Clips"])
        group = match_group(known["action"]["UrlLocal"])
    else:
        media, group = (Media(f"{path}/clip_0.mp4"),), f"xfoul/{path}"
    yield Task(
        task_id=f"xfoul:{path}:{value['question'].strip()}",
        kind=Kind.TEXT,
        question=value["question"].strip(),
        truth=Truth(references=references),
        media=media,
        group=group,
        split=SPLITS.get(found[2].lower(), ""),
        sport="soccer",
        source="xfoul",
        family="foul explained",
        dimension=Dimension.RULES,
        provenance={"file": row.file, "row": row.number},
    )


SOURCE = Source(
    name="xfoul",
    title="SoccerNet-XFoul (X-VARS)",
    licence="SoccerNet agreement (media)",
    citation="Held et al., X-VARS: Introducing Explainability in Football Refereeing with "
    "Multi-Modal Large Language Model, CVPR workshops 2024 (arXiv 2404.06332)",
    url="https://github.com/heldJan/X-VARS",
    access="questions by the Google Drive link of its README; media are those of MVFoul",
    layout="the question lists (*.json) and MVFoul's {Train,Valid,Test} folders in one folder",
    sports=("soccer",),
    kinds=(Kind.TEXT,),
    published={"question and answer pairs (about)": 22000},
    checked="documentation",
    read=_read,
    convert=_convert,
)
