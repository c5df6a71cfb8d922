"""What commands share that take data of a user's own: their options, and the summary before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.output import console
from bench.contracts import BenchError

if TYPE_CHECKING:
    from bench.data.sources import Sources
    from bench.user_data.description import Read, UserData

PANEL = "Your own data"
ROLES = {
    "text": "Column of the texts.",
    "label": "Column of the labels, or of ratings.",
    "words": "Column of the words of a sentence (ner).",
    "tags": "Column of their tags (ner).",
    "question": "Column of the questions (qa).",
    "context": "Column of the contexts (qa).",
    "answer": "Column of the answers (qa).",
    "start": "Column of the answers' first characters (qa).",
    "group": "Column of what is never divided between parts: an author, a document.",
}


def _option(name: str, text: str) -> Any:
    return Annotated[str, typer.Option(f"--{name}", help=text, rich_help_panel=PANEL, show_default=False)]


OPTIONS: dict[str, tuple[Any, Any]] = {
    "data": (
        _option("data", "CSV, TSV, JSON lines, Parquet, CoNLL or SQuAD file; a folder; a hub name."),
        "",
    ),
    "adapter": (_option("adapter", "classification, sentiment, ner or qa. Default: guessed."), ""),
    "test": (_option("test", "A file of test rows. Default: cut from the data."), ""),
    "validation": (_option("validation", "A file of validation rows. Default: cut from the data."), ""),
    "name": (_option("name", "The task's name. Default: from the file's."), ""),
    **{role: (_option(role, text), "") for role, text in ROLES.items()},
    "drop_duplicates": (
        Annotated[
            bool,
            typer.Option(
                "--drop-duplicates",
                help="Leave training rows out that are also in the test file.",
                rich_help_panel=PANEL,
            ),
        ],
        False,
    ),
}


def with_user_data(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of OPTIONS in place of its parameter `own`, which gets an OwnData or None."""
    signature = inspect.signature(command, eval_str=True)

    @wraps(command)
    def with_options(**given: Any) -> None:
        values = {name: given.pop(name) for name in OPTIONS}
        command(**given, own=request(values))

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]
    kept = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in signature.parameters.values()
        if parameter.name != "own"
    ]
    with_options.__signature__ = signature.replace(parameters=[*kept, *parameters])  # pyright: ignore[reportAttributeAccessIssue]
    with_options.__annotations__ = {item.name: item.annotation for item in (*kept, *parameters)}
    return with_options


def request(values: Mapping[str, Any]) -> UserData | None:
    """The data that a command line describes, or None. BenchError where options lack --data."""
    if not values["data"]:
        lone = next((name for name in OPTIONS if values[name]), None)
        if lone:
            raise BenchError(f"--{lone.replace('_', '-')} describes data: give the file with --data")
        return None
    from bench.user_data.description import from_values, task_name

    keys = {**values, "test_data": values["test"], "validation_data": values["validation"]}
    return from_values(values["name"] or _free(task_name(values["data"])), keys, Path())


def _free(name: str) -> str:
    """The name, with `my-` before it where a task has it already."""
    from bench.registry import discover

    return f"my-{name}" if name in discover().tasks else name


def read_user_data(described: Sequence[UserData], backbone: str, sources: Sources) -> list[Read]:
    """Read the data and say what is in it, on stderr. BenchError where it leaks or cannot be used."""
    from bench.user_data.description import read
    from bench.user_data.summary import lengths, summarise

    screen = console(stderr=True)
    found = []
    for data in described:
        own = read(data, sources)
        for number, line in enumerate(summarise(own, lengths(own.splits, backbone, sources))):
            style = "yellow" if line.startswith("look:") else "bold" if number == 0 else ""
            indented = f"  {line}" if number else line
            screen.print(_printable(indented), style=style, highlight=False, markup=False)
        found.append(own)
    return found


def _printable(line: str) -> str:
    from bench.text import printable

    return printable(line)


def needs_suite(suite: str | None, own: UserData | None) -> str:
    """The suite that is meant: `own` where only data are given. BenchError where neither is."""
    if suite:
        return suite
    if own:
        return "own"
    from bench import suite as suites
    from bench.registry import unknown

    raise unknown("suite", "", [*suites.names(), "a path to a .toml file", "--data FILE"])


def say_pooling(adapter: str, backbones: Iterable[str]) -> None:
    """Say on stderr how texts become one vector on each backbone."""
    from bench.user_data.summary import pooling_line

    for line in filter(None, (pooling_line(adapter, name) for name in dict.fromkeys(backbones))):
        console(stderr=True).print(_printable(f"  {line}"), highlight=False, markup=False)
