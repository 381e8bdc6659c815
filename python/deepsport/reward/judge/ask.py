"""The judge itself: questions in, verdicts out, through any OpenAI-compatible endpoint."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deepsport.errors import MissingExtraError, SettingsError
from deepsport.reward.judge.cache import VerdictCache
from deepsport.reward.judge.rubric import Rubric, load_rubric

__all__ = ["Judge", "JudgeSettings", "Question", "Verdict"]

_MAX_ANSWER = 8000  # characters of an answer that the judge reads


@dataclass(frozen=True, slots=True)
class Question:
    """What is judged: an answer to a question, beside its references."""

    question: str
    references: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge said.

    Attributes
    ----------
    score : float or None
        In [0, 1]; None when the judge failed, which is a mask and never a zero.
    reason : str
        The judge's own words.
    fault : str
        Why there is no score; empty when there is one.
    cached : bool
    """

    score: float | None
    reason: str = ""
    fault: str = ""
    cached: bool = False


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How to reach a judge.

    Attributes
    ----------
    model : str
    base_url : str or None
        Endpoint; None is OpenAI's own.
    api_key : str or None
        None: the environment's OPENAI_API_KEY, or none at all for another endpoint.
    concurrency : int
        Questions under way at once.
    timeout_seconds : float
        For one request.
    attempts : int
        Tries for one question, with growing pauses, on refused connections, time-outs, status
        408, 409, 429 and 5xx, and on replies that cannot be read.
    max_tokens : int
        Of a reply.
    json_mode : bool
        Ask the endpoint to reply in JSON; some know no such thing.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    concurrency: int = 8
    timeout_seconds: float = 60.0
    attempts: int = 4
    max_tokens: int = 1024
    json_mode: bool = True

    def __post_init__(self) -> None:
        for name in ("concurrency", "attempts", "max_tokens"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}; valid is 1 or more")
        if not self.timeout_seconds > 0:
            raise SettingsError(f"timeout_seconds is {self.timeout_seconds}; valid is above 0")


class _UnreadableError(Exception):
    """A reply without a score."""


class Judge:
    """Ask a language model for scores. Use as a context manager; one thread at a time.

    Parameters
    ----------
    settings : JudgeSettings
    rubric : Rubric, str or Path
    cache : Path, VerdictCache or None
        None: in memory. A cache that is passed open stays open.

    Examples
    --------
    >>> settings = JudgeSettings("my-model", base_url="http://localhost:8000/v1")
    >>> with Judge(settings, cache=Path("verdicts.sqlite")) as judge:  # doctest: +SKIP
    ...     judge.score([Question("What should she correct?", ("Her footwork.",), "The feet.")])
    """

    def __init__(
        self,
        settings: JudgeSettings,
        rubric: Rubric | str | Path = "open-answer-1",
        cache: VerdictCache | Path | None = None,
    ) -> None:
        self.settings = settings
        self.rubric = rubric if isinstance(rubric, Rubric) else load_rubric(rubric)
        self._owns_cache = not isinstance(cache, VerdictCache)
        self.cache = cache if isinstance(cache, VerdictCache) else VerdictCache(cache)
        self._client: Any = None

    def score(
        self,
        questions: Sequence[Question],
        *,
        on_verdict: Callable[[int], None] | None = None,
    ) -> list[Verdict]:
        """Judge questions, in their order; equal ones are asked once.

        Every verdict is in the cache when it is there, so an interrupted call loses nothing.

        Parameters
        ----------
        questions : sequence of Question
        on_verdict : callable, optional
            Called with the number of questions each verdict settles, for a progress bar.

        Raises
        ------
        MissingExtraError
            A question is not in the cache and the package openai is missing.
        SettingsError
            OpenAI's own endpoint without a key.
        """
        keys = [self._key(question) for question in questions]
        verdicts = {key: self._cached(key) for key in dict.fromkeys(keys)}
        open_questions = {
            key: question
            for key, question in zip(keys, questions, strict=True)
            if verdicts[key] is None
        }
        settled = on_verdict or _ignore
        settled(sum(verdicts[key] is not None for key in keys))
        if open_questions:
            self._open_client()
            for key, found in self._ask_all(open_questions.items()):
                verdicts[key] = found
                settled(keys.count(key))
        return [verdict for key in keys if (verdict := verdicts[key]) is not None]

    def _ask_all(self, questions: Iterable[tuple[str, Question]]) -> Iterable[tuple[str, Verdict]]:
        with ThreadPoolExecutor(self.settings.concurrency, "judge") as pool:
            asked = [(key, pool.submit(self._ask, key, question)) for key, question in questions]
            try:
                for key, future in asked:
                    yield key, future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _key(self, question: Question) -> str:
        parts = [
            self.settings.model,
            self.rubric.digest,
            question.question,
            list(question.references),
            question.answer,
        ]
        text = json.dumps(parts, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _cached(self, key: str) -> Verdict | None:
        reply = self.cache.get(key)
        if reply is None:
            return None
        try:
            return _read_reply(reply, cached=True)
        except _UnreadableError:  # written by another hand; ask again
            return None

    def _open_client(self) -> None:
        if self._client is not None:
            return
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError(
                "deepsport[distil] is needed to ask a judge (openai)"
            ) from error
        key = self.settings.api_key or os.environ.get("OPENAI_API_KEY")
        if not key and self.settings.base_url is None:
            raise SettingsError(
                "judge at OpenAI without a key: set OPENAI_API_KEY, or base_url for another endpoint"
            )
        self._client = openai.OpenAI(
            base_url=self.settings.base_url,
            api_key=key or "none",
            timeout=self.settings.timeout_seconds,
            max_retries=self.settings.attempts - 1,
        )

    def _ask(self, key: str, question: Question) -> Verdict:
        import openai

        fault = ""
        for _ in range(self.settings.attempts):
            try:
                reply = self._complete(question)
                verdict = _read_reply(reply)
            except _UnreadableError as error:
                fault = f"unreadable reply: {error}"
                continue
            except openai.OpenAIError as error:  # the client has retried what can be retried
                return Verdict(None, fault=self._without_key(f"{type(error).__name__}: {error}"))
            rubric = f"{self.rubric.name}-{self.rubric.version}"
            self.cache.put(key, reply, model=self.settings.model, rubric=rubric)
            return verdict
        return Verdict(None, fault=fault)

    def _complete(self, question: Question) -> str:
        data = {
            "question": question.question,
            "references": list(question.references),
            "answer": question.answer[:_MAX_ANSWER],
        }
        extra: dict[str, Any] = {}
        if self.settings.json_mode:
            extra["response_format"] = {"type": "json_object"}
        try:
            completion = self._client.chat.completions.create(
                model=self.settings.model,
                messages=[
                    {"role": "system", "content": self.rubric.instructions},
                    {"role": "user", "content": json.dumps(data, ensure_ascii=True)},
                ],
                temperature=0.0,
                max_tokens=self.settings.max_tokens,
                **extra,
            )
            content = completion.choices[0].message.content if completion.choices else None
        except (AttributeError, TypeError, ValueError, IndexError) as error:
            # as a proxy's page with status 200, which the client hands over as text
            raise _UnreadableError(
                f"it is no chat completion ({type(error).__name__}: {error})"
            ) from error
        if not content:
            raise _UnreadableError("it is empty")
        return str(content)

    def _without_key(self, text: str) -> str:
        key = self.settings.api_key or os.environ.get("OPENAI_API_KEY")
        return text.replace(key, "***") if key else text

    def close(self) -> None:
        """Close the connections, and the cache unless it was passed open."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._owns_cache:
            self.cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _ignore(count: int) -> None:
    """Stand in for a progress bar."""
    del count


def _read_reply(reply: str, *, cached: bool = False) -> Verdict:
    """Read the last JSON object with a score in [0, 1]; prose and fences around it are ignored.

    A score outside of [0, 1] is unreadable rather than cut: a judge that answers 8 on a scale of
    its own must not count as 1.
    """
    shown = reply if len(reply) <= 200 else reply[:200] + "…"
    decoder, at, found = json.JSONDecoder(), 0, None
    while (at := reply.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(reply, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(value, dict) and "score" in value:
            found = value
    if found is None:
        raise _UnreadableError(f"no JSON object with a score in {shown!r}")
    score = found["score"]
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise _UnreadableError(f"score {score!r} is no number")
    if not 0 <= score <= 1:
        raise _UnreadableError(f"score {score} is outside of 0 to 1")
    return Verdict(float(score), str(found.get("reason", "")), cached=cached)
