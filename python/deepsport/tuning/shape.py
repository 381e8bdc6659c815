"""The shape of a model without its weights: parameters, tokens a frame, bytes a token.

Loads the real classes on PyTorch's meta device, so the counts are those of the model and not of a
formula. Not for what a run needs (`deepsport.tuning.memory`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsport.errors import MissingExtraError, SettingsError
from deepsport.frames.patches import smart_resize
from deepsport.recipes import shape_folder
from deepsport.tuning.settings import LORA_TARGETS

__all__ = ["ModelShape", "load_shape"]


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Numbers of one model.

    Attributes
    ----------
    name : str
    parameters, vision_parameters : int
        All, and those of the vision tower with its merger.
    lora_width : int
        Inputs plus outputs over the linear layers that LoRA adapts: times the rank, its
        parameters.
    layers, hidden, intermediate, heads, key_value_heads, head_dim, vocabulary : int
        Of the language model.
    vision_layers, vision_hidden, vision_intermediate : int
    patch, merge, temporal_patch : int
        Pixels a side of a patch, patches a side that become one token, stills that a patch spans.
    min_pixels, max_pixels : int
        Of a frame, between which the image processor brings it.
    """

    name: str
    parameters: int
    vision_parameters: int
    lora_width: int
    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    head_dim: int
    vocabulary: int
    vision_layers: int
    vision_hidden: int
    vision_intermediate: int
    patch: int
    merge: int
    temporal_patch: int
    min_pixels: int
    max_pixels: int

    def frame_tokens(self, width: int, height: int) -> int:
        """Return the tokens of one frame of a size in pixels, by the image processor's own rule."""
        factor = self.patch * self.merge
        high, wide = smart_resize(
            height,
            width,
            factor=factor,
            min_pixels=self.min_pixels,
            max_pixels=self.max_pixels,
        )
        return int(high // factor * (wide // factor))

    @property
    def cache_bytes(self) -> int:
        """Bytes of the key-value cache a token, in 16 bits."""
        return 2 * self.layers * self.key_value_heads * self.head_dim * 2

    @property
    def layer_values(self) -> int:
        """Values that a layer of the language model keeps a token to go backwards.

        Input and output of both norms, queries, keys, values, the attention's output, gate, up,
        their product and its activation.
        """
        query, key = self.heads * self.head_dim, self.key_value_heads * self.head_dim
        return 4 * self.hidden + 2 * query + 2 * key + 4 * self.intermediate

    @property
    def vision_layer_values(self) -> int:
        """The same for a layer of the vision tower, a patch."""
        return 8 * self.vision_hidden + 4 * self.vision_intermediate


def load_shape(model: str | Path) -> ModelShape:
    """Load the shape of a checkpoint folder, or of a released model by its name.

    Raises
    ------
    SettingsError
        When there is neither, or it is of another family.
    MissingExtraError
        Without torch or transformers.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "a dry run needs torch and transformers: pip install 'deepsport[train]'"
        ) from error
    folder = Path(model) if (Path(model) / "config.json").is_file() else shape_folder(model)
    if folder is None:
        raise SettingsError(
            f"the shape of {str(model)!r} is not known; valid are a folder with config.json, "
            "Qwen2.5-VL-7B-Instruct and Qwen3-VL-8B-Instruct"
        )
    try:
        config = transformers.AutoConfig.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(f"{folder / 'config.json'} cannot be read: {error}") from error
    if config.model_type not in ("qwen2_5_vl", "qwen3_vl"):
        raise SettingsError(
            f"{model} is a {config.model_type!r} model; valid are qwen2_5_vl and qwen3_vl"
        )
    with torch.device("meta"):
        built = transformers.AutoModelForImageTextToText.from_config(config)
    text, vision = config.text_config, config.vision_config
    adapted = re.compile(LORA_TARGETS)
    linear = [
        module
        for name, module in built.named_modules()
        if isinstance(module, torch.nn.Linear) and adapted.fullmatch(name)
    ]
    low, high = _pixel_limits(folder)
    return ModelShape(
        name=Path(model).name,
        parameters=sum(p.numel() for p in built.parameters()),
        vision_parameters=sum(
            p.numel() for name, p in built.named_parameters() if ".visual." in f".{name}"
        ),
        lora_width=sum(module.in_features + module.out_features for module in linear),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        heads=text.num_attention_heads,
        key_value_heads=text.num_key_value_heads,
        head_dim=getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        vocabulary=text.vocab_size,
        vision_layers=vision.depth,
        vision_hidden=vision.hidden_size,
        vision_intermediate=vision.intermediate_size,
        patch=vision.patch_size,
        merge=vision.spatial_merge_size,
        temporal_patch=vision.temporal_patch_size,
        min_pixels=low,
        max_pixels=high,
    )


def _pixel_limits(folder: Path) -> tuple[int, int]:
    """Return between which numbers of pixels the image processor brings a frame."""
    path = folder / "preprocessor_config.json"
    record: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    size = record.get("size") or {}
    # the defaults of Qwen2VLImageProcessor
    low = record.get("min_pixels") or size.get("shortest_edge") or 56 * 56
    high = record.get("max_pixels") or size.get("longest_edge") or 28 * 28 * 1280
    return int(low), int(high)
