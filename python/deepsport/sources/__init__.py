"""Ten data sources and more, unified into tasks: adapters, splits, checks and the build.

Each source is one module with a `SOURCE`: its card (licence, access, counts) and how to read it.

>>> from deepsport import sources
>>> sources.find_source("sportu").published["clips"]
1701
"""

from __future__ import annotations

from deepsport.sources.catalogue import PAPER, find_source, source_names
from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.sources.split import check_leakage, split_by_group
from deepsport.sources.unify import load_source

__all__ = [
    "PAPER",
    "Context",
    "Rejected",
    "Row",
    "Source",
    "check_leakage",
    "find_source",
    "load_source",
    "source_names",
    "split_by_group",
]
