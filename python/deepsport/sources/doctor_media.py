"""What the data doctor finds by opening the media: missing, broken, too short, hard to seek in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from deepsport.errors import UnsafePathError
from deepsport.sources.duplicates import near_duplicates
from deepsport.sources.files import Root
from deepsport.sources.finding import Finding
from deepsport.sources.probe import MediaCache, MediaFacts, MediaFinder, probe_all
from deepsport.sources.split import components
from deepsport.task import Kind, Task

__all__ = ["media_findings"]

_EXAMPLES = 5
_SLACK_SECONDS = 0.5


def media_findings(
    tasks: Sequence[Task], root: Root, cache: MediaCache, jobs: int, *, duplicates: bool = True
) -> tuple[int, list[Finding]]:
    """Return how many media were looked at, and the findings."""
    finder = MediaFinder(root)
    elsewhere, escaped, places = [], [], {}
    for path in sorted({medium.path for task in tasks for medium in task.media}):
        try:
            places[path] = finder.find(path) or path
        except UnsafePathError as error:
            escaped.append(str(error))
            continue
        if places[path] != path:
            elsewhere.append(f"{path} is at {places[path]}")
    tasks = [
        replace(t, media=tuple(replace(m, path=places.get(m.path, m.path)) for m in t.media))
        for t in tasks
        if t.media[0].path in places
    ]
    facts = probe_all(root, places.values(), cache, jobs=jobs, pictures=duplicates)
    findings = [
        *_list("link out of the folder", "error", escaped, len(facts), "media outside the folder"),
        *_list("media found elsewhere", "note", elsewhere, len(facts), "not where the row says"),
        *_state(facts),
        *_times(tasks, facts),
        *(_twins(tasks, facts, root) if duplicates else []),
    ]
    return len(facts), findings


def _list(check: str, level: str, examples: Sequence[str], of: int, text: str) -> list[Finding]:
    if not examples:
        return []
    return [Finding(check, level, len(examples), of, text, tuple(examples[:_EXAMPLES]))]  # type: ignore[arg-type]


def _state(facts: dict[str, MediaFacts]) -> list[Finding]:
    total = len(facts)
    missing = [path for path, fact in facts.items() if fact.error == "missing"]
    broken = [f"{path}: {fact.error}" for path, fact in facts.items()
              if fact.error not in ("", "missing")]  # fmt: skip
    videos = {p: f for p, f in facts.items() if not f.error and f.form == "video"}
    no_rate = [path for path, fact in videos.items() if not fact.fps > 0]
    one_key = [f"{path}: {fact.frame_count} frames, 1 keyframe" for path, fact in videos.items()
               if fact.keyframe_count == 1 and fact.frame_count > 30]  # fmt: skip
    folders = [path for path, fact in facts.items() if fact.form == "frames" and not fact.error]
    rates = Counter(round(fact.fps, 2) for fact in videos.values())
    shown = ", ".join(f"{rate:g} ({n})" for rate, n in rates.most_common(6))
    return [
        *_list("media missing", "error", missing, total, "files that rows name are not there"),
        *_list("media unreadable", "error", broken, total, "files that cannot be opened"),
        *_list("no frame rate in the file", "warning", no_rate, total, "one frame or no duration"),
        *_list("one keyframe", "note", one_key, total, "every look decodes from the start"),
        *_list("folders of frames", "warning", folders, total,
               "the frame tool opens videos: make one of each folder, e.g. ffmpeg -framerate 25 "
               "-pattern_type glob -i 'folder/*.jpg' -c:v libx264 -g 12 -crf 12 folder.mp4"),
        *([Finding("frame rates", "note", len(rates), len(videos), f"frames a second: {shown}")]
          if videos else []),
    ]  # fmt: skip


def _times(tasks: Sequence[Task], facts: dict[str, MediaFacts]) -> list[Finding]:
    """Compare annotated frames and seconds with what the videos have."""
    frames, seconds, drift = [], [], []
    for task in tasks:
        fact = facts[task.media[0].path]
        if fact.error or not fact.frame_count:
            continue
        native = task.truth.native
        if native and native.unit == "frame" and native.fps:
            last = max((v for v in native.values if isinstance(v, float | int)), default=0)
            if last > fact.frame_count:
                frames.append(f"{fact.path}: annotation needs frame {last:g}, "
                              f"the video has {fact.frame_count}")  # fmt: skip
            if fact.fps and abs(native.fps / fact.fps - 1) > 0.001:
                how = "assumed" if native.fps_assumed else "stated"
                drift.append(f"{fact.path}: {native.fps:g} frames a second {how}, "
                             f"really {fact.fps:.3f}")  # fmt: skip
        end = fact.first_pts_seconds + fact.duration_seconds
        starts = [span.start_seconds for span in (*task.evidence, *task.truth.spans)]
        if task.kind is Kind.NUMBER and task.truth.unit == "s":
            starts.append(task.truth.value or 0.0)
        if fact.duration_seconds and max(starts, default=0.0) > end + _SLACK_SECONDS:
            seconds.append(
                f"{fact.path}: annotation at {max(starts):.1f} s, video ends at {end:.1f}"
            )
    return [
        *_list("frames beyond the video", "error", frames, len(tasks),
               "frame numbers that the clip does not have"),
        *_list("clip shorter than its annotation", "error", seconds, len(tasks),
               "events after the end of the video"),
        *_list("frame rate differs", "warning", drift, len(tasks),
               "seconds were computed with another frame rate than the file has"),
    ]  # fmt: skip


def _twins(tasks: Sequence[Task], facts: dict[str, MediaFacts], root: Root) -> list[Finding]:
    good = [task for task in tasks if not facts[task.media[0].path].error]
    component = {
        medium.path: number
        for task, number in zip(good, components(good), strict=True)
        for medium in task.media
    }
    hashes = {path: facts[path].picture_hashes for path in component}
    pairs = near_duplicates(hashes, component, root.path)
    return _list(
        "near-duplicate media", "warning", [f"{a} ~ {b}" for a, b in pairs], len(facts),
        "different groups show the same: they belong in one split",
    )  # fmt: skip
