"""A source folder, read carefully: every path stays inside, every file has a size limit.

Downloads are not trusted. What is refused is refused with an error that names the file. Not for
videos (`deepsport.sources.probe`) nor for pickles (`deepsport.sources.pickles`).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from deepsport.errors import SourceFormatError, UnsafePathError

__all__ = ["LIMIT_BYTES", "Root", "parse_json", "relative_path"]

LIMIT_BYTES = 1 << 30  # of one annotation file, uncompressed; the largest known one has 0.2 GiB
_BLOCK_BYTES = 1 << 20
_MAX_RATIO = 250  # deflate cannot exceed 1032; annotations compress 5 to 40 times
_FREE_BYTES = 16 << 20  # below this size a high ratio is harmless


def relative_path(text: Any, *, of: str = "media path") -> str:
    """Return `text` as a relative path with forward slashes.

    Backslashes become slashes, ``.`` and doubled slashes go; no file is touched.

    Raises
    ------
    UnsafePathError
        When it is empty, absolute, names a drive, holds ``..`` or a NUL.
    """
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise UnsafePathError(f"{of} {text!r:.200}: valid is a relative path")
    windows = PureWindowsPath(text)
    if windows.drive or windows.root:
        raise UnsafePathError(f"{of} {text!r:.200} is absolute, valid is a relative path")
    path = PurePosixPath(*(part for part in windows.parts if part != "."))
    if ".." in path.parts:
        raise UnsafePathError(f"{of} {text!r:.200} leads out of its folder by '..'")
    if not path.parts:
        raise UnsafePathError(f"{of} {text!r:.200}: valid is a relative path to a file")
    return str(path)


class Root:
    """The folder of one source; remembers what was read from it. One object per thread.

    Parameters
    ----------
    folder : Path or str
    follow_links : bool
        Allow symbolic links that lead out of the folder (a Hugging Face cache is made of them).

    Attributes
    ----------
    read_files : dict
        Relative path of each file read, with the SHA-256 of its bytes.
    listings : dict
        Each pattern asked of :meth:`glob`, with the SHA-256 of the names found.

    Raises
    ------
    SourceFormatError
        When the folder does not exist.
    """

    def __init__(
        self, folder: Path | str, *, follow_links: bool = False, limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise SourceFormatError(f"source folder {self.folder} is not a folder")
        self._real = self.folder.resolve()
        self.follow_links = follow_links
        self.limit_bytes = limit_bytes
        self.read_files: dict[str, str] = {}
        self.listings: dict[str, str] = {}

    def path(self, relative: str) -> Path:
        """Return the full path of a file that may not exist.

        Raises
        ------
        UnsafePathError
            When it, or the link it is, leads out of the folder.
        """
        path = self.folder / relative_path(relative, of="path")
        if not self.follow_links:
            real = path.resolve()
            if real != self._real and self._real not in real.parents:
                raise UnsafePathError(
                    f"{path} is a link to {real}, out of {self._real}; "
                    "allow such links with follow_links (--follow-links)"
                )
        return path

    def has(self, relative: str) -> bool:
        """Say whether the file is there."""
        return self.path(relative).is_file()

    def glob(self, *patterns: str) -> list[str]:
        """Return the files that match any pattern, relative, sorted and without repeats."""
        found: set[str] = set()
        for pattern in patterns:
            names = [
                path.relative_to(self.folder).as_posix()
                for path in self.folder.glob(pattern)
                if path.is_file()
            ]
            for name in names:
                self.path(name)
            found.update(names)
        listed = sorted(found)
        digest = hashlib.sha256("\n".join(listed).encode("utf-8", "surrogateescape"))
        self.listings["|".join(patterns)] = digest.hexdigest()
        return listed

    def find(self, *patterns: str) -> list[str]:
        """Like :meth:`glob`, but at least one file must be there.

        Raises
        ------
        SourceFormatError
        """
        found = self.glob(*patterns)
        if not found:
            raise SourceFormatError(f"{self.folder}: no file matches {' or '.join(patterns)}")
        return found

    def read_bytes(self, relative: str, *, member: str = "") -> bytes:
        """Return the bytes of a file, of a ``.gz`` file's content, or of a ``.zip`` file's member.

        Raises
        ------
        SourceFormatError
            Missing, unreadable, over the size limit, or a compression bomb.
        """
        path = self.path(relative)
        try:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                size = path.stat().st_size
                if size > self.limit_bytes:
                    raise SourceFormatError(
                        f"{path} has {size} bytes, the limit is {self.limit_bytes}"
                    )
                raw = file.read()
            digest.update(raw)
            self.read_files[relative] = digest.hexdigest()
            if path.suffix == ".gz":
                with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
                    return self._drain(stream, path, len(raw))
            if path.suffix == ".zip":
                with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                    info = archive.getinfo(member)
                    with archive.open(info) as inside:
                        return self._drain(inside, path, max(1, info.compress_size))
            return raw
        except FileNotFoundError as error:
            raise SourceFormatError(f"{path} does not exist") from error
        except KeyError as error:
            raise SourceFormatError(f"{path} has no member {member!r}") from error
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            raise SourceFormatError(f"{path} cannot be read: {error}") from error

    def _drain(self, stream: IO[bytes] | gzip.GzipFile, path: Path, packed_bytes: int) -> bytes:
        """Read to the end, trusting no header about how long that is."""
        blocks, size = [], 0
        while block := stream.read(_BLOCK_BYTES):
            size += len(block)
            if size > self.limit_bytes:
                raise SourceFormatError(f"{path} unpacks to more than {self.limit_bytes} bytes")
            if size > _FREE_BYTES and size > packed_bytes * _MAX_RATIO:
                raise SourceFormatError(
                    f"{path} unpacks to more than {_MAX_RATIO} times its size: not read"
                )
            blocks.append(block)
        return b"".join(blocks)

    def text(self, relative: str, *, member: str = "") -> str:
        """Return a text file: UTF-8, or UTF-16 with a byte order mark.

        Raises
        ------
        SourceFormatError
        """
        raw = self.read_bytes(relative, member=member)
        encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError as error:
            raise SourceFormatError(
                f"{self.folder / relative} is not {encoding} at byte {error.start}: "
                "convert it, e.g. with iconv -f GB18030 -t UTF-8"
            ) from error

    def json(self, relative: str, *, member: str = "") -> Any:
        """Return the value of a JSON file.

        Raises
        ------
        SourceFormatError
        """
        return parse_json(self.text(relative, member=member), str(self.folder / relative))

    def json_rows(self, relative: str, *, member: str = "") -> Iterator[tuple[int, Any]]:
        """Yield ``(number, value)`` of a JSON list or of JSON lines, whichever the file is.

        Numbers start at 0 for a list and at 1 for lines, as editors and ``jq`` count them. A line
        that is not JSON is yielded as a :class:`SourceFormatError`, so that it can be counted.

        Raises
        ------
        SourceFormatError
            When the file is neither.
        """
        text = self.text(relative, member=member)
        name = str(self.folder / relative)
        start = text.lstrip()[:1]
        if start == "[":
            yield from enumerate(parse_json(text, name))
            return
        if not start:
            raise SourceFormatError(f"{name} is empty, valid is a JSON list or JSON lines")
        if start != "{":
            raise SourceFormatError(f"{name} starts with {start!r}, valid is a JSON list or lines")
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    yield number, parse_json(line, f"{name}, line {number}")
                except SourceFormatError as error:
                    yield number, error

    def csv_rows(self, relative: str, *, delimiter: str = ",") -> Iterator[tuple[int, Any]]:
        """Yield ``(line, {column: text})`` of a CSV file with a header line.

        Raises
        ------
        SourceFormatError
        """
        reader = csv.DictReader(
            io.StringIO(self.text(relative), newline=""), delimiter=delimiter, skipinitialspace=True
        )
        try:
            for row in reader:
                if None in row or None in row.values():
                    yield (
                        reader.line_num,
                        SourceFormatError(
                            f"{self.folder / relative}, line {reader.line_num}: "
                            f"valid is {len(reader.fieldnames or ())} columns"
                        ),
                    )
                else:
                    yield reader.line_num, row
        except csv.Error as error:
            raise SourceFormatError(
                f"{self.folder / relative}, line {reader.line_num}: {error}"
            ) from error


def parse_json(text: str, name: str) -> Any:
    """Parse JSON; `name` is the file for the error.

    Raises
    ------
    SourceFormatError
        When it is not JSON, or nested deeper than the interpreter follows.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise SourceFormatError(f"{name} is nested too deeply to be an annotation") from error
    except ValueError as error:
        raise SourceFormatError(f"{name} is not JSON: {error}") from error
