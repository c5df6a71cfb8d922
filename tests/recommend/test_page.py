"""The words of the answer: what is known, what is not, and what it costs; a sentence each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.analysis.groups import Key
from bench.analysis.loading import Run
from bench.analysis.statistics.intervals import Interval
from bench.analysis.statistics.noise import Noise
from bench.recommend import page
from bench.recommend.answer import OnTestRows
from bench.recommend.choice import choose
from bench.recommend.evidence import Growth, Standing, standing
from bench.recommend.findings import Findings
from bench.recommend.floor import Floor
from bench.recommend.successive_halving import Outcome
from bench.recommend.weaknesses import Confusion, Weakness, confusions, weaknesses
from bench.runs.record import Data, Machine, Seconds, Served, Serving
from tests.analysis.conftest import make_predictions, make_record
from tests.recommend.test_evidence import VIEW, rounds

SECONDS = {"frozen": 2.0, "top-layers": 5.0, "full": 10.0}


def stood(truth: Mapping[str, Sequence[float]], **how: Any) -> Standing:
    run = rounds(truth, **how)
    records = [
        record.model_copy(update={"seconds": Seconds(cold=SECONDS[record.cell.strategy])})
        for record in run.records
    ]
    return standing(replace(run, records=records), f"{VIEW}@100")


def interval(mean: float, half: float, seeds: int = 3) -> Interval:
    return Interval(mean, half, Noise(np.array([(half / 1.96) ** 2]), np.ones(1)), seeds)


def findings(now: Standing, **changes: Any) -> Findings:
    chosen = choose(now, changes.get("goal", "accuracy"), changes.get("margin", 0.02))
    fields: dict[str, Any] = {
        "task": "reviews",
        "goal": "accuracy",
        "margin": 0.02,
        "choice": chosen.strategy,
        "basis": chosen.basis,
        "round": now,
        "outcome": Outcome({100: tuple(now.means)}, 100, {}, "", 60.0),
        "growth": Growth(None, why_not="too few sizes"),
        "floor": None,
        "weak": (),
        "final": None,
        "test_rows": 100,
        "command": "python -m bench recommend",
        "folder": "run",
        "strategies": tuple(now.means),
        "measured": frozenset(now.means),
        "training_rows": 100,
        "unfit": {},
        "all_strategies": tuple(SECONDS),
        "backbone": "minilm",
    }
    return Findings(**{**fields, **changes})


def line(found: Findings, start: str) -> str:
    return next((text for text in page.details(found) if text.startswith(start)), "")


CLEAR = {"full": [0.89], "frozen": [0.7]}


def test_the_best_is_named_with_its_score_and_what_it_is_ahead_of() -> None:
    found = findings(stood(CLEAR))
    assert page.sentence(found).startswith("Use full for reviews: it has the highest score, 8")
    assert line(found, "Ahead:").startswith(
        "Ahead: full scores higher than frozen beyond chance (paired bootstrap"
    )
    assert not line(found, "Not known:")


def test_on_one_seed_the_test_is_mcnemars_and_the_limit_is_said() -> None:
    found = findings(stood(CLEAR, seeds=1))
    assert "McNemar's exact test" in line(found, "Ahead:")
    assert line(found, "One seed:")


@pytest.mark.parametrize("seeds", [1, 3])
def test_what_is_not_known_is_never_called_tied(seeds: int) -> None:
    found = findings(stood({"full": [0.8], "frozen": [0.8]}, seeds=seeds, spread=0.0))
    text = "\n".join([page.sentence(found), *page.details(found), *page.tried(found)])
    assert line(found, "Not known: whether ")
    assert "tied" not in text
    assert "told apart from the best" not in text


def test_a_choice_by_cost_without_evidence_names_the_best_and_says_so() -> None:
    found = findings(stood(CLEAR, seeds=1), goal="cost")
    assert "highest score" in page.sentence(found)
    assert "the cheaper ones (frozen) are not known to be within 2 points" in page.sentence(found)


def test_a_choice_by_cost_with_evidence_says_the_margin_and_the_share() -> None:
    now = stood({"full": [0.83], "frozen": [0.83]}, spread=0.002)
    found = findings(now, goal="cost", margin=0.1)
    assert found.choice == "frozen"
    if now.best == "full":
        assert "known to score within 10 points of the best (full)" in page.sentence(found)
        assert "at 20% of its time" in page.sentence(found)
    else:
        assert "the cheapest and has the highest score" in page.sentence(found)


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (interval(0.1, 0.03), "full is 10.0 points above it (7.0 to 13.0)"),
        (interval(0.01, 0.03), "that full is better is not known (-2.0 to 4.0 points)"),
        (interval(-0.1, 0.03), "full is 10.0 points BELOW it"),
    ],
)
def test_the_floor_stands_beside_the_answer(gain: Interval, words: str) -> None:
    now = stood(CLEAR)
    floor = Floor(interval(0.75, 0.04, 1), 0.4, {Key(f"{VIEW}@100", "full", "minilm"): gain})
    assert words in line(findings(now, floor=floor), "Floor:")


def test_what_the_choice_is_bad_at_is_said() -> None:
    weak = (Weakness("neutral", 0.4, "positive", 25),)
    found = findings(stood(CLEAR), weak=weak)
    assert (
        line(found, "Weak on:") == "Weak on: 'neutral' (40% of 25 rows found, mostly taken for 'positive')."
    )


def test_weak_classes_are_those_far_below_the_mean() -> None:
    rows = make_predictions(np.ones(60))
    rows["reference"] = np.array(["neg"] * 30 + ["pos"] * 30, dtype=object)
    rows["prediction"] = np.array(["neg"] * 12 + ["pos"] * 48, dtype=object)
    records = [make_record("reviews", "full", seed) for seed in range(2)]
    run = Run("reviews", records, lambda _: rows)
    assert weaknesses(records, run.predictions) == [Weakness("neg", 0.4, "pos", 30)]
    rows["prediction"] = rows["reference"]
    assert weaknesses(records, run.predictions) == []


@pytest.mark.parametrize(
    ("final", "seeds", "where"),
    [
        (None, 1, "rows that chose the strategy"),
        (interval(0.7, 0.02), 3, "test rows, counted over 3 seeds"),
    ],
)
def test_the_classes_that_are_confused_are_said_with_counts(
    final: Interval | None, seeds: int, where: str
) -> None:
    confused = (Confusion("spam", "ham", 12, 40, seeds), Confusion("ham", "news", 3, 50, seeds))
    found = findings(stood(CLEAR), confused=confused, final=final)
    assert line(found, "Confuses most:") == (
        f"Confuses most: 'spam' for 'ham' in 12 of 40; 'ham' for 'news' in 3 of 50 ({where})."
    )


def of_one_group(rows: int) -> Run:
    """The choice on test rows of one group."""
    made = make_predictions(np.ones(rows))
    return Run(
        "r", [make_record("reviews", "full")], lambda _: {**made, "group": np.full(rows, "a", dtype=object)}
    )


def test_test_rows_of_one_group_give_no_score_but_costs_and_confusions() -> None:
    final = OnTestRows.of(of_one_group(20))
    assert final.score is None
    confused = (Confusion("spam", "ham", 12, 40, 1),)
    now = stood(CLEAR)
    found = findings(now, unscored=final.why_not, serving=final.records[0], confused=confused)
    assert line(found, "Test rows: not scored, as they are all of one group")
    assert "(test rows)" in line(found, "Confuses most:")


def test_a_choice_that_fails_on_all_rows_is_not_short_of_time() -> None:
    record = make_record("reviews", "full", status="failed", reason="out of memory")
    final = OnTestRows.of(Run("r", [record], lambda _: {}))
    found = findings(stood(CLEAR), unscored=final.why_not)
    assert (final.score, final.records) == (None, ())
    for start in ("Test rows: not scored", "Cost to use: not measured"):
        assert line(found, start).startswith(
            f"{start}, as the training of full on all training rows failed (out of memory)"
        )


def test_without_a_record_the_time_was_up() -> None:
    assert OnTestRows.of(Run("r", [], lambda _: {})).why_not == "the time was up"


def test_a_larger_budget_is_said_to_compare_what_was_left() -> None:
    now = stood(CLEAR)
    whole, cut = findings(now), findings(now, strategies=(*now.means, "lora"))
    assert line(whole, "More time:").startswith(
        "More time: all rows were used, so a larger --budget brings nothing"
    )
    assert line(cut, "More time:") == "More time: a larger --budget would compare lora to the end, too."
    assert line(cut, "Not compared to the end, for want of time: lora.")


def test_a_failure_is_said_with_its_rows_and_not_called_want_of_time() -> None:
    now = stood(CLEAR)
    found = findings(now, strategies=(*now.means, "lora"), failed={"lora": 300})
    assert "Failed: lora on 300 rows; the logs in the run folder say why." in page.tried(found)
    assert not line(found, "Not compared to the end")
    assert line(found, "More time: all rows were used")


def test_more_rows_are_named_beside_those_that_were_measured() -> None:
    found = findings(stood(CLEAR), growth=Growth(0.03, 0.01, 0.05, rows=400))
    assert line(found, "More data:") == (
        "More data: 800 training rows instead of 400 would add about 3.0 points (1.0 to 5.0), if the curve goes on "
        "as it did."
    )


CHANCE = {"full": [0.62], "frozen": [0.52]}
"""The majority is one half: `frozen` is within chance of it."""


@pytest.mark.parametrize("goal", ["accuracy", "cost"])
def test_what_gives_the_majority_answer_is_not_as_good(goal: str) -> None:
    now = stood(CHANCE, spread=0.002)
    assert now.constant == {"frozen"}
    found = findings(now, goal=goal, margin=0.3)
    assert page.sentence(found).startswith(
        "Use full for reviews: it is the cheapest that is known to have learnt something and has the highest score"
    )
    assert line(found, "Not known to have learnt anything: frozen, within chance of")
    assert findings(replace(now, constant=frozenset()), goal="cost", margin=0.3).choice == "frozen"


def test_confusions_are_counted_over_all_seeds_the_most_first() -> None:
    rows = make_predictions(np.ones(60))
    rows["reference"] = np.array(["neg"] * 30 + ["pos"] * 30, dtype=object)
    rows["prediction"] = np.array(["neg"] * 12 + ["pos"] * 46 + ["neg"] * 2, dtype=object)
    records = [make_record("reviews", "full", seed) for seed in range(2)]
    run = Run("reviews", records, lambda _: rows)
    assert confusions(records, run.predictions) == [
        Confusion("neg", "pos", 36, 60, 2),
        Confusion("pos", "neg", 4, 60, 2),
    ]
    rows["prediction"] = rows["reference"]
    assert confusions(records, run.predictions) == []
    assert confusions([], run.predictions) == []


def used(serving: Serving | None) -> str:
    now = stood({"frozen": (0.7,), "full": (0.9,)})
    record = now.records[0].model_copy(
        update={"serving": serving, "parameters": 25_000_000, "trainable": 1000}
    )
    return next(
        line for line in page.details(findings(now, serving=record)) if line.startswith("Cost to use")
    )


def test_the_page_says_what_an_answer_costs() -> None:
    plain = Served(p50=0.0123, p95=0.0201, single=80.0, batch=32, best=1234.4)
    text = used(Serving(plain=plain, head=0.0004))
    for part in ("12.3 ms", "20.1 ms", "1,234 texts", "32 at once", "100 MB", "0.004 MB", "0.40 ms"):
        assert part in text
    assert "merged" not in text


def test_updates_that_can_be_merged_are_priced_merged() -> None:
    plain = Served(p50=0.02, p95=0.03, single=50.0, batch=8, best=100.0)
    merged = Served(p50=0.01, p95=0.015, single=99.0, batch=32, best=200.0)
    text = used(Serving(plain=plain, merged=merged))
    assert "10.0 ms" in text
    assert "merged" in text
    assert "share" not in text


def test_what_was_not_measured_is_not_said() -> None:
    assert used(None) == "Cost to use: not measured, as the time was up."
    now = stood({"frozen": (0.7,), "full": (0.9,)})
    assert "Cost to use: not measured, as the time was up." in page.details(findings(now))


@pytest.mark.parametrize(
    ("adapter", "labels"),
    [
        ("classification", ", 3 classes"),
        ("ner", ", 3 tags"),
        ("multilabel", ", 3 labels"),
        ("regression", ""),  # whose one label is the name of its scale
    ],
)
def test_the_page_repeats_the_question(adapter: str, labels: str) -> None:
    now = stood({"frozen": (0.7,), "full": (0.9,)})
    machine = Machine(device="cpu", dtype="float32", threads=1, processor="p", system="s")
    data = Data(fingerprint="f", task_version=1, labels=("a", "b", "c"))
    changes = {"machine": machine, "data": data, "adapter": adapter}
    records = [record.model_copy(update=changes) for record in now.records]
    found = findings(replace(now, records=records), budget=600.0, training_rows=133)
    assert page.details(found)[0] == f"Asked: 133 training rows{labels}, this CPU, 10 min to find out."


# --------------------------------------------------------------------------------------------------
# What may be shown around a score


ALONE = r"\(one seed; the choice of rows alone moves it by ± \d+\.\d points\)"


def test_one_seed_has_the_noise_of_rows_by_name_and_no_interval() -> None:
    found = findings(stood(CLEAR, seeds=1), final=interval(0.832, 0.051, 1))
    assert re.search(rf"it has the highest score, \d\d\.\d accuracy {ALONE}", page.sentence(found))
    assert line(found, "Test rows:").startswith(
        "Test rows: 83.2 accuracy (one seed; the choice of rows alone moves it by ± 5.1 points) on 100 rows"
    )
    text = "\n".join([page.sentence(found), *page.details(found)])
    assert not re.search(r"\d ± \d", text)
    assert "a test compares these models, not the strategies" in line(found, "One seed:")


def test_all_rows_right_has_the_exact_interval_that_the_table_shows() -> None:
    now = stood({"full": [1.0], "frozen": [0.7]}, spread=0.0)
    low, high = now.intervals["full"].bounds or (0.0, 0.0)
    assert high == 1.0
    assert f"100.0 [{100 * low:.1f}, 100.0] accuracy" in page.sentence(findings(now))
    exact = replace(interval(1.0, 0.088), bounds=(0.912, 1.0))
    assert "Test rows: 100.0 [91.2, 100.0] accuracy on" in line(findings(now, final=exact), "Test rows:")


def test_seeds_of_which_some_learned_nothing_are_shown_one_by_one() -> None:
    now = stood(CLEAR)
    records = [
        record.model_copy(update={"scores": {"test": {"accuracy": 0.5, "f1": 0.5}}})
        if record.cell.strategy == "full" and record.cell.seed == 2
        else record
        for record in now.records
    ]
    found = findings(replace(now, records=records), final=interval(0.697, 0.4), final_seeds=(0.8, 0.791, 0.5))
    assert re.search(
        r"accuracy \(by seed: \d\d\.\d, \d\d\.\d, 50\.0; some learned nothing\)", page.sentence(found)
    )
    assert "69.7 accuracy (by seed: 80.0, 79.1, 50.0; some learned nothing) on" in line(found, "Test rows:")


def floored(score: Interval, gain: Interval, **more: Any) -> str:
    key = Key(f"{VIEW}@100", "full", "minilm")
    by_seed = {key: more.pop("by_seed")} if "by_seed" in more else {}
    return line(findings(stood(CLEAR), floor=Floor(score, 0.4, {key: gain}, by_seed)), "Floor:")


@pytest.mark.parametrize(("mean", "side"), [(0.05, "above"), (-0.05, "BELOW")])
def test_the_floor_decides_nothing_on_one_seed(mean: float, side: str) -> None:
    text = floored(interval(0.75, 0.04, 1), interval(mean, 0.03, 1))
    assert text == (
        "Floor: a linear model on TF-IDF, without an encoder, has 75.0 (the choice of rows alone moves it by ± 4.0 "
        f"points) on the same rows in 0.4 s; full is 5.0 points {side} it with one seed (± 3.0 by the choice of "
        "rows alone); what another seed would bring is not known."
    )


def test_the_floor_is_shown_as_a_table_would() -> None:
    exact = replace(interval(1.0, 0.088), bounds=(0.912, 1.0))
    assert "has 100.0 [91.2, 100.0] on the same rows" in floored(exact, interval(-0.2, 0.01))
    assert "differ from it by +5.0, +4.0, -30.0 points." in floored(
        interval(0.75, 0.04), interval(-0.07, 0.3), by_seed=(0.05, 0.04, -0.3)
    )
    wide = floored(interval(0.75, 0.04), interval(-0.1, 1.2))
    assert "that full is better is not known (-100.0 to 100.0 points)." in wide


@pytest.mark.parametrize(("seconds", "said"), [((2.0, 2.1, 2.2), False), ((2.0, 2.0, 2.0), True)])
def test_a_share_of_a_time_says_whether_it_was_measured_again(seconds: tuple[float, ...], said: bool) -> None:
    """Equal readings of a training time are copies of one."""
    now = stood({"full": [0.83], "frozen": [0.83]}, spread=0.002)
    records = [
        record.model_copy(update={"seconds": Seconds(train=own, cold=own)})
        for record in now.records
        for own in [(5.0 if record.cell.strategy == now.best else 1.0) * seconds[record.cell.seed]]
    ]
    times = {name: 10.0 if name == now.best else 2.0 for name in now.means}
    found = findings(replace(now, records=records, seconds=times), goal="cost", margin=0.1)
    assert ("at 20% of its time (measured once, which is no evidence)" in page.sentence(found)) == said
    assert "at 20% of its time" in page.sentence(found)
