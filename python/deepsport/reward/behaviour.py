"""What each preset pays for each way to behave, worked out by scoring examples, not by hand.

``python -m deepsport.reward.behaviour`` prints the tables of docs/rewards.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from deepsport.protocol import render_answer, render_call, render_turn
from deepsport.reward.presets import PRESETS
from deepsport.reward.rollout import RolloutText
from deepsport.reward.score import score_rollouts
from deepsport.task import Kind, Truth

__all__ = ["BEHAVIOURS", "HACKS", "hack_table", "payment", "payment_table", "sample_class_table"]

FRAMES = 300
EVENT = (100, 130)
RIGHT, WRONG = "B", "A"


def _rollout(answer: str, *windows: tuple[int, int], extra: str = "") -> RolloutText:
    turns = [
        render_turn(f"I need frames {start} to {stop}", render_call((start, stop)))
        for start, stop in windows
    ]
    turns.append(render_turn(f"So it is {answer}.", render_answer(answer)) + extra)
    return RolloutText(
        turns=tuple(turns),
        kind=Kind.CHOICE,
        truth=Truth(labels=(RIGHT,)),
        frame_count=FRAMES,
        evidence=(EVENT,),
    )


#: Name of a behaviour, and the rollout that shows it, given the answer.
BEHAVIOURS: dict[str, Callable[[str], RolloutText]] = {
    "answers at once": lambda answer: _rollout(answer),  # noqa: PLW0108
    "looks at the event": lambda answer: _rollout(answer, (90, 150)),
    "looks beside it": lambda answer: _rollout(answer, (200, 260)),
    "looks at nearly everything": lambda answer: _rollout(answer, (2, FRAMES)),
    "repeats a window": lambda answer: _rollout(answer, (90, 150), (90, 150)),
    "asks for a refused window": lambda answer: _rollout(answer, (150, 90)),
    "writes after the answer": lambda answer: _rollout(answer, extra=" Right?"),
}


def payment(
    preset: str, behaviour: str, *, right: bool, solved_at_first: bool | None = None
) -> float:
    """Return the total that a preset gives a behaviour with a right or a wrong answer."""
    item = BEHAVIOURS[behaviour](RIGHT if right else WRONG)
    return float(score_rollouts([replace(item, solved_at_first=solved_at_first)], preset).total[0])


Pay = Callable[[str, bool], float]

#: What a policy could learn that nobody wants, and how the payments show it.
HACKS: dict[str, Callable[[Pay], bool]] = {
    "calls that show nothing pay": lambda pay: (
        pay("looks beside it", True) > pay("answers at once", True)
    ),
    "the widest window pays like the right one": lambda pay: (
        pay("looks at nearly everything", True) >= pay("looks at the event", True)
        and pay("looks at the event", True) > pay("answers at once", True)
    ),
    "calls pay with any wrong answer": lambda pay: (
        pay("looks beside it", False) > pay("answers at once", False)
    ),
    "looking earns nothing": lambda pay: (
        pay("looks at the event", True) <= pay("answers at once", True)
    ),
    "a refused call costs more than none": lambda pay: (
        pay("asks for a refused window", True) < pay("answers at once", True)
    ),
    "a malformed answer pays": lambda pay: pay("writes after the answer", True) > 0,
    "a wrong answer pays for its form": lambda pay: pay("answers at once", False) > 0,
}


def payment_table() -> str:
    """Return the table of payments, right and wrong, by behaviour and preset (class unknown)."""
    lines = [_line("answer", "behaviour", *PRESETS), _line(*["---"] * (2 + len(PRESETS)))]
    for right in (True, False):
        for behaviour in BEHAVIOURS:
            pays = [_number(payment(preset, behaviour, right=right)) for preset in PRESETS]
            lines.append(_line("right" if right else "wrong", behaviour, *pays))
    return "\n".join(lines)


def sample_class_table() -> str:
    """Return the payments of the presets that look at the sample's class."""
    presets = ("deepsport-v2", "videobrain", "deepsport-guarded")
    classes = {"first frames suffice": True, "they do not": False}
    head = [f"{preset}: {name}" for preset in presets for name in classes]
    lines = [_line("answer", "behaviour", *head), _line(*["---"] * (2 + len(head)))]
    for right in (True, False):
        for behaviour in ("answers at once", "looks at the event", "looks beside it"):
            pays = [
                _number(payment(preset, behaviour, right=right, solved_at_first=solved))
                for preset in presets
                for solved in classes.values()
            ]
            lines.append(_line("right" if right else "wrong", behaviour, *pays))
    return "\n".join(lines)


def hack_table() -> str:
    """Return which hacks each preset admits (class unknown, event's time known)."""
    lines = [_line("hack", *PRESETS), _line(*["---"] * (1 + len(PRESETS)))]
    for name, admits in HACKS.items():
        marks = ["yes" if admits(partial(_pay, preset)) else "–" for preset in PRESETS]
        lines.append(_line(name, *marks))
    return "\n".join(lines)


def _pay(preset: str, behaviour: str, right: bool) -> float:
    return payment(preset, behaviour, right=right)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


if __name__ == "__main__":
    for table in (payment_table(), sample_class_table(), hack_table()):
        sys.stdout.write(table + "\n\n")
