"""A test bed: simulated sports clips, their questions, a teacher and a tiny model.

For testing that the system learns where there is neither data nor accelerator. No other part of
deepsport may depend on its peculiarities.
"""

from __future__ import annotations
