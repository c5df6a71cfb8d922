"""What must hold with the real encoder on real data; runs where both are in the cache."""

from __future__ import annotations

import dataclasses

import pytest

from bench.contracts import Cell, Recipe
from bench.data.packages.pinned import MINILM
from bench.data.sources import Sources
from bench.engine.cell import run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.machine import choose_device
from bench.registry import Registry, discover

RECIPE = Recipe(train=300, validation=60, test=300, epochs=2, batch_size=16, max_length=64)
CELL = Cell("test", "movie-sentiment", "frozen", "minilm", 0, RECIPE)


@pytest.fixture(scope="module")
def context() -> RunContext:
    sources = Sources()
    members = sources.cache / "members" / MINILM.sha256[:16]
    rows = list((sources.cache / "rows").glob("movie-sentiment-*.parquet"))
    if not members.is_dir() or not rows:
        pytest.skip("minilm or movie-sentiment is not in the cache: `make smoke` fetches them")
    return RunContext(Registry(discover(), sources), choose_device("cpu"))


@pytest.fixture(scope="module")
def group(context: RunContext) -> CellGroup:
    return prepare_group(CELL, context)


def test_frozen_is_as_good_as_logistic_regression_on_the_same_features(
    context: RunContext, group: CellGroup
) -> None:
    from sklearn.linear_model import LogisticRegression

    accuracies = []
    for seed in range(3):
        record, _ = run_cell(dataclasses.replace(CELL, seed=seed), group, context, lambda _: None)
        accuracies.append(record.scores["test"]["accuracy"])
    features, labels = {}, {}
    for split, examples in (("train", group.rows.train), ("test", group.rows.test)):
        kept = group.prefix.features(split, group.given.depth + 1)
        assert kept is not None
        features[split] = kept.numpy()
        labels[split] = [example.label for example in examples]
    peer = LogisticRegression(max_iter=2000).fit(features["train"], labels["train"])
    assert sum(accuracies) / 3 >= peer.score(features["test"], labels["test"]) - 0.01


def test_the_real_encoder_beats_the_commonest_label(context: RunContext, group: CellGroup) -> None:
    record, _ = run_cell(CELL, group, context, lambda _: None)
    assert record.data is not None
    assert record.scores["test"]["accuracy"] > record.data.majority["accuracy"] + 0.1
