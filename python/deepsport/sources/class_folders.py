"""Any set of clips sorted into one folder a class: the clip shows what its folder is called.

``train/jab/0001.mp4`` and ``jab/0001.mp4`` both work. The two FACTS sources are made of this.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.templates import Template, choices
from deepsport.task import Dimension, Kind, Media, Task, Truth

__all__ = ["SOURCE", "VIDEO_SUFFIXES", "converter", "families", "read"]

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v")
_SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation",
    "validation": "validation", "test": "test", "testing": "test",
}  # fmt: skip
_ACTION = Template(
    "action",
    Dimension.RECOGNITION,
    (
        "Which action does this clip show?",
        "What is the athlete in this clip doing?",
        "Name the technique that is performed here.",
        "Which of these actions can be seen in the video?",
    ),
)


def read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield every video below the folder with the class its folder names."""
    root.find(*(f"**/*{suffix}" for suffix in VIDEO_SUFFIXES))
    for file in root.glob(*(f"**/*{suffix}" for suffix in VIDEO_SUFFIXES)):
        parts = file.split("/")[:-1]
        split = next((_SPLITS[part.lower()] for part in parts if part.lower() in _SPLITS), "")
        classes = [part for part in parts if part.lower() not in _SPLITS]
        yield Row(file, 0, {"label": classes[-1] if classes else "", "split": split})


def _words(label: str) -> str:
    """Return the class in words: ``left_hook`` and ``LeftHook`` become ``left hook``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
    return " ".join(re.split(r"[\s_\-]+", spaced)).strip().lower()


def families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    """Count the classes."""
    return {"class": Counter(_words(row.value["label"]) for row in rows if row.value["label"])}


def converter(source: str, sport: str = "") -> Callable[[Row, Context], Iterator[Task | Rejected]]:
    """Return the `convert` of a class-folder source with this name and sport."""

    def convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
        label = _words(row.value["label"])
        if not label:
            raise Rejected("clip in no class folder")
        name = row.file.rpartition("/")[2].rpartition(".")[0]
        rng = context.random(source, row.file)
        options, letter = choices(rng, label, context.families["class"])
        pattern = context.settings.get("group", "")
        found = re.search(pattern, name) if pattern else None
        yield Task(
            task_id=f"{source}:action:{row.file}",
            kind=Kind.CHOICE,
            question=_ACTION.ask(rng),
            truth=Truth(labels=(letter,)),
            media=(Media(relative_path(row.file)),),
            options=options,
            group=f"{source}/{found[0] if found else name}",
            split=row.value["split"],
            sport=context.settings.get("sport", "") or sport,
            source=source,
            family=_ACTION.family,
            dimension=_ACTION.dimension,
            provenance={"file": row.file, "row": row.number},
        )

    return convert


SOURCE = Source(
    name="class-folders",
    title="Class folders (any clips sorted into one folder a class)",
    licence="yours",
    citation="",
    url="",
    access="your own clips",
    layout="[train|val|test/]<class>/<clip>.mp4; set group to a regular expression that finds the "
    "source video in a clip's name, so that splits keep its clips together",
    sports=(),
    kinds=(Kind.CHOICE,),
    published={},
    checked="documentation",
    read=read,
    convert=converter("class-folders"),
    families=families,
    settings={"sport": "", "group": ""},
)
