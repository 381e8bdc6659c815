"""The words around the frames: instructions, question, observations.

The paper's own prompts are not published; these follow its code lineage (VideoBrain): frames are
labelled with their absolute index, the prompt states how many frames there are and the rate.
"""

from __future__ import annotations

from collections.abc import Sequence

from deepsport.protocol import Action, WindowUnit, render_answer
from deepsport.task import Kind, Task
from deepsport.tool.registry import tool_actions
from deepsport.tool.settings import ToolSettings
from deepsport.trajectory import IMAGE_MARK, FrameRef

__all__ = ["frame_lines", "observation_text", "question_text", "system_text", "user_text"]


def _clean(text: str) -> str:
    """Keep foreign text from posing as a frame."""
    return text.replace(IMAGE_MARK, "(image)")


def system_text(settings: ToolSettings) -> str:
    """Return the system prompt: what can be done in a turn, and how it is written."""
    think = "<think>...</think>" if settings.require_think else ""
    if settings.style == "compact":
        return "Look, then answer."
    parts = [
        (
            "You answer a question about a sports video. You are first shown a few frames sampled "
            "uniformly from it; they often miss the moment that matters."
        )
    ]
    if settings.require_think:
        parts.append(f"In every turn, first reason inside {think}, then do exactly one thing:")
    else:
        parts.append("In every turn do exactly one thing:")
    if settings.max_calls:
        parts += _tool_lines(settings, tool_actions(settings))
    parts.append(f"- answer: {render_answer('...')}")
    parts.append("Write nothing after the tool call or the answer.")
    return "\n".join(parts)


def _tool_lines(settings: ToolSettings, actions: Sequence[Action]) -> list[str]:
    between = "times in seconds" if settings.unit is WindowUnit.SECONDS else "frame indices"
    calls = [action.call_example(settings.form, settings.unit) for action in actions]
    shows = f"shows up to {settings.frames_per_call} frames between the two {between}"
    if [action.name for action in actions] == ["choose_frames"]:
        often = f"at most {settings.max_calls} times, each time with another range"
        return [f"- look closer: {calls[0]} {shows} (you can do this {often});"]
    lines = [
        f"- look closer: {call} {shows};"
        if action.name == "choose_frames"
        else f"- {action.name}: {call} {_lower(action.description)};"
        for action, call in zip(actions, calls, strict=True)
    ]
    lines[-1] = lines[-1][:-1] + (
        f" (at most {settings.max_calls} tool calls in all, never the same one twice);"
    )
    return lines


def _lower(sentence: str) -> str:
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")


def question_text(task: Task, settings: ToolSettings) -> str:
    """Return the question with its options and the form the answer should take."""
    lines = [_clean(task.question)]
    lines += [
        f"{letter}. {_clean(option)}"
        for letter, option in zip(task.letters, task.options, strict=True)
    ]
    if settings.style == "full":
        lines.append(_answer_form(task))
    return "\n".join(lines)


def _answer_form(task: Task) -> str:
    truth = task.truth
    unit = {"s": " in seconds"}.get(truth.unit, f" in {truth.unit}" if truth.unit else "")
    if task.kind is Kind.RATING and truth.scale is not None:
        return f"Answer with a number from {truth.scale[0]:g} to {truth.scale[1]:g}."
    return {
        Kind.CHOICE: "Answer with the letter of the right option.",
        Kind.MULTI_CHOICE: "Answer with the letters of all right options, separated by commas.",
        Kind.YES_NO: "Answer yes or no.",
        Kind.NUMBER: f"Answer with a number{unit}.",
        Kind.RATING: "Answer with a number.",
        Kind.INTERVAL: "Answer with start and stop in seconds, as 12.0-15.5; several are "
        "separated by commas.",
        Kind.EVENTS: "Answer with the events in the order in which they happen, separated by commas.",
        Kind.FEEDBACK: "Answer with the letters of all aspects to correct, separated by commas.",
        Kind.TEXT: "Answer in one or two sentences.",
    }[task.kind]


def frame_lines(
    frames: Sequence[FrameRef], settings: ToolSettings, size: tuple[int, int] = (0, 0)
) -> str:
    """Return one line a frame: its label and the mark that stands for its pixels.

    `size` is (width, height) of the video, for the regions of zoomed frames.
    """
    lines = []
    for frame in frames:
        seconds = f" ({frame.pts_seconds:.2f} s)" if settings.labels_seconds else ""
        name = f"{frame.index}" if settings.style == "compact" else f"frame {frame.index}"
        region = ""
        if frame.region is not None:
            edges = (round(v * 1000 / size[k % 2]) for k, v in enumerate(frame.region))
            region = f", region [{', '.join(map(str, edges))}]"
        lines.append(f"{name}{seconds}{region}: {IMAGE_MARK}")
    return "\n".join(lines)


def user_text(
    task: Task,
    frames: Sequence[FrameRef],
    settings: ToolSettings,
    *,
    frame_count: int,
    fps: float,
    duration_seconds: float,
) -> str:
    """Return the first user turn: the uniform frames, the facts of the video, the question."""
    parts = [frame_lines(frames, settings)] if frames else []
    if settings.style == "full":
        parts.append(
            f"Total frames: {frame_count} (indices 0 to {frame_count - 1}). "
            f"FPS: {fps:.2f}. Duration: {duration_seconds:.2f} s."
        )
    parts.append(question_text(task, settings))
    return "\n".join(parts)


def observation_text(
    text: str,
    frames: Sequence[FrameRef],
    settings: ToolSettings,
    *,
    size: tuple[int, int],
    calls_left: int,
    notes: Sequence[str] = (),
) -> str:
    """Return what the model is told: a tool's words, what was clipped, the frames, what is left.

    The compact style leaves notes out: the labels of the frames say what was shown.
    """
    full = settings.style == "full"
    lines = [_clean(text)] if text else []
    lines += [_clean(note) for note in notes] if full else []
    if frames:
        lines.append(frame_lines(frames, settings, size))
    if full:
        lines.append(_what_is_left(settings, calls_left))
    return "\n".join(lines)


def _what_is_left(settings: ToolSettings, calls_left: int) -> str:
    if not calls_left:
        return "No further tool call is possible: answer now."
    times = f"{calls_left} more time{'s' if calls_left != 1 else ''}"
    if settings.tools == ("choose_frames",):
        return f"You can look {times}, with another range."
    return f"You can call tools {times}."
