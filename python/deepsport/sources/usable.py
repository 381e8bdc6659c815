"""Which questions can be used with the media that are there: found, readable, long enough.

Not for opening media (`deepsport.sources.probe`) nor for reporting on them
(`deepsport.sources.doctor_media`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from deepsport.errors import UnsafePathError
from deepsport.sources.files import Root
from deepsport.sources.funnel import Books
from deepsport.sources.probe import MediaFacts, MediaFinder
from deepsport.task import Kind, Native, Span, Task

__all__ = ["Library", "check_media", "locate"]

_SLACK_SECONDS = 0.5  # an annotation may end this much after the last frame
_RATE_DIFFERENCE = 0.001


class Library(Root):
    """The root of a build: the folders of its sources may be links, what lies in them may not."""

    def __init__(self, folder: Path, parts: Iterable[str], *, follow_links: bool = False) -> None:
        super().__init__(folder, follow_links=follow_links)
        self._parts = {
            part: Root(folder / part, follow_links=follow_links) for part in parts if part != "."
        }

    def path(self, relative: str) -> Path:
        """Return the full path; what lies in a source's folder must stay in that folder."""
        for folder, part in self._parts.items():
            if relative.startswith(f"{folder}/"):
                return part.path(relative[len(folder) + 1 :])
        return super().path(relative)


def locate(
    tasks: Iterable[Task], folders: Mapping[str, str], root: Root, books: Books
) -> list[Task]:
    """Point tasks to where their media are, when only one file has the name.

    Parameters
    ----------
    folders : mapping
        Source to its folder below `root`.
    """
    finders = {name: MediaFinder(root, folder) for name, folder in folders.items()}
    places: dict[tuple[str, str], str] = {}
    located = []
    for task in tasks:
        owner = books.owners[task.task_id]
        media = []
        for medium in task.media:
            key = owner, medium.path
            if key not in places:
                try:
                    places[key] = finders[owner].find(medium.path)
                except UnsafePathError:
                    places[key] = ""  # probing it says what is wrong
                if places[key] not in ("", medium.path):
                    books.of(task).notes["media found elsewhere"] += 1
            media.append(replace(medium, path=places[key] or medium.path))
        located.append(replace(task, media=tuple(media)))
    return located


def check_media(
    tasks: Iterable[Task], facts: Mapping[str, MediaFacts], books: Books, *, require: bool
) -> list[Task]:
    """Drop tasks whose media or times cannot be used; set content hashes and true seconds.

    Parameters
    ----------
    require : bool
        Drop tasks whose first medium is missing or cannot be opened as well.
    """
    kept = []
    for task in tasks:
        funnel = books.of(task)
        first = facts[task.media[0].path]
        if first.error and require:
            reason = "media missing" if first.error == "missing" else "media unreadable"
            funnel.remove(reason, f"{first.path}: {first.error}" if first.error != "missing"
                          else first.path)  # fmt: skip
            continue
        if first.form == "frames" and require:
            funnel.remove("media are folders of frames: make videos of them", first.path)
            continue
        media = tuple(
            replace(m, sha256=facts[m.path].sha256, form=facts[m.path].form)
            for m in task.media
            if not require or not facts[m.path].error
        )
        if len(media) < len(task.media):
            funnel.notes["further views left out: missing or unreadable"] += 1
        task = replace(task, media=media)
        if first.error:
            kept.append(task)
            continue
        native = task.truth.native
        if native and native.unit == "frame" and native.fps:
            last = max((v for v in native.values if isinstance(v, float | int)), default=0)
            if last > first.frame_count:
                funnel.remove("frame beyond the video",
                              f"{task.task_id}: frame {last:g} of {first.frame_count}")  # fmt: skip
                continue
            off = first.fps > 0 and abs(native.fps / first.fps - 1) > _RATE_DIFFERENCE
            if first.fps and (off or first.first_pts_seconds > _RATE_DIFFERENCE):
                task = _rescaled(task, native, first)
                funnel.notes["seconds taken from the real frame rate"] += 1
        end = first.first_pts_seconds + first.duration_seconds
        if first.duration_seconds and _beyond(task, end + _SLACK_SECONDS):
            funnel.remove(
                "annotation beyond the video", f"{task.task_id}: video ends at {end:.2f} s"
            )
            continue
        kept.append(task)
    return kept


def _beyond(task: Task, end: float) -> bool:
    spans = (*task.evidence, *task.truth.spans)
    in_seconds = task.kind is Kind.NUMBER and task.truth.unit == "s"
    late = in_seconds and (task.truth.value or 0.0) > end
    return late or any(span.start_seconds > end for span in spans)


def _rescaled(task: Task, native: Native, first: MediaFacts) -> Task:
    """Recompute the seconds of a task whose frames were converted at another rate or from 0."""
    factor, zero = native.fps / first.fps, first.first_pts_seconds

    def scaled(spans: Iterable[Span]) -> tuple[Span, ...]:
        return tuple(
            Span(s.start_seconds * factor + zero, s.stop_seconds * factor + zero, s.label)
            for s in spans
        )

    truth = replace(
        task.truth,
        spans=scaled(task.truth.spans),
        native=replace(native, fps=first.fps, fps_assumed=False),
    )
    if task.kind is Kind.NUMBER and truth.unit == "s" and truth.value is not None:
        truth = replace(truth, value=round(truth.value * factor + zero, 3))
    return replace(task, truth=truth, evidence=scaled(task.evidence))
