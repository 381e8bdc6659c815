"""Any OpenAI-compatible chat endpoint as a policy: vLLM, SGLang, llama.cpp, hosted models.

The conversation goes as text with the frames as JPEG data URIs, the protocol's tags in the text; no
feature of a particular server is needed. A failure of the server is a fault on the episode, never
an answer. Not for distillation, which paces and books its requests (`deepsport.distil`).
"""

from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from deepsport.errors import EndpointError, MissingExtraError, SettingsError
from deepsport.rollout.draws import turn_seed
from deepsport.rollout.policy import Reply
from deepsport.trajectory import IMAGE_MARK, Fault

if TYPE_CHECKING:
    from deepsport.rollout.episode import Episode

__all__ = ["ChatEndpoint", "ChatReply", "EndpointPolicy"]

JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class ChatReply:
    """One reply of an endpoint, or why there is none.

    Attributes
    ----------
    text : str
        With the reasoning that some servers send apart put back in front, between think tags.
    truncated : bool
    fault : Fault or None
    usage : dict of str to float
        ``prompt_tokens``, ``completion_tokens``, ``cached_tokens``, ``model_seconds``.
    """

    text: str
    truncated: bool
    fault: Fault | None
    usage: dict[str, float]


class ChatEndpoint:
    """A chat endpoint with retries; safe to share between threads.

    Parameters
    ----------
    url : str
        Base address, ending in ``/v1`` as a rule.
    model : str
        Name to ask for; empty takes the only model the server offers.
    key_variable : str
        Environment variable that holds the key; local servers need none.
    timeout_seconds : float
        For one request.
    retries : int
        Of requests that failed for passing reasons (connection, 429, 5xx), with growing pauses.

    Raises
    ------
    MissingExtraError
        Without the package ``openai``.
    SettingsError
        When the address is none, or no model was named and the server does not offer exactly one.
    """

    def __init__(
        self,
        url: str,
        model: str = "",
        *,
        key_variable: str = "OPENAI_API_KEY",
        timeout_seconds: float = 300.0,
        retries: int = 4,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError(
                "deepsport[distil] is needed for --endpoint (openai)"
            ) from error
        if not url.startswith(("http://", "https://")):
            raise SettingsError(f"endpoint {url!r}: valid is an address, http://HOST:PORT/v1")
        self.url = url.rstrip("/")
        self._key = os.environ.get(key_variable, "")
        self._openai = openai
        self._client = openai.OpenAI(
            base_url=self.url,
            api_key=self._key or "none",
            timeout=timeout_seconds,
            max_retries=retries,
        )
        self.model = model or self._only_model()

    def close(self) -> None:
        """Close the connections; a context manager does so at its end."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _only_model(self) -> str:
        try:
            offered = [model.id for model in self._client.models.list().data]
        except self._openai.OpenAIError as error:
            raise SettingsError(
                f"endpoint {self.url}: no model was named and its list cannot be had "
                f"({self._redact(str(error))}); valid is --model-name"
            ) from None
        if len(offered) != 1:
            raise SettingsError(
                f"endpoint {self.url} offers {len(offered)} models ({', '.join(offered[:8])}); "
                "valid is one of them as --model-name"
            )
        return str(offered[0])

    def complete(self, messages: Sequence[dict[str, Any]], **options: Any) -> ChatReply:
        """Ask for one reply; a failure is a reply with a fault, not an exception."""
        started = time.perf_counter()
        try:
            reply = self._client.chat.completions.create(
                model=self.model,
                messages=messages,  # type: ignore[arg-type]
                **options,
            )
            choice = reply.choices[0]
            text, finish = _text(choice.message), choice.finish_reason
        except self._openai.APITimeoutError as error:
            return self._failed("timeout", error, started)
        except (
            self._openai.OpenAIError,
            ValueError,
            IndexError,
            TypeError,
            AttributeError,
        ) as error:
            return self._failed("network", error, started)
        used = reply.usage
        details = getattr(used, "prompt_tokens_details", None)
        usage = {
            "requests": 1.0,
            "prompt_tokens": float(getattr(used, "prompt_tokens", 0) or 0),
            "completion_tokens": float(getattr(used, "completion_tokens", 0) or 0),
            "cached_tokens": float(getattr(details, "cached_tokens", 0) or 0),
            "model_seconds": time.perf_counter() - started,
        }
        return ChatReply(text, finish == "length", None, usage)

    def _failed(
        self, kind: Literal["timeout", "network"], error: Exception, started: float
    ) -> ChatReply:
        message = self._redact(f"{self.url}: {type(error).__name__}: {error}")[:500]
        usage = {"model_seconds": time.perf_counter() - started}
        return ChatReply("", False, Fault(kind, message), usage)

    def _redact(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def _text(message: Any) -> str:
    """Return a message's text with the thought that some servers send beside it put back."""
    text = message.content or ""
    thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    if thought and "<think>" not in text:
        return f"<think>{thought.strip()}</think>{text.lstrip()}"
    return text


class EndpointPolicy:
    """Play with the model behind an endpoint.

    Parameters
    ----------
    url, model : str
        See :class:`ChatEndpoint`.
    temperature : float
    max_reply_tokens : int
    seed : int or None
        With one, each request carries a seed made of this, the task, the attempt and the turn, so
        that a server that honours seeds gives a resumed run the answers of an undisturbed one.
    parallel : int
        Requests under way at once.
    give_up_after : int
        Failures in a row after which the server counts as gone.
    top_p : float
        Sent along when it is not 1.
    prompt_price, completion_price : float
        US dollars for a million tokens; with one, ``usage["dollars"]`` of attempts says what they
        cost. Tokens from a server's cache are counted at the full price.
    endpoint : ChatEndpoint or None
        One made before, instead of `url` and `model`.

    Notes
    -----
    One object per thread.
    """

    def __init__(
        self,
        url: str = "",
        model: str = "",
        *,
        temperature: float = 0.0,
        max_reply_tokens: int = 1024,
        seed: int | None = None,
        parallel: int = 8,
        give_up_after: int = 16,
        top_p: float = 1.0,
        prompt_price: float = 0.0,
        completion_price: float = 0.0,
        endpoint: ChatEndpoint | None = None,
    ) -> None:
        self.endpoint = endpoint or ChatEndpoint(url, model)
        self.options = {"temperature": temperature, "max_tokens": max_reply_tokens}
        if top_p != 1.0:
            self.options["top_p"] = top_p
        self._prices = {"prompt_tokens": prompt_price, "completion_tokens": completion_price}
        self._seed = seed
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="endpoint")
        self._urls: dict[int, tuple[Any, str]] = {}
        self._give_up_after = give_up_after
        self._failures: list[str] = []  # since the last good reply

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.endpoint.model

    def close(self) -> None:
        """Close the connections to the server."""
        self._threads.shutdown()
        self.endpoint.close()

    def reply(self, episodes: Sequence[Episode]) -> list[Reply]:
        """Return one reply an episode; the requests run at the same time.

        Raises
        ------
        EndpointError
            After `give_up_after` failures in a row: playing on would only collect faults.
        """
        if len(self._failures) >= self._give_up_after:  # only now: the replies before were taken
            raise EndpointError(
                f"{len(self._failures)} requests in a row failed, the last with: "
                f"{self._failures[-1]}; give the same command again when the server is back"
            )
        self._forget_others(episodes)
        replies = list(self._threads.map(self._one, episodes))
        for reply in replies:
            if reply.fault is None:
                self._failures.clear()
            else:
                self._failures.append(reply.fault.message)
        return replies

    def _one(self, episode: Episode) -> Reply:
        options = dict(self.options)
        if self._seed is not None:
            options["seed"] = turn_seed(self._seed, episode)
        reply = self.endpoint.complete(self._messages(episode), **options)
        usage = dict(reply.usage)
        if any(self._prices.values()):
            usage["dollars"] = sum(
                usage.get(name, 0.0) * price / 1e6 for name, price in self._prices.items()
            )
        return Reply(reply.text, reply.truncated, reply.fault, usage)

    def _messages(self, episode: Episode) -> list[dict[str, Any]]:
        """Return the conversation; tool turns go as user messages, which every server can show."""
        images = iter(episode.images)
        messages: list[dict[str, Any]] = []
        for turn in episode.turns:
            if turn.role in ("system", "assistant"):
                messages.append({"role": turn.role, "content": turn.text})
                continue
            parts: list[dict[str, Any]] = []
            for number, text in enumerate(turn.text.split(IMAGE_MARK)):
                if number:
                    url = self._data_url(next(images))
                    parts.append({"type": "image_url", "image_url": {"url": url}})
                if text.strip():
                    parts.append({"type": "text", "text": text.strip("\n")})
            messages.append({"role": "user", "content": parts})
        return messages

    def _data_url(self, image: Any) -> str:
        """Encode a frame, once for all turns it is sent in."""
        known = self._urls.get(id(image))
        if known is None or known[0] is not image:
            try:
                from PIL import Image
            except ImportError as error:
                raise MissingExtraError(
                    "deepsport[distil] is needed to send frames (pillow)"
                ) from error
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
            encoded = base64.b64encode(buffer.getvalue()).decode()
            known = (image, f"data:image/jpeg;base64,{encoded}")
            self._urls[id(image)] = known
        return known[1]

    def _forget_others(self, episodes: Sequence[Episode]) -> None:
        """Keep the encoded frames of the episodes that are being played only."""
        alive = {id(image) for episode in episodes for image in episode.images}
        self._urls = {key: value for key, value in self._urls.items() if key in alive}
