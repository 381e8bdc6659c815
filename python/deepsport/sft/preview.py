"""What supervised training would train on: lengths, what would be left out, one example in full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepsport.chat import ChatRenderer, Transcript, load_renderer
from deepsport.dataset.examples import Example, ExampleFrames
from deepsport.errors import SettingsError

__all__ = ["example_lengths", "fitting", "preview", "transcript_of"]


def transcript_of(example: Example, renderer: ChatRenderer, frames: ExampleFrames) -> Transcript:
    """Render an example with blank frames of the right size: the tokens without the decoding."""
    return renderer.render(example.trajectory.turns, frames.blank(example), trained=example.trained)


def example_lengths(
    examples: Sequence[Example], renderer: ChatRenderer, frames: ExampleFrames
) -> list[int]:
    """Return the tokens of each example, frames among them, without decoding any."""
    return [len(transcript_of(example, renderer, frames).ids) for example in examples]


def fitting(
    examples: Sequence[Example], renderer: ChatRenderer, frames: ExampleFrames, max_tokens: int
) -> tuple[list[Example], list[int]]:
    """Return the examples of at most `max_tokens` tokens, and their lengths.

    Raises
    ------
    SettingsError
        When none fits.
    """
    lengths = example_lengths(examples, renderer, frames)
    kept = [place for place, length in enumerate(lengths) if length <= max_tokens]
    if examples and not kept:
        raise SettingsError(
            f"max_tokens is {max_tokens}, the shortest of {len(examples)} examples has "
            f"{min(lengths)}; valid is at least that"
        )
    return [examples[place] for place in kept], [lengths[place] for place in kept]


def preview(
    examples: Sequence[Example], model: Path | str, media_root: Path | str, *, max_tokens: int
) -> str:
    """Return lengths and one example, its trained tokens in brackets.

    Raises
    ------
    SettingsError
        Without examples, or when the checkpoint cannot be loaded.
    """
    if not examples:
        raise SettingsError("no example to train on; valid is one or more")
    renderer, frames = load_renderer(model), ExampleFrames(media_root)
    frames.check(examples)
    transcripts = [transcript_of(example, renderer, frames) for example in examples]
    lengths = np.array([len(t.ids) for t in transcripts])
    trained = np.array([sum(t.trainable) for t in transcripts])
    low, middle, high = np.percentile(lengths, (0, 50, 100))
    lines = [
        (
            f"{len(examples)} examples of {low:.0f} to {high:.0f} tokens, half of them under "
            f"{middle:.0f}; {trained.sum() / lengths.sum():.1%} of the tokens are trained"
        ),
        f"{int((lengths > max_tokens).sum())} longer than {max_tokens} would be left out",
        f"frames: {sum(len(t.frames) for t in transcripts)}",
        "",
        "the first one, trained tokens in [[ ]]:",
        _marked(transcripts[0], renderer),
    ]
    return "\n".join(lines)


def _marked(transcript: Transcript, renderer: ChatRenderer) -> str:
    """Decode a transcript, runs of trained tokens in brackets, runs of frame tokens counted."""
    out: list[str] = []
    run: list[int] = []
    kind: object = None
    for token, trained in zip([*transcript.ids, -1], [*transcript.trainable, None], strict=True):
        found = "frame" if token == renderer.image_id else trained
        if found != kind and run:
            text = renderer.tokenizer.decode(run)
            out.append(
                f"<{len(run)} frame tokens>" if kind == "frame" else f"[[{text}]]" if kind else text
            )
            run = []
        kind = found
        run.append(token)
    return "".join(out)
