"""Checks a command line of the documents against the program: the command, its options and its arguments exist."""

from __future__ import annotations

import re
import shlex
from functools import cache
from importlib.util import find_spec
from typing import Any

from typer.main import get_command

from bench.cli.app import app

PROGRAM = re.compile(r"(?:python3? -m bench|\btransferbench)(?=\s|$)([^\n]*)")
MODULE = re.compile(r"python3? -m ((?:bench|tests)\.[\w.]+)")
END = re.compile(r"\s(?:\||>|&&|;|\\?#)(?:\s|$)|\s*\|\|")
EVERYWHERE = {"--help", "--debug"}


@cache
def program() -> Any:
    return get_command(app)


def options_of(command: Any) -> set[str]:
    return {name for item in command.params for name in (*item.opts, *item.secondary_opts)} | EVERYWHERE


@cache
def every_option() -> frozenset[str]:
    commands = [program(), *program().commands.values()]
    return frozenset().union(*map(options_of, commands))


def problems(line: str) -> list[str]:
    """What is wrong with the commands in a line of code."""
    found = [f"no module {name}" for name in MODULE.findall(line) if not _exists(name)]
    for match in PROGRAM.finditer(line):
        found += _parse(END.split(match[1], maxsplit=1)[0])
    return found


def span_problems(span: str) -> list[str]:
    """What is wrong with a code span: a command that is named, with or without the program before it, or options
    alone. Arguments may be left out there: `run --compile`, `python -m bench compare`."""
    if modules := MODULE.findall(span):
        return [f"no module {name}" for name in modules if not _exists(name)]
    called = PROGRAM.search(span)
    words = END.split(called[1] if called else span, maxsplit=1)[0].split()
    if not words or not re.fullmatch(r"[a-z-]+(=\S+)?", words[0]):
        return []
    first, *others = words
    named = [word.partition("=")[0] for word in others if word.startswith("--")]
    if first.startswith("--"):
        return [f"no command has the option {name}" for name in {first.partition("=")[0]} - every_option()]
    command = program().commands.get(first)
    if command is None:
        return [f"no command '{first}'"] if called or (named and first not in OTHERS) else []
    return [f"{first} has no option {name}" for name in named if name not in options_of(command)]


OTHERS = {"pytest", "pip", "git", "ruff", "mkdocs"}
"""Programs that documents name beside this one."""


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _parse(arguments: str) -> list[str]:
    words = shlex.split(arguments, comments=True)
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in options_of(program()):
        return []
    name, *rest = words
    command = program().commands.get(name)
    if command is None:
        return [f"no command '{name}'"]
    if set(rest) & {"--help", "-h"}:
        return []
    try:
        command.make_context(name, rest)
    except Exception as error:  # typer may bring a click of its own
        if not hasattr(error, "format_message"):
            raise
        return [f"{name}: {error.format_message()}"]
    return []
