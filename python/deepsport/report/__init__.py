"""The report: runs and learning curves as one page that opens anywhere, offline."""

from __future__ import annotations

from deepsport.report.page import Report, build

__all__ = ["Report", "build"]
