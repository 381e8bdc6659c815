"""An image processor as transformers has for the Qwen2-VL family, on the core: same call, same keys.

For frames that are RGB arrays already; from a video, :func:`deepsport.frames.patches` never makes
them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport._core import frames as _core
from deepsport.errors import InvalidRequestError
from deepsport.frames.patches import PatchLayout

__all__ = ["QwenImageProcessor"]

_BICUBIC = 3  # of Pillow
# What the core does; a processor that is set otherwise does something else.
_STEPS = {"do_resize": True, "do_rescale": True, "do_normalize": True, "resample": _BICUBIC}


def _checked(images: Iterable[Any]) -> Iterator[NDArray[np.uint8]]:
    """Each as an array, of the same memory where it has any that NumPy can read."""
    for image in images:
        array = np.asarray(image)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
            raise InvalidRequestError(
                f"a picture is {array.dtype} of shape {array.shape}; valid is uint8 of shape "
                "(height, width, 3)"
            )
        yield array


class QwenImageProcessor:
    """RGB pictures to ``pixel_values`` and ``image_grid_thw``.

    Resizes once, with antialiased bicubic weights, and rounds once, where Pillow rounds after each
    axis. What differs from the processor of transformers is said in docs/frames.md.

    Parameters
    ----------
    layout : PatchLayout
    """

    def __init__(self, layout: PatchLayout) -> None:
        self.layout = layout
        self.merge_size = layout.merge

    @classmethod
    def like(cls, image_processor: Any) -> QwenImageProcessor:
        """Do what an image processor of transformers is set to do.

        Raises
        ------
        InvalidRequestError
            It is not of the Qwen2-VL family, or leaves out a step.
        """
        other = [
            f"{name}={getattr(image_processor, name, None)!r}"
            for name, valid in _STEPS.items()
            if getattr(image_processor, name, None) != valid
        ]
        if not math.isclose(getattr(image_processor, "rescale_factor", 0), 1 / 255):
            other.append(f"rescale_factor={getattr(image_processor, 'rescale_factor', None)!r}")
        if other or not hasattr(image_processor, "merge_size"):
            raise InvalidRequestError(
                f"image processor {type(image_processor).__name__} with {', '.join(other)}: valid "
                "are those of the Qwen2-VL family that resize (bicubic), rescale and normalise"
            )
        red, green, blue = (float(v) for v in image_processor.image_mean)
        dev_red, dev_green, dev_blue = (float(v) for v in image_processor.image_std)
        return cls(
            PatchLayout(
                int(image_processor.patch_size),
                int(image_processor.merge_size),
                int(image_processor.temporal_patch_size),
                (red, green, blue),
                (dev_red, dev_green, dev_blue),
                int(image_processor.size["shortest_edge"]),
                int(image_processor.size["longest_edge"]),
            )
        )

    def __call__(self, images: Sequence[Any], return_tensors: str = "np") -> dict[str, Any]:
        """Return ``pixel_values`` (patches, features), float32, and ``image_grid_thw`` (images, 3).

        Parameters
        ----------
        images : sequence of pictures
            uint8, (height, width, 3), RGB, of any sizes: arrays, tensors on the CPU, or pictures of
            Pillow in the mode RGB.
        return_tensors : {"np", "pt"}

        Raises
        ------
        InvalidRequestError
            No image, another type or shape, or a picture 200 times as long as wide.
        """
        if return_tensors not in {"np", "pt"}:
            raise InvalidRequestError(f"return_tensors {return_tensors!r}: valid are 'np' and 'pt'")
        if not len(images):
            raise InvalidRequestError("patches of no picture; valid is one or more pictures")
        parts, grids = [], []
        pixels = self.layout.pixels()
        for shape, alike in itertools.groupby(_checked(images), lambda image: image.shape):
            height, width = self.layout.size(*shape[:2])
            together = list(alike)
            parts.append(_core.lay_out_list(together, pixels.format(width, height)))
            cut = (1, height // self.layout.patch, width // self.layout.patch)
            grids += [cut] * len(together)
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        grid = np.array(grids, np.int64)
        if return_tensors == "np":
            return {"pixel_values": values, "image_grid_thw": grid}
        import torch

        return {
            "pixel_values": torch.from_numpy(values),
            "image_grid_thw": torch.from_numpy(grid),
        }
