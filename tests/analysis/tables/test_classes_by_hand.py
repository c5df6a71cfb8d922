"""Tables of classes, of what was measured and of pairs, on both sides of each bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.analysis.groups import Key
from bench.analysis.tables import classes, measured
from bench.analysis.tables.formats import render
from bench.analysis.tables.model import Entry
from tests.analysis.conftest import make_record


@pytest.mark.parametrize(("support", "note"), [(9, "9 (rare)"), (10, ""), (0, "")])
def test_a_class_below_ten_examples_is_rare(support: int, note: str) -> None:
    assert classes.ScoredClass("a", support, ()).size == Entry(float(support), note=note)


def labelled(count: int) -> dict[str, np.ndarray]:
    """Texts of so many classes, the first of them most often; each is taken for the next one once."""
    gold = [f"c{place:02}" for place in range(count) for _ in range(3 + (place == 0))]
    said = list(gold)
    for place in range(count):
        said[gold.index(f"c{place:02}")] = f"c{(place + 1) % count:02}"
    return {
        "split": np.full(len(gold), "test", object),
        "id": np.arange(len(gold)).astype(str).astype(object),
        "reference": np.array(gold, object),
        "prediction": np.array(said, object),
    }


@pytest.mark.parametrize(("count", "matrix"), [(12, True), (13, False)])
def test_twelve_classes_have_a_matrix(count: int, matrix: bool) -> None:
    table = classes.build([make_record()], lambda _: labelled(count))
    names = [item.name for item in table.columns[4:]]
    assert names == ([f"as c{place:02}" for place in range(count)] if matrix else ["taken for"])
    first = table.blocks[0].rows[0].entries[4:]
    assert [item.value for item in first] == ([0.75, 0.25, *[0.0] * 10] if matrix else ["c01 (25%)"])


@pytest.mark.parametrize(("count", "shown"), [(30, 30), (31, 30)])
def test_thirty_classes_are_shown(count: int, shown: int) -> None:
    rows = classes.build([make_record()], lambda _: labelled(count)).blocks[0].rows
    assert [row.labels[0] for row in rows] == [f"c{place:02}" for place in range(shown)]


def test_confusions_are_means_over_seeds() -> None:
    right = {**labelled(2), "prediction": labelled(2)["reference"]}
    records = [make_record(), make_record(seed=1)]
    table = classes.build(records, lambda cell: right if cell.endswith("0") else labelled(2))
    found = {row.labels[0]: [item.value for item in row.entries[4:]] for row in table.blocks[0].rows}
    assert found == {"c00": pytest.approx([0.875, 0.125]), "c01": pytest.approx([1 / 6, 5 / 6])}


@pytest.mark.parametrize(
    ("tasks", "backbones", "fits"),
    [
        ((), (), True),
        (("a",), (), True),
        (("a@100",), (), True),
        (("b",), (), False),
        ((), ("m",), True),
        ((), ("n",), False),
        (("b",), ("m",), False),
    ],
)
def test_what_is_asked_for(tasks: tuple[str, ...], backbones: tuple[str, ...], fits: bool) -> None:
    assert measured.Only(tasks, backbones).fits(Key("a@100", "s", "m")) is fits


def test_a_table_of_pairs_says_which_is_better() -> None:
    from bench.analysis.statistics.intervals import Interval
    from bench.analysis.statistics.noise import Noise
    from bench.analysis.statistics.paired import Comparison
    from bench.analysis.statistics.scales import ERROR
    from bench.analysis.tables import pairs

    def compared(mean: float, adjusted: float, **more: Any) -> Comparison:
        return Comparison(
            Key("t", "a", "m"),
            Key("t", "b", "m"),
            "acc",
            Interval(mean, 0.02, Noise.known(1.0), 3),
            0.01,
            adjusted,
            0.04,
            0.3,
            **more,
        )

    rows = pairs.table([compared(0.1, 0.049), compared(-0.1, 0.01), compared(0.1, 0.05)]).blocks[0].rows
    of_error = pairs.table([compared(0.1, 0.01, scale=ERROR)]).blocks[0].rows
    assert [row.entries[-1].value for row in (*rows, *of_error)] == [
        "first is better",
        "second is better",
        "not told apart",
        "second is better",
    ]
    assert rows[0].labels == ("a m", "b m")
    assert [item.value for item in rows[0].entries[:6]] == ["acc", 0.1, 0.3, 0.049, 0.04, None]
    assert rows[0].entries[1].spread == 0.02
    assert "first is better" in render(pairs.table([compared(0.1, 0.01)]), "md")
