"""`run`: a suite, or a part of it; `plan`: what that would take."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import completion
from bench.cli.listing import AsJson, Plugin
from bench.cli.options import RUN, Threads, number
from bench.cli.output import console, note_completed, print_scores
from bench.cli.rates import (
    RatesMode,
    RatesOption,
    at_rates,
    check_chosen,
    say_departures,
    say_refusal,
    without_missing,
)
from bench.cli.user_data import needs_suite, read_user_data, run_folder, say_pooling, with_user_data
from bench.executors.names import MOST_PER_DEVICE, ExecutorName
from bench.text import counted

if TYPE_CHECKING:
    from bench.contracts import Cell
    from bench.registry import Given, Registry
    from bench.runs.record import Record
    from bench.suite import Filters, Suite
    from bench.user_data.description import UserData


SuiteName = Annotated[
    str | None,
    typer.Argument(
        metavar="SUITE",
        help="A built-in suite or a .toml file. Default with --data: `own`.",
        autocompletion=completion.suites,
    ),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", "-t", help="Only this task. Repeatable.", autocompletion=completion.tasks),
]
Strategies = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy", "-s", help="Only this strategy. Repeatable.", autocompletion=completion.strategies
    ),
]
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "--backbone",
        "-b",
        help="Only this encoder: a built-in name, a Hugging Face name, a folder or a vector file. Repeatable.",
        autocompletion=completion.backbones,
    ),
]
Seeds = Annotated[int | None, typer.Option(min=1, help="Number of seeds. Default: the suite's.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a key of the suite, such as recipe.epochs=2. Repeatable.",
        autocompletion=completion.settings,
    ),
]
Out = Annotated[Path | None, typer.Option(help="Run folder. Default: results/runs/SUITE.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command(rich_help_panel=RUN)(with_user_data(run))
    app.command(rich_help_panel=RUN)(with_user_data(plan))


def run(
    suite: SuiteName = None,
    task: Tasks = None,
    strategy: Strategies = None,
    backbone: Backbones = None,
    seeds: Seeds = None,
    settings: Settings = None,
    out: Out = None,
    plugin: Plugin = None,
    device: Annotated[
        str, typer.Option(help="auto (every GPU), cpu or cuda:1; several, with commas, get a worker each.")
    ] = "auto",
    threads: Threads = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run finished cells again.")] = False,
    executor: Annotated[
        ExecutorName,
        typer.Option(help="Supervised worker processes; this process, for debugging; a Ray cluster."),
    ] = "process",
    address: Annotated[
        str | None,
        typer.Option(
            help="Address of the Ray cluster, such as auto. Default: the local one, else a new one."
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only part i of n, such as 2/3; `merge` joins the run folders.")
    ] = None,
    track: Annotated[
        list[str] | None, typer.Option(help="Also log cells to mlflow, tensorboard or wandb. Repeatable.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=1,
            callback=number,
            help="Seconds that a cell may take. Default: 30 times what comparable cells took.",
        ),
    ] = None,
    retry_fp32: Annotated[
        bool, typer.Option("--retry-fp32", help="Repeat a cell that diverges in bf16 in fp32.")
    ] = False,
    cache_dir: Annotated[
        Path | None,
        typer.Option(help="Keep activations of frozen layers in this folder, for other runs too."),
    ] = None,
    cache_size: Annotated[
        float, typer.Option(min=0, callback=number, help="Gigabytes that --cache-dir may take.")
    ] = 10.0,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Bitwise equal results on one machine; slower.")
    ] = False,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile", help="Compile the layers that learn (torch.compile): for GPUs and short texts."
        ),
    ] = False,
    per_device: Annotated[
        int,
        typer.Option(
            min=1,
            help="Seeds of a cell that train on one GPU at once. The first trains alone; its times count for all.",
        ),
    ] = 1,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Keep the logits of texts, divided by a temperature fitted on validation rows.",
        ),
    ] = False,
    rates: RatesOption = RatesMode.chosen,
    own: Any = None,  # UserData or None
) -> None:
    """Run a suite and print its table.

    Finished cells are kept: stop and start again as you like.

    Example: python -m bench run quick --task movie-sentiment --strategy full --seeds 1

    Example: python -m bench run --data reviews.csv --text review --label stars
    """
    from bench import suite as suites
    from bench.planning.shards import Shard

    filters = suites.Filters(tuple(task or ()), tuple(strategy or ()), tuple(backbone or ()), seeds)
    wanted = [*(settings or []), *(["recipe.calibrate=true"] if calibrate else [])]
    asked = request(needs_suite(suite, own), wanted, plugin or [], filters, own)
    registry, chosen, cells = at_rates(rates, asked, only_data(filters, own))
    if not shard:  # a shard's cells follow from the request alone, so that all machines divide the same ones
        cells = without_missing((registry, chosen, cells), filters)
    check_chosen(chosen, cells, registry, needs_suite(suite, own))
    say_departures(needs_suite(suite, own), settings or (), chosen)
    part = Shard.parse(shard) if shard else None
    usual = Path("results/runs") / (f"{chosen.name}{part.suffix}" if part else chosen.name)
    folder = run_folder(usual, out, own, registry)
    screen = console(stderr=True)
    from bench.cli.display import Display
    from bench.engine.activation_store import ActivationStore
    from bench.executors.contract import Options
    from bench.executors.launch import launch
    from bench.runs.folder import Store

    options = Options(
        device=device,
        threads=threads,
        fresh=fresh,
        executor=executor,
        address=address,
        shard=part,
        track=tuple(track or ()),
        timeout=timeout,
        retry_fp32=retry_fp32,
        deterministic=deterministic,
        compiled=compiled,
        per_device=per_device,
        plugin_files=registry.given,
        activations=ActivationStore(cache_dir, int(cache_size * 1e9)) if cache_dir else None,
    )
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    records = launch(cells, registry, folder, options, Display(screen, Store(folder)))
    print_scores(folder)
    if own and not part:
        _print_floor(cells, registry, records, folder)
    if not part:
        note_completed(folder, begun)
    _print_unconverged(records)
    print(f"\nrecords and predictions: {folder}/")
    if spent := _warm_up(records, begun):
        print(f"warm-up {spent:.1f} s, in no cell's seconds")
    for label, command in _next(folder, chosen.name, records):
        print(f"{label:<6}{command}")
    failed = [record for record in records if record.status not in ("done", "skipped")]
    if failed:
        _print_failed(failed)
        raise typer.Exit(1)


def plan(
    suite: SuiteName = None,
    task: Tasks = None,
    strategy: Strategies = None,
    backbone: Backbones = None,
    seeds: Seeds = None,
    settings: Settings = None,
    out: Out = None,
    plugin: Plugin = None,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile", help="Also say whether `run --compile` pays, as far as `make gpu-check` measured it."
        ),
    ] = False,
    per_device: Annotated[
        int,
        typer.Option(
            min=1,
            max=MOST_PER_DEVICE,
            help="Also say what memory `run --per-device` takes with so many seeds at once.",
        ),
    ] = 1,
    rates: RatesOption = RatesMode.chosen,
    as_json: AsJson = False,
    own: Any = None,  # UserData or None
) -> None:
    """Show what `run` of the same cells would take: cells, time, memory, downloads.

    Example: python -m bench plan quick --task squad --seeds 5
    """
    from bench import suite as suites
    from bench.cli.forecast import as_dict, at_once, kept_logits, show
    from bench.planning.forecast import forecast

    filters = suites.Filters(tuple(task or ()), tuple(strategy or ()), tuple(backbone or ()), seeds)
    asked = request(needs_suite(suite, own), settings or [], plugin or [], filters, own)
    registry, chosen, cells = at_rates(rates, asked, only_data(filters, own))
    say_refusal(chosen, cells, registry, needs_suite(suite, own))
    say_departures(needs_suite(suite, own), settings or (), chosen)
    folder = run_folder(Path("results/runs") / chosen.name, out, own, registry)
    found = forecast(cells, registry, folder, per_device)
    advised = {
        "compile": _compile_advice(cells, registry) if compiled else "",
        "per_device": at_once(found, per_device, _gpu()) if per_device > 1 else "",
    }
    if as_json:
        print(json.dumps(as_dict(found) | {key: said for key, said in advised.items() if said}, indent=1))
        return
    show(found, console())
    for said in (*advised.values(), kept_logits(cells, registry)):
        if said:
            console().print(said, markup=False, highlight=False)


def _compile_advice(cells: Sequence[Cell], registry: Registry) -> str:
    """Whether compiling layers pays on this machine's first GPU, or its CPU."""
    from bench.planning.compiled import advice, read

    gpu = _gpu()
    return advice(cells, registry, gpu[0] if gpu else "cpu", read())


def _gpu() -> tuple[str, int] | None:
    """The name of this machine's first GPU, and its bytes of memory."""
    import torch

    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(0)
    return found.name, found.total_memory


def _warm_up(records: Sequence[Record], begun: str) -> float:
    """Seconds that the workers of this run spent on first uses. begun: ISO 8601, UTC."""
    return sum(record.machine.warm_up for record in records if record.machine and record.started >= begun)


def _next(folder: Path, suite: str, records: Sequence[Record]) -> list[tuple[str, str]]:
    """The three commands that one would want after a run."""
    from bench.analysis.regression.baseline import FOLDER

    done = any(record.status == "done" for record in records)
    if not done:
        return [
            ("next:", f"python -m bench status {shlex.quote(str(folder))}"),
            ("", "python -m bench list"),
        ]
    seeds = len({record.cell.seed for record in records})
    several = len({(record.cell.strategy, record.cell.backbone) for record in records}) > 1
    baseline = FOLDER / f"{suite}.jsonl"
    where = shlex.quote(str(folder))
    last = f"compare {shlex.quote(str(baseline))} {where}" if baseline.is_file() else f"baseline {where}"
    shown = f"table {where} --kind pairs" if several else f"table {where}"
    more = shown if seeds > 1 else shlex.join([*sys.argv[1:], "--seeds", "3"])
    return [
        ("next:", f"python -m bench report {where}"),
        ("", f"python -m bench {more}"),
        ("", f"python -m bench {last}"),
    ]


def _print_floor(cells: Sequence[Cell], registry: Registry, records: Sequence[Record], folder: Path) -> None:
    """What a model without an encoder reaches on the user's rows, and what the best strategy has beyond it."""
    from bench.analysis.loading import Run
    from bench.recommend.floor import floor
    from bench.runs.folder import Store

    run = Run(folder.name, records, Store(folder).predictions)
    for task, cell in {cell.task: cell for cell in cells}.items():
        found = floor(cell, run, registry)
        if found:
            gains = found.gains
            best = max(gains, key=lambda key: gains[key].mean)
            where = f"{task}: " if len({cell.task for cell in cells}) > 1 else ""
            print(f"\n{where}{found.sentence(best, f'{best.strategy} {best.backbone}')}")


def _print_unconverged(records: Sequence[Record]) -> None:
    """How many cells had not converged, and how to give them more."""
    from bench.analysis.convergence import converged

    found = converged(records)
    if not found.late:
        return
    epochs = max(record.cell.recipe.epochs for record in found.late)
    were, their, they, ending = (
        ("was", "its", "it", "s") if len(found.late) == 1 else ("were", "their", "they", "")
    )
    print(
        f"\n{len(found.late)} of {counted(len(found.told), 'cell')} {were} still improving when {their} budget "
        f"ended: to see whether {they} converge{ending}, add --set recipe.epochs={2 * epochs:g}"
    )


def _print_failed(records: Sequence[Record]) -> None:
    """What did not finish, each with its reason, as the last thing that is read."""
    from bench.text import printable

    print(f"\n{len(records)} of the cells did not finish; the same command tries again:", file=sys.stderr)
    for record in records:
        print(printable(f"{record.cell.id}: {record.status}: {record.reason}"), file=sys.stderr)


def request(
    suite: str, settings: list[str], plugin: list[Path], filters: Filters, own: UserData | None
) -> tuple[Registry, Suite, list[Cell]]:
    """What a command line asks for, checked as far as that is possible without loading weights. Data of a
    user's own become tasks; with --data they are the suite's only task, and suite `own` takes their name."""
    from bench import suite as suites
    from bench.data.sources import Sources
    from bench.registry import Registry, discover
    from bench.user_data.summary import recipes

    if own is None:
        chosen = suites.load(suite, settings)
        described = chosen.own_data(suites.folder_of(suite))
        backbone = chosen.grid[0].backbones[0]
        reads = read_user_data(described, backbone, Sources(local=chosen.data.local))
    else:
        chosen = suites.load(suite, settings)
        backbone, sources = (
            (filters.backbones or chosen.grid[0].backbones)[0],
            Sources(local=chosen.data.local),
        )
        reads = read_user_data([own], backbone, sources)
        keys = recipes(reads, backbone, sources) if suite == "own" else {own.name: {}}
        chosen = suites.load(suite, settings, keys)
        if suite == "own":
            chosen = chosen.model_copy(update={"name": own.name})
    given: list[Given] = [*plugin, *(read.data for read in reads)]
    registry = Registry(discover(given), Sources(local=chosen.data.local))
    cells = suites.cells(chosen, registry.plugins, only_data(filters, own))
    for read in reads:
        if chosen.pools_as_backbone(read.data.name):
            say_pooling(read.data.adapter, (cell.backbone for cell in cells))
    return registry, chosen, cells


def only_data(filters: Filters, own: UserData | None) -> Filters:
    """What is chosen of a suite: with --data, its task alone."""
    return dataclasses.replace(filters, tasks=(own.name,)) if own else filters
