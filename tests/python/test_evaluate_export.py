"""What other harnesses get: a task folder for lmms-eval, a log for Inspect AI."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

import clips
from deepsport.cli.main import main
from deepsport.errors import SettingsError
from deepsport.evaluate import evaluate
from deepsport.evaluate.lmms_eval import export_lmms_eval
from deepsport.evaluate.scripted import scripted_policy
from deepsport.task import Kind, Media, Span, Task, Truth, write_tasks
from deepsport.tool import FrameSource, ToolSettings


@pytest.fixture
def tasks(tmp_path):
    clip = clips.make_clip("h264-b-pyramid", tmp_path).name
    shared = {"media": (Media(clip),), "group": "m", "sport": "golf"}
    return [
        Task("a", Kind.CHOICE, "Which?", Truth(labels=("B",)), options=("x", "y"), **shared),
        Task("b", Kind.NUMBER, "How many?", Truth(value=3.0), **shared),
        Task("c", Kind.INTERVAL, "When?", Truth(spans=(Span(0.5, 1.0),)), **shared),
    ]


def test_the_lmms_eval_folder_loads_and_scores_as_here(tasks, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    write_tasks(tmp_path / "tasks.jsonl", tasks)
    out = tmp_path / "lmms"
    args = ["evaluate", "lmms-eval", "--tasks", str(tmp_path / "tasks.jsonl"), "--out", str(out)]
    assert main([*args, "--name", "sports"]) == 0
    text = (out / "sports.yaml").read_text()
    assert "task: sports" in text
    assert "cluster_key: group" in text
    loaded = datasets.load_dataset(
        "json", data_files={"test": str(out / "sports.jsonl")}, cache_dir=str(tmp_path / "cache")
    )["test"]
    spec = importlib.util.spec_from_file_location("lmms_utils", out / "utils.py")
    functions = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lmms_utils", functions)
    spec.loader.exec_module(functions)
    for doc in loaded:
        (video,) = functions.doc_to_visual(doc)
        assert video == str(tmp_path / tasks[0].media[0].path)
        right = functions.process_results(doc, [f"I see. <answer>{doc['truth']}</answer>"])
        assert right == {"deepsport_score": 1.0, "deepsport_answered": 1.0}
        nothing = functions.process_results(doc, ["no idea at all"])
        assert nothing == {"deepsport_score": 0.0, "deepsport_answered": 0.0}
    assert "A. x" in functions.doc_to_text(loaded[0])


def test_the_lmms_eval_yaml_is_yaml_with_functions_that_exist(tasks, tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    path = export_lmms_eval(tasks, tmp_path, tmp_path / "out")

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))
    task = yaml.load(path.read_text(), Loader)
    utils = (path.parent / "utils.py").read_text()
    for key in ("doc_to_visual", "doc_to_text", "doc_to_target", "process_results"):
        assert f"def {task[key].removeprefix('utils.')}(" in utils
    assert task["dataset_kwargs"]["data_files"]["test"].endswith("deepsport.jsonl")


def test_a_name_lmms_eval_could_not_take_is_refused(tasks, tmp_path):
    with pytest.raises(SettingsError, match="letters, digits and _"):
        export_lmms_eval(tasks, tmp_path, tmp_path / "out", name="my task")


@pytest.fixture
def run(tasks, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    tasks.append(Task("d", Kind.NUMBER, "How many?", Truth(value=3.0), (Media("broken.mp4"),)))
    small = ToolSettings(max_width=64, max_height=64)
    evaluate(tasks, scripted_policy("look"), tmp_path / "run", FrameSource(tmp_path), small)
    return tmp_path / "run"


def test_the_inspect_log_holds_every_attempt_and_a_fault_is_no_score(run, tmp_path):
    out = tmp_path / "log.json"
    assert main(["evaluate", "inspect", str(run), "--out", str(out)]) == 0
    log = json.loads(out.read_text())
    samples = {sample["id"]: sample for sample in log["samples"]}
    assert set(samples) == {"a", "b", "c", "d"}
    assert "scores" not in samples["d"]
    assert samples["d"]["error"]["message"]
    assert "[frame 0, 0.00 s]" in samples["a"]["messages"][1]["content"]
    assert "<image>" not in out.read_text()


def test_the_inspect_log_is_read_by_inspect(run, tmp_path):
    pytest.importorskip("inspect_ai", reason="inspect-ai is not installed")
    from inspect_ai.log import read_eval_log

    main(["evaluate", "inspect", str(run), "--out", str(tmp_path / "log.json")])
    log = read_eval_log(str(tmp_path / "log.json"))
    assert log.status == "success"
    assert len(log.samples) == 4
    assert log.results.scores[0].metrics["mean"].value == pytest.approx(
        json.loads((run / "scores.json").read_text())["overall"]["strict"]["mean"]
    )
