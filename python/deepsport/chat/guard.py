"""Checks of what comes from outside of deepsport: chat templates, sampled tokens, message blocks.

Each says what is wrong and what to do; the failures they stand for are silent otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deepsport.errors import SettingsError

__all__ = ["refuse_video_blocks", "refuse_vision_tokens", "template_faults", "without_none"]

_CALL = {"type": "function", "function": {"name": "look_closer", "arguments": {"first": 7}}}
_PROBE: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "the question", "image": None}]},
    {"role": "assistant", "content": "the call", "tool_calls": [_CALL]},
    {"role": "tool", "content": [{"type": "image"}, {"type": "text", "text": "the frames"}]},
    {"role": "assistant", "content": "the answer"},
]


def template_faults(template: str | None) -> list[str]:
    """Return what a chat template cannot do that training on tool turns needs; empty: nothing.

    Parameters
    ----------
    template : str or None
        In Jinja, as tokenizers hold it.

    Notes
    -----
    Found by rendering a conversation with a frame in a tool turn. Checkpoints trained here carry
    deepsport's own template, which has none of these faults.
    """
    if not template:
        return ["there is no chat template"]
    faults = []
    try:
        text = _rendered(template, _PROBE)
    except Exception as error:  # noqa: BLE001 - a template is a program; what it raises is its fault
        return [f"it cannot render a conversation with a tool turn ({error})"]
    if "the frames" not in text:
        faults.append("it leaves out tool turns")
    pads = text.count("<|image_pad|>")
    if pads == 0:
        faults.append("it has no place for a frame in a tool turn")
    elif pads > 1:
        faults.append(
            "it takes a text block whose key 'image' is None for a frame (data sets of Arrow fill "
            "keys with None: pass messages through deepsport.chat.guard.without_none)"
        )
    if "{% generation" not in template and "{%- generation" not in template:
        faults.append(
            "it does not mark what the assistant wrote ({% generation %}), so that a loss on these "
            "tokens only is a loss on none or on all"
        )
    if _rendered(template, _PROBE[:3]) != text[: len(_rendered(template, _PROBE[:3]))]:
        faults.append("a longer conversation does not begin with the shorter one")
    return faults


def _rendered(template: str, messages: Sequence[Mapping[str, Any]]) -> str:
    from transformers.utils.chat_template_utils import render_jinja_template

    rendered, _ = render_jinja_template(
        conversations=[list(messages)], chat_template=template, add_generation_prompt=False
    )
    return str(rendered[0])


def without_none(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages without the keys that are None, in them and in their blocks.

    Arrow gives all blocks of a column the same keys and fills the missing ones with None; the
    templates of Qwen take any block with the key ``image`` for a picture.
    """
    return [_clean(message) for message in messages]


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def refuse_video_blocks(messages: Any) -> None:
    """Raise where a conversation holds a video block.

    TRL's GRPO trainer generates with a video and leaves it out of the loss, so that it trains on
    the wrong probabilities without a word.

    Raises
    ------
    SettingsError
        Naming the message.
    """
    for number, message in enumerate(messages if isinstance(messages, list | tuple) else ()):
        content = message.get("content") if isinstance(message, Mapping) else None
        for block in content if isinstance(content, list | tuple) else ():
            if isinstance(block, Mapping) and (
                block.get("type") in ("video", "video_url") or block.get("video") is not None
            ):
                raise SettingsError(
                    f"message {number} holds a video block; only images are safe here: TRL leaves "
                    "videos out of the loss. Valid are frames as images, which the frame tool "
                    "shows, or deepsport.open(...).at(...) gives"
                )


def refuse_vision_tokens(
    ids: Sequence[int], sampled: Sequence[int] | Sequence[bool], suppressed: Iterable[int]
) -> None:
    """Raise where a model's own tokens hold one that stands for vision.

    The loss would look for a frame that nobody showed: a crash far away, or another frame's pixels.

    Parameters
    ----------
    ids : sequence of int
    sampled : sequence of bool, the same length
        Whether the model wrote it.
    suppressed : iterable of int
        `ChatRenderer.suppressed_ids`.

    Raises
    ------
    SettingsError
        Naming the place.
    """
    never = set(suppressed)
    for place, (token, own) in enumerate(zip(ids, sampled, strict=True)):
        if own and token in never:
            raise SettingsError(
                f"token {place} of a conversation is the vision token {token}, and the model wrote "
                "it; valid are engines that never sample one: give them "
                "ChatRenderer.suppressed_ids (suppress_tokens of transformers, logit_bias of -100 "
                "of vLLM)"
            )
