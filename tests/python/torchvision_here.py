"""Import torchvision although its compiled operators may not load beside this torch.

A torchvision built for CUDA loads with a torch for the CPU once two operators that it describes are
declared; what it is needed for here (resizing) is torch's own.
"""

from __future__ import annotations

import pytest

_kept = []


def import_torchvision():
    """Return torchvision; skip where it is not installed."""
    torch = pytest.importorskip("torch")
    try:
        import torchvision
    except ImportError:
        pytest.skip("torchvision is not installed")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)  # declared as long as this lives
        import torchvision
    return torchvision
