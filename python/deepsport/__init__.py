"""deepsport: answer questions about sports videos by looking at the right frames."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]
