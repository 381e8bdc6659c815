"""One question about one's own video, with nobody knowing the answer beforehand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import MissingExtraError, SettingsError, VideoNotFoundError
from deepsport.evaluate.attempt import Attempt, write_attempts
from deepsport.evaluate.fingerprint import fingerprint
from deepsport.evaluate.run import rescore_folder, video_times
from deepsport.evaluate.run_folder import RunInfo, write_json
from deepsport.evaluate.scoring import score
from deepsport.rollout import Episode, Policy
from deepsport.task import Kind, Media, Task, Truth, write_tasks
from deepsport.tool import FrameSource, ToolSettings
from deepsport.trajectory import IMAGE_MARK, CallRecord, FrameRef, Trajectory, Turn

__all__ = ["ask", "describe_turn", "open_question", "save_asked"]


def open_question(video: Path | str, question: str, choices: Sequence[str] = ()) -> Task:
    """Return a task without a truth; ``provenance["truth"]`` says so to whoever reads a score.

    Raises
    ------
    VideoNotFoundError
        When there is no such file.
    SettingsError
        When there is one choice only.
    """
    path = Path(video)
    if not path.is_file():
        raise VideoNotFoundError(f"{path}: there is no such file")
    if len(choices) == 1:
        raise SettingsError("one choice is no choice; valid are none, or two to 26")
    kind = Kind.CHOICE if choices else Kind.TEXT
    # a task must have a truth of its kind; nothing reads this one
    truth = Truth(labels=("A",)) if choices else Truth(references=("unknown",))
    return Task(
        path.name, kind, question, truth, (Media(path.name),), options=tuple(choices),
        provenance={"truth": "unknown"},
    )  # fmt: skip


def ask(
    task: Task,
    policy: Policy,
    source: FrameSource,
    settings: ToolSettings,
    on_turn: Callable[[Turn], None],
    *,
    frames: Path | None = None,
) -> Trajectory:
    """Play one task, handing out every turn as it happens.

    Parameters
    ----------
    frames : Path or None
        Folder to save the frames of each turn in, before the turn is handed out.
    """
    episode = Episode(task, source, settings, policy=policy.name)
    told = shown = 0

    def tell() -> None:
        nonlocal told, shown
        for number, turn in enumerate(episode.turns[told:], told):
            if frames is not None:
                images = episode.images[shown : shown + len(turn.frames)]
                for reference, image in zip(turn.frames, images, strict=True):
                    _save(frame_path(frames, number, reference), image)
            shown += len(turn.frames)
            on_turn(turn)
        told = len(episode.turns)

    tell()
    while not episode.done:
        episode.observe(policy.reply([episode])[0])
        tell()
    return episode.trajectory()


def frame_path(folder: Path, turn: int, frame: FrameRef) -> Path:
    """Return where a frame of a turn is saved; names sort in the order shown."""
    return folder / f"turn{turn}-frame{frame.index:06}.png"


def _save(path: Path, image: NDArray[np.uint8]) -> None:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("deepsport[report] is needed to save frames (pillow)") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def describe_turn(turn: Turn) -> list[str]:
    """Return a turn as lines for the terminal; empty for the system's."""
    if turn.role == "system":
        return []
    if turn.role == "user":
        return [f"shown    {_frames(turn)}"] if turn.frames else []
    if turn.role == "tool":
        told = [f"told     {line}" for line in turn.text.splitlines() if IMAGE_MARK not in line]
        # of frames alone their list says all
        words = told if not turn.frames or any(frame.boxes for frame in turn.frames) else []
        return ([f"shown    {_frames(turn)}"] if turn.frames else []) + words
    thought = re.search(r"<think>(.*?)</think>", turn.text, re.DOTALL)
    rest = turn.text[thought.end() :].strip() if thought else turn.text.strip()
    lines = []
    if thought and thought.group(1).strip():
        lines += [f"thinks   {line}" for line in thought.group(1).strip().splitlines()]
    answer = re.fullmatch(r"<answer>(.*)</answer>", rest, re.DOTALL)
    if answer:
        lines.append(f"answers  {answer.group(1).strip()}")
    elif turn.call is not None and not turn.call.rejected:
        lines.append(_called(turn.call))
    elif rest:
        lines.append(f"says     {rest}")
    if turn.call is not None and turn.call.rejected:
        lines.append(f"refused  {turn.call.rejected}")
    return lines


def _called(call: CallRecord) -> str:
    if call.name == "choose_frames" and call.window is not None:
        return f"looks    at frames {call.window[0]} to {call.window[1] - 1}"
    arguments = ", ".join(f"{name} {value}" for name, value in call.arguments.items())
    return f"calls    {call.name} with {arguments}"


def _frames(turn: Turn) -> str:
    return f"{len(turn.frames)} frames: " + ", ".join(
        f"{frame.index} ({frame.pts_seconds:.2f} s)" + (" zoomed" if frame.region else "")
        for frame in turn.frames
    )


def save_asked(
    folder: Path | str,
    task: Task,
    trajectory: Trajectory,
    source: FrameSource,
    settings: ToolSettings,
) -> None:
    """Write what was asked and seen as the folder of a run, for the report."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    info = RunInfo(
        name=trajectory.policy,
        policy=trajectory.policy,
        settings=settings.to_json(),
        fingerprint=fingerprint([task], settings, policy=trajectory.policy, control="", seed=0),
        media_root=str(source.root.resolve()),
    )
    write_json(folder / "run.json", info.to_json())
    write_tasks(folder / "tasks.jsonl", [task])
    facts, windows = video_times(task, trajectory, source)
    write_attempts(
        folder / "attempts.jsonl",
        [Attempt(trajectory, score(task, trajectory), facts, windows)],
    )
    rescore_folder(folder)
