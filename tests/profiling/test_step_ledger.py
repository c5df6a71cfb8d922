"""The table of a step's time against what learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError, Cell
from bench.engine.group import RunContext, prepare_group
from bench.profiling import step_ledger as ledger
from bench.profiling.request import Request
from tests.support.made_runs import TOYS

MakeCell = Callable[..., Cell]


def test_every_strategy_takes_the_same_steps_and_the_parts_add_up(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cells = [toy_cell(name) for name in ("top-layers", "lora", "full")]
    group = prepare_group(cells[0], toy_context)
    lines = [line for cell in cells for line in ledger.lines_of(cell, group, toy_context)]
    ledger.measure(lines, group, cells[0], steps=2)
    table = ledger.table(lines, group, cells[0], toy_context)
    labels = [row.labels[0] for row in table.blocks[0].rows]
    assert labels == ["top-layers", "top-layers, prefix run in every step", "lora", "full"]
    assert {len(line.seconds) for line in lines} == {2 + ledger.WARM}
    shares = {line.label: line.trainable for line in lines}
    assert shares["lora"] < shares["top-layers"] < shares["full"] == 1
    assert table.blocks[0].rows[-1].entries[-1].value == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"strategies": ("full", "probe")}, "no-training-steps"),
        ({"strategies": ("frozn",)}, "unknown-strategy"),
        ({"task": "toy-sentimental"}, "unknown-task"),
        ({"suite": "laddr"}, "unknown-suite"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_loaded(
    changes: dict[str, Any], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: Any) -> None:
        raise AssertionError("a group was prepared")

    monkeypatch.setattr("bench.profiling.request.prepare_group", loaded)
    wanted = Request("ladder", "toy-sentiment", "minilm", ("full",), "cpu", 1, (TOYS,))
    with pytest.raises(BenchError) as error:
        replace(wanted, **changes).prepare()
    assert error.value.code == code


def test_a_request_is_a_cell_of_each_strategy_with_the_options_of_the_suite(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    names = ("full", "top-layers", "full")
    suite = tmp_path / "own.toml"
    suite.write_text(
        "[tasks.toy-sentiment]\n[strategies.top-layers]\nrate = 2e-4\n"
        '[[grid]]\nstrategies = ["full", "top-layers"]\nbackbones = ["minilm"]\n'
    )
    request = Request(str(suite), "toy-sentiment", str(tiny_encoder), names, "cpu", 1, (TOYS,))
    cells, group, _ = request.prepare()
    assert [(cell.strategy, cell.options) for cell in cells] == [
        ("full", ()),
        ("top-layers", (("rate", 2e-4),)),
    ]
    assert len(group.splits["train"].lengths) > 0
