"""Tables of classes, of what was measured and of pairs, on both sides of each bound."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from bench.analysis.groups import Key, gather
from bench.analysis.statistics.intervals import EXACT, MEANING, POINTS, WIDE
from bench.analysis.statistics.resampling import Source
from bench.analysis.statistics.uncertainty_notes import NO_INTERVAL, TWO_SEEDS
from bench.analysis.tables import classes, measured
from bench.analysis.tables.formats import render
from bench.analysis.tables.model import Block, Entry, Row
from tests.analysis.conftest import make_record


@pytest.mark.parametrize(("support", "note"), [(1, "1 (rare)"), (9, "9 (rare)"), (10, ""), (0, "")])
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
    assert table.notes[-1].startswith("As: " if matrix else "Most taken for: ")


def test_every_class_is_shown() -> None:
    rows = classes.build([make_record()], lambda _: labelled(70)).blocks[0].rows
    assert [row.labels[0] for row in rows] == [f"c{place:02}" for place in range(70)]


def test_confusions_are_means_over_seeds() -> None:
    right = {**labelled(2), "prediction": labelled(2)["reference"]}
    records = [make_record(), make_record(seed=1)]
    table = classes.build(records, lambda cell: right if cell.endswith("0") else labelled(2))
    found = {row.labels[0]: [item.value for item in row.entries[4:]] for row in table.blocks[0].rows}
    assert found == {"c00": pytest.approx([0.875, 0.125]), "c01": pytest.approx([1 / 6, 5 / 6])}


def rows_of(gold: str, said: str) -> dict[str, np.ndarray]:
    """A letter is a class."""
    return {
        "split": np.full(len(gold), "test", object),
        "id": np.arange(len(gold)).astype(str).astype(object),
        "reference": np.array(list(gold), object),
        "prediction": np.array(list(said), object),
    }


def test_what_a_class_is_most_taken_for() -> None:
    """'z' and 'x' are as often said of 'y'; 'n' is said, and has no example."""
    rows = rows_of("xxxxyyyyzz", "xxxxxxzzzn")
    table = classes.build([make_record("a"), make_record("b")], lambda _: rows)
    for block in table.blocks:
        assert {row.labels[0]: row.entries[-1].value for row in block.rows} == {
            "x": "none",
            "y": "z (50%)",
            "z": "n (50%)",
            "n": None,
        }
    (block,) = classes.build([make_record()], lambda _: rows).blocks
    shares = {row.labels[0]: [item.value for item in row.entries[4:]] for row in block.rows}
    assert shares["n"] == [None] * 4
    assert Counter(shares["y"]) == {0.0: 2, 0.5: 2}


@pytest.mark.parametrize(
    ("item", "seeds", "expected"),
    [
        (Entry(0.5), 3, []),
        (Entry(0.5), 2, []),
        (Entry(0.5), 1, [NO_INTERVAL]),
        (Entry(0.5, 0.1), 3, [MEANING]),
        (Entry(0.5, 0.1), 2, [MEANING, TWO_SEEDS]),
        (Entry(0.5, 0.1, bounds=(0.4, 0.55)), 3, [EXACT]),
        (Entry(0.5, 0.1, bounds=(0.4, 0.55)), 2, [EXACT]),
        (Entry(0.5, 0.6, bounds=(0.0, 1.0), cut=True), 3, [MEANING, WIDE]),
        (Entry(0.5, points=(0.2, 0.8)), 3, [POINTS]),
        (Entry(3.0, note="3 (rare)"), 3, [classes.IS_RARE]),
        (Entry(3.0, note="3/4"), 3, []),
    ],
)
def test_notes_explain_the_marks_that_are_there(item: Entry, seeds: int, expected: list[str]) -> None:
    groups = gather([make_record(seed=seed) for seed in range(seeds)])
    assert classes.notes([Block("", (Row(("a",), (item,)),))], groups, {}) == expected


def test_notes_name_the_documents_of_a_task() -> None:
    groups = gather([make_record(seed=seed) for seed in range(3)])
    many, one = classes.notes([], groups, {"none": 0, "one": 1, "two": 2})
    assert many.endswith("two (2) documents.")
    assert one.startswith("All test examples of one come from one document")


@pytest.mark.parametrize(("documents", "has_interval"), [(1, False), (2, True), (7, True)])
def test_scores_on_one_document_have_no_interval(documents: int, has_interval: bool) -> None:
    rows = labelled(4)
    size = len(rows["id"])
    rows["group"] = (np.arange(size) * documents // size).astype(str).astype(object)
    table = classes.build([make_record(seed=seed) for seed in range(3)], lambda _: rows)
    spreads = [item.spread for row in table.blocks[0].rows for item in row.entries[1:4]]
    assert any(spread is not None for spread in spreads) is has_interval


def test_every_seed_needs_predictions_of_classes_on_the_same_examples() -> None:
    records = [make_record(seed=seed) for seed in range(2)]
    first, second = (record.cell.id for record in records)
    (group,) = gather(records).values()
    (questions,) = gather([make_record(adapter="qa")]).values()
    rows = labelled(2)
    numbers = {name: values for name, values in rows.items() if name != "prediction"}
    fewer = {name: values[:-1] for name, values in rows.items()}
    others = {**rows, "id": rows["id"][::-1]}
    documents = {**rows, "group": np.array(["d"] * 4 + ["e"] * 3, object)}
    assert classes.classes_of([group], Source(lambda _: rows)) == {group.key: ("c00", "c01")}
    assert not classes.classes_of([group], Source({first: rows}.__getitem__))
    for other in (numbers, fewer, others, documents):
        assert not classes.classes_of([group], Source({first: rows, second: other}.__getitem__))
    assert not classes.classes_of([questions], Source(lambda _: rows))


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
