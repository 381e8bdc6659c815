"""Supervised examples as Parquet: conversations whose frames are named by video and index.

The format is docs/formats/examples-v1.md. Pixels are decoded again, exactly, from the videos; only
when asked are they also embedded, as JPEG, for readers that have no videos.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import MissingExtraError, RecordFormatError
from deepsport.task import Task
from deepsport.tool import FrameSource, ToolSettings
from deepsport.tool.pixels import frame_pixels
from deepsport.trajectory import IMAGE_MARK, Box, FrameRef, Trajectory, Turn

__all__ = ["EXAMPLES_SCHEMA", "example_frames", "read_examples", "write_examples"]

EXAMPLES_SCHEMA = "deepsport.examples/2"
_READ = ("deepsport.examples/1", EXAMPLES_SCHEMA)
_JPEG_QUALITY = 90
# what the library `datasets` reads to show the column as pictures
_HUGGINGFACE_IMAGES = {"_type": "List", "feature": {"_type": "Image"}}


def write_examples(
    path: Path | str,
    trajectories: Iterable[Trajectory],
    tasks: Mapping[str, Task],
    *,
    embed: FrameSource | None = None,
    rows_per_group: int = 100,
) -> int:
    """Write trajectories as one Parquet file and return the number of rows.

    Parameters
    ----------
    path : Path or str
    trajectories : iterable of Trajectory
        Answered ones; each task in `tasks`.
    tasks : mapping by task_id
    embed : FrameSource, optional
        Write the frames, too, as JPEG in the column ``images``; else they stay references.
    rows_per_group : int
        Rows held in memory at once.

    Raises
    ------
    MissingExtraError
        Without pyarrow, or for embedding without Pillow.
    VideoError
        When a frame to embed cannot be decoded.
    """
    pa, pq = _arrow()
    schema = _schema(pa, embed is not None)
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(trajectories, rows_per_group):
            rows = [_row(tasks[t.task_id], t, embed) for t in group]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def read_examples(path: Path | str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file written by :func:`write_examples`.

    Raises
    ------
    RecordFormatError
        When it is not such a file, or one of another version.
    """
    pa, pq = _arrow()
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise RecordFormatError(f"{path} is not a Parquet file: {error}") from error
    with file:
        found = (file.schema_arrow.metadata or {}).get(b"deepsport.schema", b"").decode()
        if found not in _READ:
            raise RecordFormatError(f"{path}: schema is {found!r}, valid are {', '.join(_READ)}")
        for batch in file.iter_batches(batch_size=64):
            yield from batch.to_pylist()


def example_frames(row: Mapping[str, Any], source: FrameSource) -> list[NDArray[np.uint8]]:
    """Decode the frames of a row exactly as the teacher's tool decoded them.

    Returns
    -------
    list of uint8, (height, width, 3), RGB
        One for each ``{"type": "image"}`` part of the messages, in their order.

    Raises
    ------
    VideoError
        When a video is missing or a frame cannot be decoded.
    """
    by_path: dict[str, list[int]] = {}
    for place, frame in enumerate(row["frames"]):
        by_path.setdefault(frame["path"], []).append(place)
    shown: list[Any] = [None] * len(row["frames"])
    for path, places in by_path.items():
        views = [_view(row["frames"][place]) for place in places]
        images = frame_pixels(source, path, views, row["max_width"], row["max_height"])
        for place, image in zip(places, images, strict=True):
            shown[place] = image
    return shown


def _view_text(frame: FrameRef) -> str:
    """Write what is shown of a frame as JSON; empty for all of it with nothing drawn."""
    if frame.region is None and not frame.boxes:
        return ""
    boxes = [dataclasses.asdict(box) for box in frame.boxes]
    return json.dumps({"region": frame.region, "boxes": boxes})


def _view(frame: Mapping[str, Any]) -> FrameRef:
    """Read what was shown of a frame; files written before regions existed have no such text."""
    known = json.loads(frame.get("view") or "{}")
    region = known.get("region")
    return FrameRef(
        frame["index"],
        frame["pts_seconds"],
        region=None if region is None else (region[0], region[1], region[2], region[3]),
        boxes=tuple(Box(**box) for box in known.get("boxes", ())),
    )


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(
            "deepsport[distil] is needed for Parquet: pip install 'deepsport[distil]'"
        ) from error
    return pa, pq


def _schema(pa: Any, embed: bool) -> Any:
    text, number = pa.string(), pa.int32()
    part = pa.struct([("type", text), ("text", text)])
    frame = pa.struct(
        [
            ("path", text), ("sha256", text), ("index", pa.int64()), ("pts_seconds", pa.float64()),
            ("view", text),
        ]
    )  # fmt: skip
    columns = [
        *(("example_id", text), ("task_id", text), ("task_hash", text), ("attempt", number)),
        *(("source", text), ("sport", text), ("family", text), ("kind", text), ("split", text)),
        *(("policy", text), ("answer", text), ("tool", text)),
        *(("max_width", number), ("max_height", number)),
        ("messages", pa.list_(pa.struct([("role", text), ("content", pa.list_(part))]))),
        ("frames", pa.list_(frame)),
    ]
    metadata = {"deepsport.schema": EXAMPLES_SCHEMA}
    if embed:
        columns.append(("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", text)]))))
        features = {name: _feature(pa, kind) for name, kind in columns[:-1]}
        features["images"] = _HUGGINGFACE_IMAGES
        metadata["huggingface"] = json.dumps({"info": {"features": features}})
    return pa.schema(columns, metadata=metadata)


def _feature(pa: Any, kind: Any) -> Any:
    """Return a column type in the words of the library `datasets`."""
    if pa.types.is_struct(kind):
        return {field.name: _feature(pa, field.type) for field in kind}
    if pa.types.is_list(kind):
        return {"_type": "List", "feature": _feature(pa, kind.value_type)}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}


def _row(task: Task, trajectory: Trajectory, embed: FrameSource | None) -> dict[str, Any]:
    tool = trajectory.settings.get("tool", {})
    settings = ToolSettings.from_json(tool)
    frames = [
        {
            "path": task.media[frame.media].path,
            "sha256": task.media[frame.media].sha256,
            "index": frame.index,
            "pts_seconds": frame.pts_seconds,
            "view": _view_text(frame),
        }
        for frame in trajectory.frames_shown
    ]
    row: dict[str, Any] = {
        "example_id": f"{task.task_id}#{trajectory.attempt}",
        "task_id": task.task_id,
        "task_hash": trajectory.task_hash,
        "attempt": trajectory.attempt,
        "source": task.source,
        "sport": task.sport,
        "family": task.family,
        "kind": task.kind.value,
        "split": task.split,
        "policy": trajectory.policy,
        "answer": trajectory.answer,
        "max_width": settings.max_width,
        "max_height": settings.max_height,
        "tool": json.dumps(settings.to_json(), sort_keys=True),
        "messages": [_message(turn) for turn in trajectory.turns],
        "frames": frames,
    }
    if embed is not None:
        row["images"] = [
            {"bytes": _jpeg(pixels), "path": f"{frame['path']}#{frame['index']}.jpg"}
            for pixels, frame in zip(example_frames(row, embed), frames, strict=True)
        ]
    return row


def _message(turn: Turn) -> dict[str, Any]:
    """Split a turn into text and picture parts, as chat templates of vision models take them."""
    content: list[dict[str, Any]] = []
    marked = turn.role in ("user", "tool")
    for number, text in enumerate(turn.text.split(IMAGE_MARK) if marked else [turn.text]):
        if number:
            content.append({"type": "image", "text": None})
        if text:
            content.append({"type": "text", "text": text})
    return {"role": turn.role, "content": content}


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError(
            "deepsport[distil] is needed to embed frames: pip install 'deepsport[distil]'"
        ) from error
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _groups(items: Iterable[Trajectory], size: int) -> Iterator[Sequence[Trajectory]]:
    group: list[Trajectory] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
