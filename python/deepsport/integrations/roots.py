"""The folders an agent may see: from a name it wrote to a file inside them, or a refusal.

Not for opening videos (`deepsport.integrations.frame_service`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from deepsport.errors import InvalidRequestError, SettingsError, VideoNotFoundError

__all__ = ["Roots"]

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for names in (
        "mp4 m4v mov 3gp mkv webm avi flv wmv asf",
        "ts mts m2ts mpg mpeg ogv ogg",
    )
    for name in names.split()
)
NAMES_SHOWN = 10
ENTRIES_WALKED = 2000


class Roots:
    """Folders whose files may be named, by paths relative to them.

    Parameters
    ----------
    folders : sequence of Path or str
        Searched in this order; links among them are followed once, now.

    Raises
    ------
    SettingsError
        When there is none, or one is not a folder.

    Notes
    -----
    Safe to share between threads.
    """

    def __init__(self, folders: Sequence[Path | str]) -> None:
        if not folders:
            raise SettingsError("no root folder given, at least one is needed")
        for folder in folders:
            if not Path(folder).is_dir():
                raise SettingsError(
                    f"root {str(folder)!r} is not a folder; valid is one that exists"
                )
        self.folders = tuple(Path(folder).resolve() for folder in folders)

    def find(self, name: str) -> tuple[Path, str]:
        """Return the root and the path below it, links followed, that `name` means.

        Raises
        ------
        InvalidRequestError
            When `name` is absolute, has ``..`` in it, or leads out of the root by a link.
        VideoNotFoundError
            When there is no such file; the message names some that there are.
        """
        path = PurePosixPath(name)
        if not name or "\0" in name:
            raise InvalidRequestError(f"video {name!r}: valid is a path such as 'match/clip.mp4'")
        if path.is_absolute() or name.startswith("~") or PureWindowsPath(name).anchor:
            raise InvalidRequestError(
                f"video {name!r} is an absolute path; valid are paths relative to the media folder"
            )
        if ".." in path.parts:
            raise InvalidRequestError(
                f"video {name!r} has '..' in it; valid are paths below the media folder"
            )
        for root in self.folders:
            try:
                full = (root / path).resolve()
                inside = full.is_relative_to(root)
                found = full.is_file() if inside else (root / path).is_symlink()
            except (OSError, RuntimeError):  # a name too long, a loop of links
                continue
            if not inside and (found or (root / path).exists()):
                raise InvalidRequestError(
                    f"video {name!r} leads out of the media folder by a link; "
                    "valid are files that lie in it"
                )
            if found and inside:
                return root, str(full.relative_to(root))
        raise VideoNotFoundError(f"no video {name!r} in the media folder; {self._some_names()}")

    def _some_names(self) -> str:
        """Name a few videos that there are, without walking a huge tree."""
        names: list[str] = []
        for root in self.folders:
            names += [
                path.relative_to(root).as_posix()
                for path in itertools.islice(root.rglob("*"), ENTRIES_WALKED)
                if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_symlink()
            ]
        shown = ", ".join(repr(name) for name in sorted(names)[:NAMES_SHOWN])
        more = " and others" if len(names) > NAMES_SHOWN else ""
        return f"there are {shown}{more}" if names else "there are no videos in it"
