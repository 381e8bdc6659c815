"""Frames to pixel values as the checkpoint's image processor makes them, each frame once.

The processor's work (resize to the patch grid, normalise, cut into patches) costs more than
decoding; in a group of rollouts the same frames come back in every turn of every rollout.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from deepsport.chat.transcript import ShownFrame
from deepsport.errors import InvalidRequestError, SettingsError
from deepsport.frames import QwenImageProcessor

if TYPE_CHECKING:
    import torch

__all__ = ["FrameEncoder"]

Backend = Literal["transformers", "core"]
_BACKENDS = ("transformers", "core")


class FrameEncoder:
    """Turn frames into the vision tower's inputs, with a bounded cache.

    Parameters
    ----------
    image_processor
        Of the Qwen2-VL family: returns ``pixel_values`` (patches, features) and ``image_grid_thw``.
    cache_bytes : int
        Pixel values kept, least recently used first to go.
    backend : {"transformers", "core"} or None
        Who resizes, normalises and cuts: the image processor itself, or deepsport's core as that is
        set, several times faster. ``None``: what the environment variable
        ``DEEPSPORT_FRAME_ENCODER`` says, else ``"transformers"``. Rollouts, training and evaluation
        of one model should use the same.

    Raises
    ------
    SettingsError
        An unknown backend, or a processor whose steps the core does not do.

    Notes
    -----
    One object per thread.
    """

    def __init__(
        self,
        image_processor: Any,
        *,
        cache_bytes: int = 512 << 20,
        backend: Backend | None = None,
    ) -> None:
        self.image_processor = image_processor
        self.backend = backend or os.environ.get("DEEPSPORT_FRAME_ENCODER") or "transformers"
        if self.backend not in _BACKENDS:
            raise SettingsError(
                f"frame encoder {self.backend!r} (DEEPSPORT_FRAME_ENCODER or backend=): valid are "
                + ", ".join(_BACKENDS)
            )
        self._worker = image_processor
        if self.backend == "core":
            try:
                self._worker = QwenImageProcessor.like(image_processor)
            except InvalidRequestError as error:
                raise SettingsError(f"frame encoder 'core': {error}") from error
        self.merge_length = int(image_processor.merge_size) ** 2
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[Any, tuple[torch.Tensor, tuple[int, int, int]]] = OrderedDict()
        self._bytes = 0

    def encode(self, frames: Sequence[ShownFrame]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return pixel values (patches of all frames, features) and grids (frames, 3)."""
        import torch

        parts = self._parts(frames)
        grids = torch.tensor([grid for _, grid in parts], dtype=torch.long)
        return torch.cat([values for values, _ in parts]), grids

    def token_counts(self, frames: Sequence[ShownFrame]) -> list[int]:
        """Return how many tokens each frame takes in the language model."""
        return [t * h * w // self.merge_length for _, (t, h, w) in self._parts(frames)]

    def _parts(
        self, frames: Sequence[ShownFrame]
    ) -> list[tuple[torch.Tensor, tuple[int, int, int]]]:
        parts: list[Any] = [None] * len(frames)
        missing: dict[Any, list[int]] = {}
        for place, frame in enumerate(frames):
            key = (frame.key, frame.pixels.shape) if frame.key is not None else ("#", place)
            if key in self._cache:
                self._cache.move_to_end(key)
                parts[place] = self._cache[key]
            else:
                missing.setdefault(key, []).append(place)
        if missing:
            fresh = self._process([frames[places[0]] for places in missing.values()])
            for (key, places), part in zip(missing.items(), fresh, strict=True):
                for place in places:
                    parts[place] = part
                if key[0] != "#":
                    self._keep(key, part)
        return parts

    def _process(self, frames: Sequence[ShownFrame]) -> list[Any]:
        out = self._worker(images=[frame.pixels for frame in frames], return_tensors="pt")
        grids = [tuple(int(v) for v in row) for row in out["image_grid_thw"]]
        values = out["pixel_values"].split([t * h * w for t, h, w in grids])
        # cloned: a slice would keep the whole batch alive in the cache
        return [(part.clone(), grid) for part, grid in zip(values, grids, strict=True)]

    def _keep(self, key: Any, part: tuple[torch.Tensor, tuple[int, int, int]]) -> None:
        size = part[0].numel() * part[0].element_size()
        if size > self._cache_bytes:
            return
        self._cache[key] = part
        self._bytes += size
        while self._bytes > self._cache_bytes:
            _, (gone, _) = self._cache.popitem(last=False)
            self._bytes -= gone.numel() * gone.element_size()
