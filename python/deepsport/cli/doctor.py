"""`deepsport doctor`: what this installation can and cannot do, and why."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["register", "run"]

_EPILOG = """examples:
  deepsport doctor              what works here, in words
  deepsport doctor --json       the same for a program
  deepsport doctor --need cuda  exit with 1 unless videos can be decoded on a GPU
"""

_TRIED = (
    "The GPU path has been run on an NVIDIA H100 with driver 580; elsewhere its host logic is "
    "tested on a fake driver and its kernels' arithmetic on the CPU."
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `doctor` command."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what this installation can and cannot do, and why",
        description="Say what this installation can and cannot do, and why.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--need",
        action="append",
        default=[],
        metavar="WHAT",
        help="exit with 1 unless WHAT works here: cuda, or the name of an extra; may be repeated",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report; 1 when something that was demanded does not work."""
    from deepsport.errors import SettingsError

    report = _report()
    extras: dict[str, Any] = report["extras"]
    unknown = [name for name in args.need if name != "cuda" and name not in extras]
    if unknown:
        raise SettingsError(
            f"--need {unknown[0]}: nothing of that name; valid are cuda, {', '.join(extras)}"
        )
    lacking = [
        name
        for name in args.need
        if not (report["cuda"]["decodes"] if name == "cuda" else extras[name]["works"])
    ]
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        _print_text(report)
    for name in lacking:
        print(f"deepsport: error: {name} is needed and does not work here", file=sys.stderr)
    return 1 if lacking else 0


def _report() -> dict[str, Any]:
    import deepsport
    from deepsport._core.device import build_facts
    from deepsport.device import cuda_device, cuda_status
    from deepsport.errors import DeepsportError

    status = cuda_status()
    devices: list[dict[str, Any]] = []
    for ordinal in range(status.device_count):
        try:
            facts = cuda_device(ordinal)
        except DeepsportError as error:
            devices.append({"ordinal": ordinal, "error": str(error)})
            continue
        devices.append(
            {
                "ordinal": ordinal,
                "name": facts.name,
                "compute": f"{facts.compute[0]}.{facts.compute[1]}",
                "memory_bytes": facts.memory_bytes,
                "codecs": list(facts.codecs),
            }
        )
    return {
        "deepsport": deepsport.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "core": build_facts(),
        "index_files": _index_files(),
        "embedding": _embedding(),
        "addresses": _addresses(),
        "extras": _extras(),
        "cuda": {
            "decodes": status.decodes,
            "why_not": status.why_not,
            "kernels": status.kernels,
            "driver": status.driver,
            "driver_version": status.driver_version,
            "nvdec": status.nvdec,
            "devices": devices,
            "tried": _TRIED,
        },
    }


def _index_files() -> dict[str, str]:
    """Where slow indexes are kept, and why not, when they are not."""
    from deepsport.video import index_cache_folder

    folder = index_cache_folder()
    if not folder:
        return {"folder": "", "why_not": "DEEPSPORT_INDEX_CACHE says off, or there is no home"}
    there = Path(folder)
    while not there.exists() and there != there.parent:
        there = there.parent
    writable = there.is_dir() and os.access(there, os.W_OK)
    return {"folder": folder, "why_not": "" if writable else f"{there} cannot be written"}


def _embedding() -> dict[str, str]:
    """Where CMake and pkg-config find the core, and why not, when they do not."""
    import deepsport

    for folder in (Path(place) for place in deepsport.__path__):
        if (folder / "lib" / "libdeepsport.so").exists():
            return {"prefix": str(folder.parent), "why_not": ""}
    return {"prefix": "", "why_not": "an editable build holds the Python part only"}


# What fsspec needs beside itself, for the addresses that are met most.
_STORES = {"http": "aiohttp", "s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "hf": "huggingface_hub"}


def _addresses() -> dict[str, str]:
    """Each kind of address with what is missing for it, empty for nothing."""
    if find_spec("fsspec") is None:
        return dict.fromkeys(_STORES, "fsspec")
    return {kind: "" if find_spec(need) else need for kind, need in _STORES.items()}


def _extras() -> dict[str, dict[str, Any]]:
    """Each extra with the requirements that are not met here; `all` is their union, left out."""
    try:
        requirements = metadata.requires("deepsport") or []
    except metadata.PackageNotFoundError:
        return {}
    result: dict[str, dict[str, Any]] = {}
    for line in requirements:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        if extra is None or extra[1] == "all" or requirement.startswith("deepsport"):
            continue
        found = result.setdefault(extra[1], {"works": True, "missing": []})
        problem = _problem(requirement.strip())
        if problem:
            found["works"] = False
            found["missing"].append(problem)
    return result


def _problem(requirement: str) -> str:
    """Say how an installed distribution fails a requirement; empty when it does not."""
    name = re.match(r"[\w.-]+", requirement)
    if name is None:
        return ""
    try:
        version = metadata.version(name[0])
    except metadata.PackageNotFoundError:
        return f"{requirement} is not installed"
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return ""
    if Requirement(requirement).specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement} is wanted, {version} is installed"


def _print_text(report: dict[str, Any]) -> None:
    core, cuda = report["core"], report["cuda"]
    print(f"deepsport {report['deepsport']}, Python {report['python']}, {report['platform']}")
    print()
    print(f"decoding on the CPU: works, FFmpeg {core['ffmpeg']} ({core['ffmpeg_license']})")
    print(f"  decodes {', '.join(core['decoders'])}")
    if core["missing_decoders"]:
        print(f"  cannot decode {', '.join(core['missing_decoders'])}: this FFmpeg lacks them")
    print(
        f"  instruction sets: {', '.join(core['instruction_sets']) or 'none beyond the baseline'}"
    )
    kept, embedding = report["index_files"], report["embedding"]
    if kept["why_not"]:
        print(f"  keeps no index files, slow files stay slow to open: {kept['why_not']}")
    else:
        print(f"  keeps indexes of slow files in {kept['folder']}")
    lacking = {kind: need for kind, need in report["addresses"].items() if need}
    works = ", ".join(f"{kind}://" for kind in report["addresses"] if kind not in lacking)
    print(f"  opens addresses: {works or 'none'}")
    for kind, need in lacking.items():
        print(f"    not {kind}://, which needs {need}: pip install {need}")
    if embedding["prefix"]:
        print(f"C and C++: CMAKE_PREFIX_PATH={embedding['prefix']}, see docs/embedding.md")
    else:
        print(f"C and C++: not from this installation: {embedding['why_not']}")
    print()
    if cuda["decodes"]:
        print(f"decoding on a GPU: available, driver for CUDA {_version(cuda['driver_version'])}")
    else:
        print(f"decoding on a GPU: not here, videos are decoded on the CPU: {cuda['why_not']}")
    for device in cuda["devices"]:
        if "error" in device:
            print(f"  cuda:{device['ordinal']}: {device['error']}")
            continue
        memory = f"{device['memory_bytes'] / 2**30:.0f} GiB"
        print(f"  cuda:{device['ordinal']}: {device['name']}, {device['compute']}, {memory}")
        print(f"    decodes {', '.join(device['codecs']) or 'nothing'}")
    if cuda["kernels"]:
        print(f"  {cuda['tried']}")
    print()
    print("extras:")
    for name, extra in sorted(report["extras"].items()):
        if extra["works"]:
            print(f"  {name}: installed")
        else:
            missing = "; ".join(extra["missing"])
            print(f"  {name}: not complete: {missing}. pip install 'deepsport[{name}]'")
    if not report["extras"]:
        print("  unknown: deepsport runs from a folder, not from an installed package")


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
