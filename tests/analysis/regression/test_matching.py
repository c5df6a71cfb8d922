"""Cells of two runs: which need no test, and which prediction files are read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Columns, Run, Sums
from bench.analysis.regression.matching import Finding, differences, sorted_out, unfinished
from bench.analysis.regression.quality import Matched
from bench.analysis.statistics.resampling import Source
from bench.runs.record import Record
from tests.analysis.conftest import make_predictions, make_record

KEY = Key("reviews", "full", "minilm")


@dataclass
class Side:
    """The seeds of one cell. right: the answers of all of them. stated: the checksums of their files, '' for an
    unknown one; None where the run has none. read, verified: the cells whose files were."""

    seeds: Sequence[int] = (0, 1)
    stated: Sequence[str] | None = None
    right: Sequence[float] = (1.0, 1.0, 0.0, 1.0)
    read: list[str] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)

    @property
    def records(self) -> list[Record]:
        return [make_record(seed=seed) for seed in self.seeds]

    def predictions(self, cell: str) -> Columns:
        self.read.append(cell)
        return make_predictions(np.array(self.right))

    def source(self) -> Source:
        if self.stated is None:
            return Source(self.predictions)
        by_cell = dict(zip([record.cell.id for record in self.records], self.stated, strict=True))
        return Source(self.predictions, Sums(by_cell.__getitem__, self.verified.append))


def matched(then: Side, now: Side) -> Matched:
    settled, samples = sorted_out(gather(then.records), gather(now.records), then.source(), now.source())
    assert settled == []
    return samples[KEY]


def test_files_of_the_same_checksums_are_read_on_one_side_and_verified_on_both() -> None:
    then, now = Side(stated=("a", "b")), Side(stated=("a", "b"))
    assert matched(then, now).identical
    cells = [record.cell.id for record in now.records]
    assert (then.read, now.read, now.verified) == (cells, [], cells)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (Side(stated=("a", "b")), Side(stated=("a", "c"))),
        (Side(stated=("a", "b")), Side(stated=("c", "b"))),
        (Side(stated=("a", "")), Side(stated=("a", ""))),
        (Side(stated=("a", "b")), Side()),
        (Side(), Side(stated=("a", "b"))),
        (Side(), Side()),
        (Side(stated=("a", "b")), Side((0, 1, 2), ("a", "b", "c"))),
        (Side(stated=("a", "b")), Side((0, 2), ("a", "b"))),
    ],
    ids=[
        "last differs",
        "first differs",
        "one unknown",
        "none now",
        "none then",
        "none",
        "more seeds",
        "another seed",
    ],
)
def test_files_that_may_differ_are_read_on_both_sides(then: Side, now: Side) -> None:
    now.right, now.read = (1.0, 0.0, 0.0, 0.0), []
    found = matched(then, now)
    assert not found.identical
    assert (found.before.mean, found.after.mean) == (0.75, 0.25)
    assert now.read == [record.cell.id for record in now.records]
    assert now.verified == []


def lost(seed: int = 0) -> Record:
    return make_record(seed=seed, status="failed", scores={})


@pytest.mark.parametrize(
    ("then", "now", "status", "reason"),
    [
        ([], [make_record()], "new", "not in the baseline"),
        ([make_record()], [], "missing", "in the baseline, not in the run"),
        ([lost()], [make_record()], "new", "finished in the run alone"),
        ([lost()], [lost()], "unchanged", "failed in both"),
        ([make_record()], [lost()], "failed", "1 of 1 seed failed: no reason"),
        ([make_record(), lost(1)], [lost(1)], "failed", "no seed finished"),
        ([make_record(), make_record(seed=1)], [make_record()], "missing", "1 of the baseline's 2 seeds"),
    ],
)
def test_a_cell_that_needs_no_test_has_its_reason(
    then: list[Record], now: list[Record], status: str, reason: str
) -> None:
    source = Source(Side().predictions)
    settled, samples = sorted_out(gather(then), gather(now), source, source)
    assert [(item.key, item.status, item.reason) for item in settled] == [(KEY, status, reason)]
    assert samples == {}


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ((False, True), "the baseline lacks predictions of its test examples"),
        ((True, False), "the run lacks predictions of its test examples"),
        ((False, False), "the baseline lacks predictions of its test examples"),
    ],
)
def test_a_side_without_predictions_is_named(there: tuple[bool, bool], reason: str) -> None:
    groups = gather([make_record()])
    sources = [Source(Side().predictions if is_there else {}.__getitem__) for is_there in there]
    settled, _ = sorted_out(groups, groups, sources[0], sources[1])
    assert [(item.status, item.reason) for item in settled] == [("incomparable", reason)]


def test_a_planned_seed_of_an_encoder_in_a_folder_belongs_to_its_cell() -> None:
    """The id of a cell has another form of the encoder's name than its key."""
    record = make_record(backbone="models/mine")
    run = Run(
        "r",
        [record],
        {}.__getitem__,
        planned=(record.cell.id, "reviews/full/models--mine/seed1", "a/b/c/seed0"),
    )
    assert unfinished(run) == {Key("reviews", "full", "models/mine"): 1, Key("a", "b", "c"): 1}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [(0.8, 0.7, -0.1), (None, 0.7, None), (0.8, None, None), (None, None, None)],
)
def test_a_change_needs_both_scores(before: float | None, after: float | None, change: float | None) -> None:
    found = Finding(KEY, "unchanged", before, after).change
    assert found == (None if change is None else pytest.approx(change))


def test_rows_that_one_run_does_not_state_are_not_taken_for_the_same() -> None:
    stated, unstated = (Group(KEY, (record,)) for record in (make_record(), make_record(data=None)))
    assert differences(unstated, stated) == ["task version 0 then, 1 now"]
    assert differences(unstated, unstated) == differences(stated, stated) == []
