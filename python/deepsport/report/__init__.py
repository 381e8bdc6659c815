"""The report: runs and learning curves as one page that opens anywhere, offline."""

from __future__ import annotations

from deepsport.report.page import Report, build
from deepsport.report.paper_table import PUBLISHED

__all__ = ["PUBLISHED", "Report", "build"]
