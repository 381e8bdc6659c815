"""The Python face of the CUDA path, on the fake driver: see Note [Fake driver] in tests/fake_driver.

Each test is a script in a process of its own, with the fake first on its library path; the scripts
are in cuda_scripts.py. What passes here has passed on a fake, not on a GPU.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepsport.device import cuda_status

HERE = Path(__file__).parent
FAKE = HERE.parents[1] / "build" / "core" / "tests" / "fake_driver"

pytestmark = [
    pytest.mark.skipif(
        not (FAKE / "libnvcuvid.so.1").exists() or not (FAKE / "clips" / "h264.mp4").exists(),
        reason="the fake driver or its clips are not built: nox -s core",
    ),
    pytest.mark.skipif(
        not cuda_status().kernels, reason="this build has no CUDA kernels: nvcc was not found"
    ),
]


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
        "what_does_not_fit_is_refused",
        "a_forked_child_gets_a_typed_error",
        "doctor_calls_the_fake_a_fake",
    ],
)
def test_on_the_fake_driver(script, tmp_path):
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(FAKE),
        "FAKE_CUDA_DEVICES": "2",
        "DEEPSPORT_CUDA_CLIPS": str(FAKE / "clips"),
        "HOME": str(tmp_path),
    }
    run = subprocess.run(
        [sys.executable, "-W", "error", str(HERE / "cuda_scripts.py"), script],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    assert "VIOLATION" not in run.stderr, run.stderr[-4000:]


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


def test_the_fakes_callbacks_are_those_of_a_gpu(tmp_path):
    golden = HERE.parents[1] / "tests" / "golden" / "nvdec_trace.txt"
    if not golden.exists():
        pytest.skip("no callbacks of a real GPU have been recorded yet: nox -s gpu on one")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(FAKE)}
    subprocess.run(
        [sys.executable, str(HERE.parents[1] / "tests" / "gpu" / "check.py"), "--fake",
         "--clips", str(FAKE / "clips"), "--trace", str(tmp_path / "trace.txt")],
        env=environment, check=True, timeout=300,
    )  # fmt: skip
    assert (tmp_path / "trace.txt").read_text() == golden.read_text()
