"""A diagnosis as text for a terminal and as one HTML page that needs nothing else."""

from __future__ import annotations

from html import escape

from deepsport.sources.doctor import Diagnosis
from deepsport.sources.finding import Finding

__all__ = ["diagnosis_page", "diagnosis_text"]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #8884; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.level { font-weight: 600; }
.error { color: #c62828; } .warning { color: #b26a00; } .note { color: #546e7a; }
@media (prefers-color-scheme: dark) {
  .error { color: #ef9a9a; } .warning { color: #ffcc80; } .note { color: #b0bec5; }
}
code, li { font-family: ui-monospace, monospace; font-size: .85rem; overflow-wrap: anywhere; }
section { margin: 1.5rem 0; }
"""


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """Return a diagnosis as lines of text."""
    looked_at = f"{diagnosis.rows} rows, {diagnosis.tasks} questions, {diagnosis.media} media"
    lines = [f"{diagnosis.source} in {diagnosis.folder}: {looked_at} opened"]
    for finding in diagnosis.findings:
        lines.append(f"{finding.level.upper():8}{finding.check}: {finding.count} of {finding.of}, "
                     f"{finding.text}")  # fmt: skip
        lines += [f"          {example}" for example in finding.examples[:3]]
    if not diagnosis.findings:
        lines.append("nothing to report")
    return "\n".join(lines)


def diagnosis_page(diagnosis: Diagnosis) -> str:
    """Return a diagnosis as an HTML document; every text of the data is escaped."""
    title = f"Data doctor: {diagnosis.source}"
    rows = "".join(
        f'<tr><td class="level {f.level}">{f.level}</td>'
        f'<td><a href="#f{i}">{escape(f.check)}</a></td>'
        f'<td class="n">{f.count}</td><td class="n">{f.of}</td></tr>'
        for i, f in enumerate(diagnosis.findings)
    )
    sections = "".join(_section(i, f) for i, f in enumerate(diagnosis.findings))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1><p><code>{escape(diagnosis.folder)}</code></p>"
        f"<p>{diagnosis.rows} rows, {diagnosis.tasks} questions, "
        f"{diagnosis.media} media opened.</p>"
        "<table><thead><tr><th>level</th><th>check</th><th>count</th><th>of</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{sections}</main></body></html>\n"
    )


def _section(number: int, finding: Finding) -> str:
    examples = "".join(f"<li>{escape(example)}</li>" for example in finding.examples)
    return (
        f'<section id="f{number}"><h2><span class="level {finding.level}">{finding.level}</span> '
        f"{escape(finding.check)}</h2><p>{finding.count} of {finding.of}: {escape(finding.text)}"
        f"</p>{'<ul>' + examples + '</ul>' if examples else ''}</section>"
    )
