"""The answer on odd runs: few rows, lost seeds, strategies that agree or are all right or all wrong."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.statistics.metrics import ratios
from bench.analysis.tables import pairs
from bench.analysis.tables.build import build
from bench.analysis.tables.formats import render
from bench.contracts import BenchError
from bench.recommend import page
from bench.recommend.evidence import Standing, standing
from tests.analysis.conftest import METRICS, make_predictions, make_record
from tests.recommend.test_agreement import COST, VIEW, named
from tests.recommend.test_evidence import paced
from tests.recommend.test_page import findings

DRAWS = 60
TASK = f"{VIEW}@100"
NOTHING = r"\(,|,\)|\(\)|,,|: ,|;\s*;|\s,|  |\bnan\b|\binf\b|-0\.0\b|\bNone\b"
ONE = r"(?<![\d.,])1 (seeds|rows|points|classes|texts|tasks)\b"
STRAY = re.compile(f"{NOTHING}|{ONE}")
"""What no sentence has: punctuation around nothing, numbers that are none, one of several."""


def odd_run(draw: int) -> Run:
    """Two to four strategies on 1 to 12 rows, each always right, always wrong, or by chance; each seed of each may
    be lost, but one of all."""
    rng = np.random.default_rng(draw)
    names = list(COST)[: int(rng.integers(2, 5))]
    rows, seeds = int(rng.integers(1, 13)), int(rng.integers(1, 4))
    records, files = [], {}
    for name in names:
        share = rng.choice([0.0, 0.5, 0.8, 1.0])
        for seed in range(seeds):
            if records and rng.random() < 0.35:
                continue
            found = make_predictions((rng.random(rows) < share).astype(float))
            scores = {item.name: ratios(item, found).score() for item in METRICS}
            record = make_record(TASK, name, seed).model_copy(update={"scores": {"test": scores}})
            records.append(record)
            files[record.cell.id] = found
    return paced(Run("reviews", records, files.__getitem__), COST)


def table_of_pairs(run: Run) -> dict[tuple[str, str], str]:
    """The verdicts of `table --kind pairs`; none where no two strategies have a seed in common."""
    with suppress(BenchError):
        return {
            (row.labels[0].split()[0], row.labels[1].split()[0]): str(row.entries[-1].value)
            for block in pairs.build(run.records, run.predictions).blocks
            for row in block.rows
        }
    return {}


def said(now: Standing, goal: str) -> str:
    made = replace(findings(now, goal=goal), test_rows=1, floor=None)
    return "\n".join([page.sentence(made), *page.details(made), *page.tried(made)])


@pytest.mark.parametrize("draw", range(DRAWS))
def test_no_sentence_is_broken_and_none_says_more_than_the_table(draw: int) -> None:
    run = odd_run(draw)
    now = standing(run, TASK)
    verdicts = {pair: verdict for pair, verdict in table_of_pairs(run).items() if now.best in pair}
    for goal in ("accuracy", "cost"):
        text = said(now, goal)
        assert not STRAY.search(text), STRAY.search(text)
        assert "tied" not in text
        for name in named(text, r"Not known: whether \S+ is better than (.*?); the"):
            assert verdicts.get((now.best, name), "not told apart") == "not told apart"
        for name in named(text, r"Ahead: \S+ scores higher than (.*) beyond chance"):
            assert verdicts.get((now.best, name), "first is better") == "first is better"
        for name in named(text, r"Not compared: \S+ with (.*), since they share no seed"):
            assert (now.best, name) not in verdicts
    table = build(run.records, run.predictions)
    for format in ("md", "csv", "html", "latex", "json"):
        assert not re.search(r"\bnan\b|\binf\b|NaN|Infinity", render(table, format))


def test_strategies_without_a_seed_in_common_are_not_compared() -> None:
    """The first seed of one failed and the second of the other: neither test has anything to go by."""
    files = {}
    records = []
    for name, seed, right in (("full", 0, 9), ("frozen", 1, 5)):
        rows = make_predictions(np.array([1.0] * right + [0.0] * (10 - right)))
        record = make_record(TASK, name, seed)
        record = record.model_copy(
            update={"scores": {"test": {item.name: ratios(item, rows).score() for item in METRICS}}}
        )
        records.append(record)
        files[record.cell.id] = rows
    now = standing(paced(Run("reviews", records, files.__getitem__), COST), TASK)
    text = said(now, "accuracy")
    assert "Not compared: full with frozen" in text
    assert "Not known:" not in text
    assert not STRAY.search(text)


def test_a_run_of_random_seeds_has_pairs_without_a_seed_in_common() -> None:
    """Else the test above would say little."""
    runs = [standing(odd_run(draw), TASK) for draw in range(DRAWS)]
    assert any(set(now.undecided) - set(now.against_best) for now in runs)
    assert any(len(now.means) == 1 for now in runs)
