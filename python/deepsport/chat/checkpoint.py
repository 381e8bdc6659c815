"""Load and save checkpoint folders: model, tokenizer, image processor, chat template.

The same code loads a released Qwen2.5-VL or Qwen3-VL and the tiny models of the test bed. Frames
are given as images, so the video processor (which needs torchvision) is neither loaded nor needed.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsport.chat.frames import FrameEncoder
from deepsport.chat.guard import template_faults
from deepsport.chat.renderer import ChatRenderer, chat_template
from deepsport.errors import MissingExtraError, SettingsError
from deepsport.protocol import ProtocolForm
from deepsport.tool import ToolSettings

__all__ = ["Checkpoint", "load_checkpoint", "load_renderer", "save_checkpoint"]

_log = logging.getLogger(__name__)

MODEL_TYPES = ("qwen2_5_vl", "qwen3_vl")
#: files of a base checkpoint that go unchanged into everything trained from it
_COPIED = (
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
)


@dataclass(slots=True)
class Checkpoint:
    """A model with what is needed to talk to it.

    Attributes
    ----------
    path : str
        Folder or hub name it was loaded from.
    model, tokenizer, image_processor
        Of transformers.
    renderer : ChatRenderer
    """

    path: str
    model: Any
    tokenizer: Any
    image_processor: Any
    renderer: ChatRenderer


def load_renderer(
    path: Path | str, *, form: ProtocolForm = ProtocolForm.PAPER, max_pixels: int | None = None
) -> ChatRenderer:
    """Load tokenizer and image processor only: enough to render and to count tokens.

    Raises
    ------
    SettingsError
        When there is no such checkpoint or it is of another family.
    MissingExtraError
        When transformers is not installed.
    """
    transformers = _transformers()
    name = _existing(path)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        image_processor = transformers.AutoImageProcessor.from_pretrained(name, backend="pil")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"checkpoint {name}: tokenizer or image processor cannot be loaded ({error}); "
            "valid is a folder with tokenizer.json and preprocessor_config.json"
        ) from error
    if not hasattr(image_processor, "merge_size"):
        raise SettingsError(
            f"checkpoint {name}: image processor {type(image_processor).__name__} is not of the "
            "Qwen2-VL family; valid are Qwen2.5-VL and Qwen3-VL checkpoints"
        )
    if max_pixels is not None:
        image_processor.size["longest_edge"] = max_pixels
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    own = getattr(tokenizer, "chat_template", None)
    faults = template_faults(own) if isinstance(own, str) and own != chat_template() else []
    if faults:
        _log.info(
            "checkpoint %s: its chat template is not used: %s. deepsport writes its own and saves it "
            "with what is trained; serve that",
            name,
            "; ".join(faults),
        )
    tokenizer.chat_template = chat_template()
    return ChatRenderer(tokenizer, FrameEncoder(image_processor), form)


def load_checkpoint(
    path: Path | str,
    *,
    form: ProtocolForm = ProtocolForm.PAPER,
    dtype: str = "float32",
    attention: str = "sdpa",
) -> Checkpoint:
    """Load a checkpoint folder, or a hub name when the network allows.

    Parameters
    ----------
    path : Path or str
    form : ProtocolForm
    dtype : str
        Of the weights: ``"float32"`` or ``"bfloat16"``.
    attention : str
        ``"sdpa"``, ``"eager"`` or ``"flash_attention_2"``.

    Raises
    ------
    SettingsError
        When there is no such checkpoint, or it is not of the Qwen2.5-VL or Qwen3-VL family.
    MissingExtraError
        When torch or transformers are not installed.
    """
    transformers = _transformers()
    import torch

    name = _existing(path)
    try:
        config = transformers.AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise SettingsError(f"checkpoint {name} cannot be loaded: {error}") from error
    if config.model_type not in MODEL_TYPES:
        raise SettingsError(
            f"checkpoint {name} is a {config.model_type!r} model; valid are {', '.join(MODEL_TYPES)}"
        )
    renderer = load_renderer(path, form=form)
    model = transformers.AutoModelForImageTextToText.from_pretrained(
        name, dtype=getattr(torch, dtype), attn_implementation=attention
    )
    model.generation_config.pad_token_id = renderer.pad_id
    model.generation_config.eos_token_id = renderer.end_id
    return Checkpoint(name, model, renderer.tokenizer, renderer.encoder.image_processor, renderer)


def save_checkpoint(
    model: Any,
    renderer: ChatRenderer,
    base: Path | str,
    path: Path | str,
    *,
    tool: ToolSettings | None = None,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Write a folder that `load_checkpoint` and other users of transformers can load.

    Parameters
    ----------
    model, renderer
    base : Path or str
        Checkpoint that was trained from: its processor files are kept.
    path : Path or str
    tool : ToolSettings or None
        What the model was trained to play with; evaluation takes them from there.
    state : mapping of str to Tensor, optional
        Its weights, where the model itself holds a part of them only.
    """
    path = Path(path)
    _transformers()
    path.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(path, state_dict=None if state is None else dict(state))
    renderer.tokenizer.save_pretrained(path)
    renderer.encoder.image_processor.save_pretrained(path)
    for name in _COPIED:
        source = Path(base) / name
        if source.is_file() and source.resolve() != (path / name).resolve():
            shutil.copyfile(source, path / name)
    if tool is not None:
        text = json.dumps(tool.to_json(), indent=2)
        (path / "tool_settings.json").write_text(text + "\n", encoding="utf-8")


def _existing(path: Path | str) -> str:
    """Return the path as text after checking that a local folder is a checkpoint."""
    folder = Path(path)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            found = sorted(p.name for p in folder.iterdir())[:8]
            raise SettingsError(
                f"{folder} is not a checkpoint: it has no config.json; found {found}"
            )
        return str(folder)
    if folder.is_absolute() or str(path).startswith((".", "~")) or str(path).count("/") != 1:
        raise SettingsError(
            f"checkpoint {str(path)!r} does not exist; valid are a folder with config.json, or a "
            "hub name like Qwen/Qwen2.5-VL-7B-Instruct"
        )
    return str(path)


def _transformers() -> Any:
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "loading a checkpoint needs torch and transformers: pip install 'deepsport[train]'"
        ) from error
    transformers.utils.logging.disable_progress_bar()  # progress is deepsport's own
    return transformers
