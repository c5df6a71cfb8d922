"""Shift tables: other domains are independent samples, and strategies stay paired on each of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.claims.published import DifferenceClaim
from bench.analysis.claims.verify import verify
from bench.analysis.groups import Key, gather
from bench.analysis.loading import Predictions, Run
from bench.analysis.shift import build, elsewhere, weighted
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.paired import compare_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source
from bench.analysis.statistics.uncertainty import from_predictions
from bench.analysis.statistics.uncertainty_notes import missed
from bench.analysis.tables.formats import render
from bench.analysis.tables.model import Row, Table
from bench.contracts import BenchError
from tests.analysis.conftest import METRICS, make_predictions, make_record
from tests.analysis.statistics.test_unequal_seeds import LUCKY, run_of

TRUTH = {  # accuracy on the source and on two other domains
    "full": {"test": 0.90, "tweets": 0.70, "news": 0.60},
    "lp-ft": {"test": 0.90, "tweets": 0.80, "news": 0.70},
    "top-layers": {"test": 0.90, "tweets": 0.79, "news": 0.70},
}
EXAMPLES = {"test": 800, "tweets": 400, "news": 400}
BETTER_ELSEWHERE = DifferenceClaim(
    name="lp-ft",
    source="a paper",
    says="",
    kind="difference",
    first="lp-ft",
    second="full",
    on="elsewhere",
    above=0.0,
)


@pytest.fixture(scope="module")
def run() -> Run:
    return made()


def made(low: Collection[tuple[str, int]] = (), documents: str = "", everywhere: float | None = None) -> Run:
    """Three strategies that are equal on the source, two of them about ten points better on other domains. low: the
    strategies and seeds that learned nothing; what they always say is right on most examples of other domains.
    documents: the domain whose examples come four from a document. everywhere: all accuracies."""
    rng = np.random.default_rng(0)
    difficulty = {test: rng.random(count) for test, count in EXAMPLES.items()}
    records, files = [], {}
    for strategy, accuracies in TRUTH.items():
        for seed in range(3):
            parts = {}
            for test, known in accuracies.items():
                always = 0.4 if test == "test" else 0.7
                accuracy = always if (strategy, seed) in low else known if everywhere is None else everywhere
                ease = 0.9 * difficulty[test] + 0.1 * rng.random(EXAMPLES[test])
                rows = make_predictions((ease < 0.9 * accuracy + 0.05).astype(float))
                groups = [f"d{n // 4}" if test == documents else "" for n in range(EXAMPLES[test])]
                parts[test] = {
                    **rows,
                    "split": np.full(EXAMPLES[test], test, dtype=object),
                    "group": np.array(groups, dtype=object),
                }
            scores = {
                test: {m.name: ratios(m, rows).score() for m in METRICS} for test, rows in parts.items()
            }
            record = make_record("reviews", strategy, seed, scores=scores)
            records.append(record)
            files[record.cell.id] = joined(parts)
    return Run("shift", records, files.__getitem__)


def joined(parts: dict[str, dict[str, np.ndarray]]) -> Predictions:
    return {name: np.concatenate([rows[name] for rows in parts.values()]) for name in parts["test"]}


def value(row: Row, place: int) -> float:
    found = row.entries[place].value
    assert isinstance(found, float)
    return found


def rows_of(table: Table) -> dict[str, Row]:
    (block,) = table.blocks
    return {row.labels[0]: row for row in block.rows}


def test_in_domain_out_of_domain_and_drop_are_columns(run: Run) -> None:
    table = build(run.records, run.predictions)
    assert [column.heading for column in table.columns] == [
        "source",
        "out of domain",
        "drop",
        "against full",
        "→ tweets",
        "→ news",
    ]
    for strategy, row in rows_of(table).items():
        accuracies = TRUTH[strategy]
        source, others, drop, tweets, news = (value(row, place) for place in (0, 1, 2, 4, 5))
        assert [source, tweets, news] == pytest.approx(list(accuracies.values()), abs=0.05)
        assert others == pytest.approx((tweets + news) / 2)
        assert drop == pytest.approx(source - others)


def test_a_drop_is_compared_with_that_of_full_on_the_same_examples(run: Run) -> None:
    rows = rows_of(build(run.records, run.predictions))
    assert rows["full"].entries[3].value is None
    against = rows["lp-ft"].entries[3]
    assert against.value == pytest.approx(value(rows["lp-ft"], 2) - value(rows["full"], 2))
    assert against.spread is not None
    assert against.spread < 0.7 * max(row.entries[2].spread or 0.0 for row in rows.values())


def test_out_of_domain_the_best_and_what_is_tied_with_it_are_marked(run: Run) -> None:
    marks = {name: row.entries[1].mark for name, row in rows_of(build(run.records, run.predictions)).items()}
    assert marks.pop("full") == ""
    assert sorted(marks.values()) == ["best", "tied"]


def test_without_predictions_there_are_means_alone() -> None:
    scores = {"test": {"accuracy": 0.8}, "tweets": {"accuracy": 0.6}, "news": {"accuracy": 0.5}}
    (row,) = rows_of(build([make_record(scores=scores)])).values()
    assert [entry.value for entry in row.entries] == pytest.approx([0.8, 0.55, 0.25, None, 0.6, 0.5])
    assert row.entries[1].spread is None


def test_a_run_without_other_domains_is_refused() -> None:
    with pytest.raises(BenchError) as error:
        build([make_record()])
    assert error.value.code == "no-other-domains"


def test_the_text_says_what_out_of_domain_and_drop_are(run: Run) -> None:
    text = render(build(run.records, run.predictions), "md")
    assert (
        "Out of domain: the mean score over the target domains. Drop: the source score minus that mean"
        in text
    )


def test_that_a_strategy_is_better_elsewhere_can_be_read_off(run: Run) -> None:
    (finding,) = verify([BETTER_ELSEWHERE], run)
    assert finding.tasks[0].verdict == "confirmed"
    assert finding.estimate is not None
    assert finding.estimate.value == pytest.approx(0.1, abs=0.03)
    (there,) = verify([BETTER_ELSEWHERE.model_copy(update={"first": "full", "second": "lp-ft"})], run)
    assert there.tasks[0].verdict == "contradicted"


def test_strategies_are_paired_on_the_examples_of_each_domain(run: Run) -> None:
    groups, source = gather(run.records), Source(run.predictions)
    first, second, _ = (elsewhere(group, "accuracy", source) for group in groups.values())
    assert first is not None
    assert second is not None
    paired = first.minus(second)
    assert paired is not None
    apart = first.draws.var(0).mean() + second.draws.var(0).mean()
    assert paired.draws.var(0).mean() < 0.5 * apart


def test_the_noise_of_independent_test_sets_adds_up() -> None:
    draws = np.random.default_rng(0).normal(size=(4000, 1))
    one = Resampled((0,), np.array([0.8]), draws, np.arange(9))
    drop = weighted([(1.0, one), (-1.0, replace(one, scores=np.array([0.6])))])
    assert drop is not None
    assert drop.scores == pytest.approx([0.2])
    assert drop.draws.var() == pytest.approx(2 * draws.var(), rel=0.1)


def test_a_sum_needs_every_test_set_on_the_same_seeds() -> None:
    one = Resampled((0,), np.array([0.8]), np.zeros((9, 1)), np.arange(9))
    assert weighted([(0.5, one), (0.5, None)]) is None
    assert weighted([(0.5, one), (0.5, replace(one, seeds=(1,)))]) is None


def on(clusters: int, effective: float | None = None) -> Resampled:
    """One seed's score on a test set of so many documents."""
    draws = np.random.default_rng(clusters).normal(size=(99, 1))
    return Resampled((0,), np.array([0.8]), draws, np.arange(400), clusters, effective=effective)


@pytest.mark.parametrize(
    ("source", "target", "dof"),
    [
        (on(150, 120.0), on(2), 1.0),
        (on(0), on(2), 1.0),
        (on(30, 7.5), on(60, 20.0), 7.5),
        (on(0), on(0), math.inf),
    ],
)
def test_a_sum_is_known_no_better_than_its_part_on_the_fewest_documents(
    source: Resampled, target: Resampled, dof: float
) -> None:
    mean = weighted([(1.0, target)])
    assert mean is not None
    assert mean.dof == target.dof
    drop = weighted([(1.0, source), (-1.0, mean)])
    assert drop is not None
    assert drop.dof == drop.components().example_dof == dof
    against = drop.minus(drop)
    assert against is not None
    assert against.dof == dof


# --------------------------------------------------------------------------------------------------
# What may be shown, and what notes say of it

COLUMNS = ("source", "out of domain", "drop", "against full", "→ tweets", "→ news")


def note_of(table: Table, start: str) -> str:
    (note,) = (note for note in table.notes if note.startswith(start))
    return note


def test_one_seed_has_no_interval_in_any_column(run: Run) -> None:
    table = build([record for record in run.records if record.cell.seed == 0], run.predictions)
    entries = [entry for row in rows_of(table).values() for entry in row.entries]
    assert [entry for entry in entries if entry.spread is not None] == []
    note = note_of(table, "One seed has no interval: what another would score is not known.")
    assert all(f"points ({name})" in note for name in COLUMNS)
    assert not any(note.startswith("±") for note in table.notes)
    assert "this compares models, not strategies" in note_of(table, "Bold")
    assert "±" not in render(replace(table, notes=(), details=()), "md")


def test_single_runs_are_told_apart_by_mcnemars_test_on_every_test_set(run: Run) -> None:
    """The mean over one target domain is the score on it; one over two is no share of right answers."""
    one = on_both({"full": {0: 0.9}, "frozen": {0: 0.84}})
    two = [record for record in run.records if record.cell.seed == 0]
    assert "(McNemar's exact test on the same examples, without" in note_of(
        build(one.records, one.predictions), "Bold"
    )
    assert "(McNemar's exact test or, where it does not apply, paired bootstrap" in note_of(
        build(two, run.predictions), "Bold"
    )


def test_ties_say_what_they_may_hide_in_every_column_that_has_some(run: Run) -> None:
    table = build(run.records, run.predictions)
    note = note_of(table, "Bold")
    for place, name in enumerate(COLUMNS):
        tied = any(row.entries[place].mark == "tied" for row in rows_of(table).values())
        assert (f"points ({name})" in note) == tied
    assert "points (out of domain)" in note
    assert "points (out of domain)" in render(table, "json")


def test_collapsed_seeds_are_shown_in_whatever_rests_on_them() -> None:
    run = made({("lp-ft", 2)})
    table = build(run.records, run.predictions)
    collapsed, steady = (rows_of(table)[name].entries for name in ("lp-ft", "top-layers"))
    assert [len(entry.points) for entry in collapsed] == [3] * 6
    assert {entry.spread for entry in collapsed} == {None}
    assert [entry.points for entry in steady] == [()] * 6
    assert all(entry.spread for entry in steady)
    assert collapsed[2].points == pytest.approx(
        [source - there for source, there in zip(collapsed[0].points, collapsed[1].points, strict=True)]
    )
    assert note_of(table, "In parentheses: the seeds, in place of an interval")


def test_a_drop_is_by_seed_against_a_reference_whose_seeds_collapse() -> None:
    run = made({("full", 1)})
    entries = rows_of(build(run.records, run.predictions))["lp-ft"].entries
    assert [len(entry.points) for entry in entries] == [0, 0, 0, 3, 0, 0]


def test_marks_of_target_columns_alone_are_explained() -> None:
    """All right on a domain has an exact interval."""
    run = made(everywhere=2.0)
    table = build(run.records, run.predictions)
    assert all(row.entries[4].bounds for row in rows_of(table).values())
    assert note_of(table, "[low, high] is an exact binomial interval")


def test_documents_of_a_target_domain_are_named() -> None:
    run = made(documents="news")
    table = build(run.records, run.predictions)
    assert note_of(table, "Test examples are resampled").endswith(": reviews → news (100) documents.")


def test_accuracy_is_called_what_it_is_on_questions(run: Run) -> None:
    records = [record.model_copy(update={"adapter": "qa"}) for record in run.records]
    assert "Accuracy is exact match on reviews." in build(records, run.predictions, "accuracy").notes


def on_both(accuracies: Mapping[str, Mapping[int, float]]) -> Run:
    """Strategies whose seeds are right on so large a share of the source, and of another domain."""
    run, records, files = run_of(accuracies), [], {}
    for record in run.records:
        rows, tests = run.predictions(record.cell.id), ("test", "tweets")
        assert isinstance(rows, dict)
        files[record.cell.id] = joined(
            {test: {**rows, "split": np.full(len(rows["id"]), test, dtype=object)} for test in tests}
        )
        scores = dict.fromkeys(tests, record.scores["test"])
        records.append(record.model_copy(update={"scores": scores}))
    return Run("shift", records, files.__getitem__)


def test_a_strategy_that_could_not_be_tested_is_named_with_every_column(run: Run) -> None:
    """It shares one seed of three with the best."""
    kept = [r for r in run.records if r.cell.strategy != "full" or r.cell.seed == 2]
    notes = [
        note for note in build(kept, run.predictions).notes if note.startswith("Not tested against the best")
    ]
    named = {
        where: any(f"full with minilm on reviews{where} (one seed in common, of several)" in n for n in notes)
        for where in (" out of domain", " → tweets", " → news")
    }
    assert named == dict.fromkeys(named, True)


def test_out_of_domain_nothing_is_behind_that_is_better_on_the_shared_seeds() -> None:
    run = on_both(LUCKY)
    table = build(run.records, run.predictions)
    (block,) = table.blocks
    (frozen,) = (row for row in block.rows if row.labels[0] == "frozen")
    assert [entry.mark for entry in frozen.entries] == ["tied", "tied", "", "", "tied"]
    notes = [note for note in table.notes if note.startswith("Not called behind: ")]
    for where in ("", " out of domain", " → tweets"):
        assert any(note.startswith(f"Not called behind: frozen with minilm on t{where}. ") for note in notes)


def test_the_domain_whose_examples_are_of_one_document_is_named(run: Run) -> None:
    def predictions(cell: str) -> Predictions:
        rows = run.predictions(cell)
        assert isinstance(rows, dict)
        return {**rows, "group": np.where(rows["split"] == "news", "d", "").astype(object)}

    notes = build(run.records, predictions).notes
    (note,) = (note for note in notes if "come from one document" in note)
    assert note.startswith("All test examples of reviews → news come")
    assert not any("not all seeds have predictions" in note for note in notes)


def test_out_of_domain_a_strategy_without_predictions_is_named(run: Run) -> None:
    lost = Key("reviews", "full", "minilm")

    def predictions(cell: str) -> Predictions:
        if "/full/" in cell:
            raise KeyError(cell)
        return run.predictions(cell)

    (note, *_) = (n for n in build(run.records, predictions).notes if "on reviews out of domain" in n)
    why = "not all seeds have predictions on the same examples"
    assert f"{lost.strategy} with {lost.backbone} on {lost.task} out of domain ({why})" in note


def test_the_metric_that_is_asked_for_is_in_every_column(run: Run) -> None:
    for read in (run.predictions, None):
        for strategy, row in rows_of(build(run.records, read, "f1")).items():
            own = [record for record in run.records if record.cell.strategy == strategy]
            source, tweets, news = (
                np.mean([record.scores[test]["f1"] for record in own]) for test in ("test", "tweets", "news")
            )
            found = [value(row, place) for place in (0, 1, 2, 4, 5)]
            outside = (tweets + news) / 2
            assert found == pytest.approx([source, outside, source - outside, tweets, news])
    with pytest.raises(BenchError) as error:
        build(run.records, run.predictions, "bleu")
    assert error.value.code == "unknown-metric"


def test_a_target_without_the_metric_is_left_out() -> None:
    scores = {"test": {"accuracy": 0.8}, "tweets": {"accuracy": 0.6}, "news": {}}
    (row,) = rows_of(build([make_record(scores=scores)])).values()
    assert [entry.value for entry in row.entries] == [0.8, 0.6, pytest.approx(0.2), None, 0.6, None]
    (row,) = rows_of(build([make_record(scores={"test": {"accuracy": 0.8}, "news": {}})])).values()
    assert [entry.value for entry in row.entries] == [0.8, None, None, None, None]
    (row,) = rows_of(build([make_record(scores={"test": {}, "news": {"accuracy": 0.8}})])).values()
    assert [entry.value for entry in row.entries] == [None, None, None, None, 0.8]


def test_the_error_is_divided_among_the_test_sets_and_their_mean(run: Run) -> None:
    """Three test sets and one mean are four families: what ties may hide is that of a quarter of the error."""
    groups, source = gather(run.records), Source(run.predictions)
    means = {
        (key, "accuracy"): found
        for key, group in groups.items()
        if (found := elsewhere(group, "accuracy", source))
    }
    outside = compare_pairs(means, with_best(means), families=4)
    own = from_predictions(
        groups, dict.fromkeys(groups, ("accuracy",)), run.predictions, families=4
    ).comparisons
    note = note_of(build(run.records, run.predictions), "Bold")
    for name, compared in (("source", own), ("out of domain", outside)):
        (hidden,) = missed([item for item in compared if item.tied])
        assert f"{hidden} ({name})" in note


def test_a_drop_and_a_difference_of_drops_are_cut_to_what_they_can_be() -> None:
    """Two seeds that trade places: the source's best is the other domain's worst."""
    accuracies = {"full": ((1.0, 0.2), (0.2, 1.0)), "lora": ((0.2, 1.0), (1.0, 0.2))}
    records, files = [], {}
    for strategy, seeds in accuracies.items():
        for seed, shares in enumerate(seeds):
            tests = dict(zip(("test", "tweets"), shares, strict=True))
            parts = {
                test: {
                    **make_predictions((np.arange(10) < 10 * share).astype(float)),
                    "split": np.full(10, test, dtype=object),
                }
                for test, share in tests.items()
            }
            scores = {test: {"accuracy": share, "f1": share} for test, share in tests.items()}
            record = make_record("reviews", strategy, seed, scores=scores, data=None)
            records.append(record)
            files[record.cell.id] = joined(parts)
    entries = rows_of(build(records, files.__getitem__))["lora"].entries
    assert [entry.bounds for entry in entries[:4]] == [(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (-2.0, 2.0)]
