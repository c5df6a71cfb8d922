"""How often a table calls a strategy behind that is not: one committed line for each kind of table.

    python -m tests.support.false_differences > results/statistics/false-differences.jsonl

A strategy is as good as the others where it is so on average over seeds, over documents, or over endless examples.
With one seed a table compares models: where seeds scatter, those of equal strategies do differ (`ONE_MODEL`). The
tables of a line are drawn from a generator of its own, so each can be made again alone:

    python -m tests.support.false_differences 0 6
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from bench.analysis.statistics.calibration import F1, METRIC, Design, differences_found, false_differences

TABLES, BETTER = 1000, 100
ADVANTAGE = 0.4  # of the better strategy, in logits: 4.5 points
BOTH = (METRIC, F1)
LOGIT = 11.0  # points of score
WIDE = 0.11  # scatter of seeds, in logits
FEW = Design(2, tasks=1, seeds=1, examples=200)
SAME = replace(FEW, noise=0.0)
SCATTERED = Design(2, tasks=1, examples=250, noise=WIDE)
KINDS = {
    0: Design(2),
    1: Design(4),
    2: Design(6),
    3: Design(8),
    4: Design(2, metrics=BOTH),
    6: replace(FEW, documents=2),
    7: replace(FEW, documents=5),
    8: replace(FEW, documents=13),
    9: replace(FEW, documents=50),
    10: replace(FEW, strategies=6, documents=5, metrics=BOTH),
    11: replace(FEW, seeds=3, documents=2),
    12: replace(FEW, strategies=6, seeds=3, documents=5),
    13: Design(4, documents=13),
    14: replace(FEW, strategies=6, documents=15, metrics=BOTH),
    15: replace(SAME, examples=60),
    16: SAME,
    17: replace(SAME, strategies=6, examples=60, metrics=BOTH),
    18: replace(SAME, strategies=6, metrics=BOTH),
    19: replace(FEW, noise=WIDE),
    20: replace(FEW, strategies=4, noise=WIDE),
    21: SCATTERED,
    22: replace(SCATTERED, seeds=5),
    23: replace(SCATTERED, strategies=4),
}
"""Kinds of tables; the draws of a kind depend on its number, which it keeps."""

ONE_MODEL = (KINDS[19], KINDS[20])
"""Equal strategies whose single models differ: what the test finds may be true of the models."""


@dataclass(frozen=True)
class Line:
    """wrong: the share of `tables` tables of equal strategies that tell any apart from the best; error: its
    standard error. found: the share of worse strategies that are told apart, in `better` tables."""

    design: Design
    tables: int
    wrong: float
    error: float
    better: int
    found: float


def measure(number: int, tables: int = TABLES, better: int = BETTER) -> Line:
    """The line of a kind of table."""
    design, rng = KINDS[number], np.random.default_rng([number, 1])
    wrong, error = false_differences(design, tables, rng)
    found = differences_found(replace(design, advantage=ADVANTAGE), better, rng)
    return Line(design, tables, wrong, error, better, found)


def as_json(line: Line) -> str:
    return json.dumps(asdict(line)) + "\n"


def read(text: str) -> list[Line]:
    """What `as_json` wrote."""
    values = [json.loads(line) for line in text.splitlines()]
    return [Line(**{**value, "design": _design(value["design"])}) for value in values]


def _design(value: dict) -> Design:
    return Design(**{**value, "metrics": tuple(value["metrics"])})


def markdown(lines: Sequence[Line]) -> str:
    """The table of the documentation."""
    head = (
        "| strategies | tasks | seeds | they scatter by | examples of each | metrics | false differences "
        "| worse ones found |"
    )
    rows = [head, "|---:|---:|---:|---:|---|---|---:|---:|"]
    for line in lines:
        design = line.design
        examples = f"{design.examples}" + (f" of {design.documents} documents" if design.documents else "")
        names = " and ".join(name.replace("f1", "F1") for name in design.metrics)
        shares = f"{100 * line.wrong:.1f}% | {100 * line.found:.0f}%"
        rows.append(
            f"| {design.strategies} | {design.tasks} | {design.seeds} | {LOGIT * design.noise:.1f} | {examples} "
            f"| {names} | {shares} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    for number in map(int, sys.argv[1:] or KINDS):
        print(as_json(measure(number)), end="", flush=True)
