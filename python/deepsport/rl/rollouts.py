"""Play the rollouts of one step: many episodes at once, each kept with its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsport.chat import ShownFrame, Transcript
from deepsport.errors import VideoError
from deepsport.reward import evidence_frames
from deepsport.rollout import Episode
from deepsport.rollout.transformers_policy import TransformersPolicy
from deepsport.task import Task
from deepsport.tool import FrameSource, ToolSettings
from deepsport.trajectory import Status, Trajectory

__all__ = ["Played", "play_together"]


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
    frames : list of ShownFrame
        Every frame of prompt and completion, in order.
    frame_count : int
        Of the video; 0 when it could not be opened.
    evidence_frames : tuple of (int, int)
        Frames ``[start, stop)`` where the answer can be seen; empty when nobody knows.
    """

    task: Task
    trajectory: Trajectory
    prompt_ids: list[int]
    completion_ids: list[int]
    completion_mask: list[int]
    frames: list[ShownFrame]
    frame_count: int = 0
    evidence_frames: tuple[tuple[int, int], ...] = ()

    @property
    def faulted(self) -> bool:
        """Whether the infrastructure failed."""
        return self.trajectory.status is Status.FAULT


def play_together(
    tasks: Sequence[Task],
    policy: TransformersPolicy,
    source: FrameSource,
    settings: ToolSettings,
) -> list[Played]:
    """Play one episode a task, all of them in step; return them in order.

    Rollouts of one task share the frames that `source` has decoded.
    """
    attempts: dict[str, int] = {}
    episodes = []
    for task in tasks:
        attempt = attempts.get(task.task_id, 0)
        attempts[task.task_id] = attempt + 1
        episodes.append(Episode(task, source, settings, policy=policy.name, attempt=attempt))
    active = [episode for episode in episodes if not episode.done]
    while active:
        for episode, reply in zip(active, policy.reply(active), strict=True):
            episode.observe(reply)
        active = [episode for episode in active if not episode.done]
    return [_played(episode, policy, source) for episode in episodes]


def _played(episode: Episode, policy: TransformersPolicy, source: FrameSource) -> Played:
    trajectory = episode.trajectory()
    transcript = policy.transcript_or_none(episode)
    if transcript is None or not transcript.completion_ids:
        transcript = _stand_in(policy)
    mask = transcript.completion_mask
    if trajectory.status is Status.FAULT:
        mask = [0] * len(mask)
    frame_count, evidence = _facts(episode.task, source)
    return Played(
        task=episode.task,
        trajectory=trajectory,
        prompt_ids=transcript.ids[: transcript.prompt_length],
        completion_ids=transcript.completion_ids,
        completion_mask=mask,
        frames=transcript.frames,
        frame_count=frame_count,
        evidence_frames=evidence,
    )


def _facts(task: Task, source: FrameSource) -> tuple[int, tuple[tuple[int, int], ...]]:
    try:
        video = source.video(task.media[0].path)
    except VideoError:
        return 0, ()
    return int(video.frame_count), evidence_frames(task.evidence, video.pts_seconds)


def _stand_in(policy: TransformersPolicy) -> Transcript:
    """Return a conversation of no content, for a rollout that never began."""
    transcript = policy.renderer.begin([], [])
    transcript.append([policy.renderer.end_id], trainable=False)
    return transcript
