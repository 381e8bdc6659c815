"""What the media really are: size, hash, frames, rate, keyframes, picture hashes; looked at once.

Facts are kept in an append-only file and found again by path, size and time of change. A medium
that cannot be read is a recorded fact, not an exception.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsport.errors import DeepsportError, UnsafePathError
from deepsport.progress import Progress
from deepsport.sources.files import Root

__all__ = ["MediaCache", "MediaFacts", "MediaFinder", "probe", "probe_all"]

_SCHEMA = "deepsport.media/1"
_IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_VIDEOS = (".mp4", ".mkv", ".avi", ".webm")
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """Facts of one medium; `error` says why there are none.

    Attributes
    ----------
    path : str
        Relative to the root.
    size_bytes, changed_ns : int
        Of the file, to see whether it is still the one looked at.
    sha256 : str
        Of the bytes; for a folder of frames of names and bytes in order.
    error : str
        ``"missing"``, or class and message of the error of opening it.
    frame_count, width, height, keyframe_count : int
    fps, duration_seconds, first_pts_seconds : float
    codec, form : str
    picture_hashes : tuple of str
        Hexadecimal difference hashes of frames spread over the video.
    """

    path: str
    size_bytes: int = 0
    changed_ns: int = 0
    sha256: str = ""
    error: str = ""
    frame_count: int = 0
    width: int = 0
    height: int = 0
    keyframe_count: int = 0
    fps: float = 0.0
    duration_seconds: float = 0.0
    first_pts_seconds: float = 0.0
    codec: str = ""
    form: str = "video"
    picture_hashes: tuple[str, ...] = ()


class MediaCache:
    """Facts on disk, one JSON line each; the last line of a path counts. One object per process.

    Parameters
    ----------
    path : Path or None
        The file; made when the first fact is added. A torn last line is skipped. None keeps facts
        in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._facts: dict[str, MediaFacts] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    record = json.loads(line)
                    if record.pop("schema") == _SCHEMA:
                        record["picture_hashes"] = tuple(record["picture_hashes"])
                        facts = MediaFacts(**record)
                        self._facts[facts.path] = facts
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue

    def get(self, path: str, size_bytes: int, changed_ns: int) -> MediaFacts | None:
        """Return the facts of a file that has not changed since."""
        facts = self._facts.get(path)
        if facts and (facts.size_bytes, facts.changed_ns) == (size_bytes, changed_ns):
            return facts
        return None

    def add(self, facts: MediaFacts) -> None:
        """Keep facts."""
        self._facts[facts.path] = facts
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"schema": _SCHEMA, **dataclasses.asdict(facts)}) + "\n")


class MediaFinder:
    """Finds a medium that is not where its row says, by its file name, when only one has it.

    Archives unpack into other folders than rows name, and extensions go missing.
    """

    def __init__(self, root: Root, folder: str = "") -> None:
        self._root = root
        self._folder = folder
        self._by_name: dict[str, list[str]] | None = None

    def find(self, path: str) -> str:
        """Return where the medium is, or an empty string.

        Raises
        ------
        UnsafePathError
            When the path, or a link on it, leads out of the root.
        """
        full = self._root.path(path)
        if full.is_file():
            return path
        for suffix in _VIDEOS:  # a video beside or instead of a folder of its frames
            if self._root.path(path + suffix).is_file():
                return path + suffix
        if full.exists():
            return path
        if self._by_name is None:
            self._by_name = defaultdict(list)
            start = self._root.folder / self._folder
            for found in sorted(start.rglob("*")) if start.is_dir() else ():
                if found.is_file() and found.suffix.lower() not in (*_IMAGES, ".json", ".csv"):
                    relative = found.relative_to(self._root.folder).as_posix()
                    self._by_name[found.name].append(relative)
                    self._by_name[found.stem].append(relative)
        name = path.rpartition("/")[2]
        for candidate in (name, name.rpartition(".")[0]):
            places = self._by_name.get(candidate, []) if candidate else []
            if len(places) == 1:
                self._root.path(places[0])
                return places[0]
        return ""


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _frame_folder(path: Path) -> Iterator[Path]:
    yield from sorted(entry for entry in path.iterdir() if entry.suffix.lower() in _IMAGES)


def probe(root: Root, path: str, *, pictures: bool = True) -> MediaFacts:
    """Look at one medium.

    Parameters
    ----------
    pictures : bool
        Decode a few frames for the picture hashes as well.
    """
    try:
        full = root.path(path)
        if not full.exists():
            return MediaFacts(path, error="missing")
        stat = full.stat()
        facts = MediaFacts(path, stat.st_size, stat.st_mtime_ns)
        if full.is_dir():
            return _probe_folder(full, facts)
        facts = dataclasses.replace(facts, sha256=_sha256(full))
    except (UnsafePathError, OSError) as error:
        return MediaFacts(path, error=f"{type(error).__name__}: {error}"[:300])
    return _probe_video(full, facts, pictures=pictures)


def _probe_folder(full: Path, facts: MediaFacts) -> MediaFacts:
    digest, count = hashlib.sha256(), 0
    for image in _frame_folder(full):
        digest.update(f"{image.name}\0{_sha256(image)}\n".encode())
        count += 1
    return dataclasses.replace(
        facts,
        sha256=digest.hexdigest() if count else "",
        frame_count=count,
        form="frames",
        error="" if count else "EmptyFolder: a folder without images",
    )


def _probe_video(full: Path, facts: MediaFacts, *, pictures: bool) -> MediaFacts:
    from deepsport.sources.duplicates import picture_hashes
    from deepsport.video import open as open_video

    try:
        video = open_video(full)
        return dataclasses.replace(
            facts,
            frame_count=video.frame_count,
            width=video.width,
            height=video.height,
            keyframe_count=video.keyframe_count,
            fps=float(video.average_fps),
            duration_seconds=float(video.duration_seconds),
            first_pts_seconds=float(video.first_pts_seconds),
            codec=video.codec,
            picture_hashes=picture_hashes(video) if pictures else (),
        )
    except DeepsportError as error:
        return dataclasses.replace(facts, error=f"{type(error).__name__}: {error}"[:300])


def probe_all(
    root: Root,
    paths: Iterable[str],
    cache: MediaCache,
    *,
    jobs: int = 1,
    pictures: bool = True,
) -> dict[str, MediaFacts]:
    """Return the facts of every path, from the cache where nothing has changed.

    Interrupted work is kept: each fact is on disk as soon as it is known.
    """
    done: dict[str, MediaFacts] = {}
    todo = []
    for path in sorted(set(paths)):
        known = _known(root, path, cache)
        if known is not None and (known.picture_hashes or known.error or not pictures
                                  or known.form == "frames"):  # fmt: skip
            done[path] = known
        else:
            todo.append(path)
    queue = iter(todo)
    with (
        Progress("probe media", len(done) + len(todo), done=len(done)) as bar,
        ThreadPoolExecutor(max(1, jobs)) as pool,
    ):
        running: set[Future[MediaFacts]] = set()
        while True:
            for path in queue:
                running.add(pool.submit(probe, root, path, pictures=pictures))
                if len(running) >= 4 * max(1, jobs):
                    break
            if not running:
                return done
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                facts = future.result()
                done[facts.path] = facts
                if facts.error != "missing":
                    cache.add(facts)
                bar.advance()


def _known(root: Root, path: str, cache: MediaCache) -> MediaFacts | None:
    try:
        stat: Any = root.path(path).stat()
    except (OSError, UnsafePathError):
        return None
    return cache.get(path, stat.st_size, stat.st_mtime_ns)
