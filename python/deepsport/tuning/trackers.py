"""Learning curves to the trackers people watch: TensorBoard, trackio, Weights & Biases.

Names and steps are those of ``curve.jsonl``, which is always written.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from deepsport.errors import MissingExtraError, SettingsError

__all__ = ["TRACKERS", "Tracker", "open_trackers"]

TRACKERS = ("tensorboard", "trackio", "wandb")


class Tracker(Protocol):
    """Takes the records of a curve."""

    def write(self, step: int, record: Mapping[str, Any]) -> None:
        """Take the numbers of one step."""
        ...

    def close(self) -> None:
        """Write what is held back."""
        ...


def open_trackers(
    names: Sequence[str], out: Path, *, from_step: int, config: Mapping[str, Any]
) -> list[Tracker]:
    """Open trackers for a run.

    Parameters
    ----------
    names : sequence of str
        Of `TRACKERS`.
    out : Path
        Folder of the run; its name is the run's. TensorBoard's files go to ``out/tensorboard``.
    from_step : int
        Steps that are done; later ones that a killed run had written are taken back or overwritten.
    config : mapping
        Settings, shown beside the curves.

    Raises
    ------
    SettingsError
        When a name is none of `TRACKERS`.
    MissingExtraError
        When a tracker's package is not installed.
    """
    trackers: list[Tracker] = []
    for name in dict.fromkeys(names):
        if name == "tensorboard":
            trackers.append(_TensorBoard(out / "tensorboard", from_step))
        elif name in TRACKERS:
            trackers.append(_Board(name, out, config))
        else:
            raise SettingsError(f"tracker is {name!r}, valid are {', '.join(TRACKERS)}")
    return trackers


class _TensorBoard:
    def __init__(self, folder: Path, from_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(
                "--track tensorboard needs tensorboard: pip install 'deepsport[track]'"
            ) from error
        purge = from_step + 1 if from_step else None
        self._writer = SummaryWriter(str(folder), purge_step=purge)

    def write(self, step: int, record: Mapping[str, Any]) -> None:
        for name, value in _numbers(record).items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Board:
    """trackio and wandb, which have the same functions."""

    def __init__(self, name: str, out: Path, config: Mapping[str, Any]) -> None:
        try:
            self._board = importlib.import_module(name)
        except ImportError as error:
            raise MissingExtraError(f"--track {name} needs {name}: pip install {name}") from error
        options: dict[str, Any] = {"resume": "allow", "config": dict(config), "name": out.name}
        if name == "wandb":
            # the same folder is the same run when it is gone on with
            options["id"] = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:12]
            options["dir"] = str(out)
        project = os.environ.get(f"{name.upper()}_PROJECT", "deepsport")
        self._board.init(project=project, **options)

    def write(self, step: int, record: Mapping[str, Any]) -> None:
        self._board.log(_numbers(record), step=step)

    def close(self) -> None:
        self._board.finish()


def _numbers(record: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in record.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
