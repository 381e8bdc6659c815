"""Turns to tokens: the one renderer of rollouts, evaluation, supervised and reinforcement training.

Plain ChatML, written token by token so that nothing in a question or an observation can pose as
structure: text is tokenised with special tokens split, structure is put in by id. The template in
`chatml.jinja`, saved into every checkpoint, renders the same conversations to the same tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deepsport.chat.frames import FrameEncoder
from deepsport.chat.transcript import ShownFrame, Transcript
from deepsport.errors import SettingsError
from deepsport.protocol import ProtocolForm
from deepsport.trajectory import IMAGE_MARK, Turn

__all__ = ["ChatRenderer", "chat_template"]

_STRUCTURE = (
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
)


def chat_template() -> str:
    """Return the chat template that is saved into checkpoints."""
    return Path(__file__).with_name("chatml.jinja").read_text(encoding="utf-8")


class ChatRenderer:
    """Render conversations with one checkpoint's tokenizer and image processor.

    Parameters
    ----------
    tokenizer
        A fast tokenizer of the Qwen family.
    encoder : FrameEncoder
    form : ProtocolForm
        In the native form observations are wrapped in ``<tool_response>``, as the Qwen chat
        templates do; in the paper's they are plain user turns.

    Raises
    ------
    SettingsError
        When the tokenizer lacks a token that the template needs.

    Notes
    -----
    One object per thread.
    """

    def __init__(
        self, tokenizer: Any, encoder: FrameEncoder, form: ProtocolForm = ProtocolForm.PAPER
    ) -> None:
        vocabulary = tokenizer.get_vocab()
        missing = [token for token in _STRUCTURE if token not in vocabulary]
        if missing:
            raise SettingsError(
                f"the tokenizer has no token {', '.join(missing)}; valid are checkpoints of the "
                "Qwen2.5-VL and Qwen3-VL families, whose chat markup deepsport writes"
            )
        self.tokenizer, self.encoder, self.form = tokenizer, encoder, form
        self.start_id, self.end_id, self._vision_start, self._vision_end, self.image_id = (
            vocabulary[token] for token in _STRUCTURE
        )
        self.pad_id = int(tokenizer.pad_token_id)
        #: never to be sampled: the model would claim frames that nobody showed
        self.suppressed_ids = sorted(
            vocabulary[token]
            for token in (
                "<|image_pad|>",
                "<|video_pad|>",
                "<|vision_start|>",
                "<|vision_end|>",
                "<|vision_pad|>",
            )
            if token in vocabulary
        )
        self._newline = self._text("\n")

    def begin(self, turns: Sequence[Turn], frames: Sequence[ShownFrame]) -> Transcript:
        """Return the transcript up to the place where the model's first reply goes.

        Parameters
        ----------
        turns : sequence of Turn
            System and user turns.
        frames : sequence of ShownFrame
            One for every ``<image>`` of the turns, in order.
        """
        transcript = Transcript(frames=list(frames))
        shown = iter(frames)
        for turn in turns:
            transcript.append(self._turn(turn, shown), trainable=False)
        transcript.append(self._assistant(), trainable=False)
        transcript.prompt_length = len(transcript.ids)
        return transcript

    def observe(self, transcript: Transcript, turn: Turn, frames: Sequence[ShownFrame]) -> None:
        """Append an observation and the start of the next reply."""
        if transcript.ids[-1] != self.end_id:  # a reply that the token limit cut off
            transcript.append([self.end_id], trainable=False)
        ids = [*self._newline, *self._turn(turn, iter(frames)), *self._assistant()]
        transcript.append(ids, trainable=False)
        transcript.frames.extend(frames)

    def reply(
        self, transcript: Transcript, ids: list[int], log_probs: Sequence[float] | None = None
    ) -> None:
        """Append tokens that the model wrote, its end-of-turn token included."""
        transcript.append(ids, trainable=True, log_probs=log_probs)

    def reply_ids(self, text: str) -> list[int]:
        """Return the tokens of a reply that is given as text, with its end-of-turn token."""
        return [*self._text(text), self.end_id]

    def reply_text(self, ids: Sequence[int]) -> str:
        """Return exactly what tokens of a reply say, without the end-of-turn token."""
        kept = list(ids[:-1]) if ids and ids[-1] == self.end_id else list(ids)
        text: str = self.tokenizer.decode(
            kept, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text

    def render(
        self,
        turns: Sequence[Turn],
        frames: Sequence[ShownFrame],
        *,
        trained: Sequence[bool] | None = None,
    ) -> Transcript:
        """Render a whole conversation, as rollouts would have built it.

        Parameters
        ----------
        turns : sequence of Turn
            Ends with an assistant turn; what follows the last one is left out.
        frames : sequence of ShownFrame
            One for every ``<image>``, in order.
        trained : sequence of bool or None
            For each assistant turn whether its tokens are trained; all by default.
        """
        replies = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
        if not replies:
            raise SettingsError("a conversation without an assistant turn cannot be rendered")
        counts = [len(turn.frames) for turn in turns]
        shown = list(frames)
        transcript = self.begin(turns[: replies[0]], shown[: sum(counts[: replies[0]])])
        for number, place in enumerate(replies):
            if number:
                for between in range(replies[number - 1] + 1, place):
                    low = sum(counts[:between])
                    self.observe(transcript, turns[between], shown[low : low + counts[between]])
            ids = self.reply_ids(turns[place].text)
            transcript.append(ids, trainable=trained is None or trained[number])
        return transcript

    def _turn(self, turn: Turn, frames: Iterator[ShownFrame]) -> list[int]:
        role, before, after = turn.role, "", ""
        if role == "tool":
            role = "user"
            if self.form is ProtocolForm.NATIVE:
                before, after = "<tool_response>\n", "\n</tool_response>"
        pieces = f"{role}\n{before}{turn.text}{after}".split(IMAGE_MARK)
        ids = [self.start_id, *self._text(pieces[0])]
        for piece in pieces[1:]:
            count = self.encoder.token_counts([next(frames)])[0]
            ids += [self._vision_start, *([self.image_id] * count), self._vision_end]
            ids += self._text(piece)
        return [*ids, self.end_id, *self._newline]

    def _assistant(self) -> list[int]:
        return [self.start_id, *self._text("assistant\n")]

    def _text(self, text: str) -> list[int]:
        if not text:
            return []
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)[
            "input_ids"
        ]
        return ids
