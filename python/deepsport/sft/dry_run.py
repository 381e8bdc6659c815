"""What a supervised run needs: lengths when there are examples, memory of a GPU in any case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deepsport.chat import load_renderer
from deepsport.dataset import Example, ExampleFrames
from deepsport.recipes import Hardware
from deepsport.sft.config import SFTSettings
from deepsport.sft.order import padding_share, stage_numbers, training_order
from deepsport.sft.preview import example_lengths
from deepsport.tool import ToolSettings
from deepsport.tuning.memory import training_stage
from deepsport.tuning.report import describe_memory, describe_model
from deepsport.tuning.shape import load_shape

__all__ = ["describe_order", "memory_text"]


def memory_text(
    model: str | Path, settings: SFTSettings, hardware: Hardware, longest: int = 0
) -> tuple[str, bool]:
    """Return what one GPU holds while it trains, and whether that fits.

    Parameters
    ----------
    model : str or Path
    settings : SFTSettings
    hardware : Hardware
    longest : int
        Tokens of the longest example; 0 takes the limit of the settings.

    Raises
    ------
    SettingsError
        When the shape of the model is not known.
    """
    shape = load_shape(model)
    tokens = min(longest or settings.max_tokens, settings.max_tokens)
    tool = ToolSettings()
    frame = shape.frame_tokens(tool.max_width, tool.max_height)
    # all of a conversation but its words: more frames than any cost more than frames do
    stage = training_stage(
        shape,
        settings.tuning,
        gpus=hardware.gpus,
        sequences=settings.micro_batch_size or settings.batch_size,
        tokens=tokens,
        frames_tokens=tokens // frame * frame,
    )
    table, fits = describe_memory([stage], hardware.gpu_memory_gib)
    lines = [
        describe_model(shape, settings.tuning),
        (
            f"machine   {hardware.gpus} GPUs; {settings.batch_size} examples a GPU and update, "
            f"{settings.micro_batch_size or settings.batch_size} a forward pass"
        ),
        (
            f"tokens    {tokens} of the longest example, {frame} a frame of "
            f"{tool.max_width}x{tool.max_height}"
        ),
        "",
        table,
    ]
    return "\n".join(lines), fits


def describe_order(
    examples: Sequence[Example], model: str | Path, media_root: Path | str, settings: SFTSettings
) -> tuple[str, int]:
    """Return the stages and the padding of a run, and the tokens of its longest example."""
    lengths = example_lengths(examples, load_renderer(model), ExampleFrames(media_root))
    stages = stage_numbers(examples, settings.curriculum)
    micro = settings.micro_batch_size or settings.batch_size
    order = training_order(
        lengths, stages, group=micro, even=settings.even_batches, seed=settings.seed
    )
    lines = []
    if settings.curriculum:
        counts = [stages.count(stage) for stage in sorted(set(stages))]
        lines.append(f"stages of {settings.curriculum}: {' + '.join(map(str, counts))} examples")
    share = padding_share(order, lengths, micro)
    lines.append(f"{share:.1%} of the tokens of micro batches of {micro} are padding")
    return "\n".join(lines), max(lengths)
