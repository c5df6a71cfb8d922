"""Learning curves over data size, and where two of them cross."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis.crossovers import Crossover, crossing, crossovers, sentences, verdicts_on
from bench.analysis.curves import build, sized
from bench.analysis.groups import gather
from bench.analysis.loading import Run
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.resampling import Source
from bench.analysis.statistics.resampling_all import resample_all
from bench.analysis.tables.footnotes import provenance
from bench.contracts import BenchError
from tests.analysis.conftest import METRICS, make_predictions, make_record

SIZES = (100, 200, 400, 800)
TRUTH = {"frozen": (0.70, 0.72, 0.74, 0.75), "full": (0.55, 0.68, 0.80, 0.88)}
TRAINABLE = {"frozen": 10, "twin": 20, "full": 1000}
EQUAL = 0
FULL, FROZEN = ("full", "minilm"), ("frozen", "minilm")


@pytest.fixture(scope="module")
def run() -> Run:
    """Two strategies at four sizes; the true curves cross at about 250 examples."""
    return run_of(TRUTH)


def run_of(truth: dict[str, tuple[float, ...]], draw: int = 0) -> Run:
    rng = np.random.default_rng(draw)
    difficulty = rng.random(600)
    records, files = [], {}
    for strategy, accuracies in truth.items():
        for size, accuracy in zip(SIZES, accuracies, strict=True):
            for seed in range(3):
                ease = 0.8 * difficulty + 0.2 * rng.random(600)
                rows = make_predictions((ease < accuracy * 0.8 + 0.1).astype(float))
                record = make_record(f"reviews@{size}", strategy, seed, trainable=TRAINABLE.get(strategy, 30))
                data = record.data.model_copy(update={"sizes": {"train": size, "test": 600}})
                scores = {item.name: ratios(item, rows).score() for item in METRICS}
                record = record.model_copy(update={"scores": {"test": scores}, "data": data})
                records.append(record)
                files[record.cell.id] = rows
    return Run("curve", records, files.__getitem__)


def crossed(run: Run, least: int = 0) -> list[Crossover]:
    """The crossovers of a run at sizes above `least`, with the tests of all its pairs."""
    lines = {
        line: {size: group for size, group in points.items() if size > least}
        for line, points in sized(run.records)["reviews"].items()
    }
    source = Source(run.predictions)
    groups = {group.key: group for points in lines.values() for group in points.values()}
    scores = resample_all(groups, dict.fromkeys(groups, ("accuracy",)), source)
    return crossovers(lines, verdicts_on({"reviews": lines}, scores, source))


def test_a_task_at_several_sizes_is_one_task(run):
    tasks = sized(run.records)
    assert list(tasks) == ["reviews"]
    assert {line: list(points) for line, points in tasks["reviews"].items()} == {
        FROZEN: list(SIZES),
        FULL: list(SIZES),
    }


def test_the_crossover_is_where_the_true_curves_cross(run):
    (found,) = crossed(run)
    assert (found.first, found.second) == (FROZEN, FULL)
    assert found.low <= 256 <= found.high
    assert found.size == pytest.approx(256, rel=0.1)


@pytest.mark.parametrize(
    ("differences", "size"),
    [
        ([-1.0, 1.0, 2.0], math.sqrt(100 * 200)),
        ([-1.0, 3.0, -1.0], math.inf),
        ([1.0, 1.0, 2.0], 0.0),
        ([1.0, -1.0, 1.0], math.sqrt(200 * 400)),
    ],
)
def test_above_the_crossing_the_second_stays_ahead(differences, size):
    assert crossing((100, 200, 400), np.array(differences)) == pytest.approx(size)


def test_noise_without_a_difference_leaves_the_crossover_open():
    run = run_of({"frozen": TRUTH["frozen"], "twin": TRUTH["frozen"]})
    (found,) = crossed(run)
    assert found.low < SIZES[1]
    assert found.high == math.inf


def test_the_table_has_a_column_a_size_and_says_where_curves_cross(run):
    table = build(run.records, run.predictions)
    assert [column.heading for column in table.columns] == ["100", "200", "400", "800"]
    (block,) = table.blocks
    assert [row.labels for row in block.rows] == [FROZEN, FULL]
    assert [entry.mark for entry in block.rows[1].entries][-1] == "best"
    (note,) = (note for note in table.notes if "training examples" in note)
    assert (
        "frozen minilm is ahead of full minilm, above it full minilm of frozen minilm (told apart at 100 and "
        "200, and at 400 and 800; 95% interval of the crossover, for this pair alone: 2"
    ) in note


def test_a_strategy_that_pays_for_few_examples_alone_comes_first_whatever_it_trains():
    """Suite few-shot asks it of setfit, which trains as much as full."""
    pairs = {"full": TRUTH["frozen"], "frozen": TRUTH["full"]}  # the one that trains more is ahead with few
    run = run_of(pairs)
    (found,) = crossed(run)
    assert (found.first, found.second) == (FULL, FROZEN)
    assert found.low <= 256 <= found.high
    assert found.size == pytest.approx(256, rel=0.1)


def test_a_pair_that_never_crosses_is_said_too(run):
    (found,) = crossed(run, least=300)
    assert sentences("reviews", [found]) == [
        "reviews, no crossover shown: full minilm is ahead of frozen minilm at every size."
    ]


@pytest.mark.parametrize(
    ("low", "high", "interval"), [(0.0, 300.0, "below 100 to 300"), (200.0, math.inf, "200 to above 400")]
)
def test_a_crossover_is_a_sentence_with_the_sizes_that_show_it(
    low: float, high: float, interval: str
) -> None:
    item = Crossover(FROZEN, FULL, (100, 200, 400), 250.0, low, high, (400,), (100, 200))
    assert sentences("r", [item]) == [
        "r: below about 250 training examples frozen minilm is ahead of full minilm, above it full minilm of "
        "frozen minilm (told apart at 100 and 200, and at 400; 95% interval of the crossover, for this pair "
        f"alone: {interval})."
    ]


@pytest.mark.parametrize(
    ("ahead", "where"), [((100, 200, 400), "every size"), ((200, 400), "200 and 400"), ((400,), "400")]
)
def test_ahead_is_said_of_the_sizes_at_which_the_table_tells_apart(
    ahead: tuple[int, ...], where: str
) -> None:
    """Though the curves cross, or the interval of the pair alone leaves no doubt."""
    item = Crossover(FROZEN, FULL, (100, 200, 400), 150.0, 120.0, 180.0, ahead)
    assert sentences("r", [item]) == [
        f"r, no crossover shown: full minilm is ahead of frozen minilm at {where}."
    ]


@pytest.mark.parametrize(("ahead", "behind"), [((), ()), ((100, 200), ()), ((), (100,))])
def test_what_the_table_does_not_tell_apart_at_the_largest_size_is_unknown(
    ahead: tuple[int, ...], behind: tuple[int, ...]
) -> None:
    item = Crossover(FROZEN, FULL, (100, 200, 400), 150.0, 120.0, 180.0, ahead, behind)
    assert sentences("r", [item]) == [
        "r, not told apart at the largest size, crossover unknown: frozen minilm and full minilm."
    ]


def test_who_is_ahead_is_decided_over_all_pairs_of_the_table() -> None:
    """Eight more strategies make what two alone show one difference of many."""
    low = TRUTH["frozen"]
    others = dict.fromkeys("abcdefgh", low)
    run = run_of({"frozen": low, "full": (*low[:-1], low[-1] + 0.035), **others})
    ahead = "full minilm is ahead of frozen minilm at 800"
    assert not any(ahead in note for note in build(run.records, run.predictions).notes)
    alone = [record for record in run.records if record.cell.strategy in ("frozen", "full")]
    assert any(ahead in note for note in build(alone, run.predictions).notes)


def test_of_equal_strategies_none_is_called_ahead() -> None:
    """By an interval of each pair alone, 17 of these 28 would be."""
    run = run_of(dict.fromkeys(("frozen", "full", *"abcdef"), TRUTH["frozen"]), draw=EQUAL)
    assert not any(" ahead of " in note for note in build(run.records, run.predictions).notes)


def test_one_seed_has_no_interval_of_a_score_or_a_crossover(run: Run) -> None:
    table = build([record for record in run.records if record.cell.seed == 0], run.predictions)
    assert {entry.spread for row in table.blocks[0].rows for entry in row.entries} == {None}
    assert any(note.startswith("One seed has no interval") for note in table.notes)
    assert any("this compares models, not strategies" in note for note in table.notes)
    (note,) = (note for note in table.notes if "training examples" in note)
    assert "no interval of the crossover: one seed" in note
    assert "95% interval" not in note


def test_seeds_that_collapse_leave_a_crossover_without_interval(run: Run) -> None:
    """One seed of three learned nothing at one size."""
    records = [
        record.model_copy(update={"scores": {"test": {"accuracy": 0.4, "f1": 0.4}}})
        if (record.cell.task, record.cell.strategy, record.cell.seed) == ("reviews@200", "full", 0)
        else record
        for record in run.records
    ]
    assert [item.holds for item in crossed(run)] == [True]
    assert [item.holds for item in crossed(Run("low", records, run.predictions))] == [False]


def test_accuracy_is_called_what_it_is_on_questions(run: Run) -> None:
    records = [record.model_copy(update={"adapter": "qa"}) for record in run.records]
    assert "Accuracy is exact match on reviews." in build(records, run.predictions, "accuracy").notes


def test_a_run_without_sizes_is_refused(grid):
    with pytest.raises(BenchError) as error:
        build(grid)
    assert error.value.code == "no-sizes"


def test_tasks_of_one_size_and_unfinished_groups_are_on_no_curve(run: Run) -> None:
    plain, failed = (
        make_record("reviews", "full"),
        make_record("reviews@50", "full", status="failed", scores={}),
    )
    unknown = make_record("reviews@60", "full", data=None)
    tasks = sized([plain, failed, unknown, *run.records])
    assert {
        task: {line: tuple(points) for line, points in lines.items()} for task, lines in tasks.items()
    } == {"reviews": {FROZEN: SIZES, FULL: SIZES}}


@pytest.mark.parametrize(("sizes", "columns"), [((100,), None), ((100, 800), ["100", "800"])])
def test_a_curve_has_two_sizes_at_least(run: Run, sizes: tuple[int, ...], columns: list[str] | None) -> None:
    records = [record for record in run.records if int(record.cell.task.partition("@")[2]) in sizes]
    if columns is None:
        with pytest.raises(BenchError) as error:
            build(records, run.predictions)
        assert error.value.code == "no-sizes"
    else:
        assert [column.heading for column in build(records, run.predictions).columns] == columns


def test_the_metric_that_is_asked_for_is_shown(run: Run) -> None:
    for read in (run.predictions, None):
        (block,) = build(run.records, read, "f1").blocks
        for row in block.rows:
            for size, entry in zip(SIZES, row.entries, strict=True):
                scores = [
                    record.scores["test"]["f1"]
                    for record in run.records
                    if record.cell.task == f"reviews@{size}" and record.cell.strategy == row.labels[0]
                ]
                assert entry.value == pytest.approx(sum(scores) / 3)
                assert entry.spread is not None
    with pytest.raises(BenchError) as error:
        build(run.records, run.predictions, "bleu")
    assert error.value.code == "unknown-metric"


def test_the_details_of_a_curve_are_those_of_one_size(run: Run) -> None:
    """The others differ in the number of examples alone."""
    one = provenance(gather([record for record in run.records if record.cell.task == "reviews@100"]))
    assert list(build(run.records, run.predictions).details) == [
        note for note in one if not note.startswith("Examples:")
    ]
    assert sum(note.startswith("Examples:") for note in one) == 1
