"""The comparison of the C face bites: each change that breaks programs is found, additions are not."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "embed" / "compare_abi.py"
HEADER = "cpp/include/deepsport/c/deepsport.h"
PROTOCOL = "cpp/src/c/protocol.cpp"
PLANTED = {
    "nothing": ([], 0),
    "another number of a code": ([(HEADER, "DS_LIMIT = 9,", "DS_LIMIT = 19,")], 1),
    "a code more": ([(HEADER, "DS_INTERNAL = 14 ", "DS_INTERNAL = 14, DS_MORE = 15 ")], 0),
    "a structure that grows at its end": (
        [(HEADER, "char codec[32];", "char codec[32]; int64_t more;")], 0,
    ),
    "a structure that grows in the middle": (
        [(HEADER, "int64_t keyframe_count;", "int32_t more; int64_t keyframe_count;")], 1,
    ),
    "a member of another type": ([(HEADER, "int32_t truncated;", "float truncated;")], 1),
    "an argument of another type": (
        [(path, "size_t message_bytes)", "unsigned message_bytes)") for path in (HEADER, PROTOCOL)],
        1,
    ),
    "a function that is gone": (
        [(path, "ds_uniform_indices", "ds_uniform") for path in (HEADER, PROTOCOL)], 1,
    ),
}  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("abidw") is None, reason="abidw is missing; it is in Debian's abigail-tools"
    ),
]


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_change_is_judged_right(tmp_path, planted):
    changes, expected = PLANTED[planted]
    shutil.copytree(ROOT / "cpp", tmp_path / "cpp")
    shutil.copy(ROOT / "CMakeLists.txt", tmp_path)
    for name, old, new in changes:
        path = tmp_path / name
        text = path.read_text()
        assert old in text, (name, old)
        path.write_text(text.replace(old, new))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--tree", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == expected, done.stdout + done.stderr
    assert done.stdout.strip().splitlines()[-1].startswith(("same", "compatible", "incompatible"))


def test_another_soversion_promises_nothing(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("compare_abi", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.PROMISED.read_text()
    other = tmp_path / "other.abi"
    other.write_text(text.replace("libdeepsport.so.0", "libdeepsport.so.1"))
    assert module.compare(other, module.PROMISED) == 0
    assert "SOVERSION went from 1 to 0" in capsys.readouterr().out
