"""The words of the answer: what is known, what is not, and what it costs; a sentence each."""

from __future__ import annotations

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
        "outcome": Outcome((100,), 100, {}, "", 60.0),
        "growth": Growth(None, why_not="too few sizes"),
        "floor": None,
        "weak": (),
        "final": None,
        "test_rows": 100,
        "command": "python -m bench recommend",
        "folder": "run",
        "strategies": tuple(now.means),
        "measured": frozenset(now.means),
        "ended": frozenset(now.means),
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


def test_the_page_repeats_the_question() -> None:
    now = stood({"frozen": (0.7,), "full": (0.9,)})
    machine = Machine(device="cpu", dtype="float32", threads=1, processor="p", system="s")
    data = Data(fingerprint="f", task_version=1, labels=("a", "b", "c"))
    records = [record.model_copy(update={"machine": machine, "data": data}) for record in now.records]
    found = findings(replace(now, records=records), budget=600.0)
    assert page.details(found)[0] == "Asked: 100 training rows, 3 classes, this CPU, 10 min to find out."
