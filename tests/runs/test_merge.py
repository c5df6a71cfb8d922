"""Joining runs: shards make the whole, and what contradicts itself is refused before anything is written."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench import suite as suites
from bench.cli.app import app
from bench.cli.display import Display
from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.planning.shards import Shard
from bench.registry import Registry, discover
from bench.runs import planned_work
from bench.runs.folder import Damaged, Store
from bench.runs.integrity import verify
from bench.runs.merge import merge
from bench.runs.record import Data, Record, Seconds
from tests.support.made_runs import TOYS, ToySuite, results

TESTS = {"test": {"id": ["a", "b"], "reference": ["x", "y"], "prediction": ["x", "x"], "correct": [1, 0]}}
OTHER = {"test": {**TESTS["test"], "prediction": ["y", "y"]}}


def record(seed: int = 0, suite: str = "s", recipe: Recipe | None = None, **changes: Any) -> Record:
    cell = changes.pop("cell", Cell(suite, "task", "full", "tiny", seed, recipe or Recipe()))
    data = Data(fingerprint="rows", task_version=1)
    known = {"fingerprint": f"f{seed}", "status": "done", "data": data, "weights": "0a"}
    return Record(cell=cell, **{**known, **changes})


def run(folder: Path, *records: Record, tests: Any = TESTS) -> Store:
    store = Store(folder)
    store.begin(records[0].cell.suite, [record.cell.id for record in records])
    for each in records:
        store.save(each, tests if each.status == "done" else None)
    return store


def run_here(suite: ToySuite, folder: Path, shard: str = "") -> Store:
    """A suite, or a shard of it, in this process.

    Runs share a cache, which holds the attention that was timed as faster: another choice rounds otherwise."""
    plugins = discover([TOYS])
    part = Shard.parse(shard) if shard else None
    options = Options(device="cpu", threads=1, executor="inline", shard=part)
    cells = suites.cells(suites.load(str(suite.path)), plugins)
    launch(
        cells,
        Registry(plugins, Sources(cache=folder.parent / "cache")),
        folder,
        options,
        Display(Console(file=io.StringIO())),
    )
    return Store(folder)


def shown(*arguments: str) -> str:
    """What a command prints; it must succeed."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_operations_that_either_run_has_planned_are_kept(tmp_path: Path) -> None:
    """`status` scales by them what is left."""
    parts = [run(tmp_path / "one", record(0)), run(tmp_path / "two", record(1))]
    planned_work.add(
        parts[0].path, {"task/full/tiny/seed0": (4e9, 1e9), "task/frozen/tiny/seed0": (2e9, 2e9)}
    )
    planned_work.add(parts[1].path, {"task/full/tiny/seed1": (4e9, 1e9), "task/probe/tiny/seed1": (1e9, 1e9)})
    merge(parts, Store(tmp_path / "whole"))
    expected = {"task/full/tiny": (4e9, 1e9), "task/frozen/tiny": (2e9, 2e9), "task/probe/tiny": (1e9, 1e9)}
    assert planned_work.read(tmp_path / "whole").cells == expected


def test_shards_and_merge_make_what_one_run_makes(tiny_encoder: Path, tmp_path: Path) -> None:
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("frozen", "top-layers", "full"))
    with suite.path.open("a") as file:
        file.write("[tasks.toy-ner]\n")
    shards = [run_here(suite, tmp_path / f"shard{i}", f"{i}/3") for i in (3, 2, 1)]
    assert sum(len(shard.records()) for shard in shards) == 6
    assert all(shard.records() for shard in shards)
    whole, merged = run_here(suite, tmp_path / "whole"), Store(tmp_path / "merged")
    said = shown("merge", *(str(shard.path) for shard in shards), "--out", str(merged.path))
    assert "6 of 6 cells done" in said
    assert results(merged.path) == results(whole.path)
    assert merged.planned() == whole.planned()
    assert "6 cells are sound, 0 files are damaged" in shown("status", "--check", str(merged.path))
    tables = [
        shown("table", str(run.path), "--columns", "accuracy,f1", "--format", "md") for run in (merged, whole)
    ]
    tables = [re.sub(r"[^\n]*Busy machine[^\n]*\n\n", "", table) for table in tables]  # a time
    assert tables[0] == tables[1]
    shown("compare", str(whole.path), str(merged.path))


def test_seeds_of_a_head_in_several_shards_are_those_of_one_run(tiny_encoder: Path, tmp_path: Path) -> None:
    """Heads of all seeds train in one computation, whose rounding depends on how many they are."""
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("frozen",), seeds=4)
    shards = [run_here(suite, tmp_path / f"shard{i}", f"{i}/4") for i in (1, 2, 3, 4)]
    merge(shards, merged := Store(tmp_path / "merged"))
    whole = run_here(suite, tmp_path / "whole")
    assert results(merged.path) == results(whole.path)
    losses = [
        {record.cell.id: [point.loss for point in record.curve] for record in run.records()}
        for run in (merged, whole)
    ]
    assert losses[0] == losses[1]


def test_a_missing_shard_shows_as_missing_cells(tmp_path: Path) -> None:
    first = Store(tmp_path / "first")
    first.begin("s", [record(0).cell.id], grid=[record(seed).cell.id for seed in (0, 1)])
    first.save(record(0), TESTS)
    into = Store(tmp_path / "into")
    merge([first], into)
    assert into.planned() == [record(0).cell.id, record(1).cell.id]


def test_what_is_there_already_is_kept(tmp_path: Path) -> None:
    into = run(tmp_path / "into", record(0))
    merge([run(tmp_path / "one", record(1))], into)
    assert [found.cell.seed for found in into.records()] == [0, 1]
    assert verify(into).damaged == {}


def test_merging_twice_changes_nothing(tmp_path: Path) -> None:
    one, into = run(tmp_path / "one", record(0)), Store(tmp_path / "into")
    merge([one], into)
    before = into.record_path(record(0).cell.id).stat().st_mtime_ns
    merge([one], into)
    assert into.record_path(record(0).cell.id).stat().st_mtime_ns == before


def test_a_finished_record_wins_over_a_failed_one(tmp_path: Path) -> None:
    failed = run(tmp_path / "failed", record(0, status="failed", reason="no disk"))
    into = Store(tmp_path / "into")
    merge([failed, run(tmp_path / "done", record(0)), failed], into)
    assert [found.status for found in into.records()] == ["done"]


def test_the_same_result_in_other_seconds_is_no_contradiction(tmp_path: Path) -> None:
    slow = run(tmp_path / "slow", record(0, seconds=Seconds(cold=9.0)))
    merge([run(tmp_path / "fast", record(0)), slow], Store(tmp_path / "into"))


def test_each_encoder_has_its_own_pooling(tmp_path: Path) -> None:
    one = record(0)
    cell = replace(one.cell, backbone="other", recipe=replace(one.cell.recipe, pooling="last"))
    runs = [run(tmp_path / "one", one), run(tmp_path / "two", record(0, cell=cell))]
    merge(runs, Store(tmp_path / "into"))
    assert len(Store(tmp_path / "into").records()) == 2


def test_models_of_other_rows_may_be_larger(tmp_path: Path) -> None:
    """Counts of words have as many weights as the rows of a draw have words."""
    drawn = Recipe(resample="train")
    rows = [Data(fingerprint=f"rows {seed}", task_version=1) for seed in range(2)]
    parts = [record(seed, recipe=drawn, parameters=90 + seed, data=rows[seed]) for seed in range(2)]
    merge([run(tmp_path / f"{n}", part) for n, part in enumerate(parts)], Store(tmp_path / "into"))
    assert len(Store(tmp_path / "into").records()) == 2


@pytest.mark.parametrize(
    ("other", "tests", "message"),
    [
        (record(0, fingerprint="g"), TESTS, "has other fingerprints"),
        (record(0, scores={"test": {"f1": 0.5}}), TESTS, "has other scores"),
        (record(0), OTHER, "has other predictions"),
        (record(1, recipe=Recipe(epochs=9)), TESTS, "task has other recipe"),
        (record(1, data=Data(fingerprint="new", task_version=1)), TESTS, "task has other rows"),
        (record(1, parameters=7), TESTS, "task/full/tiny has other parameters"),
        (record(1, weights="0b"), TESTS, "tiny has other weights"),
        (record(1, suite="t"), TESTS, "of 't': merge runs of one suite"),
    ],
)
def test_contradictions_are_refused_and_nothing_is_written(
    tmp_path: Path, other: Record, tests: Any, message: str
) -> None:
    one, two = run(tmp_path / "one", record(0)), run(tmp_path / "two", other, tests=tests)
    with pytest.raises(BenchError, match=message):
        merge([one, two], Store(tmp_path / "into"))
    assert not (tmp_path / "into").exists()


def test_a_damaged_run_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    one = run(tmp_path / "one", record(0))
    path = one.predictions_path(record(0).cell.id)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(Damaged) as error:
        merge([one], Store(tmp_path / "into"))
    assert error.value.code == "damaged"
    assert not (tmp_path / "into").exists()
