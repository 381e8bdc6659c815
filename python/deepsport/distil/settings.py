"""Settings of a distillation run: the teacher, the pace of requests, the limits of spending.

No secret is a setting: the key of the endpoint is read from the environment when it is needed, and
only the name of the variable is written down.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from deepsport.errors import SettingsError
from deepsport.tool import ToolSettings

__all__ = ["Budget", "DistilSettings", "PaceSettings", "TeacherSettings"]


def _from_json(cls: type[Any], record: Mapping[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(cls)}
    unknown = sorted(set(record) - known)
    if unknown:
        raise SettingsError(f"unknown {cls.__name__} {unknown}, valid are {sorted(known)}")
    return cls(**record)


def _at_least(settings: object, **lows: float) -> None:
    for name, low in lows.items():
        value = getattr(settings, name)
        if value is not None and not value >= low:
            raise SettingsError(f"{name} is {value}, valid is {low:g} or more")


@dataclass(frozen=True, slots=True)
class TeacherSettings:
    """An OpenAI-compatible chat endpoint and how it is spoken to.

    Attributes
    ----------
    base_url : str
        Up to and including ``/v1``.
    model : str
    protocol : {"text", "tools"}
        Whether the teacher writes the paper's tags, or gets the tool as a JSON schema and calls it
        natively. Trajectories are written in the student's form either way.
    tool_image_mode : {"user", "tool"}
        Where the frames of a native tool call go: into a user message behind the tool messages (every
        endpoint takes that), or into the tool message (vLLM, when the chat template renders them).
    temperature, top_p, max_tokens, seed
        Sampling. The seed sent is ``seed + attempt``; None sends none.
    extra_body : mapping
        Further fields of the request, e.g. ``{"top_k": 20}``.
    stream : bool
        Receive the reply in pieces: `idle_seconds` then also bounds the silence between two pieces.
    timeout_seconds : float
        From sending a request to the end of its reply.
    idle_seconds : float
    api_key_env : str
        Environment variable that holds the key; unset means none is needed.
    jpeg_quality : int
        Of the frames sent, 1..95.
    prompt_price, completion_price : float or None
        US dollars per million tokens.
    """

    base_url: str
    model: str
    protocol: Literal["text", "tools"] = "text"
    tool_image_mode: Literal["user", "tool"] = "user"
    temperature: float | None = 0.7
    top_p: float | None = None
    max_tokens: int | None = 8192
    seed: int | None = 0
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    timeout_seconds: float = 600.0
    idle_seconds: float = 120.0
    api_key_env: str = "OPENAI_API_KEY"
    jpeg_quality: int = 90
    prompt_price: float | None = None
    completion_price: float | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"base_url is {self.base_url!r}, valid is http(s)://host[:port]/v1")
        if parts.username or parts.password or parts.query:
            raise SettingsError(
                f"base_url of host {parts.hostname!r} holds a user, a password or a query; valid is "
                f"a plain address, with the key in the environment variable {self.api_key_env}"
            )
        if not self.model:
            raise SettingsError("model is empty; valid is a name the endpoint serves")
        for name, valid in (("protocol", ("text", "tools")), ("tool_image_mode", ("user", "tool"))):
            if getattr(self, name) not in valid:
                raise SettingsError(f"{name} is {getattr(self, name)!r}, valid are {valid}")
        if not 1 <= self.jpeg_quality <= 95:
            raise SettingsError(f"jpeg_quality is {self.jpeg_quality}, valid are 1..95")
        _at_least(
            self,
            temperature=0,
            max_tokens=1,
            timeout_seconds=0.001,
            idle_seconds=0.001,
            prompt_price=0,
            completion_price=0,
        )

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc

    def sampling(self, attempt: int) -> dict[str, Any]:
        """Return the sampling fields of a request; None values are left out."""
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": None if self.seed is None else self.seed + attempt,
        }
        return {k: v for k, v in values.items() if v is not None}

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return US dollars; without prices 0."""
        return (
            prompt_tokens * (self.prompt_price or 0.0)
            + completion_tokens * (self.completion_price or 0.0)
        ) / 1e6

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {**dataclasses.asdict(self), "extra_body": dict(self.extra_body)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read settings written by :meth:`to_json`."""
        return _from_json(cls, record)


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """How fast requests go out, and how long one is tried.

    Attributes
    ----------
    start_concurrency, max_concurrency : int
        Requests in flight: doubled every round until the endpoint first objects, then raised by
        one a round; halved on 429 and on a timeout.
    requests_per_minute, tokens_per_minute : int or None
        Never exceeded; tokens are estimated before and corrected after a request.
    max_tries : int
        Times one request is sent before its task ends in a fault.
    backoff_seconds, max_backoff_seconds : float
        The n-th pause is drawn from 0..min(max, backoff * 2**n), and is never shorter than the
        endpoint's Retry-After.
    breaker_failures : int
        Failures in a row, all requests together, after which the endpoint is left alone for a while.
    breaker_seconds : float
        Length of the first such pause; each further one is twice as long, up to a minute.
    max_outage_seconds : float
        Without one success for so long, the run stops; it can be continued later.
    decode_threads : int
        Threads that decode and encode frames beside the requests.
    """

    start_concurrency: int = 4
    max_concurrency: int = 64
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_tries: int = 8
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 60.0
    breaker_failures: int = 10
    breaker_seconds: float = 5.0
    max_outage_seconds: float = 900.0
    decode_threads: int = 2

    def __post_init__(self) -> None:
        _at_least(
            self,
            start_concurrency=1,
            max_concurrency=1,
            requests_per_minute=1,
            tokens_per_minute=1,
            max_tries=1,
            backoff_seconds=0,
            max_backoff_seconds=0,
            breaker_failures=1,
            breaker_seconds=0,
            max_outage_seconds=0,
            decode_threads=1,
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend, all its continuations together; None is no limit.

    Attributes
    ----------
    max_cost : float or None
        US dollars. Requests whose cost is unknown (lost in a kill, timed out) count as the most
        they can have cost.
    max_requests : int or None
    """

    max_cost: float | None = None
    max_requests: int | None = None

    def __post_init__(self) -> None:
        _at_least(self, max_cost=0, max_requests=0)


@dataclass(frozen=True, slots=True)
class DistilSettings:
    """What makes a trajectory: changing any of these makes another job.

    Attributes
    ----------
    teacher : TeacherSettings
    tool : ToolSettings
        Of the student: the trajectory is written in its form.
    attempts : int
        Times each task is played.
    """

    teacher: TeacherSettings
    tool: ToolSettings = field(default_factory=ToolSettings)
    attempts: int = 1

    def __post_init__(self) -> None:
        _at_least(self, attempts=1)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {
            "teacher": self.teacher.to_json(),
            "tool": self.tool.to_json(),
            "attempts": self.attempts,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read settings written by :meth:`to_json`."""
        return cls(
            TeacherSettings.from_json(record["teacher"]),
            ToolSettings.from_json(record["tool"]),
            record["attempts"],
        )
