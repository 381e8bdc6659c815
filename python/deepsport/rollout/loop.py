"""Play many tasks with one policy, a batch of episodes at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deepsport.rollout.episode import Episode
from deepsport.rollout.policy import Policy
from deepsport.task import Task
from deepsport.tool import FrameSource, ToolSettings
from deepsport.trajectory import Trajectory

__all__ = ["play"]


def play(
    tasks: Iterable[tuple[Task, int]],
    policy: Policy,
    source: FrameSource,
    settings: ToolSettings,
    *,
    batch_size: int = 8,
) -> Iterator[Trajectory]:
    """Play tasks and yield each trajectory as its episode ends.

    A place in the batch that becomes free is taken by the next task at once, so slow episodes do
    not hold up the others.

    Parameters
    ----------
    tasks : iterable of (Task, int)
        Tasks with the number of the attempt.
    policy : Policy
    source : FrameSource
    settings : ToolSettings
    batch_size : int
        Episodes that the policy is given at once.

    Yields
    ------
    Trajectory
        In the order in which episodes end; faults are recorded on them, not raised.
    """
    waiting = iter(tasks)
    active: list[Episode] = []
    exhausted = False
    while True:
        while len(active) < batch_size and not exhausted:
            following = next(waiting, None)
            if following is None:
                exhausted = True
                break
            task, attempt = following
            episode = Episode(task, source, settings, policy=policy.name, attempt=attempt)
            if episode.done:
                yield episode.trajectory()
            else:
                active.append(episode)
        if not active:
            return
        replies = policy.reply(active)
        if len(replies) != len(active):
            raise RuntimeError(
                f"policy {policy.name!r} gave {len(replies)} replies to {len(active)} episodes"
            )
        for episode, reply in zip(active, replies, strict=True):
            if episode.observe(reply):
                yield episode.trajectory()
        active = [episode for episode in active if not episode.done]
