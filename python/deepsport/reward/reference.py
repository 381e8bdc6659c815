"""The rewards in plain Python: the specification that the core is tested against.

Written to be read, not to be fast. Every function has the name and the result, bit for bit, of its
counterpart in `deepsport.reward` or `deepsport.reward.score_rollouts`.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deepsport.protocol import CHOOSE_FRAMES, Action, Argument, ArgumentKind, WindowUnit
from deepsport.protocol.reason import Reason
from deepsport.reward.rollout import RolloutText
from deepsport.reward.score import RewardSettings
from deepsport.task import Kind

__all__ = [
    "advantages",
    "edit_ratio",
    "exact_match",
    "parse_turn",
    "read_letters",
    "read_numbers",
    "read_spans",
    "rouge_l",
    "score_rollout",
    "sequence_ratio",
    "span_iou",
    "token_f1",
    "words",
]

MAX_ANSWER_BYTES = 32768
MAX_TURN_BYTES = 1 << 20
SPACE = " \t\n\r\f\v"
Spans = Sequence[tuple[float, float]]


# --- texts ---------------------------------------------------------------------------------------

_GAPS = re.compile("[\u00a0\u2000-\u206f\u3000-\u303f]")
_WORD = re.compile(rb"[a-z0-9\x80-\xff]+")


def cut(text: str) -> str:
    return text.encode()[:MAX_ANSWER_BYTES].decode(errors="ignore")


def words(text: str) -> list[bytes]:
    return _WORD.findall(_GAPS.sub(" ", text).encode().lower())


def _f_measure(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def exact_match(answer: str, reference: str) -> float:
    one, other = words(cut(answer)), words(cut(reference))
    return float(bool(one) and one == other)


def token_f1(answer: str, reference: str) -> float:
    one, other = words(cut(answer)), words(cut(reference))
    if not one or not other:
        return 0.0
    shared = sum((Counter(one) & Counter(other)).values())
    return _f_measure(shared / len(one), shared / len(other))


def rouge_l(answer: str, reference: str) -> float:
    one, other = words(cut(answer)), words(cut(reference))
    if not one or not other:
        return 0.0
    row = [0] * (len(other) + 1)
    for a in one:
        before = row
        row = [0]
        for column, b in enumerate(other):
            row.append(before[column] + 1 if a == b else max(before[column + 1], row[-1]))
    return _f_measure(row[-1] / len(one), row[-1] / len(other))


def _distance(one: Sequence[Any], other: Sequence[Any]) -> int:
    row = list(range(len(other) + 1))
    for line, a in enumerate(one, 1):
        before = row
        row = [line]
        for column, b in enumerate(other):
            row.append(min(before[column + 1] + 1, row[-1] + 1, before[column] + (a != b)))
    return row[-1]


def edit_ratio(answer: str, reference: str) -> float:
    one, other = cut(answer), cut(reference)
    longer = max(len(one), len(other))
    return 1.0 - _distance(one, other) / longer if longer else 1.0


def _label(text: str) -> tuple[bytes, ...]:
    parts = words(text)
    return tuple(parts[1:] if len(parts) > 1 and re.fullmatch(rb"[0-9]+", parts[0]) else parts)


def sequence_ratio(answer: str, labels: Sequence[str]) -> float:
    said = [key for part in re.split("[,;|>\n\u2192]", cut(answer)) if (key := _label(part))]
    right = [_label(label) for label in labels]
    if not said or not right:
        return 0.0
    return 1.0 - _distance(said, right) / max(len(said), len(right))


# --- letters, numbers, spans ---------------------------------------------------------------------

_FILLER = {
    *(b"the", b"correct", b"right", b"final", b"best", b"my", b"answer", b"answers", b"option"),
    *(b"options", b"choice", b"letter", b"is", b"are", b"boxed"),
}
_ANCHOR = re.compile(rb"[^A-Za-z0-9\x80-\xff]*([A-Z]) *[).:\-*\]}]")


def read_letters(
    answer: str, options: Sequence[str] = (), *, several: bool = False
) -> tuple[frozenset[str], str]:
    answer = cut(answer)
    valid = {chr(65 + i) for i in range(min(26, len(options) or 26))}
    for letters, rule in (
        (_by_label(words(answer), several), "label"),
        (_by_anchor(answer), "anchor"),
        (_by_option_text(words(answer), options), "option_text"),
    ):
        if letters and letters <= valid:
            return letters, rule
    return frozenset(), "none"


def _by_label(all_words: list[bytes], several: bool) -> frozenset[str]:
    first = 0
    while first < len(all_words) and all_words[first] in _FILLER:
        first += 1
    rest = [word.decode(errors="replace") for word in all_words[first:]]
    if several and len(rest) == 1 and len(rest[0]) > 1:
        ascending = all("a" <= c <= "z" for c in rest[0]) and list(rest[0]) == sorted(set(rest[0]))
        return frozenset(rest[0].upper()) if ascending else frozenset()
    letters = [word for word in rest if word != "and"]
    if all(len(word) == 1 and "a" <= word <= "z" for word in letters):
        return frozenset(word.upper() for word in letters)
    return frozenset()


def _by_anchor(answer: str) -> frozenset[str]:
    match = _ANCHOR.match(answer.encode())
    return frozenset(match[1].decode()) if match else frozenset()


def _by_option_text(said: list[bytes], options: Sequence[str]) -> frozenset[str]:
    same = [chr(65 + i) for i, text in enumerate(options[:26]) if said and words(text) == said]
    return frozenset(same) if len(same) == 1 else frozenset()


_START = r"(?<![A-Za-z0-9.])"
_FRACTION = r"(?:\.[0-9]+)?"
_CLOCK = r"[0-9]{1,3}(?::[0-5][0-9]){1,2}(?![0-9])" + _FRACTION
_THOUSANDS = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])" + _FRACTION
_PLAIN = r"[0-9]+" + _FRACTION + r"|\.[0-9]+"
_SIGN = re.compile("(?:^|[^A-Za-z0-9)])[-\u2212]$")


def read_numbers(text: str, *, signs: bool, thousands: bool, clock: bool) -> list[float]:
    forms = [_CLOCK] * clock + [_THOUSANDS] * thousands + [_PLAIN]
    numbers = []
    for match in re.finditer(_START + "(?:" + "|".join(forms) + ")", text):
        value = 0.0
        for part in match[0].replace(",", "").split(":"):
            value = value * 60 + float(part)
        negative = signs and _SIGN.search(text[max(0, match.start() - 2) : match.start()])
        numbers.append(-value if negative else value)
    return [number if math.isfinite(number) else 0.0 for number in numbers]


def read_spans(text: str) -> list[tuple[float, float]] | None:
    numbers = read_numbers(cut(text), signs=False, thousands=False, clock=True)
    spans = list(zip(numbers[::2], numbers[1::2], strict=False))
    if not numbers or len(numbers) % 2 or len(spans) > 64:
        return None
    return spans if all(start < stop for start, stop in spans) else None


def _joined(spans: Spans) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    for start, stop in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], stop))
        else:
            out.append((start, stop))
    return out


def span_iou(one: Spans, other: Spans) -> float:
    first, second = _joined(one), _joined(other)
    overlap = 0.0
    for a in first:
        for b in second:
            shared = min(a[1], b[1]) - max(a[0], b[0])
            if shared > 0:
                overlap += shared
    length = [0.0, 0.0]
    for side, spans in enumerate((first, second)):
        for start, stop in spans:
            length[side] += stop - start
    union = length[0] + length[1] - overlap
    return overlap / union if union > 0 else 0.0


# --- one answer ----------------------------------------------------------------------------------

_NUMBER_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]


def _read_number(answer: str, seconds: bool) -> float | None:
    answer = cut(answer)
    numbers = read_numbers(answer, signs=True, thousands=True, clock=seconds)
    if not numbers:
        said = words(answer)
        word = said[0].decode(errors="replace") if len(said) == 1 else ""
        return float(_NUMBER_WORDS.index(word)) if word in _NUMBER_WORDS else None
    return numbers[0] if all(number == numbers[0] for number in numbers) else None


def _yes_or_no(said: list[bytes]) -> str:
    for word in said:
        if word in (b"yes", b"no"):
            return word.decode()
        if word not in (b"the", b"answer", b"is"):
            break
    return ""


def _score_answer(item: RolloutText, answer: str, parts: dict[str, Any]) -> None:
    truth, kind = item.truth, Kind(item.kind)
    seconds = truth.unit in ("s", "sec", "second", "seconds")
    if kind in (Kind.CHOICE, Kind.MULTI_CHOICE):
        letters, rule = read_letters(answer, item.options, several=kind is Kind.MULTI_CHOICE)
        parts["rule"] = ("none", "label", "anchor", "option_text").index(rule)
        parts["accuracy"] = float(letters == frozenset(truth.labels))
        return
    if kind is Kind.FEEDBACK:
        letters, rule = read_letters(answer, item.options, several=True)
        parts["rule"] = ("none", "label", "anchor", "option_text").index(rule)
        named = len(letters) + len(set(truth.labels))
        parts["accuracy"] = 2 * len(letters & set(truth.labels)) / named
    elif kind is Kind.YES_NO:
        said = _yes_or_no(words(cut(answer)))
        parts["rule"] = 4 if said else 0
        parts["accuracy"] = float(said == truth.labels[0])
    elif kind is Kind.NUMBER:
        value = _read_number(answer, seconds)
        if value is not None and truth.value is not None:
            parts["rule"] = 4
            slack = truth.tolerance + 1e-9 * max(1.0, abs(truth.value))
            parts["accuracy"] = float(abs(value - truth.value) <= slack)
    elif kind is Kind.RATING:
        value = _read_number(answer, seconds)
        if value is not None and truth.value is not None:
            parts["rule"] = 4
            low, high = truth.scale or (0.0, 0.0)
            if high > low and not low <= value <= high:
                return
            zero_at = 2 * truth.tolerance if truth.tolerance > 0 else (high - low) / 4
            error = abs(value - truth.value)
            right = max(0.0, 1 - error / zero_at) if zero_at > 0 else float(error == 0)
            parts["accuracy"] = right
    elif kind is Kind.INTERVAL:
        spans = read_spans(answer)
        if spans is not None:
            parts["rule"] = 4
            right_spans = [(span.start_seconds, span.stop_seconds) for span in truth.spans]
            parts["tiou"] = parts["accuracy"] = span_iou(spans, right_spans)
    elif kind is Kind.EVENTS:
        parts["rule"] = 4
        parts["accuracy"] = sequence_ratio(answer, truth.labels)
    else:
        parts["rule"] = 4
        for name, measure in (
            ("exact", exact_match),
            ("token_f1", token_f1),
            ("rouge_l", rouge_l),
        ):
            parts[name] = max([0.0, *(measure(answer, text) for text in truth.references)])
        parts["accuracy"] = parts["rouge_l"]


def _consistent(item: RolloutText, thought: str, answer: str) -> int:
    kind = Kind(item.kind)
    if kind is Kind.CHOICE:
        letters, _ = read_letters(answer, item.options)
        last = chr(64 + min(26, len(item.options) or 26))
        alone = re.findall(
            rf"(?<![A-Za-z0-9'\x80-\xff])([A-{last}])(?![A-Za-z0-9'\x80-\xff])(?!(?<=[AI]) [a-z])",
            thought.encode().decode("latin-1"),
        )
        return int(bool(letters) and letters == frozenset(alone[-1:]))
    if kind is Kind.YES_NO:
        said = _yes_or_no(words(cut(answer)))
        thoughts = [word.decode() for word in words(thought) if word in (b"yes", b"no")]
        return int(bool(said) and thoughts[-1:] == [said])
    if kind in (Kind.NUMBER, Kind.RATING):
        seconds = item.truth.unit in ("s", "sec", "second", "seconds")
        value = _read_number(answer, seconds)
        numbers = read_numbers(thought, signs=True, thousands=True, clock=seconds)
        return int(value is not None and numbers[-1:] == [value])
    return -1


# --- turns ---------------------------------------------------------------------------------------

_TURN = re.compile(r"[ \t\n\r\f\v]*(?:<think>(.*?)</think>)?(.*)", re.DOTALL)
_ACTION = re.compile(
    r"(.*?)<(tool_call|answer)>(.*?)</\2>(.*)", re.DOTALL
)  # applied to what follows the thought


def parse_turn(
    text: str | bytes,
    actions: Sequence[str | Action],
    unit: WindowUnit = WindowUnit.FRAMES,
) -> tuple[Any, ...]:
    """Parse a turn of the paper's form with a required thought: ok, think, call, answer."""
    try:
        text = text.decode() if isinstance(text, bytes) else text.encode().decode()
    except UnicodeError:
        return False, None, None, None
    match = _TURN.fullmatch(text)
    if len(text.encode()) > MAX_TURN_BYTES or match is None or match[1] is None:
        return False, None, None, None
    think, rest = match[1], match[2]
    action = _ACTION.fullmatch(rest)
    if action is None or action[1].strip(SPACE) or action[4].strip(SPACE):
        return False, think, None, None
    if action[2] == "answer":
        tags = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<answer>")
        nested = any(tag in action[3] for tag in tags)
        said = action[3].strip(SPACE)
        return (False, think, None, None) if nested or not said else (True, think, None, said)
    call = _read_call(action[3], actions, unit)
    return call is not None, think, call, None


def _read_call(
    body: str, actions: Sequence[str | Action], unit: WindowUnit
) -> dict[str, Any] | None:
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return None
    known = {getattr(action, "name", action): action for action in actions}
    if not isinstance(call, dict) or not isinstance(call.get("action"), str):
        return None
    if call["action"] not in known:
        return None
    action = known[call["action"]]
    if action == "choose_frames":
        action = CHOOSE_FRAMES
    arguments = () if isinstance(action, str) else action.arguments
    return call if all(_argument_fits(call, argument, unit) for argument in arguments) else None


def _argument_fits(call: dict[str, Any], argument: Argument, unit: WindowUnit) -> bool:
    def whole(value: Any) -> bool:
        return type(value) is int and -(2**63) <= value < 2**63

    def number(value: Any) -> bool:
        return type(value) in (int, float)

    kind, name = argument.kind, argument.name
    least, most = argument.least, argument.most
    fits = whole if kind in (ArgumentKind.INTEGER, ArgumentKind.INTEGERS) else number
    if kind is ArgumentKind.WINDOW:
        name = "time_range" if unit is WindowUnit.SECONDS else "frame_range"
        fits = number if unit is WindowUnit.SECONDS else whole
        least = most = 2
    if name not in call:
        return not argument.required
    value = call[name]
    if value is None and not argument.required and kind is not ArgumentKind.WINDOW:
        return True
    if kind is ArgumentKind.TEXT:
        return isinstance(value, str)
    if kind in (ArgumentKind.INTEGER, ArgumentKind.NUMBER):
        return fits(value)
    return (
        isinstance(value, list)
        and least <= len(value) <= (len(value) if most is None else most)
        and all(fits(one) for one in value)
    )


def _window_problem(
    start: int, end: int, frame_count: int, earlier: Spans, rules: RewardSettings
) -> Reason:
    slack = rules.repeat_slack
    if start > end:
        return Reason.WINDOW_REVERSED
    if start == end:
        return Reason.WINDOW_EMPTY
    if not 0 <= start < (frame_count or 2**53):
        return Reason.WINDOW_OUTSIDE
    end = min(end, frame_count or 2**53)
    if end - start < rules.min_span:
        return Reason.WINDOW_TOO_SHORT
    if any(abs(start - a) <= slack and abs(end - b) <= slack for a, b in earlier):
        return Reason.WINDOW_REPEATED
    if frame_count and rules.full_range_shown and start <= slack and end >= frame_count - slack:
        return Reason.WINDOW_FULL_RANGE
    return Reason.OK


def score_rollout(item: RolloutText, settings: RewardSettings | None = None) -> dict[str, Any]:
    """Score one rollout in the paper's form; the parts of RewardParts but `reason` as a flag.

    Which of several things is wrong is the parser's own matter: here only whether any is
    (`well_formed`), and whether any but refused windows is (`text_well_formed`).
    """
    rules = settings or RewardSettings()
    parts: dict[str, Any] = dict.fromkeys(
        ("accuracy", "exact", "token_f1", "rouge_l", "tiou", "evidence_iou"), 0.0
    )
    texts_ok = windows_ok = True
    thought = ranges = bool(item.turns)
    ended = False
    written = valid = 0
    last_thought = ""
    windows: list[tuple[int, int]] = []
    asked_by: list[str] = []
    for text in item.turns:
        ok, think, call, answer = parse_turn(text, rules.actions, rules.unit)
        texts_ok = texts_ok and ok and not ended
        ended = ended or answer is not None
        thought = thought and bool(think is not None and think.strip(SPACE))
        last_thought = last_thought if think is None else think
        if call is None:
            continue
        asked = _asked_window(call, rules)
        if asked is not None:
            numbers = read_numbers(think or "", signs=False, thousands=False, clock=False)
            ranges = ranges and numbers[-2:] == [float(v) for v in asked]
            if rules.unit is WindowUnit.SECONDS:
                asked = None
        valid += 1
        verdict = Reason.OK
        if valid <= len(item.verdicts):
            verdict = item.verdicts[valid - 1]
        elif asked is not None:
            earlier = [w for w, who in zip(windows, asked_by, strict=True) if who == call["action"]]
            whole = call["action"] == "choose_frames" and rules.full_range_shown
            judged = replace(rules, full_range_shown=whole)
            verdict = _window_problem(*asked, item.frame_count, earlier, judged)
        if verdict is Reason.CALL_OVER_BUDGET:
            continue
        if verdict is not Reason.OK:
            windows_ok = False
            continue
        if asked is not None:
            windows.append((asked[0], min(asked[1], item.frame_count or 2**53)))
            asked_by.append(call["action"])
        written += 1
    texts_ok = texts_ok and ended
    calls = written if item.calls is None else item.calls
    if texts_ok and windows_ok and calls > written:
        texts_ok = False
    parts.update(rule=0, answered=False, consistent=-1, thought=thought, ranges_in_thought=ranges)
    parts.update(well_formed=texts_ok and windows_ok, text_well_formed=texts_ok, calls=calls)
    _look_at_windows(item, windows if item.windows is None else item.windows, rules, parts)
    said = _final_answer(item.turns[-1]) if item.turns else None
    if said:
        parts["answered"] = True
        _score_answer(item, said, parts)
        parts["consistent"] = _consistent(item, last_thought, said)
    if item.accuracy is not None:
        parts["accuracy"] = item.accuracy
    return parts


def _asked_window(call: dict[str, Any], rules: RewardSettings) -> tuple[Any, Any] | None:
    known = {getattr(action, "name", action): action for action in rules.actions}
    action = known[call["action"]]
    takes_window = action == "choose_frames" or getattr(action, "window", None) is not None
    name = "time_range" if rules.unit is WindowUnit.SECONDS else "frame_range"
    return tuple(call[name]) if takes_window and name in call else None


def _look_at_windows(
    item: RolloutText, windows: Spans, rules: RewardSettings, parts: dict[str, Any]
) -> None:
    windows = [(start, stop) for start, stop in windows if start < stop]
    spans = [stop - start for start, stop in windows]
    parts["window_frames"] = sum(spans)
    parts["shortest_window"] = min(spans, default=-1)
    parts["window_share"] = sum(spans) / item.frame_count if item.frame_count else 0.0
    if item.evidence and windows:
        parts["evidence_iou"] = span_iou(windows, item.evidence)
    shown: Iterable[int] = item.shown or ()
    if item.shown is None:
        shown = (
            int(frame)
            for start, stop in windows
            for frame in (
                np.linspace(start + 1, stop - 1, rules.frames_per_call).astype(int)
                if stop - start > 1
                else [start]
            )
        )
    parts["window_hit"] = any(
        first <= frame < last for frame in shown for first, last in item.evidence
    )


def _final_answer(text: str | bytes) -> str | None:
    try:
        text = text.decode() if isinstance(text, bytes) else text.encode().decode()
    except UnicodeError:
        return None
    if len(text.encode()) > MAX_TURN_BYTES:
        return None
    before, close, _ = text.rpartition("</think>")[2].rpartition("</answer>")
    _, opened, inside = before.rpartition("<answer>")
    return inside.strip(SPACE) if close and opened else None


# --- groups --------------------------------------------------------------------------------------


def advantages(
    rewards: Sequence[float], groups: Sequence[int], masked: Sequence[bool], scheme: str
) -> list[float]:
    """Compare rewards within groups; within 4 ulps of the core (its sums run in the same order)."""
    out = [0.0] * len(rewards)
    for group in set(groups):
        rows = [i for i, g in enumerate(groups) if g == group and not masked[i]]
        values = [rewards[i] for i in rows]
        if len(set(values)) < 2:
            continue
        mean = sum(values) / len(values)
        squares = 0.0
        for value in values:
            squares += (value - mean) ** 2
        scale = {
            "grpo": 1 / (math.sqrt(squares / (len(values) - 1)) + 1e-4),
            "dr-grpo": 1.0,
            "leave-one-out": len(values) / (len(values) - 1),
        }[scheme]
        for i in rows:
            out[i] = (rewards[i] - mean) * scale
    return out
