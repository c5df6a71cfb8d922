"""The floor without an encoder: scored on the rows of the strategies, and paired with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import pytest

from bench.analysis.loading import Run
from bench.contracts import Cell, Splits, Task
from bench.data.sources import Sources
from bench.data.splits import prepare
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.recommend.floor import fitted, floor
from bench.registry import Plugins, Registry, discover
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from bench.runs.record import Record


def ran(cell: Cell, plugins: Plugins, toy_plugin: Path, folder: Path, seeds: int) -> tuple[Run, Registry]:
    registry = Registry(plugins, Sources(cache=folder))
    options = Options(device="cpu", executor="inline", plugin_files=(toy_plugin,))
    records = launch(
        [replace(cell, seed=seed) for seed in range(seeds)], registry, folder / "run", options, Silent()
    )
    return Run("toy", records, Store(folder / "run").predictions), registry


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_floor_is_paired_with_every_strategy(
    seeds: int, toy_cell: Callable[..., Cell], plugins: Plugins, toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("full")
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, seeds)
    found = floor(cell, run, registry)
    assert found is not None
    task, rows = registry.task(cell.task), prepare(registry.task(cell.task), registry.sources, cell.recipe)
    scores = task.score(rows.test, fitted(task, rows, cell.recipe))
    assert found.score.mean == pytest.approx(scores[task.headline])
    mean = sum(record.scores["test"][task.headline] for record in run.records) / seeds
    (gain,) = found.gains.values()
    assert gain.mean == pytest.approx(mean - found.score.mean)
    assert gain.seeds == seeds
    assert found.score.half > 0 or found.score.mean in (0.0, 1.0)


@dataclass(frozen=True)
class Grouped:
    """The task `of` with two test rows a document."""

    of: str

    @property
    def name(self) -> str:
        return f"{self.of}-grouped"

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        base = tasks[self.of]

        def splits(self: Task, sources: Sources) -> Splits:
            found = base().splits(sources)
            return replace(found, test=[replace(row, group=f"d{n // 2}") for n, row in enumerate(found.test)])

        members = {"name": self.name, "origin": "grouped", "splits": splits, "__module__": __name__}
        return type("GroupedTask", (base,), members)


def test_documents_of_rows_are_those_of_the_strategies(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    cell = replace(toy_cell("full"), task="toy-sentiment-grouped")
    run, registry = ran(cell, discover([toy_plugin, Grouped("toy-sentiment")]), toy_plugin, tmp_path, 1)
    found = floor(cell, run, registry)
    assert found is not None
    assert [key.strategy for key in found.gains] == ["full"]


def test_where_each_seed_has_rows_of_its_own_the_floor_is_that_of_cells_alone(
    toy_cell: Callable[..., Cell], plugins: Plugins, toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("full")
    cell = replace(cell, recipe=replace(cell.recipe, resample="train", train=8))
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, 1)
    assert cell.draw is not None
    assert floor(cell, run, registry) is None


def test_a_task_on_tokens_has_no_floor(
    toy_cell: Callable[..., Cell], plugins: Plugins, toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("frozen", task="toy-ner")
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, 1)
    assert floor(cell, run, registry) is None


def test_where_a_run_has_cells_without_an_encoder_the_floor_is_theirs(
    toy_cell: Callable[..., Cell], plugins: Plugins, toy_plugin: Path, tmp_path: Path
) -> None:
    """And says what is fitted here where the run has none."""
    cell = toy_cell("full")
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, 2)
    alone = floor(cell, run, registry)
    counted, _ = ran(replace(cell, strategy="probe", backbone="tfidf"), plugins, toy_plugin, tmp_path, 2)
    found = floor(cell, replace(run, records=[*run.records, *counted.records]), registry)
    assert alone is not None
    assert found is not None
    assert (found.score.mean, found.score.half) == (alone.score.mean, alone.score.half)
    (gain,), (other,) = found.gains.values(), alone.gains.values()
    assert (gain.low, gain.mean, gain.high) == (other.low, other.mean, other.high)
    assert found.score.mean == counted.records[0].scores["test"][counted.records[0].headline]
    assert found.seconds == median(record.seconds.cold for record in counted.records)


def test_a_run_whose_cells_without_an_encoder_failed_has_no_floor(
    toy_cell: Callable[..., Cell], plugins: Plugins, toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("full")
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, 1)
    failed = Record(
        cell=replace(cell, strategy="probe", backbone="tfidf"), fingerprint="", status="failed", reason="why"
    )
    assert floor(cell, replace(run, records=[*run.records, failed]), registry) is None


def test_seeds_that_learned_nothing_are_kept_apart(
    toy_cell: Callable[..., Cell],
    plugins: Plugins,
    toy_plugin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell = toy_cell("full")
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, 2)
    found = floor(cell, run, registry)
    assert found is not None
    assert not found.by_seed
    monkeypatch.setattr("bench.recommend.floor.collapsed", lambda group: True)
    apart = floor(cell, run, registry)
    assert apart is not None
    (gains,), (mean,) = apart.by_seed.values(), apart.gains.values()
    assert len(gains) == 2
    assert sum(gains) / 2 == pytest.approx(mean.mean)
