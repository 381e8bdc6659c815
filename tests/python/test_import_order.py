"""deepsport beside other libraries with an FFmpeg inside, in every order of import."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("import_order.py")
MAKE_CLIP = Path(__file__).parents[1] / "wheel" / "make_clip.py"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    pytest.importorskip("av")
    path = tmp_path_factory.mktemp("order") / "clip.mp4"
    subprocess.run([sys.executable, str(MAKE_CLIP), str(path)], check=True, timeout=60)
    return path


ORDERS = list(itertools.permutations(("deepsport", "av", "cv2")))


@pytest.mark.parametrize("order", ORDERS, ids=",".join)
def test_each_decodes_right_whoever_is_imported_first(clip, order):
    absent = [name for name in order if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"not installed: {absent}")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(clip), ",".join(order)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("order", ["torch,deepsport", "deepsport,torch"])
def test_torch_and_deepsport_in_both_orders(clip, order):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(clip), order], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_the_extension_shows_nothing_but_its_entry_point():
    if shutil.which("nm") is None:
        pytest.skip("nm is missing; it is in Debian's binutils")
    import deepsport._core

    listed = subprocess.check_output(
        ["nm", "-D", "--defined-only", deepsport._core.__file__], text=True
    )
    assert {line.split()[-1] for line in listed.splitlines()} == {"PyInit__core"}
