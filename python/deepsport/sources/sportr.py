"""SportR: questions with human rationales about fouls and tactics; its clips, not its images.

The keys of its annotation files could not be checked, so that several spellings are taken. The
rationale stays in the provenance: it is a gold set for judges, not an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.task import Dimension, Kind, Media, Task, Truth

__all__ = ["SOURCE"]

_SPORTS = ("basketball", "soccer", "american football", "badminton", "table tennis")
_VIDEO = (".mp4", ".mkv", ".avi", ".mov", ".webm")


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    for file in root.find("**/*.json"):
        for number, value in root.json_rows(file):
            yield Row(file, number, value)


def _field(value: Mapping[str, Any], *names: str) -> Any:
    return next((value[name] for name in names if value.get(name) not in (None, "")), None)


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    value = row.value
    name = _field(value, "video", "media", "file", "file_name", "path", "image", "id")
    if name is None:
        raise Rejected("missing field", "video, media, file or id")
    path = relative_path(str(name))
    if not path.lower().endswith(_VIDEO):
        raise Rejected("no video: question about images", path)
    if "/" not in path:
        path = f"SportsVideo/{path}"
    stem = path.rpartition("/")[2].rpartition(".")[0]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", re.sub(r"\d+$", "", stem)).strip().lower()
    sport = next((s for s in _SPORTS if s.replace(" ", "") == words.replace(" ", "")), "")
    if not sport:
        raise Rejected("unknown label", f"sport of {stem!r:.60}")
    pairs = value.get("questions") or value.get("qa") or [value]
    for number, pair in enumerate(pairs):
        question = _field(pair, "question", "Q", "q")
        answer = _field(pair, "answer", "A", "a", "ground_truth")
        if question is None or answer is None:
            yield Rejected("missing field", "question or answer")
            continue
        text = str(answer).strip()
        yes_no = text.lower().rstrip(".") in ("yes", "no")
        rationale = _field(pair, "cot", "rationale", "reasoning", "explanation", "CoT")
        yield Task(
            task_id=f"sportr:{row.file.rpartition('/')[2]}:{row.number}:{number}",
            kind=Kind.YES_NO if yes_no else Kind.TEXT,
            question=str(question).strip(),
            truth=Truth(labels=(text.lower().rstrip("."),))
            if yes_no
            else Truth(references=(text,)),
            media=(Media(path),),
            group=f"sportr/{stem}",
            sport=sport,
            source="sportr",
            family=str(_field(pair, "type", "task", "level") or "question"),
            dimension=Dimension.RULES,
            provenance={
                "file": row.file,
                "row": row.number,
                **({"rationale": str(rationale)} if rationale else {}),
            },
        )


SOURCE = Source(
    name="sportr",
    title="SportR (video part)",
    licence="CC BY-NC 4.0; media gated, non-commercial research only",
    citation="Xia et al., SportR: A Benchmark for Multimodal Large Language Model Reasoning in "
    "Sports, 2025",
    url="https://huggingface.co/datasets/haotianxia/SportR",
    access="request access on its Hugging Face page; questions in the repository chili-lab/SportR",
    layout="annotations/*.json, SportsVideo/{Sport}{N}.mp4",
    sports=_SPORTS,
    kinds=(Kind.YES_NO, Kind.TEXT),
    published={"videos": 2052, "images": 4789, "rationales": 6841},
    checked="documentation",
    read=_read,
    convert=_convert,
)
