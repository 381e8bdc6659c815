"""Ask a judge about trajectories: is the answer right, does it follow, do the frames show it.

The judge is asked through the same line as a teacher, so it is paced, retried, paid and journalled
in the same way, in a journal of its own beside that of the job. An unreadable verdict is asked for
again and, in the end, is no opinion: it is never a verdict against the trajectory.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepsport.distil.engine import open_line, run_all, run_unwrapped, teacher_identity
from deepsport.distil.failures import RequestFailedError
from deepsport.distil.frame_pool import FramePool
from deepsport.distil.job import job_tasks, open_journal
from deepsport.distil.journal import Journal, Totals
from deepsport.distil.judge_prompt import (
    PROMPT_VERSION,
    read_verdict,
    score_messages,
    vision_messages,
)
from deepsport.distil.keep import Opinion, first_objection
from deepsport.distil.line import Line
from deepsport.distil.presets import FilterSettings
from deepsport.distil.request import Request
from deepsport.distil.settings import Budget, DistilSettings, PaceSettings, TeacherSettings
from deepsport.distil.teacher import Teacher
from deepsport.errors import VideoError
from deepsport.progress import Progress
from deepsport.task import Kind, Task
from deepsport.tool import FrameSource, ToolSettings
from deepsport.tool.frame_source import fit_inside
from deepsport.trajectory import Trajectory

__all__ = ["JudgeSummary", "judge_job", "read_opinions"]

_log = logging.getLogger(__name__)
_OPINION = "opinion"
_READ_TRIES = 3  # times an unreadable verdict is asked for
_MOST_FRAMES = 32  # shown to a vision judge, spread over those looked at


@dataclass(slots=True)
class JudgeSummary:
    """What a judge did.

    Attributes
    ----------
    asked_about, judged : int
        Trajectories that need an opinion, and that have all that is needed.
    unread : Counter
        Opinions that could not be had, by what was asked.
    totals : Totals
    stopped : str
    """

    asked_about: int = 0
    judged: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    totals: Totals = field(default_factory=Totals)
    stopped: str = ""


def judge_job(
    job: Path | str,
    judge: TeacherSettings,
    wanted: FilterSettings,
    *,
    source: FrameSource | None = None,
    samples: int = 1,
    pace: PaceSettings | None = None,
    budget: Budget | None = None,
    teacher: Teacher | None = None,
) -> JudgeSummary:
    """Get the opinions that the filters `wanted` need, on what their other tests would keep.

    Parameters
    ----------
    job : Path or str
        Folder of a job.
    judge : TeacherSettings
    wanted : FilterSettings
    source : FrameSource, optional
        Needed when `wanted` asks for vision.
    samples : int
        Scores to ask for of each answer: how far they lie apart is how sure the judge is.
    pace, budget, teacher
        As in :func:`deepsport.distil.engine.distil`.
    """
    pace, budget = pace or PaceSettings(), budget or Budget()
    tasks = job_tasks(job)
    with open_journal(job, read_only=True) as played:
        rows = [t for t in played.trajectories() if t.task_id in tasks]
    summary = JudgeSummary()
    with (
        Journal(_journal_path(job)) as journal,
        FramePool(source or FrameSource(), pace.decode_threads) as frames,
    ):
        journal.claim("judge", {**teacher_identity(judge), "prompt": PROMPT_VERSION})
        known = _opinions(journal)
        left = []
        for t in rows:
            needs = _needs(tasks[t.task_id], t, wanted)
            before = known.get((t.task_id, t.attempt), Opinion())
            summary.asked_about += any(needs.values())
            if any(needs.values()):
                if _missing(before, needs, samples, wanted):
                    left.append((t, needs, before))
                else:
                    summary.judged += 1
        with Progress("judge", summary.asked_about, done=summary.judged) as bar:

            async def work() -> None:
                made = DistilSettings(judge)
                async with open_line(made, journal, pace, budget, teacher) as line:
                    desk = _Desk(line, frames, judge, wanted, samples)

                    async def consider(
                        t: Trajectory, needs: Mapping[str, bool], before: Opinion
                    ) -> None:
                        opinion = await desk.consider(tasks[t.task_id], t, needs, before)
                        missing = _missing(opinion, needs, 1, wanted)
                        summary.unread.update(missing)
                        summary.judged += not missing
                        value = dataclasses.asdict(opinion)
                        journal.write_note(_OPINION, t.task_id, t.attempt, value)
                        bar.advance(1, note=f"${line.ledger.cost:.2f}")

                    jobs = (consider(*row) for row in left)
                    stop = await run_all(jobs, line, pace)
                    summary.stopped = str(stop) if stop is not None else ""

            if left:
                run_unwrapped(work())
        summary.totals = journal.totals()
    return summary


def read_opinions(job: Path | str) -> dict[tuple[str, int], Opinion]:
    """Return the opinions on a job's trajectories, by ``(task_id, attempt)``."""
    path = _journal_path(job)
    if not path.is_file():
        return {}
    with Journal(path, read_only=True) as journal:
        return _opinions(journal)


def _journal_path(job: Path | str) -> Path:
    return Path(job) / "judge.sqlite"


def _opinions(journal: Journal) -> dict[tuple[str, int], Opinion]:
    notes: Mapping[tuple[str, int], dict[str, Any]] = journal.notes(_OPINION)
    return {
        key: Opinion(**{**note, "scores": tuple(note["scores"])}) for key, note in notes.items()
    }


def _needs(task: Task, trajectory: Trajectory, wanted: FilterSettings) -> dict[str, bool]:
    """Say which opinions the filters need; none on what they reject without asking."""
    keep = first_objection(task, trajectory, wanted) is None
    by_judge = wanted.judge == "all" or (wanted.judge == "text" and task.kind is Kind.TEXT)
    return {
        "score": keep and by_judge,
        "logic": keep and wanted.require_logic,
        "vision": keep and wanted.require_vision,
    }


def _missing(
    opinion: Opinion, needs: Mapping[str, bool], samples: int, wanted: FilterSettings
) -> list[str]:
    """Return which needed opinions are not there; the frames need no look when the text fails."""
    missing = []
    if needs["score"] and len(opinion.scores) < samples:
        missing.append("score")
    if needs["logic"] and opinion.logic is None:
        missing.append("logic")
    if needs["vision"] and opinion.vision is None and not _text_fails(opinion, needs, wanted):
        missing.append("vision")
    return missing


def _text_fails(opinion: Opinion, needs: Mapping[str, bool], wanted: FilterSettings) -> bool:
    scores = opinion.scores if needs["score"] else ()
    low = bool(scores) and sum(scores) < wanted.min_judge_score * len(scores)
    return low or (needs["logic"] and opinion.logic is False)


class _Desk:
    """One judge at work."""

    def __init__(
        self,
        line: Line,
        frames: FramePool,
        judge: TeacherSettings,
        wanted: FilterSettings,
        samples: int,
    ) -> None:
        self._line, self._frames, self._judge = line, frames, judge
        self._wanted, self._samples = wanted, samples

    async def consider(
        self, task: Task, trajectory: Trajectory, needs: Mapping[str, bool], before: Opinion
    ) -> Opinion:
        """Form an opinion on one trajectory; what was found before and is not asked for stays."""
        opinion = dataclasses.replace(before, judge=self._judge.model)
        if needs["score"] or needs["logic"]:
            scores, logic = await self._read(task, trajectory, needs)
            if needs["score"]:
                opinion = dataclasses.replace(opinion, scores=tuple(scores))
            if needs["logic"]:
                follows = sum(logic) * 2 > len(logic) if logic else None
                opinion = dataclasses.replace(opinion, logic=follows)
        if needs["vision"] and not _text_fails(opinion, needs, self._wanted):
            opinion = dataclasses.replace(opinion, vision=await self._look(task, trajectory))
        return opinion

    async def _read(
        self, task: Task, trajectory: Trajectory, needs: Mapping[str, bool]
    ) -> tuple[list[float], list[bool]]:
        """Let the judge read answer and thoughts, as often as there are samples."""
        scores: list[float] = []
        logic: list[bool] = []
        messages = score_messages(task, trajectory, logic=needs["logic"])
        name = f"score {task.task_id} {trajectory.attempt}"
        for sample in range(self._samples):
            wanted, kind = ("score", float) if needs["score"] else ("logic", bool)
            reply = await self._ask(name, messages, {}, sample, wanted, kind)
            score = read_verdict(reply, "score", float)
            follows = read_verdict(reply, "logic", bool)
            scores += [float(score)] if score is not None else []
            logic += [bool(follows)] if follows is not None else []
        return scores, logic

    async def _look(self, task: Task, trajectory: Trajectory) -> bool | None:
        try:
            pictures, images = await self._frames.run(self._pictures, task, trajectory)
        except VideoError as error:
            _log.warning("task %s: no frames for the judge: %s", task.task_id, error)
            return None
        messages = vision_messages(task, trajectory, pictures)
        name = f"vision {task.task_id} {trajectory.attempt}"
        reply = await self._ask(name, messages, images, 0, "supported", bool)
        supported = read_verdict(reply, "supported", bool)
        return None if supported is None else bool(supported)

    def _pictures(
        self, task: Task, trajectory: Trajectory
    ) -> tuple[list[tuple[int, dict[str, Any]]], dict[tuple[str, int], str]]:
        """Return the frames that were looked at, the first ones when none were; blocks."""
        looked = [f for turn in trajectory.turns if turn.role == "tool" for f in turn.frames]
        shown = looked or list(trajectory.frames_shown)
        indices = sorted({frame.index for frame in shown})
        if len(indices) > _MOST_FRAMES:
            step = (len(indices) - 1) / (_MOST_FRAMES - 1)
            indices = [indices[round(n * step)] for n in range(_MOST_FRAMES)]
        tool = ToolSettings.from_json(trajectory.settings.get("tool", {}))
        path, source = task.media[0].path, self._frames.source
        video = source.video(path)
        size = fit_inside(video.width, video.height, tool.max_width, tool.max_height)
        name = self._frames.identity(task.media[0])
        pictures, images = [], {}
        for index, pixels in zip(indices, source.frames(path, indices, size), strict=True):
            url, part = self._frames.data_url(name, index, pixels, self._judge.jpeg_quality)
            pictures.append((index, part))
            images[name, index] = url
        return pictures, images

    async def _ask(
        self,
        purpose: str,
        messages: list[dict[str, Any]],
        images: dict[tuple[str, int], str],
        sample: int,
        wanted: str,
        kind: type[bool | float],
    ) -> str:
        """Return a reply with a readable verdict, or an empty text."""
        for again in range(_READ_TRIES):
            attempt = sample + 1000 * again  # another attempt is another request
            options = {**self._judge.sampling(attempt), **self._judge.extra_body}
            request = Request(
                purpose, attempt, self._judge.model, tuple(messages), images, (), options
            )
            try:
                reply = await self._line.complete(request)
            except RequestFailedError as failure:
                _log.warning("%s: %s", purpose, failure)
                return ""
            if read_verdict(reply.text, wanted, kind) is not None:
                return reply.text
        return ""
