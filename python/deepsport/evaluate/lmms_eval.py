"""Write tasks as a task folder of lmms-eval, scored there by the rules used here.

lmms-eval (github.com/EvolvingLMMs-Lab/lmms-eval) finds the folder through ``--include_path``. Its
environment needs ``deepsport[evaluate]`` for the scorer; the model gets the whole video there, as
lmms-eval samples frames itself, and no tool.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from deepsport.errors import SettingsError
from deepsport.task import Task, write_tasks
from deepsport.tool import ToolSettings
from deepsport.tool.prompt import question_text

__all__ = ["export_lmms_eval"]

_YAML = """# Made by deepsport; use with: lmms-eval ... --include_path {folder} --tasks {name}
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: !function utils.doc_to_target
process_results: !function utils.process_results
cluster_key: group
score_key: deepsport_score
generation_kwargs:
  max_new_tokens: 1024
  temperature: 0
  do_sample: false
metric_list:
  - metric: deepsport_score
    aggregation: mean
    higher_is_better: true
  - metric: deepsport_answered
    aggregation: mean
    higher_is_better: true
metadata:
  - version: 1
"""

_UTILS = '''"""Functions of the task for lmms-eval; the scorer is that of deepsport (extra: evaluate)."""

import json
from pathlib import Path

from deepsport.evaluate.scoring import score_answer
from deepsport.protocol import final_answer
from deepsport.task import Task

MEDIA_ROOT = Path({root!r})


def doc_to_visual(doc):
    return [str(MEDIA_ROOT / doc["video"])]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    kwargs = lmms_eval_specific_kwargs or {{}}
    return kwargs.get("pre_prompt", "") + doc["question"] + kwargs.get("post_prompt", "")


def doc_to_target(doc):
    return doc["truth"]


def process_results(doc, results):
    text = results[0] if results else ""
    verdict = score_answer(Task.from_json(json.loads(doc["task"])), final_answer(text) or text)
    read = verdict.score is not None
    return {{
        "deepsport_score": verdict.score if read else 0.0,
        "deepsport_answered": float(read),
    }}
'''


def export_lmms_eval(
    tasks: Sequence[Task], media_root: Path | str, out: Path | str, *, name: str = "deepsport"
) -> Path:
    """Write the folder and return the path of its YAML file.

    Parameters
    ----------
    tasks : sequence of Task
    media_root : Path or str
        Folder of the videos where lmms-eval will run; written as an absolute path.
    out : Path or str
    name : str
        Name of the task there.

    Raises
    ------
    SettingsError
        When there is no task or the name cannot be one.
    """
    if not tasks:
        raise SettingsError("no task to export; valid is one or more")
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise SettingsError(f"task name {name!r}: valid are letters, digits and _")
    from deepsport.evaluate.scripted import true_answer

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    data = (folder / f"{name}.jsonl").resolve()
    with data.open("w", encoding="utf-8") as file:
        for task in tasks:
            record = {
                "id": task.task_id,
                "question": question_text(task, ToolSettings()),
                "truth": true_answer(task),
                "video": task.media[0].path,
                "group": task.group or task.media[0].path,
                "sport": task.sport,
                "kind": task.kind.value,
                # as text: the json reader of datasets would mix the fields of different kinds
                "task": json.dumps(task.to_json(), ensure_ascii=False),
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    write_tasks(folder / "tasks.jsonl", tasks)
    root = str(Path(media_root).resolve())
    (folder / "utils.py").write_text(_UTILS.format(root=root), encoding="utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(
        _YAML.format(name=name, data=json.dumps(str(data)), folder=folder), encoding="utf-8"
    )
    return path
