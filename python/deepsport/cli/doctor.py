"""`deepsport doctor`: what this installation can and cannot do, and why."""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
from importlib import metadata
from typing import Any

__all__ = ["register", "run"]

_EPILOG = """examples:
  deepsport doctor              what works here, in words
  deepsport doctor --json       the same for a program
  deepsport doctor --need cuda  exit with 1 unless videos can be decoded on a GPU
"""

# To be replaced by device, driver and date once `nox -s gpu` has passed on one.
_UNPROVEN = (
    "The GPU path's host logic is tested on a fake driver and its kernels' arithmetic on the CPU; "
    "it has not yet been run on a GPU."
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
        "extras": _extras(),
        "cuda": {
            "decodes": status.decodes,
            "why_not": status.why_not,
            "kernels": status.kernels,
            "driver": status.driver,
            "driver_version": status.driver_version,
            "nvdec": status.nvdec,
            "devices": devices,
            "unproven": _UNPROVEN,
        },
    }


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
        print(f"  {cuda['unproven']}")
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
