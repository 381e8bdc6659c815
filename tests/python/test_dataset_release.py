"""The distilled data set: Parquet examples, their frames, shards, manifest."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest

from clips import make_clip
from deepsport.cli.main import main
from deepsport.dataset.parquet import example_frames, read_examples, write_examples
from deepsport.dataset.release import check_release, write_release
from deepsport.distil import keep
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.rollout import Episode, Reply
from deepsport.task import Media, read_tasks
from deepsport.tool import FrameSource, ToolSettings
from deepsport.trajectory import read_trajectories
from test_distil_filters import choice, played

pytest.importorskip("pyarrow", reason="the extra [distil] is not installed")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    make_clip("h264-no-b", folder)
    return folder


@pytest.fixture
def episode(media):
    """A real episode with its pixels: 8 first frames of a 192 x 108 clip, then 4 of a window."""
    task = choice("real", media=(Media("h264-no-b.mp4"),))
    tool = ToolSettings(max_width=96, max_height=96, frames_per_call=4)
    episode = Episode(task, FrameSource(media), tool, policy="scripted")
    call = '{"action":"choose_frames","frame_range":[10,30]}'
    episode.observe(Reply(f"<think>Look at <image>.</think><tool_call>{call}</tool_call>"))
    episode.observe(Reply("<think>There.</think><answer>B</answer>"))
    return task, episode


def test_the_frames_of_an_example_are_decoded_again_exactly(episode, media, tmp_path):
    task, played_ = episode
    path = tmp_path / "examples.parquet"
    assert write_examples(path, [played_.trajectory()], {"real": task}) == 1
    (row,) = read_examples(path)
    frames = example_frames(row, FrameSource(media))
    assert len(frames) == len(played_.images) == 12
    assert frames[0].shape == (54, 96, 3)
    assert all(np.array_equal(a, b) for a, b in zip(frames, played_.images, strict=True))
    assert [f["index"] for f in row["frames"][8:]] == [
        f.index for f in played_.trajectory().frames_shown[8:]
    ]


def test_every_picture_part_has_its_frame_and_only_shown_ones_count(episode, tmp_path):
    task, played_ = episode
    path = tmp_path / "examples.parquet"
    write_examples(path, [played_.trajectory()], {"real": task})
    (row,) = read_examples(path)
    roles = [message["role"] for message in row["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]
    pictures = [
        sum(part["type"] == "image" for part in message["content"]) for message in row["messages"]
    ]
    assert pictures == [0, 8, 0, 4, 0]  # the mark that the teacher wrote itself is text
    assert row["messages"][2]["content"][0]["text"].startswith("<think>Look at <image>.")
    assert (row["answer"], row["attempt"], row["kind"]) == ("B", 0, "choice")


@pytest.mark.train
@pytest.mark.parametrize("embed", [False, True])
def test_the_library_datasets_reads_it(episode, media, tmp_path, embed):
    datasets = pytest.importorskip("datasets", reason="the extra [train] is not installed")
    task, played_ = episode
    path = tmp_path / "examples.parquet"
    source = FrameSource(media) if embed else None
    write_examples(path, [played_.trajectory()] * 3, {"real": task}, embed=source)
    loaded = datasets.load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.num_rows == 3
    assert loaded[0]["messages"][4]["content"][0]["text"].endswith("<answer>B</answer>")
    if embed:
        picture = loaded[2]["images"][11]
        assert picture.size == (96, 54)
        difference = np.abs(np.asarray(picture, int) - played_.images[11].astype(int))
        assert difference.mean() < 12  # JPEG of a noisy test picture


@pytest.mark.train
def test_the_library_datasets_reads_the_trajectories(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the extra [train] is not installed")
    release(tmp_path, rows_per_shard=1)
    files = str(tmp_path / "set" / "trajectories-*.jsonl")
    loaded = datasets.load_dataset(
        "json", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded["task_id"] == ["a", "b"]
    assert loaded[0]["turns"][2]["call"]["window"] == [40, 60]


def test_embedded_pictures_are_jpeg(episode, media, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    task, played_ = episode
    path = tmp_path / "examples.parquet"
    write_examples(path, [played_.trajectory()], {"real": task}, embed=FrameSource(media))
    (row,) = read_examples(path)
    picture = row["images"][8]
    assert picture["path"].startswith("h264-no-b.mp4#")
    assert image.open(io.BytesIO(picture["bytes"])).format == "JPEG"


def release(tmp_path, name="set", **more):
    tasks = [choice("a", "finebadminton"), choice("b", "home"), choice("c", "home")]
    rows = [played(tasks[0]), played(tasks[1]), played(tasks[2], "A")]
    kept, funnel = keep(rows, tasks)
    by_id = {task.task_id: task for task in tasks}
    made_by = {"command": "deepsport distil filter"}
    return write_release(tmp_path / name, kept, by_id, funnel, made_by=made_by, **more)


def test_the_manifest_accounts_for_what_was_kept_and_what_was_not(tmp_path):
    manifest = release(tmp_path, licences={"home": "CC0-1.0"})
    assert manifest == check_release(tmp_path / "set")
    assert manifest["sources"]["finebadminton"]["licence"].startswith("Apache-2.0")
    assert manifest["sources"]["home"] == {
        "licence": "CC0-1.0",
        "kept": 1,
        "rejected": {"wrong_answer": 1},
    }
    assert manifest["funnel"]["kept"] == manifest["trajectories"] == 2
    assert manifest["made_by"]["command"] == "deepsport distil filter"
    assert {task.task_id for task in read_tasks(tmp_path / "set" / "tasks.jsonl")} == {"a", "b"}


def test_shards_hold_every_trajectory_once_in_order(tmp_path):
    manifest = release(tmp_path, rows_per_shard=1)
    names = [entry["path"] for entry in manifest["files"]]
    assert names == [
        "examples-00000-of-00002.parquet",
        "examples-00001-of-00002.parquet",
        "tasks.jsonl",
        "trajectories-00000-of-00002.jsonl",
        "trajectories-00001-of-00002.jsonl",
    ]
    read = [t.task_id for name in names[3:] for t in read_trajectories(tmp_path / "set" / name)]
    assert read == ["a", "b"]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    assert release(tmp_path, "one")["files"] == release(tmp_path, "two")["files"]


def test_a_changed_file_is_found_out(tmp_path):
    release(tmp_path)
    with (tmp_path / "set" / "tasks.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(RecordFormatError, match=r"tasks\.jsonl: manifest says"):
        check_release(tmp_path / "set")


def test_an_existing_folder_is_not_overwritten(tmp_path):
    release(tmp_path)
    with pytest.raises(SettingsError, match="there already"):
        release(tmp_path)


def test_a_set_of_nothing_is_refused_with_the_reasons(tmp_path):
    task = choice()
    kept, funnel = keep([played(task, "A")], [task])
    with pytest.raises(SettingsError, match="wrong_answer 1"):
        write_release(tmp_path / "set", kept, {"t1": task}, funnel, made_by={})
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_not_read_as_examples(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"no")
    with pytest.raises(RecordFormatError, match="not a Parquet file"):
        list(read_examples(path))


def test_filter_writes_the_set_from_a_job(tmp_path, media, capsys):
    pytest.importorskip("openai", reason="the extra [distil] is not installed")
    from fake_teacher import FakeTeacher
    from test_distil_engine import make_tasks, run

    tasks = make_tasks(3, "h264-no-b.mp4")
    tasks = [
        dataclasses.replace(task, question=f"{task.question} {i * 7}")
        for i, task in enumerate(tasks)
    ]
    with FakeTeacher() as server:
        run(server, tmp_path / "job", tasks, source=FrameSource(media))
    line = ["distil", "filter", str(tmp_path / "job"), "--out", str(tmp_path / "set")]
    assert main([*line, "--set", "max_similarity=1", "--media", str(media), "--embed"]) == 0
    assert "3 trajectories of 3 tasks" in capsys.readouterr().out
    manifest = check_release(tmp_path / "set")
    assert manifest["made_by"]["teacher"]["settings"]["teacher"]["model"] == "fake"
    assert manifest["made_by"]["teacher"]["spent"]["replied"] == 6
    assert "127.0.0.1" not in json.dumps(manifest)
