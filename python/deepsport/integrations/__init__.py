"""The frame tool inside other people's systems: one module an ecosystem, each imported by name.

Every adapter is thin: frames come from `deepsport.open` or from
`deepsport.integrations.frame_service`, which is what agents see. Nothing is imported here, so that
a missing package of one ecosystem never breaks another.
"""

from __future__ import annotations

__all__: list[str] = []
