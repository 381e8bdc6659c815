"""How fast are batched rewards, beside the usual Python reward functions?

The usual functions are what reward files of published recipes do: regular expressions for the
format, json.loads for the tool call, collections.Counter for token F1, the rouge-score package for
ROUGE-L. deepsport.reward does the same and more (windows and evidence, reasons, consistency) in one call.

    python benchmarks/python/bench_reward.py              # the comparison and both scalings
    python benchmarks/python/bench_reward.py --quick      # a tenth of the work
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import re
import statistics
import time
from collections import Counter
from pathlib import Path

import numpy as np
from rouge_score import rouge_scorer

import deepsport
from deepsport.protocol import render_answer, render_call, render_turn
from deepsport.reward import RolloutText, advantages, score_rollouts
from deepsport.task import Truth

WORDS = [
    "player",
    "serves",
    "rally",
    "forehand",
    "cross",
    "court",
    "winner",
    "net",
    "point",
    "deuce",
    "smash",
    "lob",
    "slice",
    "line",
    "out",
    "the",
    "a",
    "then",
    "after",
    "because",
    "umpire",
    "replay",
    "shows",
    "left",
    "right",
    "foot",
    "landing",
    "early",
    "late",
]
TURN = re.compile(
    r"^\s*<think>(.*?)</think>\s*(?:<tool_call>(.*?)</tool_call>|<answer>(.*?)</answer>)\s*$",
    re.DOTALL,
)


def sentence(rng: random.Random, count: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(count))


def make_rollouts(count: int, thought_words: int, answer_words: int = 60) -> list[RolloutText]:
    """Seeded rollouts of one call and one answer, half of the thought in each turn.

    An answer of 0 words is a letter of a choice. Eight rollouts answer the same question, as in a
    group of reinforcement learning.
    """
    rng = random.Random(1)
    items = []
    truth = Truth()
    for number in range(count):
        if number % 8 == 0:
            truth = (
                Truth(references=(sentence(rng, answer_words - 10),))
                if answer_words
                else Truth(labels=(rng.choice("ABCD"),))
            )
        start = rng.randrange(2, 200)
        answer = sentence(rng, answer_words) + "." if answer_words else rng.choice("ABCD")
        items.append(
            RolloutText(
                turns=(
                    render_turn(
                        sentence(rng, thought_words // 2), render_call((start, start + 60))
                    ),
                    render_turn(sentence(rng, thought_words // 2), render_answer(answer)),
                ),
                kind="text" if answer_words else "choice",
                truth=truth,
                frame_count=300,
                evidence=((100, 130),),
            )
        )
    return items


def usual_rewards(items: list[RolloutText]) -> list[float]:
    """The same v1 reward with regular expressions, Counter and the rouge-score package."""
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    totals = []
    for item in items:
        windows, answer, well_formed = [], None, True
        for text in item.turns:
            match = TURN.match(text)
            if match is None:
                well_formed = False
            elif match[2] is not None:
                call = json.loads(match[2])
                window = tuple(call["frame_range"])
                well_formed &= call["action"] == "choose_frames" and window not in windows
                windows.append(window)
            else:
                answer = match[3].strip()
        if item.truth.labels:
            accuracy = float(answer == item.truth.labels[0])
            tool = (0.5 * accuracy if accuracy >= 0.5 else 0.03) if windows else 0.0
            totals.append(accuracy + tool if well_formed else -0.05)
            continue
        reference = item.truth.references[0]
        said, right = (answer or "").lower().split(), reference.lower().split()
        shared = sum((Counter(said) & Counter(right)).values())
        _f1 = 2 * shared / (len(said) + len(right))
        accuracy = scorer.score(reference, answer or "")["rougeL"].fmeasure
        tool = (0.5 * accuracy if accuracy >= 0.5 else 0.03) if windows else 0.0
        totals.append(accuracy + tool if well_formed else -0.05)
    return totals


def seconds(work, repeats: int) -> float:
    """Median processor time of `repeats` runs after one to warm up; one thread, so also the wall's."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def machine() -> str:
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"model name\s*:\s*(.*)", cpuinfo.read_text(encoding="utf-8"))
        name = found[1] if found else name
    return f"{name}, {platform.system()}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    quick = parser.parse_args().quick
    batch = 102 if quick else 1024
    print(f"deepsport {deepsport.__version__}; {machine()}; NumPy {np.__version__}")

    print(f"\n{batch} responses of one call and one answer, equal totals, one thread, per response")
    print("  answer          bytes   usual Python   deepsport   ratio")
    for answer_words in (0, 60, 120):
        items = make_rollouts(batch, 700, answer_words)
        size = sum(len(text) for item in items for text in item.turns) / batch
        usual = usual_rewards(items)
        np.testing.assert_allclose(score_rollouts(items).total, usual, rtol=0, atol=1e-12)
        slow = seconds(lambda i=items: usual_rewards(i), 3) / batch * 1e6
        fast = seconds(lambda i=items: score_rollouts(i), 15) / batch * 1e6
        name = f"{answer_words} words" if answer_words else "a letter"
        print(f"  {name:14s}  {size:5.0f}   {slow:9.1f} us   {fast:6.1f} us   {slow / fast:4.0f} x")
    rewards = score_rollouts(items).total[: batch // 8 * 8]
    group = seconds(lambda: advantages(rewards, 8), 9)
    print(f"  advantages     {group * 1e6:9.1f} us for groups of 8")

    print("\nresponses   us each (one thread)")
    most = 10_000 if quick else 100_000
    for count in (100, 1_000, 10_000, most):
        if count > most:
            continue
        many = (items * (count // batch + 1))[:count]
        taken = seconds(lambda m=many: score_rollouts(m), 3)
        print(f"{count:9d}   {taken / count * 1e6:8.1f}")

    print("\nthought bytes   us each   ns a byte (32 responses, answer of 60 words)")
    for thought_words in (16, 160, 1_600, 16_000, 160_000):
        few = make_rollouts(32, thought_words)
        length = sum(len(text) for item in few for text in item.turns) / 32
        taken = seconds(lambda f=few: score_rollouts(f), 5) / 32
        print(f"{length:13.0f}   {taken * 1e6:7.1f}   {taken / length * 1e9:9.2f}")

    print("\nanswer words   us each (32 responses, references of 55 words)")
    references = make_rollouts(32, 16)
    for answer_words in (60, 600, 6_000, 20_000):
        long = make_rollouts(32, 16, answer_words)
        pairs = [
            RolloutText(one.turns, "text", other.truth)
            for one, other in zip(long, references, strict=True)
        ]
        print(
            f"{answer_words:12d}   {seconds(lambda p=pairs: score_rollouts(p), 5) / 32 * 1e6:7.1f}"
        )


if __name__ == "__main__":
    main()
