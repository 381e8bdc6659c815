"""FineDiving: 3,000 dives with type, phases, difficulty and judges' scores; the official pickles.

Frames count from 0 within a clip; `end_frame` of a dive is inclusive; `steps_transit_frames` holds
the last frame of each phase but the last (checked against the labels of all frames). No frame
rate is stated: 25 is assumed and marked so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from deepsport.sources.clock import Fps, number
from deepsport.sources.diving import Dive, dive_families, dive_group, dive_tasks, parse_code
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.pickles import load_pickle
from deepsport.task import Kind, Media, Task

__all__ = ["SOURCE"]


def _one(root: Root, name: str) -> str:
    return root.find(f"**/{name}")[0]


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    file = _one(root, "fine-grained_annotation_aqa.pkl")
    aqa = load_pickle(root, file)
    table = load_pickle(root, _one(root, "Sub_action_Types_Table.pkl"))
    splits = {}
    for name, split in (("train_split.pkl", "train"), ("test_split.pkl", "test")):
        splits.update(dict.fromkeys(map(tuple, load_pickle(root, _one(root, name))), split))
    coarse = root.glob("**/FineDiving_coarse_annotation.pkl")
    scores = load_pickle(root, coarse[0]) if coarse else {}
    for key, value in aqa.items():
        code, score, difficulty, steps, labels = value
        yield Row(
            file,
            "/".join(map(str, key)),
            {
                "key": key,
                "code": code,
                "score": score,
                "difficulty": difficulty,
                "steps": [int(step) for step in steps],
                "labels": [table.get(int(label), f"unknown {label}") for label in labels],
                "split": splits.get(tuple(key), ""),
                "coarse": scores.get(key, {}),
            },
        )


def _dive(value: Mapping[str, Any], settings: Mapping[str, Any]) -> Dive:
    competition, index = value["key"]
    if not isinstance(competition, str):
        raise Rejected("key is not (competition, dive)", f"{value['key']!r:.80}")
    path = settings["clips"].format(competition=competition, dive=index)
    phases, frame = [], 0
    for name, run in groupby(value["labels"]):
        if name != "Background":
            phases.append((name, frame))
        frame += len(list(run))
    coarse = value["coarse"]
    return Dive(
        key=f"{competition}/{index}",
        media=Media(relative_path(path), form="video" if path.endswith(".mp4") else "frames"),
        group=dive_group(competition),
        code=value["code"],
        score=number(value["score"], "score"),
        difficulty=number(value["difficulty"], "difficulty"),
        phases=tuple(phases),
        frame_count=frame,
        split=value["split"],
        extra={
            name: coarse[name]
            for name in ("judge_scores", "start_frame", "end_frame")
            if name in coarse
        },
        **parse_code(value["code"]),
    )


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    dives = []
    for row in rows:
        try:
            dives.append(_dive(row.value, settings))
        except (Rejected, KeyError, TypeError, ValueError):
            continue
    return dive_families(dives)


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    dive = _dive(row.value, context.settings)
    yield from dive_tasks(
        dive,
        context,
        source="finediving",
        provenance={"file": row.file, "row": row.number},
        fps=Fps(None, context.settings["fps"]),
    )


SOURCE = Source(
    name="finediving",
    title="FineDiving",
    licence="research agreement of its authors",
    citation="Xu et al., FineDiving: A Fine-grained Dataset for Procedure-aware Action Quality "
    "Assessment, CVPR 2022 (arXiv 2204.03646)",
    url="https://github.com/xujinglin/FineDiving",
    access="sign the release agreement in the repository; frames come as folders of images",
    layout="Annotations/*.pkl (all five and the coarse one); FINADiving_MTL_256s/<competition>/"
    "<dive>/ as folders of images, or set clips={competition}/{dive}.mp4",
    sports=("diving",),
    kinds=(Kind.CHOICE, Kind.YES_NO, Kind.NUMBER, Kind.EVENTS, Kind.INTERVAL, Kind.RATING),
    published={"dives": 3000, "train": 2251, "test": 749, "dive numbers": 52},
    checked="real files",
    read=_read,
    convert=_convert,
    families=_families,
    settings={"fps": 25.0, "clips": "FINADiving_MTL_256s/{competition}/{dive}"},
)
