"""Compare the C face of this tree with that of the last tag: nothing may vanish or change.

    python compare_abi.py [REVISION]

Needs git, cmake and abidiff (Debian: abigail-tools). Without a tag there is nothing to keep yet.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
INCOMPATIBLE = 8  # bit of abidiff's exit status: a change that breaks users


def build(source, folder):
    library = folder / "cpp" / "libdeepsport.so"
    subprocess.run(
        ["cmake", "-S", source, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    subprocess.run(["cmake", "--build", folder, "-j", "2"], check=True, stdout=subprocess.DEVNULL)
    return library


def soname(library):
    return library.resolve().name.split(".so.")[1].split(".")[0]


def main():
    if len(sys.argv) > 1:
        revision = sys.argv[1]
    else:
        found = subprocess.run(
            ["git", "-C", ROOT, "describe", "--tags", "--abbrev=0"], capture_output=True, text=True
        )
        revision = found.stdout.strip()
    if not revision:
        print("no tag yet: there is no released interface to keep")
        return 0
    if shutil.which("abidiff") is None:
        print("abidiff is missing; it is in Debian's abigail-tools", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        old_source = Path(folder) / "source"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(old_source), revision], check=True)
        try:
            old = build(old_source, Path(folder) / "old")
            new = build(ROOT, Path(folder) / "new")
            if soname(old) != soname(new):
                print(f"SOVERSION rose from {soname(old)} to {soname(new)}: nothing to compare")
                return 0
            status = subprocess.run(
                ["abidiff", "--suppressions", Path(__file__).with_name("c_face.abignore"), old, new]
            ).returncode
        finally:
            subprocess.run([*git, "remove", "--force", str(old_source)], check=True)
    print(f"{revision} to this tree: {'incompatible' if status & INCOMPATIBLE else 'compatible'}")
    return 1 if status & (INCOMPATIBLE | 1) else 0


if __name__ == "__main__":
    sys.exit(main())
