"""Tables that no baseline makes are those of the numbers that were measured: score against rate, parts of a step.

results/statistics/reference-development.jsonl has the records of `run reference --rates development` without their
curves; results/speed/step-parts.json what `profile --kind parts` printed: milliseconds, and the gain at most.

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_measured_tables.py
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from itertools import pairwise

import pytest

from bench.analysis import rates
from bench.analysis.tables.formats import cell_text, render
from bench.analysis.tables.model import Entry
from bench.profiling.step_parts import COLUMNS, PARTS
from bench.protocol.choice import choose
from bench.runs.record import Record, record_of
from tests.docs.pages import ROOT

DEVELOPMENT = ROOT / "results" / "statistics" / "reference-development.jsonl"
RATES = ROOT / "results" / "tables" / "reference-rates.md"
STEP_PARTS = ROOT / "results" / "speed" / "step-parts.json"


@pytest.fixture(scope="module")
def development() -> list[Record]:
    lines = DEVELOPMENT.read_text(encoding="utf-8").splitlines()
    return [record_of(json.loads(line), f"line {number}") for number, line in enumerate(lines, 1)]


def test_score_against_rate_is_that_of_the_development_draw(development: list[Record]) -> None:
    made = render(rates.build(development), "md")
    if os.environ.get("UPDATE_GOLDEN"):
        RATES.write_text(made, encoding="utf-8")
    assert RATES.read_text(encoding="utf-8") == made


def test_the_suite_has_the_rates_that_were_chosen_on_that_draw(development: list[Record]) -> None:
    suite = tomllib.loads((ROOT / "bench" / "suites" / "reference.toml").read_text(encoding="utf-8"))
    fixed = {
        (task, backbone, strategy): scale
        for task, backbones in suite["rates"]["scales"].items()
        for backbone, strategies in backbones.items()
        for strategy, scale in strategies.items()
    }
    chosen = {choice.place: choice.scale for choice in choose(development)}
    assert fixed
    assert {place: chosen[place] for place in fixed} == fixed
    assert {record.cell.suite for record in development} == {"reference-development"}


def test_the_page_names_the_commit_of_the_draw(development: list[Record]) -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| [{RATES.name}]"))
    commits = {record.machine.commit for record in development if record.machine}
    assert commits == set(re.findall(r"`([0-9a-f]{12})`", row))
    assert all(record.cell.task.endswith(".development") for record in development)


def test_the_parts_of_a_step_are_those_that_were_measured() -> None:
    found = json.loads(STEP_PARTS.read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    section = page.partition("## What a part of a step could give at most\n")[2].partition("\n## ")[0]
    without = found["without"]
    assert {part.name for part in PARTS} == {"", *without}
    expected = [["whole step", found["whole"], None]]
    expected += [[f"without {name}", *numbers] for name, numbers in without.items()]
    lines = [
        " | ".join(
            [
                label,
                *(cell_text(Entry(value), column, 1) for value, column in zip(values, COLUMNS, strict=True)),
            ]
        )
        for label, *values in expected
    ]
    assert [line for line in section.splitlines() if line.startswith("| w")] == [
        f"| {line} |" for line in lines
    ]
    for milliseconds, gain in without.values():
        assert gain == pytest.approx(1 - milliseconds / found["whole"], abs=6e-4)
    assert all(first[0] <= second[0] for first, second in pairwise(without.values()))
    assert found["commit"] in section
    assert found["command"] in section
