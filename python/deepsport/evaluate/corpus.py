"""Measures that exist only over many questions: rank correlation, CIDEr-D, BLEU, spotting mAP."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from deepsport.errors import MissingExtraError
from deepsport.evaluate.caption import CiderD, corpus_bleu
from deepsport.evaluate.choice import normalise
from deepsport.evaluate.rating import relative_l2, spearman
from deepsport.evaluate.rows import Row
from deepsport.evaluate.spotting import average_map
from deepsport.evaluate.verdict import Outcome
from deepsport.task import Kind, Task

__all__ = ["corpus_measures"]


def corpus_measures(tasks: Mapping[str, Task], rows: Sequence[Row]) -> dict[str, Any]:
    """Return measures by kind, and the means of the parts of verdicts."""
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.outcome is Outcome.OK:
            by_kind[row.slices["kind"]].append(row)
    out: dict[str, Any] = {}
    for kind, some in sorted(by_kind.items()):
        measures: dict[str, Any] = _means(some)
        if kind == Kind.RATING:
            measures.update(_ratings(tasks, some))
        elif kind == Kind.NUMBER:
            truth = [tasks[row.task_id].truth.value or 0.0 for row in some]
            measures["spearman"] = spearman([row.read for row in some], truth)
        elif kind == Kind.TEXT:
            measures.update(_texts(tasks, some))
        elif kind == Kind.EVENTS:
            measures.update(_spots(tasks, some))
        measures = {k: round(v, 6) for k, v in measures.items() if v is not None}
        if measures:
            out[kind] = {"count": len(some), **measures}
    return out


def _means(rows: Sequence[Row]) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.parts.items():
            values[name].append(value)
    return {name: sum(v) / len(v) for name, v in sorted(values.items())}


def _ratings(tasks: Mapping[str, Task], rows: Sequence[Row]) -> dict[str, float | None]:
    found = [float(row.read) for row in rows]
    truth = [float(tasks[row.task_id].truth.value or 0.0) for row in rows]
    scales = [tasks[row.task_id].truth.scale for row in rows]
    low = min((s[0] for s in scales if s), default=min(truth))
    high = max((s[1] for s in scales if s), default=max(truth))
    return {
        "spearman": spearman(found, truth),
        "relative_l2": relative_l2(found, truth, low, high),
    }


def _texts(tasks: Mapping[str, Task], rows: Sequence[Row]) -> dict[str, float]:
    # document frequencies from every text question of the run, answered or not: fixed for a split
    cider = CiderD([t.truth.references for t in tasks.values() if t.kind is Kind.TEXT])
    references = [tasks[row.task_id].truth.references for row in rows]
    found = [str(row.read) for row in rows]
    scores = [cider.score(text, refs) for text, refs in zip(found, references, strict=True)]
    out = {"cider_d": sum(scores) / len(scores)}
    with contextlib.suppress(MissingExtraError):  # the other measures do not need sacrebleu
        out.update(corpus_bleu(found, references))
    return out


def _spots(tasks: Mapping[str, Task], rows: Sequence[Row]) -> dict[str, float | None]:
    truth, found = [], []
    for row in rows:
        spans = tasks[row.task_id].truth.spans
        if not spans or row.attempt:
            continue
        truth.append([(normalise(s.label), (s.start_seconds + s.stop_seconds) / 2) for s in spans])
        timed = [event for event in row.read if len(event) == 2]
        # a list has no confidences; earlier in the list counts as surer
        found.append([(e[0], e[1], 1.0 - i / (len(timed) + 1)) for i, e in enumerate(timed)])
    if not truth:
        return {}
    return {
        "map_tight": average_map(truth, found, tight=True),
        "map_loose": average_map(truth, found, tight=False),
    }
