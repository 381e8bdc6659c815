"""SPORTU-video: multiple-choice and open questions about slow-motion clips of seven sports.

Options are a mapping of letters to texts, some of them numbers; two-option questions are yes or
no. The text-only part has no video and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.task import Dimension, Kind, Media, Task, Truth

__all__ = ["SOURCE"]

_SPORTS = {
    "soccer": "soccer",
    "baseball": "baseball",
    "american": "american football",
    "badminton": "badminton",
    "basketball": "basketball",
    "hockey": "ice hockey",
    "volleyball": "volleyball",
}
# Words that tell the task families of its 38 question texts apart, the first that is found.
_FAMILIES = (
    ("what sport", "sport", Dimension.RECOGNITION),
    ("jersey", "jersey colour", Dimension.RECOGNITION),
    ("how many players", "player count", Dimension.RECOGNITION),
    ("as a referee", "referee procedure", Dimension.RULES),
    ("error", "technical error", Dimension.COACHING),
    ("rule violation", "rule violation", Dimension.RULES),
    ("foul", "foul", Dimension.RULES),
    ("fault", "foul", Dimension.RULES),
    ("situation", "situation", Dimension.RULES),
    ("action", "action", Dimension.RECOGNITION),
)
_FILES = ("**/SportU_Video_mc.json", "**/SportU_video_oe.json", "**/SportU_text.json")


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    for file in root.find(*_FILES):
        for number, value in root.json_rows(file):
            yield Row(file, number, value)


def _convert(row: Row, context: Context) -> Iterator[Task]:
    value = row.value
    if "text" in row.file.lower().rpartition("/")[2]:
        raise Rejected("no video: text-only question")
    clip = value["id"]
    prefix = clip.split("_")[0].lower()
    if prefix not in _SPORTS:
        raise Rejected("unknown label", f"sport of id {clip!r:.60}")
    question = value["question"].strip()
    family, dimension = next(
        ((name, dim) for word, name, dim in _FAMILIES if word in question.lower()),
        ("other", Dimension.RECOGNITION),
    )
    options: tuple[str, ...] = ()
    if "options" in value:
        kind, truth, options = _lettered(value["options"], value["answer"])
    else:
        kind, truth = Kind.TEXT, Truth(references=(value["answer"].strip(),))
        family = f"{family} explained"
    yield Task(
        task_id=f"sportu:{'mc' if options or kind is Kind.YES_NO else 'oe'}:{clip}:{question}",
        kind=kind,
        question=question,
        truth=truth,
        media=(Media(relative_path(context.settings["clips"].format(id=clip, sport=prefix))),),
        options=options,
        group=f"sportu/{clip}",
        sport=_SPORTS[prefix],
        source="sportu",
        family=family,
        difficulty=value["difficulty level"],
        dimension=dimension,
        provenance={"file": row.file, "row": row.number},
    )


def _lettered(options: Mapping[str, Any], answer: str) -> tuple[Kind, Truth, tuple[str, ...]]:
    letters = sorted(options)
    if letters != [chr(ord("A") + i) for i in range(len(letters))]:
        raise Rejected("options are not lettered from A", ", ".join(letters))
    texts = [str(options[letter]).strip() for letter in letters]
    if answer not in options:
        raise Rejected("answer not among the options", f"{answer!r:.60}")
    right = str(options[answer]).strip()
    if [text.lower() for text in texts].count(right.lower()) > 1:
        raise Rejected("right option occurs twice", f"{right!r:.60} in {texts}")
    if {text.lower() for text in texts} == {"yes", "no"}:
        return Kind.YES_NO, Truth(labels=(right.lower(),)), ()
    return Kind.CHOICE, Truth(labels=(answer,)), tuple(texts)


SOURCE = Source(
    name="sportu",
    title="SPORTU-video",
    licence="none stated; ask its authors before you redistribute anything",
    citation="Xia et al., SPORTU: A Comprehensive Sports Understanding Benchmark for Multimodal "
    "Large Language Models, ICLR 2025 (arXiv 2410.08474)",
    url="https://github.com/chili-lab/SPORTU",
    access="questions in the repository's data folder; clips as one Google Drive zip a sport, "
    "linked from its README",
    layout="data/SportU_Video_mc.json, data/SportU_video_oe.json; clips anywhere below as <id>.mp4",
    sports=tuple(_SPORTS.values()),
    kinds=(Kind.CHOICE, Kind.YES_NO, Kind.TEXT),
    published={"multiple-choice questions": 10973, "open questions": 1075, "clips": 1701},
    checked="real files",
    read=_read,
    convert=_convert,
    settings={"clips": "{id}.mp4"},
)
