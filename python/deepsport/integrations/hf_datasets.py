"""A video column of Hugging Face `datasets` that decodes to deepsport videos.

    from deepsport.integrations.hf_datasets import VideoColumn
    table = table.cast_column("video", VideoColumn())
    table[0]["video"].at([0, 10])

Stored like the package's own `Video`: a struct of path and bytes, so tables can be exchanged.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar

import deepsport
from deepsport.errors import InvalidRequestError, MissingExtraError
from deepsport.video import Video

try:
    import datasets
    from datasets.features.features import register_feature
except ImportError as error:
    raise MissingExtraError(
        f"datasets is needed for video columns: pip install datasets ({error})"
    ) from error

__all__ = ["VideoColumn"]


@dataclass
class VideoColumn(datasets.Video):
    """Feature whose values are :class:`deepsport.Video`, opened when they are looked at.

    Input is what `datasets.Video` takes: a path, bytes, or a dictionary of the two; a remote path is
    read in ranges (see :mod:`deepsport.remote`).
    """

    dtype: ClassVar[str] = "deepsport.Video"
    _type: str = field(default="DeepsportVideo", init=False, repr=False)

    def encode_example(self, value: Any) -> Any:
        """Take also an opened video, by its path."""
        if isinstance(value, Video):
            return {"path": value.path, "bytes": None}
        return super().encode_example(value)

    def decode_example(self, value: Any, token_per_repo_id: Any = None) -> Any:  # noqa: ARG002
        """Open the video of a stored value.

        Raises
        ------
        InvalidRequestError
            When the value has neither path nor bytes.
        VideoError
            See :func:`deepsport.open`.
        """
        if isinstance(value, Video):
            return value
        stored: dict[str, Any] = {"path": value, "bytes": None} if isinstance(value, str) else value
        if stored.get("bytes") is not None:
            return deepsport.open(stored["bytes"])
        if stored.get("path") is None:
            raise InvalidRequestError("a video with neither path nor bytes, valid is one of them")
        return deepsport.open(stored["path"])


with warnings.catch_warnings():
    # the package says so of this function; its tests and ours hold it
    warnings.filterwarnings("ignore", "'register_feature' is experimental", UserWarning)
    register_feature(VideoColumn, "DeepsportVideo")
