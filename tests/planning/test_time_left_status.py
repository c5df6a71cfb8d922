"""The time left that `status` tells while recorded runs go on. It reads a run's folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.models.catalog import kind_of
from bench.planning.progress import remaining_seconds, summarise
from bench.planning.rows_read import Length, RowsRead
from bench.planning.workload import Workload
from bench.registry import Registry, discover
from bench.runs import planned_work
from bench.runs.folder import Store
from bench.runs.planned_work import NAME, NOTHING, PlannedWork
from bench.runs.record import Record
from tests.support.replay import Ran, a_third, baseline, in_order

BASELINES = Path(__file__).parents[2] / "results" / "baselines"
REGISTRY = Registry(discover())
TOKENS = {"movie-sentiment": 28, "reuters-r8": 43, "financial-ner": 37, "squad": 121}
WORKLOAD = Workload(REGISTRY, RowsRead(lengths={task: (Length(tokens),) for task, tokens in TOKENS.items()}))


def planned(records: Sequence[Record]) -> PlannedWork:
    """What a run of these cells would have noted."""
    return PlannedWork(
        cells={
            record.cell.id.rpartition("/")[0]: (
                WORKLOAD.operations(record.cell),
                WORKLOAD.prefix(record.cell),
            )
            for record in records
        }
    )


def told(run: Sequence[Ran], work: PlannedWork) -> list[float | None]:
    """After each cell but the last, the seconds that `status` says, over those that then remained."""
    found: list[float | None] = []
    for place in range(1, len(run)):
        missing = [item.record.cell.id for item in run[place:]]
        seconds = remaining_seconds(missing, [item.record for item in run[:place]], work)
        found.append(seconds and seconds / sum(item.wall for item in run[place:]))
    return found


@pytest.mark.parametrize("name", ["gate", "quick", "reference"])
def test_status_is_within_two_after_the_first_cell_and_1_3_after_a_third(name: str) -> None:
    run = in_order(baseline(BASELINES / f"{name}.jsonl"), REGISTRY)
    first = next(place for place, item in enumerate(run) if kind_of(item.record.cell.backbone) == "encoder")
    ratios = told(run, planned([item.record for item in run]))
    assert all(ratio is None for ratio in ratios[:first])
    for place, ratio in enumerate(ratios[first:], first):
        assert ratio is not None
        assert max(ratio, 1 / ratio) < (2 if place < a_third(run) else 1.3), (place, ratio)


def test_a_run_notes_what_its_cells_compute_and_adds_to_it(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"suite": "s", "cells": [], "grid": []}')
    planned_work.add(tmp_path, {"t/full/x/seed0": (123456.0, 0.0)})
    planned_work.add(tmp_path, {"t/frozen/x/seed0": (2.0, 1.0), "t/full/x/seed1": (200000.0, 0.0)})
    found = planned_work.read(tmp_path)
    assert found.of("t/full/x/seed7") == (200000.0, 0.0)
    assert found.of("t/frozen/x/seed0") == (2.0, 1.0)
    assert found.covers("t/frozen/x/seed3")
    assert not found.covers("u/frozen/x/seed3")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no JSON",
        "[]",
        '{"cells": {"t/full/x": [1]}}',
        '{"cells": {"t/full/x": ["a", 1]}}',
        '{"cells": {"t/full/x": [NaN, 1]}}',
        '{"cells": {"t/full/x": [1e999, 1]}}',
        '{"cells": {"t/full/x": [-1, 0]}}',
        '{"cells": {}, "more": 1}',
    ],
)
def test_a_file_that_is_not_what_was_written_is_passed_over(content: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(content)
    assert planned_work.read(tmp_path) == NOTHING


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"cells": {"t/full/x": [1, 0]}}')
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    assert planned_work.read(tmp_path) == NOTHING


def test_several_jobs_at_once_share_what_is_left(tmp_path: Path) -> None:
    store, records = Store(tmp_path), baseline(BASELINES / "quick.jsonl", "minilm")
    store.begin("quick", [record.cell.id for record in records])
    for record in records[:6]:
        store.save(record)
    alone = summarise(store).remaining
    assert alone
    names = [record.cell.id for record in records[6:] if record.cell.seed == 0][:2]
    leases = [store.lease(name, name) for name in names]
    assert len(set(names)) == 2
    assert summarise(store).remaining == pytest.approx(alone / 2)
    for lease in leases:
        assert lease
        lease.release()


def test_seeds_that_train_together_are_one_job(tmp_path: Path) -> None:
    store, records = Store(tmp_path), baseline(BASELINES / "quick.jsonl", "minilm")
    store.begin("quick", [record.cell.id for record in records])
    for record in records[3:6]:
        store.save(record)
    alone = summarise(store).remaining
    leases = [store.lease(record.cell.id, records[0].cell.id) for record in records[:3]]
    assert {record.cell.strategy for record in records[:3]} == {"frozen"}
    assert summarise(store).remaining == alone
    for lease in leases:
        assert lease
        lease.release()


def test_seeds_of_one_strategy_on_several_devices_are_as_many_jobs(tmp_path: Path) -> None:
    store, records = Store(tmp_path), baseline(BASELINES / "quick.jsonl", "minilm")
    store.begin("quick", [record.cell.id for record in records])
    for record in records[:3]:
        store.save(record)
    alone = summarise(store).remaining
    assert alone
    seeds = [record.cell.id for record in records if record.cell.strategy == "full"][:3]
    assert len({name.rpartition("/")[0] for name in seeds}) == 1
    leases = [store.lease(name, name) for name in seeds]
    assert summarise(store).remaining == pytest.approx(alone / 3)
    for lease in leases:
        assert lease
        lease.release()
