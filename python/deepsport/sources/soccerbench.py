"""SoccerBench and the SoccerNet VQA challenges made of it: multiple choice with O1, O2, ... keys.

Questions without video (text, images) are left out with a reason: a frame tool needs a video.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.sources.soccer import match_group
from deepsport.task import Dimension, Kind, Media, Task, Truth

__all__ = ["SOURCE"]

_VIDEO = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".ts")
_OPTION = re.compile(r"O(\d+)")
# Told by words of the question, as the numbers of q1.json ... differ between paper and release.
_FAMILIES = (
    ("foul", "multi-view foul", Dimension.RULES),
    ("replay", "replay grounding", Dimension.RECOGNITION),
    ("commentary", "commentary", Dimension.COMMENTARY),
    ("camera", "camera status", Dimension.RECOGNITION),
    ("jersey", "jersey", Dimension.RECOGNITION),
    ("score", "score and time", Dimension.RECOGNITION),
    ("action", "action classification", Dimension.RECOGNITION),
    ("event", "action classification", Dimension.RECOGNITION),
)


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    files = [
        file
        for file in root.find("**/*.json")
        if re.fullmatch(r"q\d+\.json|(train|valid|val|test|challenge|metadata)\.json|.*qa.*\.json",
                        file.rpartition("/")[2], re.IGNORECASE)
    ]  # fmt: skip
    for file in files:
        for number, value in root.json_rows(file):
            yield Row(file, number, value)


def _convert(row: Row, context: Context) -> Iterator[Task]:
    value = row.value
    if "Q" not in value:
        raise Rejected("no question: an answer sheet or a submission")
    keys = sorted((key for key in value if _OPTION.fullmatch(key)), key=lambda key: int(key[1:]))
    if keys != [f"O{i + 1}" for i in range(len(keys))]:
        raise Rejected("options are not numbered from O1", ", ".join(keys))
    answer = value.get("closeA", value.get("Answer"))
    if answer is None:
        raise Rejected("no answer: a challenge row")
    if answer not in keys:
        raise Rejected("answer not among the options", f"{answer!r:.60}")
    texts = tuple(str(value[key]).strip() for key in keys)
    if texts.count(texts[keys.index(answer)]) > 1:
        raise Rejected("right option occurs twice", texts[keys.index(answer)])
    media = _media(value.get("materials"), context.settings["prefix"])
    groups = tuple(dict.fromkeys(match_group(medium.path) for medium in media))
    question = value["Q"].strip()
    name = row.file.rpartition("/")[2].removesuffix(".json")
    family, dimension = next(
        ((found, dim) for word, found, dim in _FAMILIES if word in question.lower()),
        (f"soccerbench {name}", Dimension.RECOGNITION),
    )
    yield Task(
        task_id=f"soccerbench:{name}:{value.get('id', row.number)}",
        kind=Kind.CHOICE,
        question=question,
        truth=Truth(labels=(chr(ord("A") + keys.index(answer)),)),
        media=media,
        options=texts,
        group=groups[0],
        also_in=groups[1:],
        split=_split(row.file),
        sport="soccer",
        source="soccerbench",
        family=family,
        dimension=dimension,
        provenance={"file": row.file, "row": row.number, "answer_text": value.get("openA", "")},
    )


def _media(materials: Any, prefix: str) -> tuple[Media, ...]:
    paths = [materials] if isinstance(materials, str) else materials or []
    if not paths:
        raise Rejected("no video: text-only question")
    videos = [path for path in paths if path.lower().endswith(_VIDEO)]
    if not videos:
        raise Rejected("no video: question about images", f"{paths[0]!r:.80}")
    return tuple(Media(relative_path(prefix + path)) for path in videos)


def _split(file: str) -> str:
    names = {"train": "train", "valid": "validation", "val": "validation", "test": "test"}
    for part in re.split(r"[/_.]", file.lower()):
        if part in names:
            return names[part]
    return ""


SOURCE = Source(
    name="soccerbench",
    title="SoccerBench (SoccerAgent), SN-VQA-2026",
    licence="CC BY-NC-SA 4.0; media under the SoccerNet agreement",
    citation="Rao et al., Multi-Agent System for Comprehensive Soccer Understanding, "
    "ACM Multimedia 2025 (arXiv 2505.03735)",
    url="https://huggingface.co/datasets/Homie0609/SoccerBench",
    access="Hugging Face, questions and materials; SN-VQA zips from the SoccerNet organisation",
    layout="qa/q1.json ... q14.json, materials/... as the rows name them",
    sports=("soccer",),
    kinds=(Kind.CHOICE,),
    published={"questions, with text and image tasks": 10000},
    checked="documentation",
    read=_read,
    convert=_convert,
    settings={"prefix": ""},
)
