"""The folder of a training run: what was asked for, and whether it is finished.

settings.json   what was asked for
curve.jsonl     a record a step
checkpoints/    to resume from
model/          the result, written last
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepsport.errors import SettingsError

__all__ = ["open_run"]

_log = logging.getLogger(__name__)


def open_run(out: Path, asked: Mapping[str, Any], *, resume: bool) -> bool:
    """Write down what is asked for; return whether `out` holds this very run, finished.

    Parameters
    ----------
    out : Path
    asked : mapping
        Settings as plain JSON values.
    resume : bool
        False removes what an earlier run left.

    Raises
    ------
    SettingsError
        When `out` holds a run with other settings.
    """
    record = json.loads(json.dumps(dict(asked)))
    written = out / "settings.json"
    if not resume:
        for name in ("checkpoints", "model"):
            shutil.rmtree(out / name, ignore_errors=True)
    elif written.exists():
        found = json.loads(written.read_text(encoding="utf-8"))
        different = sorted(k for k in {*record, *found} if record.get(k) != found.get(k))
        if different:
            raise SettingsError(
                f"{out} holds a run with other settings ({', '.join(different)}); take another "
                "folder, or begin anew with --restart"
            )
        if (out / "model" / "config.json").exists():
            _log.info("%s is finished already", out)
            return True
    out.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return False
