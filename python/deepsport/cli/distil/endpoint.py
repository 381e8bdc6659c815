"""Options of `deepsport distil` that say which endpoint is asked, how fast and for how much."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepsport.distil.settings import PaceSettings, TeacherSettings

__all__ = ["add_endpoint", "add_pace", "endpoint_settings", "pace_settings"]


def add_endpoint(parser: argparse.ArgumentParser) -> None:
    """Add the options of a teacher or judge."""
    group = parser.add_argument_group("endpoint")
    group.add_argument("--base-url", required=True, help="address up to /v1")
    group.add_argument("--model", required=True, help="name the endpoint serves")
    group.add_argument(
        "--api-key-env",
        default="OPENAI_API_KEY",
        metavar="NAME",
        help="environment variable that holds the key (%(default)s); keys are read from nowhere else",
    )
    group.add_argument(
        "--protocol",
        choices=("text", "tools"),
        default="text",
        help="paper's tags in text, or native tool calls (%(default)s)",
    )
    group.add_argument(
        "--tool-image-mode",
        choices=("user", "tool"),
        default="user",
        help="where frames of a native call go: user message or tool message (%(default)s)",
    )
    group.add_argument(
        "--temperature",
        type=_float_or_none,
        default=0.7,
        metavar="T",
        help="or none, for endpoints that take none (%(default)s)",
    )
    group.add_argument("--top-p", type=float)
    group.add_argument(
        "--max-tokens",
        type=_int_or_none,
        default=8192,
        metavar="N",
        help="of one reply, or none (%(default)s)",
    )
    group.add_argument(
        "--seed",
        type=_int_or_none,
        default=0,
        metavar="N",
        help="sent as seed + attempt, or none (%(default)s)",
    )
    group.add_argument(
        "--extra",
        type=_fields,
        default={},
        metavar="JSON",
        help="more fields of the request, e.g. '{\"max_completion_tokens\": 8192}'",
    )
    group.add_argument("--stream", action="store_true", help="receive replies in pieces")
    group.add_argument("--timeout", type=float, default=600.0, help="seconds a reply (%(default)s)")
    group.add_argument("--jpeg-quality", type=int, default=90, help="(%(default)s)")
    group.add_argument("--prompt-price", type=float, help="US dollars per million tokens")
    group.add_argument("--completion-price", type=float, help="US dollars per million tokens")


def add_pace(parser: argparse.ArgumentParser) -> None:
    """Add the options of pace and budget."""
    group = parser.add_argument_group("pace and budget")
    group.add_argument("--max-concurrency", type=int, default=64, help="(%(default)s)")
    group.add_argument("--requests-per-minute", type=int)
    group.add_argument("--tokens-per-minute", type=int)
    group.add_argument("--max-tries", type=int, default=8, help="of one request (%(default)s)")
    group.add_argument("--decode-threads", type=int, default=2, help="(%(default)s)")
    group.add_argument("--max-cost", type=float, help="US dollars, all runs of the job together")
    group.add_argument("--max-requests", type=int, help="all runs of the job together")


def endpoint_settings(args: argparse.Namespace) -> TeacherSettings:
    """Return the endpoint the options describe."""
    from deepsport.distil.settings import TeacherSettings

    return TeacherSettings(
        base_url=args.base_url,
        model=args.model,
        protocol=args.protocol,
        tool_image_mode=args.tool_image_mode,
        temperature=args.temperature,
        top_p=args.top_p,
        max_tokens=args.max_tokens,
        seed=args.seed,
        extra_body=args.extra,
        stream=args.stream,
        timeout_seconds=args.timeout,
        api_key_env=args.api_key_env,
        jpeg_quality=args.jpeg_quality,
        prompt_price=args.prompt_price,
        completion_price=args.completion_price,
    )


def pace_settings(args: argparse.Namespace) -> PaceSettings:
    """Return the pace the options describe."""
    from deepsport.distil.settings import PaceSettings

    return PaceSettings(
        max_concurrency=args.max_concurrency,
        requests_per_minute=args.requests_per_minute,
        tokens_per_minute=args.tokens_per_minute,
        max_tries=args.max_tries,
        decode_threads=args.decode_threads,
    )


def _float_or_none(text: str) -> float | None:
    return None if text == "none" else float(text)


def _fields(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: valid is a JSON object ({error})") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r}: valid is a JSON object")
    return value


def _int_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)
