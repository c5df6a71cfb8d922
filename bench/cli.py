"""The command line: parsing and printing only. `python -m bench` and `transferbench` are the same program."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli_tables import RunPath, console, note_completed, print_scores, register
from bench.contracts import BenchError

if TYPE_CHECKING:
    from bench.contracts import Cell
    from bench.discovery import Plugins
    from bench.record import Record
    from bench.suite import Suite

INTERRUPTED = 130

app = typer.Typer(
    help="Which transfer strategy should I use for this task, on this encoder, with this budget?\n\n"
    "Start with: python -m bench run quick\n\n"
    "With --debug every command shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Kind(StrEnum):
    strategies = "strategies"
    tasks = "tasks"
    backbones = "backbones"
    suites = "suites"


class Executor(StrEnum):
    process = "process"
    inline = "inline"


SuiteName = Annotated[
    str, typer.Argument(metavar="SUITE", help="A built-in suite or a path to a .toml file.")
]
Plugin = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file with strategies or tasks. Repeatable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(
    kind: Annotated[Kind | None, typer.Argument(help="Only one kind.")] = None,
    as_json: AsJson = False,
    plugin: Plugin = None,
) -> None:
    """Show the strategies, tasks, backbones and suites that there are.

    Example: python -m bench list strategies
    """
    from bench.discovery import discover

    plugins = discover(plugin or ())
    found = {name: entries for name, entries in _catalogue(plugins).items() if kind in (None, name)}
    if as_json:
        print(json.dumps(found, indent=1))
        return
    screen = console()
    from rich.table import Table

    for name, entries in found.items():
        table = Table(title=name, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for heading in entries[0]:
            table.add_column(heading, style="bold" if heading == "name" else "", no_wrap=heading == "name")
        for entry in entries:
            table.add_row(*(str(value) for value in entry.values()))
        screen.print(table)
        screen.print()


def _catalogue(plugins: Plugins) -> dict[str, list[dict[str, str]]]:
    from bench import suite
    from bench.models.catalog import BACKBONES

    backbones = [{"name": name, "summary": entry.summary} for name, entry in BACKBONES.items()]
    backbones.append({"name": "<name or folder>", "summary": "any Hugging Face encoder with safetensors"})
    backbones.append({"name": "<file>", "summary": "word vectors: gensim .kv, word2vec, GloVe, fastText"})
    suites = [{"name": name, "summary": suite.load(name).description} for name in suite.names()]
    return {
        "strategies": [
            {"name": name, "summary": cls.summary, "paper": cls.paper}
            for name, cls in plugins.strategies.items()
        ],
        "tasks": [
            {
                "name": name,
                "adapter": cls.adapter,
                "summary": cls.summary,
                "train/validation/test": cls.sizes,
                "licence": cls.licence,
            }
            for name, cls in plugins.tasks.items()
        ],
        "backbones": backbones,
        "suites": suites,
    }


@app.command()
def run(
    suite: SuiteName,
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", help="Only this task. Repeatable.")
    ] = None,
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", "-s", help="Only this strategy. Repeatable.")
    ] = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option("--backbone", "-b", help="Built-in name, Hugging Face name, folder or vector file."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds, instead of the suite's.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key of the suite, e.g. recipe.epochs=2.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder. Default: results/runs/SUITE.")] = None,
    plugin: Plugin = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. Default: torch's choice.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run finished cells again.")] = False,
    executor: Annotated[
        Executor, typer.Option(help="Supervised worker processes, or this process (for debugging).")
    ] = Executor.process,
    timeout: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds for a cell. Default: 30 times what comparable cells took."),
    ] = None,
    retry_fp32: Annotated[
        bool, typer.Option("--retry-fp32", help="Run a cell that diverges in bf16 again in fp32.")
    ] = False,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Bitwise equal results on one machine; slower.")
    ] = False,
) -> None:
    """Run a suite and print its table. Finished cells are kept: stop and start again as you like.

    Example: python -m bench run quick --task movie-sentiment --strategy full --seeds 1
    """
    from bench import suite as suites

    filters = suites.Filters(tuple(task or ()), tuple(strategy or ()), tuple(backbone or ()), seeds)
    plugins, chosen, cells = _request(suite, settings or [], plugin or [], filters)
    folder = out or Path("results/runs") / chosen.name
    screen = console(stderr=True)
    from bench.data.sources import Sources
    from bench.display import Display
    from bench.executors.contract import Options
    from bench.launch import launch

    sources = Sources(local=chosen.data.local)
    options = Options(
        device=device,
        threads=threads,
        fresh=fresh,
        executor=executor.value,
        timeout=timeout,
        retry_fp32=retry_fp32,
        deterministic=deterministic,
        plugin_files=tuple(plugin or ()),
    )
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    records = launch(cells, plugins, sources, folder, options, Display(screen))
    print_scores(folder)
    note_completed(folder, begun)
    print(f"\nrecords and predictions: {folder}/   next: python -m bench table {folder} --format md")
    failed = [record for record in records if record.status not in ("done", "skipped")]
    if failed:
        _print_failed(failed)
        raise typer.Exit(1)


def _print_failed(records: Sequence[Record]) -> None:
    """What did not finish, each with its reason, as the last thing that is read."""
    from bench.analysis.formats import printable

    print(f"\n{len(records)} cells did not finish; the same command runs them again:", file=sys.stderr)
    for record in records:
        print(printable(f"{record.cell.id}: {record.status}: {record.reason}"), file=sys.stderr)


def _request(
    suite: str, settings: list[str], plugin: list[Path], filters: Any
) -> tuple[Plugins, Suite, list[Cell]]:
    """What a command line asks for, checked as far as that is possible without loading anything."""
    from bench import suite as suites
    from bench.discovery import discover

    plugins = discover(plugin)
    chosen = suites.load(suite, settings)
    return plugins, chosen, suites.cells(chosen, plugins, filters)


@app.command()
def status(run: RunPath, as_json: AsJson = False) -> None:
    """Show what of a run is done, running, failed and missing, and how long remains.

    Example: python -m bench status results/runs/quick
    """
    from bench.progress import summarise
    from bench.store import open_run

    summary = summarise(open_run(run))
    if as_json:
        print(json.dumps(summary.as_dict(), indent=1))
    else:
        print(summary.text())


@app.command()
def check(
    run: RunPath,
    repair: Annotated[
        bool, typer.Option("--repair", help="Move what is damaged to RUN/quarantine; the next run redoes it.")
    ] = False,
) -> None:
    """Verify every file of a run against its checksum. Exit code 1 where one is damaged and not repaired.

    Example: python -m bench check results/runs/quick --repair
    """
    from bench.analysis.formats import printable
    from bench.store import open_run
    from bench.verify_run import repair as set_aside
    from bench.verify_run import verify

    store = open_run(run)
    verdict = verify(store)
    for line in verdict.text(store.path).splitlines():
        print(printable(line))
    if repair:
        for target in set_aside(store, verdict):
            print(printable(f"moved to {target}"))
    elif verdict.damaged:
        print(f"next: python -m bench check {store.path} --repair")
        raise typer.Exit(1)


register(app)


def main() -> None:
    """The program. Exit codes: 0 good, 1 the answer is no, 2 the request was wrong (one line, no traceback)."""
    debug = "--debug" in sys.argv[1:]
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(standalone_mode=True)
    except BenchError as error:
        if debug:
            traceback.print_exc()
        line = "".join(character if character.isprintable() else " " for character in str(error))
        print(f"transferbench: {' '.join(line.split())}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has seen Ctrl-C
            print(
                "\ntransferbench: stopped; finished cells are kept: the same command goes on", file=sys.stderr
            )
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
