"""The readers, loaders and tools for other packages, each called by the real package.

Packages that are not installed skip their tests; `nox -s integrations` installs those it can.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.metadata
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deepsport
from deepsport.errors import CorruptVideoError, DeepsportError, SettingsError

FRAMES, WIDTH, HEIGHT = 50, 192, 108


@pytest.fixture
def clip(made_clip):
    return made_clip("h264-b-pyramid")


@pytest.fixture
def root(tmp_path, clip):
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    return tmp_path


@pytest.fixture
def qwen():
    from torchvision_here import import_torchvision

    import_torchvision()
    pytest.importorskip("qwen_vl_utils", reason="qwen-vl-utils is not installed")
    from deepsport.integrations import qwen_vl

    qwen_vl.install()
    from qwen_vl_utils import vision_process

    return vision_process


def test_qwen_vl_utils_reads_with_deepsport(qwen, clip):
    ele = {"video": str(clip), "nframes": 8, "resized_height": HEIGHT, "resized_width": WIDTH}
    (video, metadata), fps = qwen.fetch_video(
        ele, return_video_sample_fps=True, return_video_metadata=True
    )
    assert metadata["video_backend"] == "deepsport"
    # torch.linspace(0, 49, 8).round(), as the package's own readers choose
    assert metadata["frames_indices"] == [0, 7, 14, 21, 28, 35, 42, 49]
    assert fps == pytest.approx(8 / 50 * 25)
    expected = deepsport.open(clip).at(metadata["frames_indices"]).data
    assert video.shape[:2] == (8, 3)
    reader_frames, _, _ = qwen.VIDEO_READER_BACKENDS["deepsport"](ele)
    np.testing.assert_array_equal(reader_frames.permute(0, 2, 3, 1).numpy(), expected)


@pytest.mark.parametrize("installs", [False, True])
def test_a_spawned_process_reads_with_deepsport_where_it_installs(qwen, clip, installs):
    code = (
        "import sys, torchvision_here; torchvision_here.import_torchvision()\n"
        "from deepsport.integrations import qwen_vl\n"
        "from qwen_vl_utils import vision_process as package\n"
        f"if {installs}: qwen_vl.install()\n"
        "name = package.get_video_reader_backend()\n"
        "assert name in package.VIDEO_READER_BACKENDS, name\n"
        f"if {installs}: package.fetch_video({{'video': {str(clip)!r}, 'nframes': 4}})\n"
        "print(name == 'deepsport')\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == str(installs)


def test_qwen_windows_hold_the_frames_that_begin_in_them(qwen, clip):
    ele = {"video": f"file://{clip}", "nframes": 4, "video_start": 0.4, "video_end": 1.0}
    _, metadata, _ = qwen.VIDEO_READER_BACKENDS["deepsport"](ele)
    assert metadata["frames_indices"] == [10, 15, 20, 25]


def test_qwen_times_are_true_for_a_variable_frame_rate(qwen, made_clip):
    clip = made_clip("h264-vfr")
    video = deepsport.open(clip)
    frames, metadata, _ = qwen.VIDEO_READER_BACKENDS["deepsport"](
        {"video": str(clip), "nframes": 8}
    )
    seconds = np.array(metadata["frames_indices"]) / metadata["fps"]
    wanted = np.linspace(video.pts_seconds[0], video.pts_seconds[-1], 8)
    shown = video.indices_played_at(wanted)
    half_tick = 0.5 / metadata["fps"]
    true = (
        video.pts_seconds[shown] - video.first_pts_seconds
    )  # the clock starts with the first frame
    np.testing.assert_allclose(seconds, true, atol=half_tick + 1e-9)
    np.testing.assert_array_equal(frames.permute(0, 2, 3, 1).numpy(), video.at(shown).data)


def test_qwen_errors_are_ours_and_not_those_of_the_fallback(qwen):
    with pytest.raises(FileNotFoundError, match=r"absent\.mp4"):
        qwen.fetch_video({"video": "absent.mp4", "nframes": 8})


def test_transformers_decodes_with_deepsport(clip):
    pytest.importorskip("transformers", reason="transformers is not installed")
    from transformers.video_utils import load_video

    from deepsport.integrations import transformers_video

    transformers_video.install()
    frames, metadata = load_video(str(clip), num_frames=5, backend="deepsport")
    assert metadata.video_backend == "deepsport"
    assert (metadata.total_num_frames, metadata.width, metadata.fps) == (FRAMES, WIDTH, 25.0)
    expected = deepsport.open(clip).at(metadata.frames_indices).data
    np.testing.assert_array_equal(frames, expected)
    others, their = load_video(str(clip), num_frames=5, backend="pyav")
    assert list(their.frames_indices) == list(metadata.frames_indices)
    assert np.abs(frames.astype(int) - np.asarray(others).astype(int)).max() <= 3


@pytest.fixture
def vllm_media():
    from torchvision_here import import_torchvision

    import_torchvision()  # which vLLM imports
    media = pytest.importorskip("vllm.multimodal.media", reason="vllm is not installed")
    from deepsport.integrations import vllm_video

    vllm_video.install()
    return media


def test_vllm_loads_with_deepsport(vllm_media, clip):
    io = vllm_media.VideoMediaIO(vllm_media.ImageMediaIO(), num_frames=6, video_backend="deepsport")
    frames, metadata = io.load_bytes(clip.read_bytes()).media
    assert metadata["frames_indices"] == np.linspace(0, 49, 6, dtype=int).tolist()
    assert metadata["video_backend"] == "deepsport"
    np.testing.assert_array_equal(frames, deepsport.open(clip).at(metadata["frames_indices"]).data)
    pytest.importorskip("cv2", reason="vLLM's own loader needs OpenCV")
    own = vllm_media.VideoMediaIO(vllm_media.ImageMediaIO(), num_frames=6, video_backend="opencv")
    theirs, their = own.load_bytes(clip.read_bytes()).media
    assert set(their) == set(metadata)
    assert their["frames_indices"] == metadata["frames_indices"]
    assert np.abs(theirs.astype(int) - frames.astype(int)).max() <= 3


def test_vllm_takes_exact_frames_from_the_client(vllm_media, clip):
    from deepsport.integrations.vllm_video import video_part

    video = deepsport.open(clip)
    part, kwargs = video_part(video, video.at([3, 40]))
    header, _, data = part["video_url"]["url"].partition(",")
    io = vllm_media.VideoMediaIO(vllm_media.ImageMediaIO(), **kwargs["video"])
    frames, metadata = io.load_base64(
        header.removeprefix("data:").removesuffix(";base64"), data
    ).media
    assert frames.shape == (2, HEIGHT, WIDTH, 3)
    assert metadata["frames_indices"] == [3, 40]
    assert (metadata["fps"], metadata["total_num_frames"]) == (25.0, FRAMES)


def test_the_vllm_plug_in_is_registered_where_vllm_looks():
    try:
        importlib.metadata.distribution("deepsport")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("deepsport is not installed, only importable")
    found = importlib.metadata.entry_points(group="vllm.general_plugins", name="deepsport")
    assert {entry.value for entry in found} == {"deepsport.integrations.vllm_video:install"}


def test_the_loader_gives_frames_by_the_second(clip):
    from deepsport.integrations.vllm_video import load_bytes

    frames, metadata = load_bytes(clip.read_bytes(), fps=4)
    assert len(frames) == 8  # 2 s at 4 a second
    assert not metadata["do_sample_frames"]
    with pytest.raises(DeepsportError):
        load_bytes(b"not a video")


def test_the_loader_recovers_from_a_frame_that_cannot_be_decoded_where_it_may(clip):
    from deepsport.integrations.vllm_video import load_bytes

    packets = deepsport.open(clip).packets()
    [at] = np.flatnonzero(packets["frame"] == 5)
    data = bytearray(clip.read_bytes())
    begin, size = int(packets["offset"][at]), int(packets["size"][at])
    data[begin : begin + size] = bytes(size)
    with pytest.raises(CorruptVideoError, match="frames 5 of"):
        load_bytes(bytes(data))
    frames, metadata = load_bytes(bytes(data), frame_recovery=True)
    assert metadata["frames_indices"] == list(range(FRAMES))
    assert not frames[5].any()  # black, as the loader says
    np.testing.assert_array_equal(frames[:5], deepsport.open(clip).at(range(5)).data)
    assert all(frame.any() for frame in frames[6:])


def test_a_vllm_part_is_a_sequence_of_jpegs(clip):
    from deepsport.integrations.vllm_video import video_part

    video = deepsport.open(clip)
    part, _ = video_part(video, video.at([0, 1, 2]))
    pictures = part["video_url"]["url"].partition(",")[2].split(",")
    assert [base64.b64decode(p)[:3] for p in pictures] == [b"\xff\xd8\xff"] * 3


def test_trl_sees_the_tools_with_their_schemas(root):
    pytest.importorskip("transformers", reason="transformers is not installed")
    from transformers.utils import get_json_schema

    from deepsport.integrations.trl_environment import frame_environment

    environment = frame_environment(root)()
    # what GRPOTrainer lists: public functions of the class
    public = [
        n for n, _ in inspect.getmembers(type(environment), inspect.isfunction) if n[0] != "_"
    ]
    assert public == ["choose_frames", "reset", "zoom"]
    assert get_json_schema(environment.zoom)["function"]["parameters"]["required"] == [
        "frame",
        "region",
    ]
    schema = get_json_schema(environment.choose_frames)["function"]
    assert schema["parameters"]["required"] == ["start_frame", "end_frame"]
    assert schema["parameters"]["properties"]["start_frame"]["type"] == "integer"


def test_trl_rollouts_begin_anew_and_share_frames(root):
    from deepsport.integrations.trl_environment import frame_environment

    make = frame_environment(root, max_calls=1, frames_per_call=2)
    first, second = make(), make()
    assert "Total frames: 50" in first.reset(video="clip.mp4", prompt="?")
    second.reset(video="clip.mp4")
    blocks = first.choose_frames(10, 21)
    assert [block["type"] for block in blocks] == ["text", "image"] * 2
    assert blocks[1]["image"].size == (WIDTH, HEIGHT)
    assert blocks[0]["text"] == "frame 11 at 0.440 s:"
    assert first.windows == [(10, 21)]
    [refusal] = first.choose_frames(10, 21)  # its only call is used up
    assert "used up" in refusal["text"]
    assert first.refused == 1
    assert len(second.choose_frames(0, 9)) == 4
    first.reset(video="clip.mp4")
    assert (first.windows, first.refused) == ([], 0)
    assert len(first.choose_frames(0, 9)) == 4
    with pytest.raises(SettingsError, match="needs 'video'"):
        first.reset(prompt="?")


@pytest.fixture
def verl_tool(root, tmp_path, capsys):
    registry = pytest.importorskip("verl.tools.tool_registry", reason="verl is not installed")
    config = tmp_path / "tools.yaml"
    config.write_text(
        "tools:\n"
        "  - class_name: deepsport.integrations.verl_tool.ChooseFramesTool\n"
        f"    config: {{type: native, root: {root}, frames_per_call: 2, max_calls: 2}}\n"
    )
    [tool] = registry.initialize_tools_from_config(str(config))
    capsys.readouterr()  # verl prints the schema
    return tool


@pytest.mark.asyncio
async def test_verl_runs_the_tool_from_its_configuration(verl_tool):
    assert verl_tool.name == "choose_frames"
    instance, _ = await verl_tool.create(create_kwargs={"video": "clip.mp4"})
    response, reward, metrics = await verl_tool.execute(
        instance, {"start_frame": 10, "end_frame": 21}
    )
    assert [image.size for image in response.image] == [(WIDTH, HEIGHT)] * 2
    assert "frame 11 at 0.440 s" in response.text
    assert (reward, metrics) == (0.0, {"frames": 2, "refused": 0})
    response, reward, metrics = await verl_tool.execute(instance, {"start_frame": "x"})
    assert response.text.startswith("error: ")
    assert metrics == {"frames": 0, "refused": 1}
    await verl_tool.release(instance)
    with pytest.raises(SettingsError, match="video is missing"):
        await verl_tool.create(create_kwargs={})


@pytest.mark.asyncio
async def test_verl_rollouts_at_the_same_time_have_budgets_of_their_own(verl_tool):
    async def rollout():
        instance, _ = await verl_tool.create(create_kwargs={"video": "clip.mp4"})
        window = {"start_frame": 0, "end_frame": 30}
        answers = [await verl_tool.execute(instance, window) for _ in range(3)]
        return [metrics["frames"] for _, _, metrics in answers]

    assert await asyncio.gather(*(rollout() for _ in range(4))) == [[2, 2, 0]] * 4


def test_datasets_columns_decode_to_videos(clip, tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    from deepsport.integrations.hf_datasets import VideoColumn

    rows = {"video": [str(clip), {"bytes": clip.read_bytes(), "path": None}]}
    features = datasets.Features({"video": VideoColumn()})
    table = datasets.Dataset.from_dict(rows, features=features)
    expected = deepsport.open(clip).at([25]).data
    for row in table:
        np.testing.assert_array_equal(row["video"].at([25]).data, expected)
    table.to_parquet(tmp_path / "table.parquet")
    again = datasets.Dataset.from_parquet(str(tmp_path / "table.parquet"), cache_dir=str(tmp_path))
    assert isinstance(again.features["video"], VideoColumn)
    np.testing.assert_array_equal(again[1]["video"].at([25]).data, expected)


def test_datasets_columns_of_paths_are_cast(clip):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    from deepsport.integrations.hf_datasets import VideoColumn

    table = datasets.Dataset.from_dict({"video": [str(clip)]}).cast_column("video", VideoColumn())
    assert table[0]["video"].frame_count == FRAMES


@pytest.mark.parametrize(
    ("module", "package"),
    [("verl_tool", "verl"), ("hf_datasets", "datasets"), ("torchcodec", "torch")],
)
def test_a_missing_package_is_named(module, package):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from deepsport.errors import MissingExtraError\n"
        "try:\n"
        f"    import deepsport.integrations.{module}\n"
        "except MissingExtraError as error:\n"
        f"    assert {package!r} in str(error), error\n"
        "else:\n"
        "    raise SystemExit('no error')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_importing_an_adapter_does_not_import_its_package():
    code = (
        "import sys\n"
        "from deepsport.integrations import mcp_server, openai_tools, qwen_vl, transformers_video\n"
        "from deepsport.integrations import decord, frame_service, trl_environment, vllm_video\n"
        "print([n for n in ('mcp', 'qwen_vl_utils', 'transformers', 'trl', 'vllm', 'torch', 'PIL', 'decord')"
        " if n in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout.replace("'", '"')) == []
