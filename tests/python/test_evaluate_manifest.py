"""The table of the paper is one command from a split manifest, and the split is as it lists it."""

from __future__ import annotations

import json

import pytest

import clips
from deepsport.cli.main import main
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.evaluate.manifest import manifest_tasks
from deepsport.task import Dimension, Kind, Media, Task, Truth, read_tasks, write_tasks


@pytest.fixture
def built(tmp_path):
    """A folder as `deepsport data build` leaves it, in what is read here."""
    clip = clips.make_clip("h264-b-pyramid", tmp_path).name
    tasks = [
        Task(
            f"q{i}", Kind.CHOICE, f"Which shot, rally {i}?", Truth(labels=("B",)), (Media(clip),),
            options=("Clear", "Drop"), group=f"m{i}", dimension=list(Dimension)[i % 4],
            split="test" if i < 8 else "train",
        )
        for i in range(12)
    ]  # fmt: skip
    for split in ("test", "train"):
        write_tasks(tmp_path / f"{split}.jsonl", (t for t in tasks if t.split == split))
    lines = [{"id": t.task_id, "hash": t.content_hash, "split": t.split} for t in tasks]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "manifest.jsonl").write_text(text)
    return tmp_path


def test_one_command_from_the_manifest_prints_the_table_of_the_paper(built, capsys):
    command = ["evaluate", "--manifest", str(built / "manifest.jsonl"), "--paper"]
    run = ["--policy", "truth", "--name", "knows", "--out", str(built / "run")]
    assert main([*command, *run, "--first-frames", "1", "--max-calls", "0"]) == 0
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if line.startswith("knows "))
    # frames, the four dimensions, overall
    assert line.split()[1:] == ["1.00", "100.0", "100.0", "100.0", "100.0", "100.0"]
    theirs = printed[printed.index("reported by others") :]
    for name in ("DeepSport-7B (v1)", "DeepSport-7B (v2)", "GPT-5", "Qwen3-VL-235B",
                 "Qwen3-VL-8B", "Qwen2.5-VL-7B"):  # fmt: skip
        assert name in theirs
    assert len(list(read_tasks(built / "run" / "tasks.jsonl"))) == 8  # the test split
    assert main(["evaluate", "paper", str(built / "run")]) == 0
    assert line in capsys.readouterr().out


def test_a_split_that_is_not_what_the_manifest_lists_is_refused(built):
    tasks = list(read_tasks(built / "test.jsonl"))
    write_tasks(built / "test.jsonl", tasks[1:])
    with pytest.raises(RecordFormatError, match=r"lacks 1 of the 8 tasks .* first 'q0'"):
        manifest_tasks(built / "manifest.jsonl", "test")
    train = list(read_tasks(built / "train.jsonl"))
    write_tasks(built / "test.jsonl", [*tasks, train[0]])
    with pytest.raises(RecordFormatError, match="also has 1"):
        manifest_tasks(built / "manifest.jsonl", "test")


def test_a_missing_manifest_and_an_empty_split_say_what_would_be_valid(built):
    with pytest.raises(SettingsError, match="data build"):
        manifest_tasks(built / "none.jsonl", "test")
    with pytest.raises(SettingsError, match=r"found are test \(8\), train \(4\)"):
        manifest_tasks(built / "manifest.jsonl", "validation")
    (built / "manifest.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(RecordFormatError, match="line 1"):
        manifest_tasks(built / "manifest.jsonl", "test")
