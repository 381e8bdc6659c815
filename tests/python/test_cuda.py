"""The Python face of the CUDA path, on the fake driver: see Note [Fake driver] in tests/fake_driver.

Each test is a script in a process of its own, with the fake first on its library path; the scripts
are in cuda_scripts.py. What passes here has passed on a fake, not on a GPU.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepsport.device import cuda_status

HERE = Path(__file__).parent
FAKE = HERE.parents[1] / "build" / "core" / "tests" / "fake_driver"

pytestmark = pytest.mark.skipif(
    not (FAKE / "libnvcuvid.so.1").exists() or not (FAKE / "clips" / "h264.mp4").exists(),
    reason="the fake driver or its clips are not built: nox -s core",
)
needs_kernels = pytest.mark.skipif(
    not cuda_status().kernels, reason="this build has no CUDA kernels: nvcc was not found"
)


@needs_kernels
@pytest.mark.parametrize(
    "script",
    [
        "frames_are_those_of_the_cpu",
        "frames_go_into_the_callers_memory_on_the_callers_stream",
        "patches_are_those_of_the_cpu",
        "an_export_outlives_its_maker_until_the_consumer_has_read",
        "the_array_protocol_is_kept",
        "both_kinds_of_consumer_see_the_same_tensor",
        "pinned_memory_is_decoded_into_and_given_back",
        "a_stream_that_means_another_one_on_another_thread_is_waited_for",
        "tensors_of_two_devices_are_refused",
        "the_cpu_decodes_what_nvdec_does_not_and_says_so",
        "advantages_and_spread_are_those_of_the_cpu",
        "several_decoders_share_a_request",
        "what_does_not_fit_is_refused",
        "a_forked_child_gets_a_typed_error",
        "doctor_calls_the_fake_a_fake",
    ],
)
def test_on_the_fake_driver(script, tmp_path):
    run_on_the_fake_driver(script, tmp_path)


@pytest.mark.skipif(cuda_status().kernels, reason="this build has CUDA kernels")
def test_a_build_without_kernels_says_so_and_decodes_on_the_cpu(tmp_path):
    run_on_the_fake_driver("a_build_without_kernels_says_so", tmp_path)


def run_on_the_fake_driver(script, tmp_path):
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(FAKE),
        "FAKE_CUDA_DEVICES": "2",
        "DEEPSPORT_CUDA_CLIPS": str(FAKE / "clips"),
        "HOME": str(tmp_path),
    }
    run = subprocess.run(
        [sys.executable, "-W", "error", str(HERE / "cuda_scripts.py"), script],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    assert "VIOLATION" not in run.stderr, run.stderr[-4000:]


@needs_kernels
def test_without_a_driver_cuda_is_refused_and_auto_uses_the_cpu(caplog):
    if cuda_status().driver:
        pytest.skip("this machine has a CUDA driver")
    import deepsport
    from deepsport.errors import DeviceUnavailableError

    video = deepsport.open(str(FAKE / "clips" / "h264.mp4"))
    with pytest.raises(DeviceUnavailableError, match="no NVIDIA driver"):
        video.at([0], device="cuda")
    with caplog.at_level("INFO", logger="deepsport"):
        assert video.at([0], device="auto").data.shape == (1, 270, 352, 3)
    assert "decoding on the CPU: there is no NVIDIA driver" in caplog.text


def check_gpu(*arguments):
    """Run the script of `nox -s gpu`, on the fake."""
    return subprocess.run(
        [sys.executable, str(HERE.parents[1] / "tests" / "gpu" / "check.py"), "--fake", *arguments],
        env={**os.environ, "LD_LIBRARY_PATH": str(FAKE)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@needs_kernels
def test_the_first_run_on_a_gpu_reports(tmp_path):
    report, trace = tmp_path / "docs" / "report.md", tmp_path / "trace.txt"
    run = check_gpu("--report", report, "--trace", trace, "--rounds", "1")
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    text = report.read_text()
    assert "Fake GPU 0" in text and "Everything agrees." in text
    for clip in ("h264_open_gop.mp4", "hevc_10bit.mp4", "vp9_alt_ref.webm", "av1.mp4"):
        [row] = [line for line in text.splitlines() if line.startswith(f"| {clip} | 40 |")]
        assert "| NVDEC |" in row and row.endswith("| same | same | same |")
        assert re.search(rf"clip {clip}\npacket \d+\nsequence 176x144, ", trace.read_text())
    assert "four threads, request 7: same" in text
    assert "| deepsport, cuda |" in text


@needs_kernels
def test_a_gpu_that_gives_other_pictures_is_reported_as_such(tmp_path):
    import importlib.util

    place = HERE.parents[1] / "tests" / "gpu" / "compare.py"
    spec = importlib.util.spec_from_file_location("gpu_compare", place)
    compare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(compare)
    right = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    wrong = right.copy()
    wrong[1, 2, 3] += 5
    assert compare.difference(right, right) == ""
    assert compare.difference(wrong, right).startswith(
        "4.17% of the values differ, by 5 at most; 1"
    )
    assert "shape" in compare.difference(right[:1], right)


def callbacks_by_clip(text):
    """Of each clip: what was decoded behind which packet, and what was shown between two flushes.

    When a picture is shown is the parser's affair: one that knows more of the stream shows it later.
    Behind leading pictures of HEVC that cannot be decoded, a GPU was seen to hand out the times of
    other pictures, by no rule that we know; nobody believes them, and only their number is compared.
    """
    found = {}
    for clip in text.split("clip ")[1:]:
        name, *lines = clip.splitlines()
        decoded = [line for line in lines if not line.startswith("display ")]
        shown = [line for line in lines if line.startswith(("display ", "end"))]
        if name.startswith("hevc"):
            shown = [line.split()[0] for line in shown]
        found[name] = (decoded, shown)
    return found


@needs_kernels
def test_the_fakes_callbacks_are_those_of_a_gpu(tmp_path):
    golden = HERE.parents[1] / "tests" / "golden" / "nvdec_trace.txt"
    check_gpu("--only", "trace", "--trace", tmp_path / "trace.txt").check_returncode()
    found = callbacks_by_clip((tmp_path / "trace.txt").read_text())
    for name, wanted in callbacks_by_clip(golden.read_text()).items():
        assert found[name] == wanted, name


def test_the_times_of_a_report_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    root = HERE.parents[1]
    draw = [sys.executable, str(root / "tests" / "gpu" / "figure.py")]
    picture = tmp_path / "times.svg"
    subprocess.run([*draw, root / "docs" / "gpu-report.md", "--out", picture], check=True)
    assert "torchcodec" in picture.read_text() and "64 frames at random" in picture.read_text()
    empty = tmp_path / "empty.md"
    empty.write_text("# Nothing was timed")
    refused = subprocess.run([*draw, empty, "--out", picture], capture_output=True, text=True)
    assert refused.returncode == 2 and "no section 'Times'" in refused.stderr
