"""Transcripts to the tensors a Qwen-VL model takes: padded ids, masks, labels, pixel values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from deepsport.chat.guard import refuse_vision_tokens
from deepsport.chat.renderer import ChatRenderer
from deepsport.chat.transcript import Transcript

if TYPE_CHECKING:
    import torch

__all__ = ["IGNORED", "collate"]

IGNORED = -100  #: label of a token that is not trained, as PyTorch's cross entropy has it


def collate(
    transcripts: Sequence[Transcript],
    renderer: ChatRenderer,
    *,
    side: Literal["left", "right"],
    labels: bool = False,
) -> dict[str, torch.Tensor]:
    """Pad transcripts into one batch.

    Parameters
    ----------
    transcripts : sequence of Transcript
    renderer : ChatRenderer
        That rendered them.
    side : {"left", "right"}
        Left to generate, right to train.
    labels : bool
        Add ``labels``: the ids where trainable, else `IGNORED`.

    Raises
    ------
    SettingsError
        When a model's own tokens hold one that stands for vision.

    Returns
    -------
    dict of str to Tensor
        ``input_ids``, ``attention_mask``, ``mm_token_type_ids`` (1 on frame tokens), all
        (batch, length), int64; with frames ``pixel_values`` (patches, features) and
        ``image_grid_thw`` (frames, 3).
    """
    import torch

    length = max(len(t.ids) for t in transcripts)
    shape = (len(transcripts), length)
    ids = torch.full(shape, renderer.pad_id, dtype=torch.long)
    attention = torch.zeros(shape, dtype=torch.long)
    target = torch.full(shape, IGNORED, dtype=torch.long)
    for row, transcript in enumerate(transcripts):
        refuse_vision_tokens(transcript.ids, transcript.trainable, renderer.suppressed_ids)
        size = len(transcript.ids)
        place = slice(length - size, length) if side == "left" else slice(0, size)
        values = torch.tensor(transcript.ids)
        ids[row, place] = values
        attention[row, place] = 1
        target[row, place] = values.where(torch.tensor(transcript.trainable), torch.tensor(IGNORED))
    batch = {
        "input_ids": ids,
        "attention_mask": attention,
        "mm_token_type_ids": (ids == renderer.image_id).long(),
    }
    if labels:
        batch["labels"] = target
    frames = [frame for transcript in transcripts for frame in transcript.frames]
    if frames:
        batch["pixel_values"], batch["image_grid_thw"] = renderer.encoder.encode(frames)
    return batch
