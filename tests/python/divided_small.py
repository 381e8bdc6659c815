"""Have ZeRO-3 divide even the smallest parameters; a tiny model's would all be kept whole.

torchrun ... divided_small.py sft ...        as a script: deepsport's command line so
"""

from __future__ import annotations

from deepsport.tuning import settings

__all__ = ["divide_small_parameters"]


def divide_small_parameters() -> None:
    plain = settings.zero_config

    def small(tuning):
        config = plain(tuning)
        if tuning.zero_stage == 3:
            config["zero_optimization"]["stage3_param_persistence_threshold"] = 0
        return config

    settings.zero_config = small


if __name__ == "__main__":
    from deepsport.cli.main import main

    divide_small_parameters()
    raise SystemExit(main())
