"""What a score depends on, so that "why do these two runs differ" has an answer."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from typing import Any

import deepsport
from deepsport._core.device import build_facts
from deepsport.evaluate.scoring import SCORER_VERSION
from deepsport.task import Task
from deepsport.tool import ToolSettings
from deepsport.tool.prompt import system_text

__all__ = ["differences", "fingerprint", "short_hash"]

#: entries that may differ without making two runs incomparable
_INCIDENTAL = {"machine", "policy", "model", "seed"}
#: how frames are chosen and scaled; the number is raised when the same video gives other ones
_FRAMES = {"indices": "uniform, version 1", "resize": "bicubic on planes, version 1"}


def short_hash(value: Any) -> str:
    """Return 12 hex digits that stand for a JSON value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def fingerprint(
    tasks: Iterable[Task],
    settings: ToolSettings,
    *,
    policy: str,
    control: str,
    seed: int,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe everything a score depends on as plain JSON values.

    Parameters
    ----------
    extra : mapping
        What only the policy's maker knows: weights, sampling, server.
    """
    return {
        "deepsport": deepsport.__version__,
        "decoder": f"FFmpeg {build_facts()['ffmpeg']}",
        **_FRAMES,
        "scorer": SCORER_VERSION,
        "tasks": short_hash(sorted(task.content_hash for task in tasks)),
        "prompt": short_hash(system_text(settings)),
        "tool": settings.to_json(),
        "control": control,
        "policy": policy,
        "seed": seed,
        "machine": f"{platform.machine()} python {platform.python_version()}",
        **(extra or {}),
    }


def differences(
    first: Mapping[str, Any], second: Mapping[str, Any], *, incidental: bool = False
) -> list[str]:
    """Say in which settings two fingerprints differ, one line each.

    Parameters
    ----------
    incidental : bool
        Also list what two runs are expected to differ in: the model, the seed, the machine.
    """
    lines = []
    for name, (a, b) in sorted(_pairs("", first, second).items()):
        if a != b and (incidental or name.split(".")[0] not in _INCIDENTAL):
            lines.append(f"{name}: {_say(a)} and {_say(b)}")
    return lines


def _say(value: Any) -> str:
    return "unset" if value is None else json.dumps(value, ensure_ascii=False)


def _pairs(prefix: str, a: Any, b: Any) -> dict[str, tuple[Any, Any]]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        out: dict[str, tuple[Any, Any]] = {}
        for key in a.keys() | b.keys():
            out.update(_pairs(f"{prefix}.{key}" if prefix else key, a.get(key), b.get(key)))
        return out
    return {prefix: (a, b)}
