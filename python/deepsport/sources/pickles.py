"""Pickles of plain data and NumPy arrays, read without running what they ask for.

A pickle is a program. This reader checks every instruction before the first one runs, knows
nothing but dictionaries, lists, numbers, text and NumPy values, and refuses the rest by name.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deepsport.errors import UnsafePickleError
from deepsport.sources.files import Root

__all__ = ["load_pickle", "parse_pickle"]

# What plain data and arrays need (pickletools.dis over the published files of MTL-AQA and
# FineDiving). Not there: INST, OBJ, NEWOBJ and EXT* (make objects), PERSID (asks the reader).
_OPCODES = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "POP_MARK",
        "DUP",
        "MEMOIZE",
        "PUT",
        "BINPUT",
        "LONG_BINPUT",
        "GET",
        "BINGET",
        "LONG_BINGET",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "EMPTY_LIST",
        "LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "EMPTY_DICT",
        "DICT",
        "SETITEM",
        "SETITEMS",
        "EMPTY_SET",
        "ADDITEMS",
        "FROZENSET",
        "GLOBAL",
        "STACK_GLOBAL",
        "REDUCE",
        "BUILD",
    ]
)
_DTYPE_KINDS = "biufUS"  # booleans, numbers, text: no object arrays


class _Dtype:
    """Stands for ``numpy.dtype``; of its state only the byte order counts.

    The real one would let a pickle change what NumPy's shared dtype objects mean.
    """

    def __init__(self, *arguments: Any) -> None:
        self.made = np.dtype(str(arguments[0]))
        if self.made.kind not in _DTYPE_KINDS:
            raise UnsafePickleError(f"array of dtype {self.made}, valid are numbers and text")

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order in ("<", ">"):
            self.made = self.made.newbyteorder(order)


def _values(dtype: Any, raw: Any) -> np.ndarray[Any, Any]:
    if isinstance(raw, str):  # protocol 2 writes bytes as latin-1 text
        raw = raw.encode("latin-1")
    if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes | bytearray):
        raise UnsafePickleError("an array of something else than numbers and text")
    return np.frombuffer(bytes(raw), dtype=dtype.made)


def _scalar(dtype: Any, raw: Any = b"") -> Any:
    return _values(dtype, raw)[0]


class _Array:
    """Stands for ``numpy.ndarray`` while a pickle is read; becomes one when its state comes."""

    def __init__(self) -> None:
        self.value: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        self.value = _values(dtype, raw).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*arguments: Any) -> _Array:
    del arguments  # always (ndarray, (0,), b"b"); the shape and the data come with the state
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise UnsafePickleError(f"bytes in encoding {encoding!r}, valid is 'latin1'")
    return text.encode(encoding)


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(
                f"it asks for {module}.{name}, valid are "
                + ", ".join(sorted({f"{m}.{n}" for m, n in _ALLOWED if "_core" not in m}))
            ) from None


def _check(raw: bytes) -> None:
    """Refuse instructions that plain data never needs, and memo indices that eat memory."""
    names: list[str] = []  # texts pushed just before, to say early what STACK_GLOBAL asks for
    for count, (opcode, argument, position) in enumerate(pickletools.genops(raw), 1):
        if opcode.name == "STACK_GLOBAL" and len(names) == 2:
            _Reader(io.BytesIO()).find_class(*names)
        if isinstance(argument, str) and opcode.name != "GLOBAL":
            names = [*names[-1:], argument]
        elif opcode.name not in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
            names = []
        if opcode.name not in _OPCODES:
            raise UnsafePickleError(
                f"instruction {opcode.name} at byte {position}, plain data never needs it"
            )
        # The C unpickler allocates for the largest index: 9 bytes could ask for 34 GB.
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count:
            raise UnsafePickleError(f"memo index {argument} at byte {position}, {count} are used")
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            _Reader(io.BytesIO()).find_class(module, name)


def _plain(value: Any, seen: dict[int, Any], depth: int = 0) -> Any:
    """Replace array stand-ins by arrays, in containers as deep as data goes."""
    if depth > 20:
        raise UnsafePickleError("nested deeper than 20 levels")
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return value
    if id(value) in seen:
        return seen[id(value)]
    seen[id(value)] = None  # a container inside itself becomes None
    made: Any
    if isinstance(value, dict):
        made = {_plain(k, seen, depth + 1): _plain(v, seen, depth + 1) for k, v in value.items()}
    else:
        kind = type(value)
        made = kind(_plain(item, seen, depth + 1) for item in value)
    seen[id(value)] = made
    return made


def parse_pickle(raw: bytes, name: str) -> Any:
    """Return the data of a pickle; `name` is the file for the error.

    Arrays are NumPy arrays, NumPy numbers are Python numbers.

    Raises
    ------
    UnsafePickleError
        When it asks for anything but plain data and arrays, or is damaged.
    """
    try:
        _check(raw)
        return _plain(_Reader(io.BytesIO(raw), encoding="latin-1").load(), {})
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{name}: {error}") from None
    except Exception as error:  # the unpickler raises nearly everything on damaged input
        raise UnsafePickleError(f"{name} is not a readable pickle: {error!r:.200}") from error


def load_pickle(root: Root, relative: str) -> Any:
    """Return the data of a pickle below `root`.

    Raises
    ------
    SourceFormatError
        Missing, too large, or (:class:`UnsafePickleError`) not plain data.
    """
    return parse_pickle(root.read_bytes(relative), str(Path(root.folder) / relative))
