"""Sports-QA: questions with short answers from a closed vocabulary, over eight event types.

`test.json` is JSON lines, the others are lists. Field names are taken in several spellings, as
the release could not be checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.task import Dimension, Kind, Media, Task, Truth

__all__ = ["SOURCE"]

_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
_SPORTS = {
    "basketball": "basketball",
    "football": "soccer",
    "volleyball": "volleyball",
    "aerobic_gymnastics": "gymnastics",
    "fg": "gymnastics",
    "finegym": "gymnastics",
}
_DIMENSIONS = {
    "descriptive": Dimension.RECOGNITION,
    "temporal": Dimension.RECOGNITION,
    "causal": Dimension.RULES,
    "counterfactual": Dimension.RULES,
}
_WORDS = {name: float(i) for i, name in enumerate(
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
)}  # fmt: skip


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    files = root.glob("**/train.json", "**/val.json", "**/valid.json", "**/test.json")
    if files:
        for file in files:
            for number, value in root.json_rows(file):
                yield Row(file, number, value)
        return
    archive = root.find("**/meta-data.zip")[0]
    for name in ("train.json", "val.json", "test.json"):
        for number, value in root.json_rows(archive, member=name):
            yield Row(f"{archive}/{name}", number, value)


def _field(value: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if name in value:
            return value[name]
    raise Rejected("missing field", " or ".join(names))


def _convert(row: Row, context: Context) -> Iterator[Task]:
    value = row.value
    video = str(_field(value, "video", "video_id", "video_name", "vid"))
    question = str(_field(value, "question", "q")).strip()
    answer = str(_field(value, "answer", "a")).strip()
    family = str(_field(value, "type", "question_type", "qtype", "category")).strip().lower()
    path = relative_path(video if "." in video.rpartition("/")[2] else f"{video}.avi")
    prefix = path.split("/")[0].lower()
    sport = next((name for key, name in _SPORTS.items() if prefix.startswith(key)), "")
    if not sport:
        raise Rejected("unknown label", f"sport of video {video!r:.60}")
    if not answer:
        raise Rejected("no answer")
    lower = answer.lower()
    if lower in ("yes", "no"):
        kind, truth = Kind.YES_NO, Truth(labels=(lower,))
    elif lower in _WORDS or lower.isdecimal():
        kind, truth = Kind.NUMBER, Truth(value=_WORDS[lower] if lower in _WORDS else float(lower))
    else:
        kind, truth = Kind.TEXT, Truth(references=(answer,))
    clip = path.rpartition(".")[0]
    yield Task(
        task_id=f"sportsqa:{row.file.rpartition('/')[2]}:{row.number}",
        kind=kind,
        question=question,
        truth=truth,
        media=(Media(path),),
        group=f"sportsqa/{clip.partition('_c0')[0]}",
        split=_SPLITS.get(row.file.rpartition("/")[2].removesuffix(".json"), ""),
        sport=sport,
        source="sportsqa",
        family=family,
        dimension=_DIMENSIONS.get(family, Dimension.RECOGNITION),
        provenance={"file": row.file, "row": row.number},
    )


SOURCE = Source(
    name="sportsqa",
    title="Sports-QA",
    licence="research; media of MultiSports and FineGym under CC BY-NC 4.0",
    citation="Li et al., Sports-QA: A Large-Scale Video Question Answering Benchmark for Complex "
    "and Professional Sports, 2024 (arXiv 2401.01505)",
    url="https://github.com/HopLee6/Sports-QA",
    access="questions: figshare 29992531 (meta-data.zip); videos: Hugging Face HopLeeTop/Sports-QA",
    layout="train.json, val.json, test.json or meta-data.zip; videos as the rows name them (.avi)",
    sports=("basketball", "soccer", "volleyball", "gymnastics"),
    kinds=(Kind.YES_NO, Kind.NUMBER, Kind.TEXT),
    published={"questions": 94073, "test": 18718},
    checked="documentation",
    read=_read,
    convert=_convert,
)
