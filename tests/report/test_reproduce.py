"""The suite file of a report gives the cells of the run."""

from __future__ import annotations

import shlex
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import suite
from bench.analysis.opening import open_source
from bench.cli import app
from bench.contracts import BenchError, Cell, Recipe
from bench.registry import Plugins, discover
from bench.report import html, page
from bench.report.reproduce import commands, departures, suite_file
from bench.runs import run_inputs
from bench.runs.leases import exclusive
from bench.runs.record import Machine, Record
from bench.runs.run_inputs import RunInputs
from tests.support.report_runs import Grid, make_run

REFERENCE = Path(__file__).parents[2] / "results" / "baselines" / "reference.jsonl"


def record(cell: Cell) -> Record:
    return Record(cell=cell, fingerprint="x", status="done")


def test_the_suite_file_gives_the_same_cells(toy_plugin: Path, tmp_path: Path):
    plugins = discover([toy_plugin, toy_plugin.with_name("toy_kinds.py")])
    recipe = Recipe(epochs=1.5, train=100, encoder_dropout=0.0, head="bottleneck")
    cells = (
        [Cell("my-suite", "toy-sentiment", "full", "minilm", seed, recipe) for seed in range(2)]
        + [
            Cell("my-suite", "toy-sentiment", "top-layers", "some/folder", seed, recipe, (("layers", 1),))
            for seed in range(2)
        ]
        + [
            Cell("my-suite", "toy-ner", "full", "minilm", seed, replace(recipe, batch_size=4))
            for seed in range(2)
        ]
    )
    cells += [
        Cell("my-suite", f"toy-qa@{size}", "full", "minilm", seed, replace(recipe, train=train))
        for size, train in (("20", 20), ("all", None))
        for seed in range(2)
    ]
    cells += [
        Cell(
            "my-suite", f"toy-kinds@{size}", "full", "minilm", seed, replace(recipe, train=train, shots=shots)
        )
        for size, train, shots in (("8shots", None, 8), ("20", 20, None), ("16shots", None, 16))
        for seed in range(2)
    ]
    path = tmp_path / "again.toml"
    path.write_text(suite_file([record(cell) for cell in cells]))
    assert set(suite.cells(suite.load(str(path)), plugins)) == set(cells)


def test_the_suite_file_of_the_reference_gives_its_cells_at_their_rates_and_seeds(
    plugins: Plugins, tmp_path: Path
):
    """Rates were chosen for every strategy; some have five seeds, and some three."""
    records = open_source(str(REFERENCE)).records
    assert len({cell.recipe.rate_scale for cell in (record.cell for record in records)}) > 2
    path = tmp_path / "reference.toml"
    path.write_text(suite_file(records))
    assert departures(records) == []
    found = suite.cells(suite.load(str(path)), plugins)
    assert {cell.id for cell in found} == {record.cell.id for record in records}
    assert set(found) == {record.cell for record in records}


FULL = Cell("mine", "toy-sentiment", "full", "minilm", 0, Recipe())


@pytest.mark.parametrize(
    "cells",
    [
        [FULL, replace(FULL, strategy="frozen", recipe=Recipe(rate_scale=3.0))],
        [replace(FULL, recipe=Recipe(rate_scale=0.3)), replace(FULL, seed=1, recipe=Recipe(rate_scale=0.3))],
        [FULL, replace(FULL, backbone="glove", recipe=Recipe(rate_scale=0.1))],
        [FULL, replace(FULL, strategy="frozen"), replace(FULL, strategy="frozen", seed=1)],
        [FULL, replace(FULL, seed=1), replace(FULL, task="toy-qa")],
        [replace(FULL, recipe=Recipe(pooling="cls"))],
        [replace(FULL, backbone="some/folder"), FULL],
        [
            replace(FULL, task="toy-kinds@20", recipe=Recipe(train=20)),
            replace(FULL, task="toy-kinds@30", recipe=Recipe(train=30, rate_scale=2.0)),
        ],
    ],
    ids=["strategies", "one-rate", "encoders", "seeds", "tasks", "pooling", "folder", "sizes"],
)
def test_what_differs_within_a_task_is_said_where_a_suite_can_say_it(
    cells: list[Cell], toy_plugin: Path, tmp_path: Path
):
    plugins = discover([toy_plugin, toy_plugin.with_name("toy_kinds.py")])
    path = tmp_path / "again.toml"
    path.write_text(suite_file([record(cell) for cell in cells]))
    assert departures([record(cell) for cell in cells]) == []
    assert set(suite.cells(suite.load(str(path)), plugins)) == set(cells)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(FULL, strategy="frozen", recipe=Recipe(epochs=1)), "cells with different epochs"),
        (replace(FULL, seed=1, recipe=Recipe(rate_scale=2)), "cells with different rate_scale"),
        (replace(FULL, strategy="frozen", recipe=Recipe(pooling="cls")), "cells with different pooling"),
        (replace(FULL, backbone="glove", recipe=Recipe(pooling="cls")), "cells with different pooling"),
        (replace(FULL, task="toy-sentiment@20"), "cells with a size and without"),
    ],
)
def test_what_differs_within_a_task_is_named_where_no_suite_file_can_say_it(other: Cell, said: str):
    assert f"toy-sentiment: {said}" in departures([record(FULL), record(other)])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(FULL, task="toy-qa", options=(("anchor", 0.1),)), "full: cells with different options"),
        (replace(FULL, suite="other", task="toy-qa"), "cells of several suites (mine, other)"),
        (replace(FULL, seed=2), "seeds with gaps, or not as many at every size (toy-sentiment/full/minilm)"),
    ],
)
def test_what_no_suite_file_can_say_is_named(other: Cell, said: str):
    assert said in departures([record(FULL), record(other)])


def test_strategies_at_some_sizes_alone_are_named():
    sized = [replace(FULL, task=f"toy-kinds@{size}") for size in (20, 30)]
    found = departures([record(cell) for cell in (*sized, replace(sized[0], strategy="frozen"))])
    assert found == ["some of a task's sizes alone (toy-kinds/frozen/minilm)"]


def test_the_page_claims_no_exactness_that_its_suite_file_lacks(tmp_path: Path):
    run = make_run(Grid(tasks=("reviews",), strategies=("frozen", "full"), seeds=1))
    last = run.records[-1]
    longer = replace(last.cell, recipe=replace(last.cell.recipe, epochs=9))
    changed = [*run.records[:-1], last.model_copy(update={"cell": longer})]
    for records, exact in ((run.records, True), (changed, False)):
        text = html.report(page.build(replace(run, records=records), tmp_path))
        assert ("it has exactly the cells of this run" in text) == exact
        assert (f"{last.cell.task}: cells with different epochs" in text) != exact


def test_the_commands_end_with_the_report(plugins: Plugins):
    cell = Cell("quick", "toy-sentiment", "full", "minilm", 0, Recipe())
    assert commands([record(cell)], "quick")[-1].startswith("python -m bench report")


def test_a_run_of_a_user_s_files_is_repeated_from_its_folder(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What the page says is saved and typed, and gives the same cells on the same rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFERBENCH_CACHE", str(tmp_path / ".cache"))
    rows = [f"{'good' if n % 2 else 'bad'} text number {n},{'up' if n % 2 else 'down'}" for n in range(60)]
    Path("my texts.csv").write_text("\n".join(["words,kind", *rows]), encoding="utf-8")
    terms = ["-b", str(tiny_encoder), "--device", "cpu", "--executor", "inline", "--threads", "1"]
    columns = [
        "--text",
        "words",
        "--label",
        "kind",
        "-s",
        "frozen",
        "--seeds",
        "1",
        "--adapter",
        "classification",
    ]

    def typed(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.main()
        assert not ended.value.code

    typed(
        "run",
        "--data",
        "my texts.csv",
        *columns,
        "--set",
        "recipe.epochs=1",
        *terms,
        "--out",
        "results/runs/mine",
    )
    first = open_source("results/runs/mine")
    found = page.build(first, tmp_path / "none").reproduction
    assert 'text = "words"' in found.suite
    name = first.records[0].cell.suite
    Path(f"{name}.toml").write_text(found.suite, encoding="utf-8")
    (again,) = (shlex.split(line) for line in found.commands if " run " in line)
    typed(*again[3:], *terms[2:])
    second = open_source(f"results/runs/{name}-again")
    assert [(r.cell, r.fingerprint) for r in first.records] == [
        (r.cell, r.fingerprint) for r in second.records
    ]


@pytest.mark.parametrize(
    ("ran_at", "first"),
    [
        ({"commit": "abc123"}, ["git checkout abc123", "make setup-report", "source .venv/bin/activate"]),
        ({"versions": {"transferbench": "0.1.0"}}, ["pip install 'transferbench[report]==0.1.0'"]),
    ],
)
def test_the_commands_begin_with_the_code_of_the_run(ran_at: dict[str, Any], first: list[str]):
    machine = Machine(device="cpu", dtype="float32", threads=1, processor="", system="", **ran_at)
    ran = record(Cell("quick", "toy-sentiment", "full", "minilm", 0, Recipe()))
    assert commands([ran.model_copy(update={"machine": machine})], "quick")[:-2] == first


def test_of_two_runs_that_begin_in_one_folder_both_are_noted(tmp_path: Path):
    one, other = (RunInputs(plugins=(f"/code/{name}.py",)) for name in ("one", "other"))
    beside = threading.Thread(target=run_inputs.add, args=(tmp_path, other))
    with exclusive(tmp_path / ".lock"):
        known = run_inputs.read(tmp_path)
        beside.start()
        beside.join(0.2)
        assert beside.is_alive()
        assert run_inputs.read(tmp_path) == known
    beside.join()
    run_inputs.add(tmp_path, one)
    assert run_inputs.read(tmp_path).plugins == ("/code/other.py", "/code/one.py")


def test_what_a_run_was_given_adds_up_and_damage_is_named(tmp_path: Path):
    run_inputs.add(tmp_path, RunInputs(tasks={"one": {"data": "/data/one.csv"}}))
    run_inputs.add(tmp_path, RunInputs(plugins=("/code/mine.py",), local="/data/hub"))
    run_inputs.add(tmp_path, RunInputs())
    found = run_inputs.read(tmp_path)
    assert found == RunInputs(
        tasks={"one": {"data": "/data/one.csv"}}, plugins=("/code/mine.py",), local="/data/hub"
    )
    cell = Cell("quick", "one", "full", "minilm", 0, Recipe())
    assert '[data]\nlocal = "/data/hub"' in suite_file([record(cell)], found)
    assert commands([record(cell)], "a suite", found)[-2] == (
        "python -m bench run 'a suite.toml' --plugin /code/mine.py --out 'results/runs/a suite-again'"
    )
    (tmp_path / run_inputs.NAME).write_text("{", encoding="utf-8")
    with pytest.raises(BenchError) as error:
        run_inputs.read(tmp_path)
    assert error.value.code == "cannot-read"
