"""The command line as a whole: help with examples, exit codes, messages."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from deepsport.cli.main import build_parser, main


def _commands():
    parser = build_parser()
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return sorted(action.choices.items())


@pytest.mark.parametrize(
    ("name", "parser"), _commands(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_command_explains_itself_with_an_example(name, parser):
    text = parser.format_help()
    subcommands = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    texts = [text, *(p.format_help() for a in subcommands for p in a.choices.values())]
    assert any(f"deepsport {name}" in t.split("options:")[-1] for t in texts), f"{name}: no example"


def test_help_needs_no_extra():
    code = "import sys; from deepsport.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    heavy = "print([m for m in ('torch','transformers','trl','PIL','openai','jinja2') if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code + heavy], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip().endswith("[]"), out.stdout


def test_a_missing_file_is_one_clear_line_and_exit_code_one(capsys):
    assert main(["index", "absent.mp4"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("deepsport: error:")
    assert "absent.mp4" in error
    assert len(error.splitlines()) == 1


def test_wrong_usage_is_exit_code_two(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["frames", "clip.mp4"])
    assert stop.value.code == 2
    assert "--at" in capsys.readouterr().err


def test_an_interrupt_is_exit_code_130_and_says_that_work_is_kept(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    import deepsport.cli.index as command

    monkeypatch.setattr(command, "run", interrupted)
    assert main(["index", "clip.mp4"]) == 130
    assert "run again" in capsys.readouterr().err


def test_a_full_disk_is_one_clear_line(monkeypatch, capsys):
    def full(_):
        raise OSError(28, "No space left on device", "out/frame.png")

    import deepsport.cli.index as command

    monkeypatch.setattr(command, "run", full)
    assert main(["index", "clip.mp4"]) == 1
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert "out/frame.png" in error
