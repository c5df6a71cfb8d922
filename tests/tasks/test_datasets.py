"""The data sets as they are: counts of the real rows, where this machine has them in its cache."""

from __future__ import annotations

from functools import cache

import pytest

from bench.contracts import Splits, Task
from bench.data.cache import default_cache
from bench.data.sources import Sources
from bench.data.splits import all_splits, check_examples, check_labels, check_leaks, content, fingerprint
from tasks.financial_ner import FinancialNER
from tasks.movie_sentiment import MovieSentiment
from tasks.newsgroups import Newsgroups
from tasks.reuters_r8 import ReutersR8
from tasks.reuters_r52 import ReutersR52
from tasks.squad import Squad

FINGERPRINTS: dict[type[Task], str] = {
    MovieSentiment: "10daf6090c9174ae",
    Newsgroups: "1c7560efbba2b05b",
    ReutersR8: "127279d82dc42468",
    ReutersR52: "fc2e84cfd489c8d9",
    FinancialNER: "28d20fa8e72bf99c",
    Squad: "b23e78bbb5edaa2f",
}
REAL = pytest.mark.parametrize("task", list(FINGERPRINTS), ids=lambda task: task.name)


@cache
def rows(task: type[Task]) -> Splits:
    if not list((default_cache() / "rows").glob(f"{task.name}-v{task.version}.*.parquet")):
        pytest.skip(f"the rows of '{task.name}' are not in this machine's cache; run a suite with it first")
    return task().splits(Sources())


@REAL
def test_sizes_are_those_stated(task: type[Task]) -> None:
    counts = {name: f"{len(part):,}" for name, part in all_splits(rows(task)).items()}
    own = "/".join(counts.pop(name) for name in ("train", "validation", "test"))
    assert task.sizes == "; shift ".join([own, *([", ".join(counts.values())] if counts else [])])


@REAL
def test_rows_are_the_same_on_every_machine(task: type[Task]) -> None:
    every = [example for part in all_splits(rows(task)).values() for example in part]
    assert fingerprint(every) == FINGERPRINTS[task]


@REAL
def test_rows_are_sound(task: type[Task]) -> None:
    check_examples(task(), rows(task))
    check_leaks(task(), rows(task))
    check_labels(task(), rows(task))


@REAL
def test_nothing_that_is_scored_was_trained_on(task: type[Task]) -> None:
    splits = rows(task)
    train, validation, test = (
        {content(row) for row in p} for p in (splits.train, splits.validation, splits.test)
    )
    assert not train & test
    assert not train & validation
    assert not validation & test


def test_the_entities_of_fin_are_all_there() -> None:
    splits = rows(FinancialNER)
    tags = [tag for part in all_splits(splits).values() for row in part for tag in row.tags]
    assert [tags.count(f"B-{kind}") for kind in ("PER", "ORG", "LOC")] == [753, 242, 169]
    assert sum(set(row.tags) == {"O"} for part in all_splits(splits).values() for row in part) == 651


def test_squad_is_cut_by_article() -> None:
    splits = rows(Squad)
    titles = [{row.group for row in part} for part in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, titles)) == len(set.union(*titles)) == 48
