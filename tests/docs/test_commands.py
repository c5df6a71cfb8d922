"""Every command line of the documents exists: in the program, in the Makefile, as a module."""

from __future__ import annotations

import re

import pytest

from tests.docs.commands import problems, program, span_problems
from tests.docs.pages import ROOT, Page, pages

CURRENT = [page for page in pages() if page.name != "CHANGELOG.md"]  # a changelog names what was there once
EVERY = pytest.mark.parametrize("page", CURRENT, ids=[page.name for page in CURRENT])


@EVERY
def test_its_command_lines_are_those_of_the_program(page: Page) -> None:
    assert [f"{line.strip()}: {wrong}" for line in page.code for wrong in problems(line)] == []


@EVERY
def test_the_commands_and_options_it_names_exist(page: Page) -> None:
    assert [f"`{span}`: {wrong}" for span in page.spans for wrong in span_problems(span)] == []


@EVERY
def test_its_make_targets_exist(page: Page) -> None:
    rules = re.findall(r"^([\w./ %-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    named = {
        name
        for line in (*page.code, *page.spans)
        for name in re.findall(r"(?:^|[:;&] )\s*make ([a-z][\w-]*)", line)
    }
    assert named <= targets, named - targets


def test_the_overview_lists_every_command_and_no_other() -> None:
    overview = next(page for page in CURRENT if page.name == "docs/cli.md")
    shown = {name for name, command in program().commands.items() if not command.hidden}
    assert set(re.findall(r"^\| `(\w+)` \|", overview.text, re.MULTILINE)) == shown


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("python -m bench table quick --format latex  # or md", []),
        (".venv/bin/python -m bench compare a b --format md > comment.md || true", []),
        ("transferbench list", []),
        ("python -m bench", []),
        ("python -m bench tabel quick", ["no command 'tabel'"]),
        ("transferbench table quick --colour", ["table: No such option: --colour"]),
        ("python -m bench table", ["table: Missing argument 'RUN'."]),
        ("python -m bench table quick --kind pie", ["table: Invalid value for '--kind'"]),
        ("python -m bench.nowhere --cells 3", ["no module bench.nowhere"]),
    ],
)
def test_a_command_that_the_program_lacks_is_found(line: str, wrong: list[str]) -> None:
    found = problems(line)
    assert len(found) == len(wrong)
    assert all(item.startswith(start) for item, start in zip(found, wrong, strict=True)), found


@pytest.mark.parametrize(
    ("span", "wrong"),
    [
        ("table RUN --kind pairs", 0),
        ("--cache-dir", 0),
        ("full", 0),
        ("--no-such-option", 1),
        ("table --no-such-option", 1),
        ("tabel --kind pairs", 1),
        ("python -m bench compare", 0),
        ("python -m bench compaer", 1),
        ("python -m bench.nowhere", 1),
    ],
)
def test_a_span_that_the_program_lacks_is_found(span: str, wrong: int) -> None:
    assert len(span_problems(span)) == wrong
