"""What commands share that take user data: their options, and the summary before anything is trained."""

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
    from bench.registry import Registry
    from bench.user_data.description import Read, UserData

PANEL = "Your data"
ROLES = {
    "text": "Column of the texts, by name or number, as for all columns.",
    "pair": "Column of the second texts, where a row has two.",
    "words": "Column of the words of a sentence (ner).",
    "tags": "Column of their tags (ner).",
    "sentence": "Column that numbers the sentences, where a row holds one word (ner).",
    "question": "Column of the questions (qa).",
    "context": "Column of the contexts (qa).",
    "answer": "Column of the answers (qa).",
    "start": "Column of the answers' first characters (qa).",
    "group": "Group column, such as an author or a document: a group never spans splits.",
    "split": "Column that says which rows are for training, validation and testing.",
}


def _option(name: str, text: str) -> Any:
    return Annotated[str, typer.Option(f"--{name}", help=text, rich_help_panel=PANEL, show_default=False)]


OPTIONS: dict[str, tuple[Any, Any]] = {
    "data": (
        _option("data", "CSV, TSV, JSON, Parquet, CoNLL or SQuAD file; a folder; owner/name on the hub."),
        "",
    ),
    "adapter": (
        _option(
            "adapter",
            "classification, sentiment, regression, multilabel, ner, qa or unanswerable. Default: guessed.",
        ),
        "",
    ),
    "test": (_option("test", "A file of test rows. Default: cut from the data."), ""),
    "validation": (_option("validation", "A file of validation rows. Default: cut from the data."), ""),
    "name": (_option("name", "The task's name. Default: from the file's."), ""),
    **{role: (_option(role, text), "") for role, text in ROLES.items()},
    "label": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--label",
                help="Column of the labels, or of ratings. Repeatable: columns of 0 and 1, one a label.",
                rich_help_panel=PANEL,
                show_default=False,
            ),
        ],
        None,
    ),
    "label_separator": (
        _option("label-separator", "What separates several labels in a cell, such as ';'."),
        "",
    ),
    "label_names": (
        _option("label-names", "What labels or tags that are numbers mean, from 0: O,B-PER,I-PER."),
        "",
    ),
    "encoding": (_option("encoding", "Of a text file, such as cp1251 or gbk. Default: guessed."), ""),
    "drop_duplicates": (
        Annotated[
            bool,
            typer.Option(
                "--drop-duplicates",
                help="Leave out training rows that a held-out file has, and rows whose --group it has.",
                rich_help_panel=PANEL,
            ),
        ],
        False,
    ),
}


def with_user_data(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of OPTIONS in place of its parameter `own`, which gets a UserData or None."""
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
            raise BenchError(
                f"--{lone.replace('_', '-')} describes data: give the file with --data", code="no-data"
            )
        return None
    from bench.user_data.description import from_values, task_name

    values = {**values, "label": values["label"] or ""}
    keys = {**values, "test_data": values["test"], "validation_data": values["validation"]}
    from bench import suite as suites

    if values["name"] in suites.names():
        raise BenchError(
            f"--name {values['name']} is the name of a suite: choose another one", code="taken-name"
        )
    return from_values(values["name"] or _free(task_name(values["data"])), keys, Path())


def _free(name: str) -> str:
    """The name, with `my-` before it where a task or a suite has it already."""
    from bench import suite as suites
    from bench.registry import discover

    return f"my-{name}" if name in discover().tasks or name in suites.names() else name


def run_folder(usual: Path, given: Path | None, data: UserData | None, registry: Registry) -> Path:
    """The run folder that is given, else the usual one; for user data whose usual folder holds results of other
    data, one with a digest of the rows in its name, which is said on stderr. BenchError where the folder that is
    given holds results of other data under the same name."""
    folder = given or usual
    if data is None or not (folder / "run.json").is_file():
        return folder
    same, other = _shared_results(folder, registry)
    if given and other:
        raise BenchError(
            f"--out {given} holds results of other data named '{data.name}': give another folder, or --name",
            code="other-data",
        )
    if given or (same and not other):
        return folder
    apart = folder.with_name(f"{folder.name}-{_rows(registry)[:8]}")
    console(stderr=True).print(
        _printable(f"{folder}/ holds results of other data: these are kept in {apart}/"),
        highlight=False,
        markup=False,
    )
    return apart


def _shared_results(folder: Path, registry: Registry) -> tuple[bool, bool]:
    """Whether a run folder holds results of these data, or of none at all; and of other data of the same name."""
    from bench.data.splits import prepare
    from bench.planning.rows_read import UsedRows
    from bench.runs.folder import Damaged, Store

    tasks = registry.plugins.tasks
    own = {task for task, kind in tasks.items() if not kind.__module__.startswith("tasks.")}
    found: set[bool] = set()
    records = 0
    for path in Store(folder).record_files():
        try:
            record = Store(folder).record(path.relative_to(folder / "records").with_suffix("").as_posix())
        except Damaged:
            continue
        name = record.cell.task.partition("@")[0] if record else ""
        if record is None or record.data is None:
            continue
        records += 1
        if name in own:
            try:
                splits = prepare(registry.task(name), registry.sources, record.cell.recipe, record.cell.draw)
            except BenchError:  # rows that this recipe cannot use are not those of the record
                found.add(False)
                continue
            found.add(UsedRows.of(splits).are_those_of(record.data))
    return not records or True in found, False in found


def _rows(registry: Registry) -> str:
    """The digest of the rows of the user data among the plug-ins."""
    from bench.user_data.description import UserData

    return next(item.rows for item in registry.given if isinstance(item, UserData))


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
