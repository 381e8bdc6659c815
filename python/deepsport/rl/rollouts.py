"""Play the rollouts of one step: many episodes at once, each kept with its tokens.

Note [Waiting for nobody]
-------------------------
With an engine that generates in batches, all episodes reply in step, and then the tools of that
turn run in threads: decoding leaves the interpreter, so they overlap, and frames that a group asks
for together are decoded once. With an engine that may be asked from several threads, every episode
has its own: it goes on as soon as its own frames are there, and decodes while others generate.

Note [Never without a frame]
----------------------------
Micro batches are cut between rollouts. In one that holds no frame the vision tower gets an empty
tensor and fails, and under ZeRO-3 ranks whose towers run wait for those whose do not. So a rollout
that was shown nothing (its video did not open, or no first frames and no call) gets a black frame
behind its last token: it trains nothing, and no token that is trained reads what comes after it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from deepsport.chat import ChatRenderer, ShownFrame, Transcript
from deepsport.errors import VideoError
from deepsport.reward import evidence_frames
from deepsport.rollout import Episode
from deepsport.rollout.token_policy import TokenPolicy
from deepsport.task import Task
from deepsport.tool import FrameSource, ToolSettings
from deepsport.trajectory import IMAGE_MARK, FrameRef, Status, Trajectory, Turn

__all__ = ["Played", "PlayedVideo", "play_together", "played"]


@dataclass(frozen=True, slots=True)
class PlayedVideo:
    """Facts of the video that was played on.

    Attributes
    ----------
    frame_count : int
    fps, duration_seconds : float
    windows_seconds : tuple of (float, float)
        What was looked at, ``[start, stop)``, of each window of the trajectory.
    """

    frame_count: int = 0
    fps: float = 0.0
    duration_seconds: float = 0.0
    windows_seconds: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Played:
    """One rollout: its record, and its tokens for the loss.

    Attributes
    ----------
    task : Task
    trajectory : Trajectory
    prompt_ids, completion_ids : list of int
    completion_mask : list of int
        1 on the policy's own tokens; all 0 when the rollout ended in a fault, which is nobody's
        doing and must not move the policy.
    log_probs : list of float
        Of the completion's tokens as they were sampled; NaN where the engine does not say.
    frames : list of ShownFrame
        Every frame of prompt and completion, in order; one that is black where none was shown, see
        Note [Never without a frame].
    video : PlayedVideo
        All 0 when it could not be opened.
    evidence_frames : tuple of (int, int)
        Frames ``[start, stop)`` where the answer can be seen; empty when nobody knows.
    """

    task: Task
    trajectory: Trajectory
    prompt_ids: list[int]
    completion_ids: list[int]
    completion_mask: list[int]
    log_probs: list[float]
    frames: list[ShownFrame]
    video: PlayedVideo = PlayedVideo()
    evidence_frames: tuple[tuple[int, int], ...] = ()

    @property
    def frame_count(self) -> int:
        """Frames of the video; 0 when it could not be opened."""
        return self.video.frame_count

    @property
    def faulted(self) -> bool:
        """Whether the infrastructure failed."""
        return self.trajectory.status is Status.FAULT


def play_together(
    tasks: Sequence[Task],
    policy: TokenPolicy,
    source: FrameSource,
    settings: ToolSettings,
    *,
    tool_threads: int = 8,
    parallel_episodes: int = 64,
    seconds: dict[str, float] | None = None,
) -> list[Played]:
    """Play one episode a task, all of them at once; return them in order.

    Rollouts of one task share the frames that `source` has decoded.

    Parameters
    ----------
    tasks : sequence of Task
        A task that is named several times is played as often.
    policy : TokenPolicy
    source : FrameSource
    settings : ToolSettings
    tool_threads : int
        Tools of a turn that run at the same time.
    parallel_episodes : int
        Episodes that are played at the same time with an engine that allows it.
    seconds : dict, optional
        Gets ``generate_seconds`` and ``tool_seconds``, what episodes waited for either. With an
        engine that is asked from several threads they overlap: both are means over the episodes.
    """
    attempts: dict[str, int] = defaultdict(int)
    numbered = []
    for task in tasks:
        numbered.append((task, attempts[task.task_id]))
        attempts[task.task_id] += 1
    spent = {"generate_seconds": 0.0, "tool_seconds": 0.0}

    def begin(task_and_attempt: tuple[Task, int]) -> Episode:
        task, attempt = task_and_attempt
        return Episode(task, source, settings, policy=policy.name, attempt=attempt)

    if policy.concurrent:

        def play_one(task_and_attempt: tuple[Task, int]) -> Episode:
            episode = begin(task_and_attempt)
            while not episode.done:
                episode.observe(*policy.reply([episode]))
            return episode

        with ThreadPoolExecutor(parallel_episodes, thread_name_prefix="episode") as threads:
            episodes = list(threads.map(play_one, numbered))
        for episode in episodes:
            for name, part in (("generate", "generate"), ("tool", "decode")):
                amount = episode.usage.get(f"{part}_seconds", 0.0)
                spent[f"{name}_seconds"] += amount / len(episodes)
    else:
        with ThreadPoolExecutor(tool_threads, thread_name_prefix="tool") as threads:
            watch = _Stopwatch(spent)
            episodes = list(threads.map(begin, numbered))
            watch.lap("tool_seconds")
            active = [episode for episode in episodes if not episode.done]
            while active:
                replies = policy.reply(active)
                watch.lap("generate_seconds")
                list(threads.map(Episode.observe, active, replies))
                watch.lap("tool_seconds")
                active = [episode for episode in active if not episode.done]
    if seconds is not None:
        seconds.update(spent)
    return [
        played(episode, policy.transcript_or_none(episode), policy.renderer, source)
        for episode in episodes
    ]


class _Stopwatch:
    """Add the time since the last lap to a name."""

    def __init__(self, spent: dict[str, float]) -> None:
        self._spent, self._last = spent, time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._spent[name] += now - self._last
        self._last = now


def played(
    episode: Episode, transcript: Transcript | None, renderer: ChatRenderer, source: FrameSource
) -> Played:
    """Return an episode that is done as one rollout.

    Parameters
    ----------
    episode : Episode
    transcript : Transcript or None
        Its tokens; without any of the policy's, one end token stands in that trains nothing.
    renderer : ChatRenderer
    source : FrameSource
        Asked for the facts of the video.
    """
    trajectory = episode.trajectory()
    if transcript is None or not transcript.completion_ids:
        transcript = _stand_in(renderer)
    if not transcript.frames:  # see Note [Never without a frame]
        renderer.observe(transcript, Turn("user", IMAGE_MARK, (FrameRef(0, 0.0),)), [_black()])
    mask = transcript.completion_mask
    if trajectory.status is Status.FAULT:
        mask = [0] * len(mask)
    video, evidence = _facts_of(episode.task, trajectory, source)
    return Played(
        task=episode.task,
        trajectory=trajectory,
        prompt_ids=transcript.ids[: transcript.prompt_length],
        completion_ids=transcript.completion_ids,
        completion_mask=mask,
        log_probs=transcript.log_probs[transcript.prompt_length :],
        frames=transcript.frames,
        video=video,
        evidence_frames=evidence,
    )


def _facts_of(
    task: Task, trajectory: Trajectory, source: FrameSource
) -> tuple[PlayedVideo, tuple[tuple[int, int], ...]]:
    """Return the facts of a task's video, and the frames where its answer can be seen."""
    try:
        video = source.video(task.media[0].path)
    except VideoError:
        return PlayedVideo(), ()
    pts, count = video.pts_seconds, int(video.frame_count)
    end = float(pts[0]) + float(video.duration_seconds)
    windows = tuple(
        (round(float(pts[start]), 6), round(float(pts[stop]) if stop < count else end, 6))
        for start, stop in trajectory.windows
    )
    facts = PlayedVideo(
        count,
        round(float(video.average_fps), 6),
        round(float(video.duration_seconds), 6),
        windows,
    )
    return facts, evidence_frames(task.evidence, pts)


def _stand_in(renderer: ChatRenderer) -> Transcript:
    """Return a conversation of no content, for a rollout that never began."""
    transcript = renderer.begin([], [])
    transcript.append([renderer.end_id], trainable=False)
    return transcript


def _black() -> ShownFrame:
    return ShownFrame(np.zeros((56, 56, 3), np.uint8), ("no video", 0))
