"""``python -m deepsport`` is the `deepsport` command."""

from __future__ import annotations

import sys

from deepsport.cli.main import main

sys.exit(main())
