"""Ten data sources and more, unified into tasks: adapters, splits, checks and the build.

Each source is one module with a `SOURCE`: its card (licence, access, counts) and how to read it.
"""

from __future__ import annotations

from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.sources.split import check_leakage, split_by_group

__all__ = ["Context", "Rejected", "Row", "Source", "check_leakage", "split_by_group"]
