"""How long remains is learned from what has run."""

from __future__ import annotations

import pytest

from bench.contracts import Cell, Recipe
from bench.progress import duration, remaining_seconds
from bench.record import Record, Seconds


def ran(cell: str, seconds: float) -> Record:
    task, strategy, backbone, seed = cell.split("/")
    value = Cell("s", task, strategy, backbone, int(seed.removeprefix("seed")), Recipe())
    return Record(cell=value, fingerprint="", status="done", seconds=Seconds(train=seconds))


DONE = [ran("a/full/x/seed0", 10), ran("a/full/x/seed1", 20), ran("a/frozen/x/seed0", 1)]


@pytest.mark.parametrize(
    ("missing", "seconds"),
    [
        ("a/full/x/seed2", 15),  # its other seeds
        ("b/full/x/seed0", 15),  # the same strategy on another task
        ("b/full/y/seed0", 31 / 3),  # whatever has run
    ],
)
def test_the_most_comparable_cells_count(missing: str, seconds: float) -> None:
    assert remaining_seconds([missing], DONE) == pytest.approx(seconds)


def test_nothing_is_known_before_anything_has_run() -> None:
    assert remaining_seconds(["a/full/x/seed0"], []) is None


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (720, "12 min"), (12_000, "3 h 20 min")])
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text
