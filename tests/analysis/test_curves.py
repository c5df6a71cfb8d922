"""Learning curves over data size, and where two of them cross."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis.curves import Crossover, build, crossing, crossovers, sentences, sized
from bench.analysis.loading import Run
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.resampling import Source
from bench.contracts import BenchError
from tests.analysis.conftest import METRICS, make_predictions, make_record

SIZES = (100, 200, 400, 800)
TRUTH = {"frozen": (0.70, 0.72, 0.74, 0.75), "full": (0.55, 0.68, 0.80, 0.88)}
TRAINABLE = {"frozen": 10, "twin": 20, "full": 1000}
FULL, FROZEN = ("full", "minilm"), ("frozen", "minilm")


@pytest.fixture(scope="module")
def run() -> Run:
    """Two strategies at four sizes; the true curves cross at about 250 examples."""
    return run_of(TRUTH)


def run_of(truth: dict[str, tuple[float, ...]]) -> Run:
    rng = np.random.default_rng(0)
    difficulty = rng.random(600)
    records, files = [], {}
    for strategy, accuracies in truth.items():
        for size, accuracy in zip(SIZES, accuracies, strict=True):
            for seed in range(3):
                ease = 0.8 * difficulty + 0.2 * rng.random(600)
                rows = make_predictions((ease < accuracy * 0.8 + 0.1).astype(float))
                record = make_record(f"reviews@{size}", strategy, seed, trainable=TRAINABLE[strategy])
                data = record.data.model_copy(update={"sizes": {"train": size, "test": 600}})
                scores = {item.name: ratios(item, rows).score() for item in METRICS}
                record = record.model_copy(update={"scores": {"test": scores}, "data": data})
                records.append(record)
                files[record.cell.id] = rows
    return Run("curve", records, files.__getitem__)


def test_a_task_at_several_sizes_is_one_task(run):
    tasks = sized(run.records)
    assert list(tasks) == ["reviews"]
    assert {line: list(points) for line, points in tasks["reviews"].items()} == {
        FROZEN: list(SIZES),
        FULL: list(SIZES),
    }


def test_the_crossover_is_where_the_true_curves_cross(run):
    (found,) = crossovers(sized(run.records)["reviews"], "accuracy", Source(run.predictions))
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
    (found,) = crossovers(sized(run.records)["reviews"], "accuracy", Source(run.predictions))
    assert found.low < SIZES[1]
    assert found.high == math.inf


def test_the_table_has_a_column_a_size_and_says_where_curves_cross(run):
    table = build(run.records, run.predictions)
    assert [column.heading for column in table.columns] == ["100", "200", "400", "800"]
    (block,) = table.blocks
    assert [row.labels for row in block.rows] == [FROZEN, FULL]
    assert [entry.mark for entry in block.rows[1].entries][-1] == "best"
    (note,) = (note for note in table.notes if "training examples" in note)
    assert "frozen minilm is ahead of full minilm (95% interval of the crossover: 2" in note


def test_a_strategy_that_pays_for_few_examples_alone_comes_first_whatever_it_trains():
    """Suite few-shot asks it of setfit, which trains as much as full."""
    pairs = {"full": TRUTH["frozen"], "frozen": TRUTH["full"]}  # the one that trains more is ahead with few
    run = run_of(pairs)
    (found,) = crossovers(sized(run.records)["reviews"], "accuracy", Source(run.predictions))
    assert (found.first, found.second) == (FULL, FROZEN)
    assert found.low <= 256 <= found.high
    assert found.size == pytest.approx(256, rel=0.1)


def test_a_pair_that_never_crosses_is_said_too(run):
    (found,) = crossovers(
        {
            line: {size: group for size, group in points.items() if size > 300}
            for line, points in sized(run.records)["reviews"].items()
        },
        "accuracy",
        Source(run.predictions),
    )
    assert sentences("reviews", [found]) == [
        "reviews, without a crossover: full minilm is ahead of frozen minilm at every size."
    ]


@pytest.mark.parametrize(
    ("size", "low", "high", "sentence"),
    [
        (
            250.0,
            0.0,
            300.0,
            "r: below about 250 training examples {} (95% interval of the crossover: below 100 to 300).",
        ),
        (
            250.0,
            200.0,
            math.inf,
            "r: below about 250 training examples {} (95% interval of the crossover: 200 to above 400).",
        ),
        (math.inf, math.inf, math.inf, "r, without a crossover: {} at 400."),
        (math.inf, 300.0, math.inf, "r, without a crossover: {} at 400, within noise."),
        (
            250.0,
            0.0,
            math.inf,
            "r, not told apart at the largest size, crossover unknown: frozen minilm and full minilm.",
        ),
    ],
)
def test_sizes_are_those_that_both_were_run_at(size, low, high, sentence):
    item = Crossover(FROZEN, FULL, (100, 200, 400), size, low, high)
    assert sentences("r", [item]) == [sentence.format("frozen minilm is ahead of full minilm")]


def test_a_run_without_sizes_is_refused(grid):
    with pytest.raises(BenchError) as error:
        build(grid)
    assert error.value.code == "no-sizes"
