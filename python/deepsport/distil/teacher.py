"""Speak to an OpenAI-compatible chat endpoint: one request, one reply or one typed failure.

Nothing is retried here (`deepsport.distil.line` does) and nothing is written down.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Protocol, Self

from deepsport.distil.failures import (
    FailureKind,
    RequestFailedError,
    classify_status,
    retry_after_seconds,
)
from deepsport.distil.request import CallRequest, Completion, Request
from deepsport.distil.settings import TeacherSettings
from deepsport.errors import MissingExtraError, SettingsError

__all__ = ["HttpTeacher", "Teacher"]

_STANDARD = frozenset(
    [
        "temperature",
        "top_p",
        "max_tokens",
        "seed",
        "parallel_tool_calls",
        "tool_choice",
        "response_format",
        "stop",
    ]
)


class Teacher(Protocol):
    """Anything that replies to requests."""

    async def complete(self, request: Request) -> Completion:
        """Return the reply.

        Raises
        ------
        RequestFailedError, EndpointError, BudgetSpentError
        """
        ...


class HttpTeacher:
    """An endpoint behind the ``openai`` client; for one event loop.

    Parameters
    ----------
    settings : TeacherSettings

    Raises
    ------
    MissingExtraError
        Without the package ``openai``.
    SettingsError
        When the endpoint is a vendor's and the environment holds no key.
    """

    def __init__(self, settings: TeacherSettings) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError(
                "deepsport[distil] is needed to ask a teacher: pip install 'deepsport[distil]'"
            ) from error
        self.settings = settings
        self._key = os.environ.get(settings.api_key_env, "")
        if not self._key and settings.host.endswith("openai.com"):
            raise SettingsError(
                f"{settings.host} needs a key; valid is one in the environment variable "
                f"{settings.api_key_env}"
            )
        self._openai = openai
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=self._key or "none",
            max_retries=0,
            timeout=settings.idle_seconds if settings.stream else settings.timeout_seconds,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.close()

    async def complete(self, request: Request) -> Completion:
        """Send one request and return its whole reply.

        Raises
        ------
        RequestFailedError
            With the kind of failure; the key never appears in it.
        """
        body = request.body()
        # lets the endpoint's log and our journal be laid side by side
        body["extra_headers"] = {"X-Client-Request-Id": request.key}
        options = dict(request.options)
        body.update({name: options.pop(name) for name in list(options) if name in _STANDARD})
        try:
            async with asyncio.timeout(self.settings.timeout_seconds):
                if self.settings.stream:
                    return await self._streamed(body, options)
                reply = await self._client.chat.completions.create(**body, extra_body=options)
                return _completion(reply)
        except RequestFailedError:
            raise
        except Exception as error:  # noqa: BLE001 - sorted, and re-raised, in _failure
            raise self._failure(error) from None  # the chain would hold headers, and so the key

    async def _streamed(self, body: dict[str, Any], options: dict[str, Any]) -> Completion:
        pieces = _Pieces()
        stream = await self._client.chat.completions.create(
            **body, stream=True, stream_options={"include_usage": True}, extra_body=options
        )
        async with stream:
            async for chunk in stream:
                pieces.add(chunk)
        return pieces.completion()

    def _failure(self, error: Exception) -> RequestFailedError:
        """Turn whatever the client raised into one of our kinds; re-raise what is a bug."""
        openai, text = self._openai, self._redact(f"{type(error).__name__}: {error}")
        if isinstance(error, openai.APIStatusError):
            headers = {k.lower(): v for k, v in error.response.headers.items()}
            kind = classify_status(error.status_code, str(error.code or error.type or ""))
            return RequestFailedError(
                kind, text, status=error.status_code, retry_after=retry_after_seconds(headers)
            )
        if isinstance(error, openai.APITimeoutError | TimeoutError):
            seconds = self.settings.timeout_seconds
            return RequestFailedError(
                FailureKind.TIMEOUT, f"no whole reply within {seconds:g} s ({type(error).__name__})"
            )
        if isinstance(error, openai.APIConnectionError):
            cause = self._redact(repr(error.__cause__ or error))
            return RequestFailedError(FailureKind.NETWORK, f"{self.settings.host}: {cause}")
        module = type(error).__module__.partition(".")[0]
        if module in ("httpx", "httpx2", "httpcore", "httpcore2"):  # broke while being read
            kind = FailureKind.TIMEOUT if "Timeout" in type(error).__name__ else FailureKind.NETWORK
            return RequestFailedError(kind, text)
        if isinstance(error, ValueError | TypeError | AttributeError | openai.OpenAIError):
            return RequestFailedError(FailureKind.BROKEN_REPLY, text, status=200)
        raise error

    def _redact(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def _completion(reply: Any) -> Completion:
    """Read a whole chat completion."""
    choices = getattr(reply, "choices", None)
    if not choices or getattr(choices[0], "message", None) is None:
        raise RequestFailedError(
            FailureKind.BROKEN_REPLY, f"a reply without choices: {str(reply)[:200]!r}", status=200
        )
    message, usage = choices[0].message, getattr(reply, "usage", None)
    calls = tuple(
        CallRequest(
            _clean(call.id or f"call_{number}"),
            _clean(call.function.name or ""),
            _clean(call.function.arguments or ""),
        )
        for number, call in enumerate(message.tool_calls or ())
        if getattr(call, "function", None) is not None
    )
    return Completion(
        text=_clean(message.content or ""),
        reasoning=_clean(_reasoning(message)),
        calls=calls,
        finish=choices[0].finish_reason or "stop",
        prompt_tokens=int(getattr(usage, "prompt_tokens", 0) or 0),
        completion_tokens=int(getattr(usage, "completion_tokens", 0) or 0),
        model=reply.model or "",
    )


def _clean(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can hold and no UTF-8 file can."""
    return text.encode("utf-8", "replace").decode()


def _reasoning(message: Any) -> str:
    """Return the thought that vLLM, SGLang and vendors send beside the content, under two names."""
    return getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""


class _Pieces:
    """Put the chunks of a streamed reply together."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._finish = self._model = ""
        self._prompt_tokens = self._completion_tokens = 0

    def add(self, chunk: Any) -> None:
        self._model = chunk.model or self._model
        if chunk.usage is not None:
            self._prompt_tokens = int(chunk.usage.prompt_tokens or 0)
            self._completion_tokens = int(chunk.usage.completion_tokens or 0)
        for choice in chunk.choices or ():
            self._finish = choice.finish_reason or self._finish
            delta = choice.delta
            if delta is None:
                continue
            self._text.append(delta.content or "")
            self._reasoning.append(_reasoning(delta))
            for call in delta.tool_calls or ():
                parts = self._calls.setdefault(call.index, ["", "", ""])
                parts[0] = call.id or parts[0]
                if call.function is not None:
                    parts[1] += call.function.name or ""
                    parts[2] += call.function.arguments or ""

    def completion(self) -> Completion:
        if not self._finish:
            raise RequestFailedError(
                FailureKind.BROKEN_REPLY, "the stream ended without a finish_reason", status=200
            )
        calls = tuple(
            CallRequest(_clean(call_id or f"call_{index}"), _clean(name), _clean(arguments))
            for index, (call_id, name, arguments) in sorted(self._calls.items())
        )
        return Completion(
            _clean("".join(self._text)),
            _clean("".join(self._reasoning)),
            calls,
            self._finish,
            self._prompt_tokens,
            self._completion_tokens,
            self._model,
        )
