"""A tiny model of the real architecture with random weights, saved as a checkpoint folder.

Stands in for a released checkpoint where there is no accelerator: the same classes, the same
files, the same code loads it. Its tokenizer is trained on the texts it will see, so that prompts
stay short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsport.chat import ChatRenderer, FrameEncoder, save_checkpoint
from deepsport.errors import MissingExtraError, SettingsError

__all__ = ["TinySize", "make_tiny_checkpoint"]

# Split as Qwen's tokenizer does, but for digits: it takes them one by one, here up to three stay
# together, so that a frame index is one token.
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# in the order of the released tokenizers; the flag says whether it is a special token
_ADDED = (
    ("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True),
    ("<|vision_start|>", True), ("<|vision_end|>", True), ("<|vision_pad|>", True),
    ("<|image_pad|>", True), ("<|video_pad|>", True),
    ("<tool_call>", False), ("</tool_call>", False),
    ("<tool_response>", False), ("</tool_response>", False),
    ("<think>", False), ("</think>", False),
    # not in the released ones; here they keep an answer's tokens apart from the markup
    ("<answer>", False), ("</answer>", False),
)  # fmt: skip
_PATCH, _MERGE = 14, 2
_ROLES = ("system\n", "user\n", "assistant\n")  # the renderer writes them; one token each


@dataclass(frozen=True, slots=True)
class TinySize:
    """Sizes of the tiny model; about half a million parameters as they are."""

    hidden: int = 96
    layers: int = 3
    heads: int = 4
    key_value_heads: int = 2
    vision_hidden: int = 64
    vision_layers: int = 2
    vocabulary: int = 1024


def make_tiny_checkpoint(
    path: Path | str,
    texts: Iterable[str],
    *,
    architecture: str = "qwen2_5_vl",
    size: TinySize | None = None,
    frame_side: int = 56,
    numbers: int = 320,
    seed: int = 0,
) -> int:
    """Write a checkpoint with random weights; return its number of parameters.

    Parameters
    ----------
    path : Path or str
        Folder to write.
    texts : iterable of str
        What the tokenizer is trained on.
    architecture : {"qwen2_5_vl", "qwen3_vl"}
    size : TinySize or None
    frame_side : int
        Frames are brought to about this side; a multiple of 28.
    numbers : int
        Numbers below this are one token each.
    seed : int
        Of the weights.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "a tiny model needs torch and transformers: pip install 'deepsport[train]'"
        ) from error
    if architecture not in ("qwen2_5_vl", "qwen3_vl"):
        raise SettingsError(
            f"architecture is {architecture!r}, valid are 'qwen2_5_vl' and 'qwen3_vl'"
        )
    size = size or TinySize()
    tokenizer = _tokenizer([*texts, *_number_texts(numbers), *_ROLES * 50], size.vocabulary)
    pixels = frame_side * frame_side
    processor = transformers.AutoImageProcessor.from_pretrained(
        _processor_folder(Path(path), pixels), backend="pil"
    )
    renderer = ChatRenderer(tokenizer, FrameEncoder(processor))
    from deepsport.chat import chat_template

    tokenizer.chat_template = chat_template()
    torch.manual_seed(seed)
    model = _model(transformers, architecture, size, tokenizer)
    _spread(model)
    save_checkpoint(model, renderer, path, path)
    return sum(p.numel() for p in model.parameters())


def _spread(model: Any) -> None:
    """Draw weights by the width of their layer.

    The usual standard deviation of 0.02 suits widths of thousands: at 128 attention starts out
    flat and takes several times as many steps to find anything.
    """
    import torch

    for name, weight in model.named_parameters():
        if weight.ndim >= 2 and "embed_tokens" not in name:
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)


def _number_texts(numbers: int) -> list[str]:
    """Texts that make every number below `numbers` frequent enough to become one token."""
    return [f"{n}:" for n in range(numbers)] * 3


def _tokenizer(texts: list[str], vocabulary: int) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERN), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    markup = re.compile("|".join(re.escape(token) for token, _ in _ADDED))
    pieces = [piece for text in texts for piece in markup.split(text) if piece]
    tokenizer.train_from_iterator(pieces, trainer)
    tokenizer.add_tokens([AddedToken(t, special=s, normalized=False) for t, s in _ADDED])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",  # noqa: S106
        pad_token="<|endoftext|>",  # noqa: S106
    )


def _processor_folder(path: Path, pixels: int) -> Path:
    import json

    path.mkdir(parents=True, exist_ok=True)
    settings = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "patch_size": _PATCH,
        "merge_size": _MERGE,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": pixels, "longest_edge": pixels},
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    (path / "preprocessor_config.json").write_text(json.dumps(settings, indent=2))
    return path


def _model(transformers: Any, architecture: str, size: TinySize, tokenizer: Any) -> Any:
    import torch

    ids = tokenizer.convert_tokens_to_ids
    head = size.hidden // size.heads
    section = [head // 8, head // 16 * 3, head // 16 * 3]
    section[0] = head // 2 - section[1] - section[2]
    rope: dict[str, Any] = {
        "rope_type": "default", "rope_theta": 10_000.0, "mrope_section": section
    }  # fmt: skip
    text: dict[str, Any] = {
        "vocab_size": (len(tokenizer) + 63) // 64 * 64,
        "hidden_size": size.hidden,
        "intermediate_size": 2 * size.hidden,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.key_value_heads,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": rope,
    }
    vision: dict[str, Any] = {
        "depth": size.vision_layers,
        "hidden_size": size.vision_hidden,
        "num_heads": 4,
        "intermediate_size": 2 * size.vision_hidden,
        "patch_size": _PATCH,
        "spatial_merge_size": _MERGE,
        "temporal_patch_size": 2,
        "out_hidden_size": size.hidden,
    }
    shared = {
        "image_token_id": ids("<|image_pad|>"),
        "video_token_id": ids("<|video_pad|>"),
        "vision_start_token_id": ids("<|vision_start|>"),
        "vision_end_token_id": ids("<|vision_end|>"),
        "tie_word_embeddings": True,
    }
    if architecture == "qwen2_5_vl":
        vision |= {"fullatt_block_indexes": [size.vision_layers - 1], "window_size": _PATCH * 8}
        config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **shared)
        kind = transformers.Qwen2_5_VLForConditionalGeneration
    else:
        text["head_dim"] = head
        rope["mrope_interleaved"] = True
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **shared)
        kind = transformers.Qwen3VLForConditionalGeneration
    model = kind._from_config(config, attn_implementation="sdpa", dtype=torch.float32)  # noqa: SLF001
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model
