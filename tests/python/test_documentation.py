"""What README and docs name is there: commands with their options, imports, files, sessions, pages."""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import importlib.util
import itertools
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import deepsport
from deepsport.cli.main import build_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
# Not for import by others: the command, and what `python -m` runs.
PRIVATE = {"deepsport.cli", "deepsport.__main__", "deepsport._core"}


def blocks(page):
    """Yield (language, text) of each fenced block."""
    for found in re.finditer(
        r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        yield found[1], found[2]


def commands(page):
    """Yield each `deepsport ...` line of a page's blocks as words."""
    for language, text in blocks(page):
        if language in {"python", "toml", "json", "cpp"}:
            continue
        for line in text.replace("\\\n", " ").splitlines():
            if line.removeprefix("$ ").startswith("deepsport "):
                words = shlex.split(line.removeprefix("$ "), comments=True)[1:]
                yield list(itertools.takewhile(lambda word: word not in {"|", ">", "&&"}, words))


@functools.lru_cache
def options():
    """Return {subcommand words: its option strings} of the real parser."""
    found = {}

    def walk(parser, words):
        found[words] = set(parser._option_string_actions)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, child in action.choices.items():
                    walk(child, (*words, name))

    walk(build_parser(), ())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_command_on_a_page_is_one_that_exists(name):
    for words in commands(ROOT / name):
        known = options()
        command = ()
        while len(command) < len(words) and (*command, words[len(command)]) in known:
            command = (*command, words[len(command)])
        assert command or words[0].startswith("-"), f"{name}: deepsport {' '.join(words)}"
        asked = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert asked <= known[command], f"{name}: {asked - known[command]} of {command}"
        if not {"...", "…"} & set(words) and not any(word.isupper() for word in words):
            build_parser().parse_args(words)  # SystemExit when it is refused


@pytest.mark.parametrize("name", NAMES)
def test_python_on_a_page_parses_and_imports_what_exists(name):
    for language, text in blocks(ROOT / name):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                wanted = [(alias.name, "") for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                wanted = [(node.module or "", alias.name) for alias in node.names]
            else:
                continue
            for module, attribute in wanted:
                if module.split(".")[0] != "deepsport":
                    continue
                assert importlib.util.find_spec(module), f"{name}: {module}"
                if attribute:
                    assert attribute in names_of(module), f"{name}: {attribute} of {module}"


def names_of(module):
    """Return `__all__` and the submodules, without importing: some need packages not here."""
    spec = importlib.util.find_spec(module)
    if spec.submodule_search_locations:
        inside = [found.name for found in pkgutil.iter_modules(spec.submodule_search_locations)]
        return [*inside, *exported(spec.origin)]
    return exported(spec.origin)


def exported(path):
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            return ast.literal_eval(node.value)
    return []


@pytest.mark.parametrize("name", NAMES)
def test_files_and_sessions_named_on_a_page_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    top = "tests|benchmarks|examples|wheels|docs|cpp|bindings|python/deepsport"
    for path in re.findall(rf"(?<![\w./-])((?:{top})/[\w./-]*\w)", text):
        assert (ROOT / path).exists() or list(ROOT.glob(f"{path}*")), f"{name}: {path}"
    sessions = set(
        re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    )
    for found in re.findall(r"nox -s (\w+)", text):
        assert found in sessions | {"NAME"}, f"{name}: nox -s {found}"
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        there = (ROOT / name).parent / target
        tutorial = there.with_suffix(".py")  # a page that is made of a program
        assert there.exists() or tutorial.exists(), f"{name}: link to {target}"


def test_the_session_release_runs_what_is_listed_before_a_release():
    rows = (ROOT / "docs" / "hardening.md").read_text(encoding="utf-8").splitlines()
    listed = {
        name
        for row in rows
        if row.endswith("| before a release |")
        for name in re.findall(r"nox -s (\w+)", row)
    }
    made = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    [release] = [n for n in made.body if isinstance(n, ast.FunctionDef) and n.name == "release"]
    notified = {
        node.value
        for statement in release.body[1:]  # behind the docstring
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and str(node.value).isidentifier()
    }
    assert notified == listed


def documented():
    """Return the modules that the API pages show."""
    pages = (ROOT / "docs" / "api").glob("*.md")
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return re.findall(r"^::: (deepsport[\w.]*)$", text, re.MULTILINE)


def test_the_api_pages_show_every_public_module():
    shown = set(documented())
    for module in shown:
        assert importlib.util.find_spec(module), f"{module} is on a page and not there"
    modules = list(pkgutil.iter_modules(deepsport.__path__, "deepsport."))
    assert len(modules) > 20
    for found in modules:
        if found.name in PRIVATE or found.name.split(".")[1].startswith("_"):
            continue
        inside = {module for module in shown if f"{module}.".startswith(f"{found.name}.")}
        assert inside, f"{found.name} is on no page of docs/api"
    # adapters are imported one by one, so each has its place
    adapters = [
        path for folder in deepsport.__path__ for path in Path(folder).glob("integrations/[!_]*.py")
    ]
    assert adapters
    for path in adapters:
        assert f"deepsport.integrations.{path.stem}" in shown


def test_what_the_api_pages_show_has_a_docstring():
    for module in documented():
        tree = ast.parse(Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), module
        for node in tree.body:
            public = isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            if public and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{module}.{node.name}"


def test_the_site_lists_every_page():
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = str(page.relative_to(ROOT / "docs"))
        assert name in listed, f"{name} is not in the navigation of mkdocs.yml"
