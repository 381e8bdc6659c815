"""The direction of the C++ core: who may include whom, and what public headers may not show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "cpp"
# Left to right: a module may include itself and what stands left of it.
ORDER = ["version", "error", "time", "device", "video", "index", "frames", "cache", "cuda", "tool"]
ALSO = {"isolation": {"error"}, "protocol": {"error"}, "reward": {"error", "time", "protocol"}}
# The arithmetic that CPU and GPU share includes nothing and belongs to neither.
SHARED = {"cuda/pixel.hpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def _module(path: Path) -> str:
    parts = path.relative_to(CORE).parts
    name = parts[2] if parts[0] == "include" else parts[1]
    return name.removesuffix(".hpp").removesuffix(".cpp").removesuffix(".h")


def _sources(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.suffix in {".hpp", ".cpp", ".h"}]


def test_the_core_includes_only_what_stands_left_of_it():
    wrong = []
    for path in _sources(CORE / "include" / "deepsport") + _sources(CORE / "src"):
        module = _module(path)
        if module in ORDER:
            allowed = set(ORDER[: ORDER.index(module) + 1])
        elif module in ALSO:
            allowed = ALSO[module] | {module}
        else:
            continue
        for name in set(INCLUDE.findall(path.read_text())) - SHARED:
            included = re.match(r"(?:deepsport/)?([a-z_]+)[/.]", name)
            known = set(ORDER) | set(ALSO)
            if included and included[1] in known and included[1] not in allowed:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", ["libav", "libsw", "cuda", "pybind11", "Python.h"])
def test_public_headers_show_no_foreign_types(library):
    for path in _sources(CORE / "include"):
        shown = [name for name in INCLUDE.findall(path.read_text()) if name.startswith(library)]
        assert not shown, f"{path.relative_to(ROOT)} includes {shown}"


def test_only_bindings_include_pybind11():
    wrong = [p for p in _sources(CORE) if re.search(r"#\s*include\s*<pybind11", p.read_text())]
    assert not wrong, wrong


def test_no_file_is_named_after_nothing():
    banned = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "base"}
    tree = [*ROOT.glob("python/**/*.py"), *_sources(CORE), *ROOT.glob("bindings/*")]
    assert not [p for p in tree if p.stem in banned]
