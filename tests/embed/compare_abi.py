"""Compare the C face of this tree with the interface that was promised: nothing may vanish or change.

    python compare_abi.py             against tests/embed/c_face.abi, which is in the tree
    python compare_abi.py REVISION    against a tag or commit
    python compare_abi.py --record    write c_face.abi anew: after additions, or with a new SOVERSION

Needs abidw and abidiff (Debian: abigail-tools), and git for a revision. Only the sources of the C face
are built, with debug information: what users are bound to is in them.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROMISED = HERE / "c_face.abi"
INCOMPATIBLE = 8  # a bit of abidiff's exit status; 4 is a change, 1 and 2 are errors


def build(tree: Path, folder: Path) -> Path:
    """Build the C face of a tree as a library with debug information; its other symbols stay open."""
    version = re.search(
        r"project\(deepsport VERSION ([\d.]+)", (tree / "CMakeLists.txt").read_text()
    )
    numbers = dict(zip(("MAJOR", "MINOR", "PATCH"), version[1].split("."), strict=True))
    header = (tree / "cpp/include/deepsport/version.hpp.in").read_text()
    for name, number in numbers.items():
        header = header.replace(f"@PROJECT_VERSION_{name}@", number)
    made = folder / "include" / "deepsport" / "version.hpp"
    made.parent.mkdir(parents=True)
    made.write_text(header.replace("@PROJECT_VERSION@", version[1]))
    objects = []
    common = ["-g", "-O0", "-fPIC", f"-I{folder / 'include'}", f"-I{tree / 'cpp' / 'include'}"]
    sources = [*sorted((tree / "cpp" / "src" / "c").glob("*.cpp")), HERE / "c_face_enums.c"]
    for source in sources:
        compiler = ["cc"] if source.suffix == ".c" else ["c++", "-std=c++17"]
        objects.append(folder / f"{source.stem}.o")
        subprocess.run(
            [*compiler, *common, f"-I{tree / 'cpp' / 'src'}", "-c", source, "-o", objects[-1]],
            check=True,
        )
    library = folder / "libdeepsport.so"
    soname = f"-Wl,-soname,libdeepsport.so.{numbers['MAJOR']}"
    shown = f"-Wl,--version-script={HERE / 'c_face.map'}"
    subprocess.run(["c++", "-shared", soname, shown, *objects, "-o", library], check=True)
    return library


def dump(library: Path, tree: Path, out: Path) -> None:
    """Write what a library promises: the functions ds_* and the types that the C header shows."""
    subprocess.run(
        [
            "abidw", "--exported-interfaces-only", "--drop-private-types",
            "--header-file", tree / "cpp" / "include" / "deepsport" / "c" / "deepsport.h",
            "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed",
            "--type-id-style", "hash", "--out-file", out, library,
        ],
        check=True,
    )  # fmt: skip
    text = out.read_text(encoding="utf-8")
    out.write_text(re.sub(r" path='[^']*/([^/']+)'", r" path='\1'", text), encoding="utf-8")


def compare(old: Path, new: Path) -> int:
    """Print what differs; return 0 when users of the old library can use the new one."""
    if soname(old) != soname(new):
        print(f"SOVERSION went from {soname(old)} to {soname(new)}: nothing is promised across it")
        return 0
    done = subprocess.run(["abidiff", old, new], check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    # To abidiff a changed number is only "changed"; a structure that grew at its end is one as well,
    # which is allowed: each says its size.
    broken = done.returncode & INCOMPATIBLE or re.search(
        r"[1-9]\d* Removed| from value '| deletions?:|offset changed|type name changed", done.stdout
    )
    if done.returncode & 3:
        sys.exit(f"abidiff failed with {done.returncode}")
    print("incompatible" if broken else "compatible, with additions" if done.returncode else "same")
    return 1 if broken else 0


def soname(description: Path) -> str:
    """Return the SOVERSION that a description names."""
    return re.search(r"soname='libdeepsport\.so\.(\d+)'", description.read_text())[1]


def describe(tree: Path, folder: Path) -> Path:
    """Build and describe a tree."""
    folder.mkdir()
    dump(build(tree, folder), tree, folder / "c_face.abi")
    return folder / "c_face.abi"


def main() -> int:
    """Compare, or record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("revision", nargs="?", help="a tag or commit instead of c_face.abi")
    parser.add_argument("--record", action="store_true", help="write c_face.abi anew")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the sources to look at")
    args = parser.parse_args()
    for tool in ("abidw", "abidiff"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing; it is in Debian's abigail-tools")
    os.environ.pop("CXXFLAGS", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        new = describe(args.tree, folder / "new")
        old = PROMISED
        if args.revision:
            command = ["git", "-C", ROOT, "archive", args.revision, "cpp", "CMakeLists.txt"]
            packed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(folder / "tree", filter="data")
            old = describe(folder / "tree", folder / "old")
        if args.record:
            if old.exists() and compare(old, new):
                sys.exit("not recorded: raise SOVERSION (the major version) first")
            shutil.copy(new, PROMISED)
            return 0
        return compare(old, new)


if __name__ == "__main__":
    sys.exit(main())
