"""docs/strategies.md: the shares of parameters are those that the strategies train in MiniLM, and what was measured
is what the committed baselines hold. After a new baseline:

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_strategies.py
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from bench.analysis.opening import open_source
from bench.analysis.tables.measured import Only, build
from bench.cli.measured import MARK
from bench.cli.output import put
from bench.contracts import Recipe
from bench.engine.plan import Parameters, Plan
from bench.models.heads import Head
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.registry import discover
from tests.docs.pages import ROOT

PLUGINS = discover()
PAGE = ROOT / "docs/strategies.md"
BASELINES = sorted((ROOT / "results/baselines").glob("*.jsonl"))
ROWS = re.findall(r"^\| `([\w-]+)` \|.*\| ([^|]+) \| [^|]+ \| [^|]+ \|$", PAGE.read_text(), re.M)
SHARES = {name: share for name, share in ROWS if name in PLUGINS.strategies}


@cache
def minilm() -> HuggingFaceEncoder:
    """MiniLM-L6-H384 without its weights."""
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    with torch.device("meta"):
        return HuggingFaceEncoder(BertModel(config, add_pooling_layer=False), "minilm")


def trained(name: str) -> tuple[int, int]:
    """The parameters that learn, and all, with a head for two classes."""
    strategy: Any = PLUGINS.strategy(name)
    if name == "surgical":  # any layer: they are alike
        strategy = replace(strategy, block=-1)
    encoder, head = minilm().copy(), Head("pooled", 384, 2, Recipe())
    strategy.adapt(encoder)
    values = dict(encoder.named_parameters()) | {f"head.{n}": p for n, p in head.named_parameters()}
    plan = Plan.of(strategy, Parameters(list(values), 6), Recipe(), 10)
    return sum(values[n].numel() for n in plan.changing), sum(p.numel() for p in values.values())


def shown(learn: int, every: int) -> str:
    share = 100 * learn / every
    return (
        "100%"
        if share == 100
        else "< 0.01%"
        if share < 0.01
        else f"{share:.2g}%"
        if share < 10
        else f"{share:.1f}%"
    )


def test_every_strategy_is_in_the_table() -> None:
    assert SHARES.keys() == PLUGINS.strategies.keys()


@pytest.mark.parametrize("name", sorted(set(SHARES) - {"peft", "qlora"}))
def test_a_strategy_trains_the_share_that_is_stated(name: str) -> None:
    assert SHARES[name] == shown(*trained(name)), trained(name)


def section(title: str) -> str:
    return PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_what_was_measured_is_what_the_baselines_hold(tmp_path) -> None:
    """The command of the page, whose shell sorts the files by name."""
    made = build(
        [open_source(str(path)) for path in BASELINES],
        PLUGINS.strategies,
        Only(("movie-sentiment",), ("minilm",)),
    )
    copy = tmp_path / "page.md"
    copy.write_bytes(PAGE.read_bytes())
    put(made, copy, MARK)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_bytes(copy.read_bytes())
    assert PAGE.read_text(encoding="utf-8") == copy.read_text(encoding="utf-8")


def test_every_strategy_has_a_row_of_what_was_measured() -> None:
    rows = dict(re.findall(r"^\| ([\w-]+) +\| (\S+) ", section("What was measured"), re.M))
    assert rows.keys() >= PLUGINS.strategies.keys()


def test_every_strategy_has_a_case_for_it() -> None:
    named = [
        name
        for cell in re.findall(r"^\| (`.*?`) \|", section("When to use which"), re.M)
        for name in re.findall(r"`([\w-]+)`", cell)
    ]
    assert sorted(named) == sorted(PLUGINS.strategies)
