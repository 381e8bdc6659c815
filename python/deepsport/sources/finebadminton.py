"""FineBadminton: the benchmark's multiple-choice questions about badminton rallies.

Reads `questions.json` (or `combined_random_questions.json`) beside the clips. Options come with
their letter ("A. 2"), frame numbers are those of the match video and `end_frame` is inclusive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.sources.unify import load_source
from deepsport.task import Dimension, Kind, Media, Task, Truth

__all__ = ["SOURCE", "load"]

_DIMENSIONS = {
    "hitting comment": Dimension.COACHING,
    "pointer recognition": Dimension.COACHING,  # why the point was lost
    "round comment": Dimension.COACHING,
}
_OPTION = re.compile(r"\s*([A-Z])\s*[.:：、)]\s*(.*)", re.DOTALL)


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    patterns = ("**/questions.json", "**/combined_random_questions.json")
    for file in root.find(*patterns):
        for number, value in root.json_rows(file):
            yield Row(file, number, value)


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    language = context.settings["language"]
    value = row.value
    options = []
    for position, text in enumerate(value[f"options_{language}"]):
        letter = chr(ord("A") + position)
        found = _OPTION.fullmatch(text)
        if not found or found[1] != letter:
            raise Rejected("option without its letter", f"{text!r:.80}, expected {letter}.")
        options.append(found[2].strip())
    family = value["temporal"]
    name = value["question_id"].replace(" ", "_") + ".mp4"
    folder = row.file.rpartition("/")[0]
    yield Task(
        task_id=f"finebadminton:{language}:{value['question_id']}",
        kind=Kind.CHOICE,
        question=value["question"][f"question_{language}"].strip(),
        truth=Truth(labels=(value["answer"],)),
        media=(Media(relative_path(f"{folder}/{name}" if folder else name)),),
        options=tuple(options),
        group=f"finebadminton/{value['video_id'].removesuffix('.mp4')}",
        sport="badminton",
        source="finebadminton",
        family=family,
        dimension=_DIMENSIONS.get(family, Dimension.RECOGNITION),
        provenance={
            "file": row.file,
            "row": row.number,
            "source_frames": [value["start_frame"], value["end_frame"]],
            "source_frames_end": "inclusive",
        },
    )


SOURCE = Source(
    name="finebadminton",
    title="FineBadminton benchmark",
    licence="Apache-2.0 (repository); broadcast rights are separate",
    citation="FineBadminton: A Multi-Level Dataset for Fine-Grained Badminton Video Understanding, "
    "ACM Multimedia 2025",
    url="https://github.com/iLearn-Lab/MM25-FineBadminton",
    access="clips and questions lie in the repository's benchmark folder; the full set on "
    "Hugging Face",
    layout="questions.json or combined_random_questions.json, clips beside it "
    "(question_id with _ for spaces, .mp4)",
    sports=("badminton",),
    kinds=(Kind.CHOICE,),
    published={"questions of the public sample": 36},
    checked="real files",
    read=_read,
    convert=_convert,
    settings={"language": "en"},
)


def load(folder: Path | str, *, language: str = "en") -> list[Task]:
    """Return the questions as tasks; media paths are relative to `folder`.

    Parameters
    ----------
    language : str
        ``"en"`` or ``"zh"``.

    Raises
    ------
    SourceFormatError
        When there is no questions file, or no row of it makes a task.
    """
    return load_source(SOURCE, folder, language=language)
