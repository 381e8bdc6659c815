"""MTL-AQA: 1,412 dives with their final score; one pickle of plain numbers.

Its class numbers are not documented. Joined with the 1,369 dives that FineDiving has as well, by
dive number: rotation 0 back, 1 forward, 2 inward, 3 reverse; position 0 free, 1 pike, 2 tuck;
`ss_no` and `tw_no` count half somersaults and half twists, except that `ss_no` 0 stands for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepsport.sources.clock import Fps, number
from deepsport.sources.diving import Dive, dive_families, dive_group, dive_tasks
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.pickles import load_pickle
from deepsport.task import Kind, Media, Task

__all__ = ["SOURCE"]

_TAKE_OFFS = ("back", "forward", "inward", "reverse")
_POSITIONS = ("free", "pike", "tuck")


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    splits: dict[Any, str] = {}
    for file in root.glob("**/train_split_0.pkl", "**/test_split_0.pkl"):
        split = "train" if "train" in file.rpartition("/")[2] else "test"
        splits.update(dict.fromkeys(map(tuple, load_pickle(root, file)), split))
    file = root.find("**/final_annotations_dict.pkl")[0]
    for key, value in load_pickle(root, file).items():
        name = "/".join(map(str, key))
        yield Row(file, name, {**value, "key": key, "split": splits.get(tuple(key), "")})


def _dive(value: Mapping[str, Any], settings: Mapping[str, Any]) -> Dive:
    video, index = value["key"]
    halves = int(value["ss_no"])
    armstand = bool(value["armstand"])
    path = settings["clips"].format(video=video, dive=index)
    return Dive(
        key=f"{video:02d}/{index}",
        media=Media(relative_path(path), form="video" if path.endswith(".mp4") else "frames"),
        group=dive_group(str(video)),
        take_off=_TAKE_OFFS[value["rotation_type"]],
        position=_POSITIONS[value["position"]],
        somersaults=halves / 2 if halves > 1 else None,
        twists=int(value["tw_no"]) / 2,
        armstand=armstand,
        score=number(value["final_score"], "score"),
        difficulty=number(value["difficulty"], "difficulty"),
        frame_count=int(value["end_frame"]) - int(value["start_frame"]) + 1,
        split=value["split"],
        extra={"source_frames": [value["start_frame"], value["end_frame"]]},
    )


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    dives = []
    for row in rows:
        try:
            dives.append(_dive(row.value, settings))
        except (Rejected, KeyError, TypeError, ValueError, IndexError):
            continue
    return dive_families(dives)


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    yield from dive_tasks(
        _dive(row.value, context.settings),
        context,
        source="mtl-aqa",
        provenance={"file": row.file, "row": row.number},
        fps=Fps(None, context.settings["fps"]),
    )


SOURCE = Source(
    name="mtl-aqa",
    title="MTL-AQA",
    licence="research; videos are broadcast footage",
    citation="Parmar and Morris, What and How Well You Performed? A Multitask Learning Approach "
    "to Action Quality Assessment, CVPR 2019 (arXiv 1904.04346)",
    url="https://github.com/ParitoshParmar/MTL-AQA",
    access="annotations in the repository; videos by its list of links",
    layout="final_annotations_dict.pkl, optionally train_split_0.pkl and test_split_0.pkl; clips "
    "as <video>_<dive>.mp4",
    sports=("diving",),
    kinds=(Kind.CHOICE, Kind.YES_NO, Kind.NUMBER, Kind.RATING),
    published={"dives": 1412, "train": 1059, "test": 353},
    checked="real files",
    read=_read,
    convert=_convert,
    families=_families,
    settings={"fps": 25.0, "clips": "{video:02d}_{dive}.mp4"},
)
