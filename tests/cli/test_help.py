"""The texts of `--help`, as users see them.

Golden files are rewritten by `UPDATE_GOLDEN=1 python -m pytest tests/cli/test_help.py`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer.main
import typer.rich_utils
from typer.testing import CliRunner

from bench.cli.app import app

GOLDEN = Path(__file__).parents[1] / "golden" / "help"
PROGRAM = "transferbench"
COMMANDS = sorted(name for name, command in typer.main.get_group(app).commands.items() if not command.hidden)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen of 100 columns without colours."""
    monkeypatch.setattr(typer.rich_utils, "FORCE_TERMINAL", False)
    monkeypatch.setattr(typer.rich_utils, "MAX_WIDTH", None)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--help"], prog_name=PROGRAM)
    assert done.exit_code == 0, done.output
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip() + "\n"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_help_is_the_golden_file(command: str) -> None:
    path = GOLDEN / f"{command or PROGRAM}.txt"
    text = shown(*filter(None, [command]))
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "run with UPDATE_GOLDEN=1 and read the difference"


def test_no_golden_file_is_of_a_command_that_is_gone() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {PROGRAM, *COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_shows_each_in_one_or_two_whole_lines(command: str) -> None:
    """The first paragraph of a help is its summary there: one sentence."""
    text = typer.main.get_group(app).commands[command].help or ""
    summary = text.split("\n\n")[0]
    assert "\n" not in summary
    assert summary.endswith(".")
    assert summary in " ".join(shown().replace("│", " ").split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_argument_is_explained(command: str) -> None:
    for parameter in typer.main.get_group(app).commands[command].params:
        text = getattr(parameter, "help", None)
        if parameter.name != "help":
            assert text, f"{command}: {parameter.name}"
            assert text.endswith("."), f"{command}: {parameter.name}: {text}"
