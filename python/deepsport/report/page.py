"""Build the page: read the runs, draw the figures, gather the questions, write one HTML file.

Everything is in the file: styles, script, figures, and the frames of small runs. The frames of
large runs lie in a folder beside it and are loaded when they come into view.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deepsport
from deepsport.errors import MissingExtraError, SettingsError
from deepsport.evaluate.run_folder import Run
from deepsport.evaluate.summary import summarise
from deepsport.report.calibration import calibration_figure
from deepsport.report.control_table import control_table
from deepsport.report.cost_table import cost_table
from deepsport.report.curves import curve_charts
from deepsport.report.paper_table import paper_table, read_published
from deepsport.report.pictures import INLINE_PICTURES, Pictures
from deepsport.report.questions import question_records
from deepsport.report.scatter import cost_figures, frames_figure, vote_figure
from deepsport.report.seed_table import seed_table
from deepsport.report.tables import (
    axis_tables,
    confusion_tables,
    headline,
    looking_blocks,
    notes,
)
from deepsport.report.tables import (
    subject as find_subject,
)

__all__ = ["Report", "build"]

#: bytes of details that still go into the page itself
INLINE_DETAILS = 4_000_000
QUESTIONS_A_CHUNK = 50


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Attributes
    ----------
    path : Path
        The page.
    folder : Path or None
        Frames and details beside it, when they were too many for the page.
    questions, pictures : int
    missing_pictures : int
        Frames that could not be decoded any more, for want of their videos.
    """

    path: Path
    folder: Path | None
    questions: int
    pictures: int
    missing_pictures: int


def build(
    runs: Sequence[Path | str],
    out: Path | str,
    *,
    curves: Mapping[str, Path | str] | None = None,
    title: str = "Evaluation report",
    intro: str = "",
    media_root: Path | str | None = None,
    inline_pictures: int = INLINE_PICTURES,
    max_pictures: int = 60_000,
    picture_width: int = 256,
    published: Path | str | None = None,
    subject: str = "",
    seeds: Mapping[str, Sequence[Path | str]] | None = None,
) -> Report:
    """Build a report of runs.

    Parameters
    ----------
    runs : sequence of Path or str
        Folders that `deepsport evaluate` wrote. The first is what the others are compared with.
    out : Path or str
        The page, an ``.html`` file.
    curves : mapping of str to Path or str
        Learning curves by title: JSON lines with a ``step`` and numbers.
    title, intro : str
        Heading, and a sentence below it.
    media_root : Path or str or None
        Folder of the videos; ``None`` takes the one written in each run.
    inline_pictures : int
        With more frames than this they are written to a folder beside the page.
    max_pictures : int
        Frames decoded at most; the questions after that show index and time only.
    picture_width : int
        Largest width of a frame on the page, in pixels.
    published : Path or str or None
        A file of scores reported by others, shown apart from the runs;
        `deepsport.report.PUBLISHED` is that of the DeepSport paper.
    subject : str
        Name of the run the report is about: what got better or worse since the first run, and
        what is confused, is said of it. Empty takes the last run that is no control.

    Raises
    ------
    RecordFormatError
        When a folder is not that of a run.
    SettingsError
        When there is neither a run nor a curve, or no run is named `subject`.
    MissingExtraError
        When jinja2 or pillow are not installed.
    """
    if not runs and not curves and not seeds:
        raise SettingsError("nothing to report: valid is one or more runs, curves or settings")
    template = _template()
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    loaded = [Run(folder) for folder in runs]
    names = _unique_names(loaded)
    chosen = find_subject(loaded, subject) if loaded else 0
    rows = [run.rows() for run in loaded]
    # from the attempts, not from scores.json, which a kill or an older version may have left behind
    scores = [
        summarise(run.tasks, some, seed=run.info.seed, votes=run.votes())
        for run, some in zip(loaded, rows, strict=True)
    ]
    folder = path.with_name(path.stem + "_files")
    _clear(folder)
    pictures = Pictures(
        loaded,
        folder,
        media_root=media_root,
        inline=inline_pictures,
        limit=max_pictures,
        width=picture_width,
    )
    questions, details = question_records(loaded, rows, pictures)
    pictures.decode()
    asked = bool(questions) and all(question["unknown"] for question in questions)
    scored = [] if asked else loaded
    citations = None if published is None else read_published(published)
    figures = [] if asked else _figures(names, loaded, scores)
    page = template.render(
        title=title,
        intro=intro,
        version=deepsport.__version__,
        runs=headline(names, scored, scores, rows) if scored else [],
        notes=notes(names, loaded, scores) if scored else [],
        seeds=seed_table(seeds or {}),
        controls=control_table(names, loaded, scores, rows) if scored else [],
        costs=cost_table(names, scores) if scored else None,
        axes=axis_tables(names, scores, rows, chosen) if scored else [],
        looking=looking_blocks(names, loaded, scores),
        paper=paper_table(names, scores, citations) if scored or citations else None,
        figures=figures,
        confusion=confusion_tables(names, scores, chosen) if scored else None,
        charts=curve_charts(curves or {}),
        question_count=len(questions),
        data=_script_json(
            {
                "runs": names,
                "subject": chosen,
                "questions": questions,
                "pictures": pictures.index(),
                **_details(details, folder),
            }
        ),
        css=_text("page.css"),
        js=_text("page.js"),
    )
    partial = path.with_name(path.name + ".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return Report(
        path,
        folder if folder.exists() else None,
        len(questions),
        pictures.count,
        pictures.missing,
    )


def _figures(
    names: Sequence[str], runs: Sequence[Run], scores: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]]:
    more = (
        frames_figure(names, scores),
        vote_figure(names, scores),
        calibration_figure(names, scores),
    )
    return [*cost_figures(names, runs, scores), *(figure for figure in more if figure)]


def _clear(folder: Path) -> None:
    """Remove what an earlier report of this name left beside the page, and nothing else."""
    if not folder.is_dir():
        return
    shutil.rmtree(folder / "frames", ignore_errors=True)
    for path in folder.glob("questions-*.js"):
        path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _details(details: list[Any], folder: Path) -> dict[str, Any]:
    """Return the details for the page, or write them in chunks and return where they are."""
    text = json.dumps(details, ensure_ascii=False, separators=(",", ":"))
    if len(text) <= INLINE_DETAILS:
        return {"details": details}
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(details), QUESTIONS_A_CHUNK)):
        part = json.dumps(
            details[start : start + QUESTIONS_A_CHUNK], ensure_ascii=False, separators=(",", ":")
        )
        # a script, because pages opened from disk may load scripts but not fetch files
        (folder / f"questions-{number}.js").write_text(
            f"deepsportChunk({number},{part});\n", encoding="utf-8"
        )
    return {"chunk": QUESTIONS_A_CHUNK, "folder": folder.name}


def _script_json(value: Any) -> str:
    """Return JSON that may stand inside a script element, whatever the texts contain."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _unique_names(runs: Sequence[Run]) -> list[str]:
    names: list[str] = []
    for run in runs:
        name, number = run.info.name, 2
        while name in names:
            name, number = f"{run.info.name} ({number})", number + 1
        names.append(name)
    return names


def _text(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _template() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("deepsport[report] is needed for the report (jinja2)") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")
