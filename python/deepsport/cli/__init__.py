"""The `deepsport` command: one module a subcommand."""

from __future__ import annotations
