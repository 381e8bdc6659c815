"""The unit of distillation: one attempt of a teacher at one task. Any engine can run it."""

from __future__ import annotations

from deepsport.distil.conversation import Conversation
from deepsport.distil.failures import FailureKind, RequestFailedError
from deepsport.distil.frame_pool import FramePool
from deepsport.distil.settings import DistilSettings
from deepsport.distil.teacher import Teacher
from deepsport.task import Task
from deepsport.trajectory import Fault, Trajectory

__all__ = ["distil_one"]


async def distil_one(
    task: Task,
    teacher: Teacher,
    frames: FramePool,
    settings: DistilSettings,
    *,
    attempt: int = 0,
) -> Trajectory:
    """Let a teacher play a task through the frame tool, and return what happened.

    Bad replies, failed requests and undecodable videos are recorded on the trajectory.

    Parameters
    ----------
    task : Task
    teacher : Teacher
        An `HttpTeacher`, or a `Line` to one, which remembers, waits and retries.
    frames : FramePool
    settings : DistilSettings
    attempt : int

    Raises
    ------
    EndpointError, BudgetSpentError
        When no further request can be sent; nothing is recorded then.
    """
    talk = await frames.run(Conversation, task, frames, settings, attempt)
    while not talk.done:
        try:
            reply = await teacher.complete(talk.request())
        except RequestFailedError as failure:
            late = failure.kind is FailureKind.TIMEOUT
            message = f"{failure.kind.value}: {failure}"
            talk.fail(Fault("timeout" if late else "network", message))
        else:
            await frames.run(talk.accept, reply)
    return talk.trajectory()
