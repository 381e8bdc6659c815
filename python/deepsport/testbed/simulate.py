"""Simulate a league: videos of many matches and the annotation of what happens in them.

    matches.jsonl            one match a line, `deepsport.testbed.match`
    goal-0-0000/clip0.mp4    videos, below the same folder

Resumable: a clip that is there is not made again; the annotation is written last.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from deepsport.errors import SettingsError
from deepsport.progress import Progress
from deepsport.testbed.draw import draw_clip
from deepsport.testbed.film import write_film
from deepsport.testbed.match import ClipPlan, Match, plan_match, read_matches, write_matches

__all__ = ["simulate"]

ANNOTATIONS = "matches.jsonl"


def simulate(
    out: Path | str,
    *,
    matches: int,
    seed: int,
    clips: int = 4,
    seconds: float = 32.0,
    fps: int = 10,
    workers: int = 1,
) -> list[Match]:
    """Write the videos and the annotation of `matches` matches; return what was planned.

    Parameters
    ----------
    out : Path or str
        Folder, made when missing.
    matches, seed, clips, seconds, fps
        See :func:`deepsport.testbed.match.plan_match`.
    workers : int
        Processes; with more than one, the calling script needs the usual ``__main__`` guard.

    Raises
    ------
    SettingsError
        When the folder holds a test bed with other settings.
    MissingExtraError
        When PyAV is not installed.
    """
    if matches < 1:
        raise SettingsError(f"matches is {matches}, valid is 1 or more")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    planned = [
        plan_match(seed, number, clips=clips, seconds=seconds, fps=fps) for number in range(matches)
    ]
    annotations = out / ANNOTATIONS
    if annotations.exists():
        if list(read_matches(annotations)) != planned:
            raise SettingsError(
                f"{out} holds a test bed of other settings; take another folder or remove it"
            )
        return planned
    films = [(m.sport, clip) for m in planned for clip in m.clips if not (out / clip.path).exists()]
    done = sum(len(m.clips) for m in planned) - len(films)
    with Progress("simulate", total=len(films) + done, done=done) as bar:
        if workers == 1:
            for sport, clip in films:
                write_film(out / clip.path, draw_clip(sport, clip), clip.fps)
                bar.advance()
        else:
            _in_processes(out, films, workers, bar)
    write_matches(annotations, planned)
    return planned


def _in_processes(
    out: Path, films: Sequence[tuple[str, ClipPlan]], workers: int, bar: Progress
) -> None:
    # spawned, not forked: the caller may hold threads of the decoder or of torch
    with ProcessPoolExecutor(
        min(workers, os.cpu_count() or 1), mp_context=get_context("spawn")
    ) as pool:
        chunk = 8
        pending = [
            pool.submit(_write_films, out, films[start : start + chunk])
            for start in range(0, len(films), chunk)
        ]
        try:
            for finished in as_completed(pending):
                bar.advance(finished.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write_films(out: Path, films: Sequence[tuple[str, ClipPlan]]) -> int:
    for sport, clip in films:
        write_film(out / clip.path, draw_clip(sport, clip), clip.fps)
    return len(films)
