"""`recommend --validate`: whether `recommend` is right, on data sets whose full grid is run and known."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli import completion
from bench.contracts import BenchError

PANEL = "Is recommend right? (minutes to hours)"
SETTINGS = ("rows", "test_rows", "share", "local")
HONOURED = ("task", "strategy", "backbone", "plugin", "device", "threads", "out")
FLAGS = {"settings": "set"}
"""Options whose name is not that of their argument."""


def _option(kind: Any, help: str, *names: str, **more: Any) -> Any:
    return Annotated[kind, typer.Option(*names, help=help, rich_help_panel=PANEL, **more)]


OPTIONS: dict[str, tuple[Any, Any]] = {
    "validate": (
        _option(
            bool,
            "Run the full grid on known data sets (--task, repeatable; default: all at hand), then see whether "
            "recommend names its best with a share of the work. Kept cells are not run again. Results: --out, "
            "default results/recommend.",
            "--validate",
        ),
        False,
    ),
    "rows": (
        _option(int | None, "Training rows. Default: 400.", min=1, max=10_000_000, show_default=False),
        None,
    ),
    "test_rows": (
        _option(int | None, "Test rows, at most. Default: 400.", min=1, max=10_000_000, show_default=False),
        None,
    ),
    "share": (
        _option(
            float | None,
            "The budget, as a share of the grid's operations of training. Default: 0.55.",
            show_default=False,
        ),
        None,
    ),
    "local": (
        _option(
            Path | None, "A folder in the hub's layout with sst2, ag_news and conll2003.", show_default=False
        ),
        None,
    ),
}
TASKS = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        "-t",
        help="A task that is there already, instead of --data.",
        autocompletion=completion.tasks,
    ),
]


def with_validation(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of OPTIONS: with --validate the validation runs in its place. `task` becomes
    repeatable for it; the command itself still gets one name."""
    signature = inspect.signature(command, eval_str=True)
    defaults = {name: item.default for name, item in signature.parameters.items() if name != "program"}

    @wraps(command)
    def with_options(**given: Any) -> None:
        asked = {name: given.pop(name) for name in OPTIONS}
        tasks = given["task"] or []
        if asked.pop("validate"):
            _refuse_others({name: given[name] for name, value in defaults.items() if given[name] != value})
            _validate(asked, tasks, given)
            return
        for name in SETTINGS:
            if asked[name] is not None:
                raise BenchError(
                    f"--{name.replace('_', '-')} describes a validation: give it with --validate",
                    code="option-without-validate",
                )
        if len(tasks) > 1:
            raise BenchError(
                f"--task was given {len(tasks)} times: `recommend` answers for one task", code="several-tasks"
            )
        command(**{**given, "task": tasks[0] if tasks else ""})

    parameters = [
        item.replace(annotation=TASKS, default=None) if name == "task" else item
        for name, item in signature.parameters.items()
    ]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]
    with_options.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportAttributeAccessIssue]
    with_options.__annotations__ = {item.name: item.annotation for item in parameters}
    return with_options


def _refuse_others(given: Mapping[str, Any]) -> None:
    """BenchError for options that have no part in a validation."""
    for name in given:
        if name not in HONOURED:
            raise BenchError(
                f"--{FLAGS.get(name, name).replace('_', '-')} does not go with --validate: leave one of them out",
                code="option-beside-validate",
            )


def _validate(asked: Mapping[str, Any], tasks: list[str], given: Mapping[str, Any]) -> None:
    from bench.cli.display import Display
    from bench.cli.output import console
    from bench.data.sources import Sources
    from bench.executors.contract import Options
    from bench.recommend import validation

    local = asked["local"]
    chosen = {
        "rows": asked["rows"],
        "test": asked["test_rows"],
        "share": asked["share"],
        "strategies": tuple(given["strategy"] or ()) or None,
        "backbone": given["backbone"],
    }
    setting = validation.Setting.model_validate(
        {name: value for name, value in chosen.items() if value is not None}
    )
    if not 0 < setting.share < math.inf:
        raise BenchError(
            f"--share {setting.share:g}: give a positive share, such as 0.5", code="budget-share"
        )
    options = Options(
        device=given["device"], threads=given["threads"], plugin_files=tuple(given["plugin"] or ())
    )
    known = tasks or [*validation.REGISTRY, *(validation.LOCAL if local else ())]
    out = given["out"] or Path("results/recommend")
    screen = Display(console(stderr=True))
    print(validation.run(known, setting, Sources(local=local), out, options, screen))
