"""Files that nobody should trust: refused with a typed error that names the file."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import pickle
import pickletools
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsport.errors import SourceFormatError, UnsafePathError, UnsafePickleError
from deepsport.sources.files import Root, parse_json, relative_path
from deepsport.sources.pickles import load_pickle, parse_pickle
from material import annotations


class _Runs:
    def __reduce__(self):
        return os.system, (f"touch '{self.trace}'",)

    def __init__(self, trace):
        self.trace = trace


class _Shared:
    """Would set attributes of NumPy's shared float dtype."""

    def __reduce__(self):
        return np.dtype, ("f8", False, False), (3, ">", None, None, None, -1, -1, 0)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_a_command_is_refused_before_it_runs(protocol, tmp_path):
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps([1, _Runs(tmp_path / "trace")], protocol))
    with pytest.raises(UnsafePickleError, match=r"evil\.pkl"):
        load_pickle(Root(tmp_path), "evil.pkl")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02c__builtin__\ngetattr\n.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a memo index that would allocate 34 GB
        b"\x80\x02Pid\n.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02\x82\x01.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # 8 exabytes announced
        b"",
        b"not a pickle",
        b"\x80\x02}",
        pickle.dumps(np.array([object()], dtype=object)),
        pickle.dumps({"a": range(3)}),
    ],
)
def test_what_plain_data_never_needs_is_refused(raw):
    with pytest.raises(UnsafePickleError, match=r"x\.pkl"):
        parse_pickle(raw, "x.pkl")


def test_a_pickle_cannot_change_the_dtypes_of_numpy():
    parse_pickle(pickle.dumps(_Shared(), 2), "x.pkl")
    assert np.dtype("f8").isnative
    assert np.float64(1.5).tobytes() == struct.pack("=d", 1.5)


def test_a_data_frame_is_refused_by_the_name_it_asks_for():
    root = Root(annotations("golfdb"))
    with pytest.raises(UnsafePickleError, match=r"golfDB\.pkl.*pandas"):
        load_pickle(root, "golfDB.pkl")


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
        max_leaves=12,
    ),
    st.integers(0, pickle.HIGHEST_PROTOCOL),
)
def test_plain_data_of_any_protocol_reads_as_it_was_written(value, protocol):
    assert parse_pickle(pickle.dumps(value, protocol), "x.pkl") == value


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<f8", "u1", "<U5", "S3", "?"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_and_their_numbers_read_as_they_were_written(dtype, protocol):
    array = np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype)
    raw = pickle.dumps({"a": array, "f": np.asfortranarray(array), "n": array[0, 0]}, protocol)
    if protocol == 5 and b"_frombuffer" in raw:
        with pytest.raises(UnsafePickleError, match="_frombuffer"):
            parse_pickle(raw, "x.pkl")
        return
    read = parse_pickle(raw, "x.pkl")
    assert read["a"].tolist() == read["f"].tolist() == array.tolist()
    assert read["n"] == array[0, 0]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_pickles_are_refused_or_read_and_never_crash(data):
    raw = bytearray(pickle.dumps({"a": [1, "b", (2.5, None)], "n": np.int32(3)}, 2))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnsafePickleError):
        parse_pickle(bytes(raw), "x.pkl")


def test_a_list_inside_itself_is_read_without_end():
    loop: list = [1]
    loop.append(loop)
    assert parse_pickle(pickle.dumps(loop), "x.pkl") == [1, None]


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 1_000_000, "[" * 10_000])
def test_json_nested_a_million_deep_is_refused(text, tmp_path):
    (tmp_path / "deep.json").write_text(text)
    with pytest.raises(SourceFormatError, match=r"deep\.json"):
        Root(tmp_path).json("deep.json")


@pytest.mark.parametrize("text", ["", "{", "nul", "[1,]", '{"a": 1' + "0" * 5000 + "}"])
def test_what_is_not_json_is_a_typed_error(text):
    with pytest.raises(SourceFormatError, match=r"x\.json"):
        parse_json(text, "x.json")


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "a/../../b",
        "a\\..\\..\\b",
        "/etc/passwd",
        "C:\\windows\\x.mp4",
        "C:x.mp4",
        "\\\\server\\share\\x.mp4",
        "a\0b",
        "",
        "  ",
        ".",
        None,
        3,
        ["x"],
    ],
)
def test_paths_that_lead_out_are_refused(path):
    with pytest.raises(UnsafePathError):
        relative_path(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("league\\2015-2016\\A 1 - 0 B\\1.mkv", "league/2015-2016/A 1 - 0 B/1.mkv"),
        ("./a//b/./c.mp4", "a/b/c.mp4"),
        ("O'Neil clip (1).mp4", "O'Neil clip (1).mp4"),
        ("..a/b..mp4", "..a/b..mp4"),
    ],
)
def test_awkward_paths_that_stay_inside_are_kept(path, expected):
    assert relative_path(path) == expected


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_no_accepted_path_leaves_its_folder(text):
    try:
        path = relative_path(text)
    except UnsafePathError:
        return
    folder = Path("/no such folder")
    assert folder in (folder / path).resolve().parents


def test_a_link_out_of_the_root_is_refused_unless_allowed(tmp_path):
    (tmp_path / "outside.json").write_text("[]")
    root = tmp_path / "root"
    root.mkdir()
    (root / "questions.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(UnsafePathError, match="follow"):
        Root(root).json("questions.json")
    with pytest.raises(UnsafePathError):
        Root(root).glob("*.json")
    assert Root(root, follow_links=True).json("questions.json") == []


def test_a_link_within_the_root_is_fine(tmp_path):
    (tmp_path / "real.json").write_text("[1]")
    (tmp_path / "alias.json").symlink_to(tmp_path / "real.json")
    assert Root(tmp_path).json("alias.json") == [1]


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(bytes(64 << 20)))
    with pytest.raises(SourceFormatError, match=r"bomb\.json\.gz"):
        Root(tmp_path).json("bomb.json.gz")


def test_a_zip_bomb_is_not_unpacked_whatever_its_header_says(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.json", bytes(64 << 20))
    (tmp_path / "meta-data.zip").write_bytes(buffer.getvalue())
    with pytest.raises(SourceFormatError, match=r"meta-data\.zip"):
        Root(tmp_path).read_bytes("meta-data.zip", member="train.json")
    with pytest.raises(SourceFormatError, match="no member"):
        Root(tmp_path).read_bytes("meta-data.zip", member="other.json")


def test_a_file_over_the_limit_is_not_read(tmp_path):
    (tmp_path / "big.json").write_text("[" + "1," * 5000 + "1]")
    with pytest.raises(SourceFormatError, match="limit is 1000"):
        Root(tmp_path, limit_bytes=1000).json("big.json")


@pytest.mark.parametrize("name", ["x.json.gz", "x.zip"])
def test_a_damaged_archive_is_a_typed_error(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x1f\x8b\x08\x00garbage, not an archive at all")
    with pytest.raises(SourceFormatError, match=name):
        Root(tmp_path).read_bytes(name, member="a")


def test_bytes_that_are_no_utf8_say_where_and_what_to_do(tmp_path):
    (tmp_path / "zh.json").write_bytes(b'["' + "羽毛球".encode("gb18030") + b'"]')
    with pytest.raises(SourceFormatError, match=r"byte 2.*iconv"):
        Root(tmp_path).json("zh.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(encoding, tmp_path):
    (tmp_path / "a.json").write_bytes('["羽毛球"]'.encode(encoding))
    assert Root(tmp_path).json("a.json") == ["羽毛球"]


def test_a_list_and_lines_under_the_same_name_are_both_read(tmp_path):
    (tmp_path / "list.json").write_text('[{"a":1},{"a":2}]')
    (tmp_path / "test.json").write_text('{"a":1}\n{"a":2}\n{broken\n')
    root = Root(tmp_path)
    assert list(root.json_rows("list.json")) == [(0, {"a": 1}), (1, {"a": 2})]
    first, second, third = root.json_rows("test.json")
    assert (first, second) == ((1, {"a": 1}), (2, {"a": 2}))
    assert third[0] == 3
    assert isinstance(third[1], SourceFormatError)


def test_opcodes_that_are_allowed_exist():
    from deepsport.sources.pickles import _OPCODES

    assert {opcode.name for opcode in pickletools.opcodes} >= _OPCODES
