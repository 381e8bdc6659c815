"""`deepsport data`: what sources there are, what is wrong with a folder, and building a data set."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["register", "run"]

_EPILOG = """examples:
  deepsport data sources
  deepsport data sources sportu
  deepsport data doctor data/sportu --source sportu --page doctor.html
  deepsport data doctor data/mvfoul --source mvfoul --strict --json > doctor.json
  deepsport data build --root data --sources sportu,mvfoul,finediving=FineDiving --out built
  deepsport data build --root data --sources paper --out built --hold-out diving,fencing
  deepsport data build --root data --sources finediving --out built --set finediving.fps=30
  deepsport data export built/test.jsonl --osl test.osl.json
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with its four parts."""
    parser = subparsers.add_parser(
        "data",
        help="unify data sources into tasks",
        description="Find out about sources, examine their folders, build data sets.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")

    shape: dict[str, Any] = {
        "epilog": _EPILOG,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
    sources = parts.add_parser("sources", help="list the sources, or show one", **shape)
    sources.add_argument("name", nargs="?", help="show the card of this source")
    sources.add_argument("--json", action="store_true", help="for machines")

    doctor = parts.add_parser("doctor", help="report what is wrong with a source folder", **shape)
    doctor.add_argument("folder", type=Path)
    doctor.add_argument("--source", required=True, help="what the folder holds")
    doctor.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a setting of the source")  # fmt: skip
    doctor.add_argument("--no-media", action="store_true", help="look at the annotations only")
    doctor.add_argument("--strict", action="store_true",
                        help="exit with 1 when there is an error or a warning")  # fmt: skip
    doctor.add_argument("--json", action="store_true", help="print JSON instead of text")
    doctor.add_argument("--page", type=Path, metavar="FILE", help="write an HTML page as well")
    doctor.add_argument("--cache", type=Path, metavar="FILE",
                        help="keep what is known of media here, for the next time")  # fmt: skip

    build = parts.add_parser("build", help="unify sources into one split data set", **shape)
    build.add_argument("--root", type=Path, required=True, help="folder with a folder a source")
    build.add_argument("--sources", required=True, metavar="NAME[=FOLDER],...",
                       help="sources, or all that are there: 'paper' (of the ten after the "
                       "paper) or 'all'")  # fmt: skip
    build.add_argument("--out", type=Path, required=True, help="folder for the data set")
    build.add_argument("--seed", type=int, default=0, help="of templates and splits (default 0)")
    build.add_argument("--fractions", default="0.8,0.1,0.1", metavar="TRAIN,VALIDATION,TEST",
                       help="shares of what has no published split (default %(default)s)")  # fmt: skip
    build.add_argument("--ignore-official-splits", action="store_true",
                       help="split everything anew by match and source video")  # fmt: skip
    build.add_argument("--hold-out", default="", metavar="SPORT,...",
                       help="sports that go to test as a whole")  # fmt: skip
    build.add_argument("--media", choices=("require", "keep", "skip"), default="require",
                       help="leave out tasks without usable media, keep them, or do not look "
                       "(default %(default)s)")  # fmt: skip
    build.add_argument("--shuffle-options", action="store_true",
                       help="reorder the options of every question")  # fmt: skip
    build.add_argument("--set", action="append", default=[], metavar="SOURCE.NAME=VALUE",
                       help="a setting of a source; `data sources NAME` lists them")  # fmt: skip
    build.add_argument("--json", action="store_true", help="print the funnels as JSON")

    for part in (doctor, build):
        part.add_argument("--no-duplicates", action="store_true",
                          help="do not look for near-duplicate videos")  # fmt: skip
        part.add_argument("--jobs", type=int, default=2, help="threads and processes (default 2)")
        part.add_argument("--follow-links", action="store_true",
                          help="allow symbolic links out of the folder")  # fmt: skip

    export = parts.add_parser("export", help="write tasks in another format", **shape)
    export.add_argument("tasks", type=Path, help="a JSON-lines file of tasks")
    export.add_argument("--osl", type=Path, required=True, metavar="FILE", help="OSL JSON v2")


def run(args: argparse.Namespace) -> int:
    """Run one part and return its exit code."""
    return {"sources": _sources, "doctor": _doctor, "build": _build, "export": _export}[args.part](
        args
    )


def _card(name: str) -> dict[str, Any]:
    from deepsport.sources import find_source

    source = find_source(name)
    return {
        "name": source.name,
        "title": source.title,
        "sports": list(source.sports),
        "kinds": [str(kind) for kind in source.kinds],
        "licence": source.licence,
        "citation": source.citation,
        "url": source.url,
        "access": source.access,
        "layout": source.layout,
        "published": dict(source.published),
        "checked": source.checked,
        "settings": dict(source.settings),
    }


def _sources(args: argparse.Namespace) -> int:
    from deepsport.sources import PAPER, source_names

    if args.name:
        card = _card(args.name)
        if args.json:
            print(json.dumps(card, ensure_ascii=False, indent=1))
        else:
            for key, value in card.items():
                if isinstance(value, dict):
                    value = ", ".join(f"{k}={v}" for k, v in value.items())
                elif isinstance(value, list):
                    value = ", ".join(value)
                print(f"{key:10}{value}")
        return 0
    cards = [_card(name) for name in source_names()]
    if args.json:
        print(json.dumps(cards, ensure_ascii=False, indent=1))
        return 0
    for card in cards:
        mark = "*" if card["name"] in PAPER else " "
        print(f"{mark} {card['name']:14} {card['title']}; {card['licence']}")
    print("* one of the ten sources after the paper")
    return 0


def _settings(pairs: list[str]) -> dict[str, str]:
    from deepsport.errors import SettingsError

    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SettingsError(f"--set {pair}: valid is NAME=VALUE")
        settings[name] = value
    return settings


def _doctor(args: argparse.Namespace) -> int:
    from deepsport.sources.doctor import diagnose
    from deepsport.sources.doctor_page import diagnosis_page, diagnosis_text

    diagnosis = diagnose(
        args.source,
        args.folder,
        settings=_settings(args.set),
        media=not args.no_media,
        duplicates=not args.no_duplicates,
        jobs=args.jobs,
        cache=args.cache,
        follow_links=args.follow_links,
    )
    if args.page:
        args.page.write_text(diagnosis_page(diagnosis), encoding="utf-8")
    if args.json:
        print(json.dumps(diagnosis.to_json(), ensure_ascii=False, indent=1))
    else:
        print(diagnosis_text(diagnosis))
    return int(args.strict and diagnosis.worst() in ("error", "warning"))


def _requests(args: argparse.Namespace) -> list[tuple[str, str, dict[str, str]]]:
    from deepsport.errors import SettingsError
    from deepsport.sources import PAPER, find_source, source_names

    settings: dict[str, dict[str, str]] = {}
    for name, value in _settings(args.set).items():
        source, dot, setting = name.partition(".")
        if not dot:
            raise SettingsError(f"--set {name}: valid is SOURCE.NAME=VALUE")
        settings.setdefault(source, {})[setting] = value
    if args.sources in ("all", "paper"):
        wanted = source_names() if args.sources == "all" else PAPER
        named = [name for name in wanted if (args.root / name).is_dir()]
        if not named:
            raise SettingsError(f"{args.root} has no folder named after one of {', '.join(wanted)}")
        missing = [name for name in PAPER if name not in named]
        if args.sources == "paper" and missing:
            print(f"deepsport: not there and left out: {', '.join(missing)}", file=sys.stderr)
    else:
        named = args.sources.split(",")
    requests = []
    for entry in named:
        name, _, folder = entry.strip().partition("=")
        find_source(name)
        requests.append((name, folder or name, settings.pop(name, {})))
    if settings:
        raise SettingsError(f"--set for {', '.join(settings)}: not among the sources")
    return requests


def _build(args: argparse.Namespace) -> int:
    from deepsport.errors import SettingsError
    from deepsport.sources.build import BuildPlan, SourceRequest, build

    try:
        shares = [float(part) for part in args.fractions.split(",")]
        fractions = dict(zip(("train", "validation", "test"), shares, strict=True))
    except ValueError:
        raise SettingsError(
            f"--fractions {args.fractions}: valid are three shares, e.g. 0.8,0.1,0.1"
        ) from None
    plan = BuildPlan(
        root=args.root,
        sources=tuple(SourceRequest(*request) for request in _requests(args)),
        out=args.out,
        seed=args.seed,
        fractions=fractions,
        official=not args.ignore_official_splits,
        held_out=tuple(filter(None, (sport.strip() for sport in args.hold_out.split(",")))),
        media=args.media,
        duplicates=not args.no_duplicates,
        shuffle=args.shuffle_options,
        jobs=args.jobs,
        follow_links=args.follow_links,
    )
    result = build(plan)
    if args.json:
        funnels = {name: funnel.to_json() for name, funnel in result.funnels.items()}
        print(json.dumps({"tasks": result.tasks, "sources": funnels}, ensure_ascii=False, indent=1))
    else:
        print(result.text())
        print(f"{result.tasks} tasks in {args.out}")
    if not result.tasks:
        hint = "" if args.media == "skip" else "; --media skip builds without looking at media"
        print(f"deepsport: error: no task is left, see the reasons above{hint}", file=sys.stderr)
        return 1
    return 0


def _export(args: argparse.Namespace) -> int:
    from deepsport.sources.osl import export_osl
    from deepsport.task import read_tasks

    print(f"{export_osl(args.osl, read_tasks(args.tasks))} tasks in {args.osl}")
    return 0
