"""Rankings over tasks, on runs whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from bench.analysis.loading import Run
from bench.analysis.ranking import Estimated, Ranked, Ranking, _beats, _ranks, rank
from bench.analysis.statistics.over_tasks import expected_best, nemenyi
from bench.analysis.tables.formats import render
from bench.analysis.tables.ranks import ABSENT, build, table
from bench.contracts import BenchError
from bench.runs.record import Record
from tests.analysis.claims.measured import run_of
from tests.analysis.conftest import METRICS, make_predictions, make_record

TASKS = tuple("abcdefgh")
ABILITIES = {"frozen": 0.6, "top-layers": 0.7, "full": 0.8}


def run_over(tasks: tuple[str, ...], abilities: dict[str, float] = ABILITIES) -> Run:
    return run_of({(task, name): ability for task in tasks for name, ability in abilities.items()})


@pytest.fixture(scope="module")
def run() -> Run:
    return run_over(TASKS)


@pytest.fixture(scope="module")
def ranking(run: Run) -> Ranking:
    return rank(run.records, run.predictions)


def test_the_best_strategy_on_every_task_ranks_first(ranking: Ranking) -> None:
    assert [item.row for item in ranking.rows] == [
        (name, "minilm") for name in ("full", "top-layers", "frozen")
    ]
    assert [item.rank.value for item in ranking.rows] == [1, 2, 3]
    assert [item.first for item in ranking.rows] == [1, 0, 0]
    assert ranking.tasks == TASKS


def test_consistent_tasks_tell_strategies_apart_as_far_as_nemenyi_does(ranking: Ranking) -> None:
    """With 8 tasks and 3 strategies the critical difference is 1.17: neighbours are joined, the ends are not."""
    assert ranking.critical == nemenyi(3, 8) == pytest.approx(1.172, abs=2e-3)
    assert ranking.groups() == [(0, 1), (1, 2)]


def test_friedmans_test_is_that_of_scipy(run: Run, ranking: Ranking) -> None:
    means = [
        [
            np.mean(
                [
                    r.scores["test"]["accuracy"]
                    for r in run.records
                    if (r.cell.task, r.cell.strategy) == (task, name)
                ]
            )
            for task in TASKS
        ]
        for name in ABILITIES
    ]
    assert ranking.friedman == pytest.approx(friedmanchisquare(*means).pvalue)


def test_a_strategy_beats_the_reference_where_it_scores_higher(ranking: Ranking) -> None:
    full, *others = ranking.rows
    assert full.beats is None
    assert all(item.beats is not None and item.beats.value < 0.01 for item in others)


def test_strategies_of_one_ability_share_ranks_and_chances() -> None:
    run = run_over(TASKS[:4], {"frozen": 0.7, "full": 0.7})
    found = rank(run.records, run.predictions)
    assert found.friedman is None  # of two strategies
    assert found.groups() == [(0, 1)]
    (frozen,) = (item for item in found.rows if item.row[0] == "frozen")
    assert frozen.beats is not None
    assert frozen.beats.low < 0.5 < frozen.beats.high
    assert sum(item.first for item in found.rows) == pytest.approx(1)
    assert all(1 <= item.rank.low <= item.rank.value <= item.rank.high <= 2 for item in found.rows)


def test_fewer_tasks_widen_the_interval() -> None:
    """The strategies swap places on every second task."""
    widths = []
    for count in (4, 8):
        scores = {}
        for place, task in enumerate(TASKS[:count]):
            names = ("full", "frozen", "lora") if place % 2 else ("frozen", "full", "lora")
            scores |= {(task, name): 0.8 - 0.1 * number for number, name in enumerate(names)}
        run = run_of(scores)
        item = next(item for item in rank(run.records, run.predictions).rows if item.row[0] == "full")
        assert item.rank.value == 1.5
        widths.append(item.rank.high - item.rank.low)
    assert widths[0] > widths[1] > 0.3


def test_the_interquartile_mean_and_the_expected_best_are_of_the_scores(run: Run, ranking: Ranking) -> None:
    for item in ranking.rows:
        by_task = [
            [
                r.scores["test"]["accuracy"]
                for r in run.records
                if (r.cell.task, r.cell.strategy) == (task, item.row[0])
            ]
            for task in TASKS
        ]
        middle = np.sort(np.ravel(by_task))[6:-6]
        assert item.score is not None
        assert item.score.value == pytest.approx(middle.mean())
        assert item.score.low < middle.mean() < item.score.high
        assert item.best == pytest.approx(np.mean([expected_best(scores, 3) for scores in by_task]))


def test_few_seeds_have_no_interquartile_mean(run: Run) -> None:
    two = [record for record in run.records if record.cell.seed < 2]
    found = rank(two, run.predictions)
    assert {item.score for item in found.rows} == {None}
    assert "An interquartile mean needs 3 seeds of every strategy; here are 2 seeds." in table(found).notes
    one = rank([record for record in run.records if record.cell.seed == 0], run.predictions)
    assert {item.best for item in one.rows} == {None}


@pytest.mark.parametrize("lacks", ["a task", "every task", "a file", "every file"])
def test_a_strategy_without_scores_on_some_task_is_left_out_and_named(run: Run, lacks: str) -> None:
    """Its cells are missing or failed, or their prediction files are gone."""

    def is_lost(cell: str) -> bool:
        return "/frozen/" in cell and (lacks.startswith("every") or cell == "a/frozen/minilm/seed1")

    def read(cell: str) -> object:
        if lacks.endswith("file") and is_lost(cell):
            raise KeyError(cell)
        return run.predictions(cell)

    records = [r for r in run.records if r.cell.task in "abc"]
    if lacks == "a task":
        records = [r for r in records if not r.cell.id.startswith("a/frozen/")]
    if lacks == "every task":
        failed = {"status": "failed", "scores": {}, "reason": "no disk"}
        records = [r.model_copy(update=failed) if is_lost(r.cell.id) else r for r in records]
    found = rank(records, read)
    assert [item.row[0] for item in found.rows] == ["full", "top-layers"]
    assert found.absent == (("frozen", "minilm"),)
    assert table(found).notes[-1] == f"{ABSENT}: frozen minilm."


def test_a_task_in_several_sizes_is_one_task() -> None:
    tasks = ("a@100", "a@200", "b", "c")
    run = run_over(tasks)
    assert rank(run.records, run.predictions).tasks == ("a", "b", "c")
    few = run_over(tasks[:3])
    with pytest.raises(BenchError) as error:
        rank(few.records, few.predictions)
    assert error.value.code == "too-few-tasks"


def test_a_task_without_predictions_is_left_out_and_named(run: Run) -> None:
    def read(cell: str) -> object:
        if cell.startswith("c/"):
            raise KeyError(cell)
        return run.predictions(cell)

    found = rank(run.records, read)
    assert (found.tasks, found.untested) == (tuple("abdefgh"), ("c",))
    assert any(
        note.startswith("Left out: c, where no strategy has predictions") for note in table(found).notes
    )
    few = [record for record in run.records if record.cell.task in "abc"]
    with pytest.raises(
        BenchError, match=r"has finished 2 \(a, b\), and c without scores that can be resampled"
    ):
        rank(few, read)


def refused(records: list[Record], run: Run) -> BenchError:
    with pytest.raises(BenchError) as error:
        build(records, run.predictions)
    return error.value


def test_too_few_tasks_or_strategies_are_refused(run: Run) -> None:
    error = refused([r for r in run.records if r.cell.task in "ab"], run)
    assert error.code == "too-few-tasks"
    assert "at least 3 tasks; this run has finished 2 (a, b)" in str(error)
    assert refused([r for r in run.records if r.cell.strategy == "full"], run).code == "too-few-strategies"
    assert refused([], run).code == "too-few-tasks"


def test_an_unknown_metric_is_refused(run: Run) -> None:
    with pytest.raises(BenchError) as error:
        build(run.records, run.predictions, "bleu")
    assert error.value.code == "unknown-metric"


@pytest.mark.parametrize("format", ["md", "latex", "csv", "html", "json"])
def test_every_format_has_the_ranks_and_their_intervals(run: Run, format: str) -> None:
    text = render(build(run.records, run.predictions), format)
    assert "top-layers" in text
    assert ("rank-low" if format in ("csv", "json") else "from") in text


def made(ranks: list[float], critical: float) -> Ranking:
    rows = tuple(
        Ranked((f"s{place}", "minilm"), Estimated(value, value, value), None, None, 0.0, None)
        for place, value in enumerate(ranks)
    )
    return Ranking(("a", "b", "c"), rows, critical, None, 1)


@pytest.mark.parametrize(
    ("ranks", "critical", "bars"),
    [
        ([1.0, 2.0, 3.0], 0.5, []),
        ([1.0, 2.0, 3.0], 5.0, [(0, 2)]),
        ([1.0, 1.4, 3.0, 3.2], 1.0, [(0, 1), (2, 3)]),
        ([1.0, 2.0, 2.8, 4.0], 1.9, [(0, 2), (2, 3)]),
        ([1.0, 2.0], 1.0, []),
    ],
)
def test_a_bar_joins_what_differs_by_less_and_no_bar_lies_within_another(
    ranks: list[float], critical: float, bars: list[tuple[int, int]]
) -> None:
    assert made(ranks, critical).groups() == bars


def test_the_note_names_the_bars() -> None:
    notes = " ".join(table(made([1.0, 1.4, 3.0, 3.2], 1.0)).notes)
    assert (
        "Cannot be told apart, which does not mean equal: s0 minilm, s1 minilm; s2 minilm, s3 minilm."
        in notes
    )
    assert "All strategies are told apart." in " ".join(table(made([1.0, 3.0], 1.0)).notes)


def test_where_nothing_differs_few_runs_find_a_difference() -> None:
    """The family-wise error of the critical difference, by simulation of ranks: at most 5% and two errors."""
    rng, repeats = np.random.default_rng(0), 2000
    for tasks, strategies in ((3, 3), (4, 5), (7, 9), (12, 5)):
        means = rng.random((repeats, tasks, strategies)).argsort(-1).argsort(-1).mean(1)
        found = (np.ptp(means, axis=1) >= nemenyi(strategies, tasks)).mean()
        assert found <= 0.05 + 2 * (0.05 * 0.95 / repeats) ** 0.5


def test_the_interval_of_a_mean_rank_covers_the_mean_over_all_tasks() -> None:
    """Tasks of one population: `full` is ahead on a share of them that the draw of tasks decides."""
    rng, hits, repeats = np.random.default_rng(1), 0, 40
    for _ in range(repeats):
        ahead = rng.random(6) < 0.5
        scores = {}
        for task, first in zip(TASKS, ahead, strict=False):
            scores |= {(task, "full"): 0.8 if first else 0.7, (task, "frozen"): 0.75}
        run = run_of(scores)
        item = next(item for item in rank(run.records, run.predictions).rows if item.row[0] == "full")
        hits += item.rank.low <= 1.5 <= item.rank.high
    assert hits / repeats >= 0.9


def test_the_baseline_of_this_project_has_a_ranking() -> None:
    from bench.analysis.opening import open_source

    run = open_source(str(Path(__file__).parents[2] / "results" / "baselines" / "quick.jsonl"))
    found = rank(run.records, run.predictions)
    assert len(found.tasks) == 4
    assert found.rows[0].row == ("full", "minilm")


def exact(scores: dict[str, tuple[float, ...]]) -> Run:
    """Three tasks on which every seed of a strategy has exactly its score, of 1,000 examples."""
    records, files = [], {}
    for task in TASKS[:3]:
        for strategy, by_seed in scores.items():
            for seed, score in enumerate(by_seed):
                rows = make_predictions((np.arange(1000) < round(1000 * score)).astype(float))
                record = make_record(task, strategy, seed, accuracy=score, metrics=METRICS[:1])
                records.append(record.model_copy(update={"scores": {"test": {"accuracy": score}}}))
                files[record.cell.id] = rows
    return Run("exact", records, files.__getitem__)


def test_means_that_differ_by_rounding_share_their_rank() -> None:
    scores = {"frozen": (0.8, 0.8, 0.8), "full": (0.7, 0.8, 0.9), "lora": (0.9, 0.8, 0.7)}
    assert np.mean(scores["frozen"]) != np.mean(scores["full"])
    run = exact(scores)
    found = rank(run.records, run.predictions)
    assert {item.row[0]: item.rank.value for item in found.rows} == dict.fromkeys(scores, 2.0)
    assert found.friedman is None  # nothing differs at all
    better = exact({**scores, "lora": (0.9, 0.9, 0.9)})
    ranks = {item.row[0]: item.rank.value for item in rank(better.records, better.predictions).rows}
    assert ranks == {"lora": 1.0, "frozen": 2.5, "full": 2.5}


def test_a_draw_that_differs_by_rounding_is_half_a_win() -> None:
    rows = [("full", "minilm"), ("lora", "minilm")]
    one, other = np.mean([0.8, 0.8, 0.8]), np.mean([0.7, 0.8, 0.9])
    draws = np.array([[[one, other], [one, 0.9]], [[other, one], [one, 0.1]]])  # [draws, tasks, rows]
    beats = _beats(draws, rows, 1)
    assert beats is not None
    assert beats.tolist() == [0.5, 0.5]
    assert _beats(draws[:1], rows, 1).tolist() == [0.5, 1.0]  # type: ignore[union-attr]
    assert _ranks(draws).tolist() == [[[1.5, 1.5], [2, 1]], [[1.5, 1.5], [1, 2]]]
