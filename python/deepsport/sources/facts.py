"""FACTS: fencing and boxing clips in one folder an action; two sources of one work.

The layout of its release could not be checked: a folder a class is assumed.
"""

from __future__ import annotations

from deepsport.sources import class_folders
from deepsport.sources.interface import Source
from deepsport.task import Kind

__all__ = ["BOXING", "FENCING"]


def _facts(sport: str, clips: int) -> Source:
    name = f"facts-{sport}"
    return Source(
        name=name,
        title=f"FACTS, {sport}",
        licence="none stated",
        citation="FACTS: Fine-Grained Action Classification for Tactical Sports, 2024 "
        "(arXiv 2412.16454)",
        url="https://arxiv.org/abs/2412.16454",
        access="by the anonymous.4open.science link of the paper (FACTS-B1C5)",
        layout="<action>/<clip>.mp4, eight actions; set group to a regular expression for the bout "
        "if clip names tell it",
        sports=(sport,),
        kinds=(Kind.CHOICE,),
        published={"clips": clips, "actions": 8},
        checked="documentation",
        read=class_folders.read,
        convert=class_folders.converter(name, sport),
        families=class_folders.families,
        settings={"group": ""},
    )


FENCING = _facts("fencing", 13495)
BOXING = _facts("boxing", 8000)
