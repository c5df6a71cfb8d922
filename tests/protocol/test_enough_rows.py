"""At least as many validation rows decide as the suite says, however rows come in groups."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import BenchError, Cell, Recipe, Splits, TextExample
from bench.data.sources import Sources
from bench.data.splits import prepare
from bench.protocol import choice, development_run, draw
from bench.registry import Registry, discover
from bench.runs.drawn import drawn
from bench.runs.record import Data, Record, Trial


def articles(sizes: Sequence[int], labels: int = 2) -> list[TextExample]:
    """So many rows of each article."""
    return [
        TextExample(f"{article}-{i}", f"row {i} of {article}", str(i % labels), f"article {article}")
        for article, size in enumerate(sizes)
        for i in range(size)
    ]


@pytest.mark.parametrize(
    ("sizes", "least"),
    [
        ([250] * 20, 300),  # 300 of 5,000 rows are a single article, of 250
        ([700] * 3, 300),  # and here none
        ([100] * 50, 300),
        ([1] * 5000, 300),
        ([1] * 400, 200),  # fewer than twice as many: half
        ([40] * 10, 160),
    ],
)
def test_at_least_as_many_rows_decide_as_were_asked_for(sizes: list[int], least: int) -> None:
    found = draw.with_enough(Splits(articles(sizes), (), ()), 300, "a")
    assert least <= len(found.validation) <= max(least, sum(sizes) // 2)
    assert len(found.train) + len(found.validation) == sum(sizes)
    assert not {row.group for row in found.train} & {row.group for row in found.validation}


def test_scarce_labels_leave_no_fewer() -> None:
    """Each of 1,000 labels is cut by itself, and 4% of its seven rows are none."""
    rows = [TextExample(f"{i}", f"text {i}", str(i % 1000)) for i in range(7000)]
    assert len(draw.without_test(Splits(rows, (), ()), 300).validation) < 300
    assert len(draw.with_enough(Splits(rows, (), ()), 300, "a").validation) >= 300


def test_a_draw_that_has_enough_is_left_as_it_is() -> None:
    splits = Splits(articles([1] * 3000), (), ())
    assert draw.with_enough(splits, 300, "a") == draw.without_test(splits, 300)


def test_validation_rows_that_are_test_rows_do_not_count() -> None:
    """Of 300 official validation rows one is a test row: the cut that replaces them has enough too."""
    rows = articles([250] * 20)
    held_out = [TextExample(f"v{i}", f"held out {i}", "0") for i in range(300)]
    found = draw.with_enough(Splits(rows, held_out, [replace(held_out[0], id="t")]), 300, "a")
    assert len(found.validation) >= 300
    assert "held out 0" not in {row.text for part in (found.train, found.validation) for row in part}


@pytest.mark.parametrize("sizes", [[5000], [4800, 200], [200, 4800]])
def test_groups_that_are_too_large_are_refused_before_anything_is_trained(sizes: list[int]) -> None:
    with pytest.raises(BenchError, match="task 'articles': its groups leave") as error:
        draw.with_enough(Splits(articles(sizes), (), ()), 300, "articles")
    assert error.value.code == "too-few-rows-to-choose"


# --------------------------------------------------------------------------------------------------
# Records


QUESTIONS = """
from bench.contracts import QuestionExample, Splits
from tasks.qa import QA

def rows(split, count, words):
    return [QuestionExample(f"{split}{i}", f"who {split} {i}", f"Ada {split} {i}" + " word" * words, (("Ada", 0),))
            for i in range(count)]

class Questions(QA):
    name = "questions"
    summary = "short and long contexts"

    def splits(self, sources):
        held_out = [*rows("short", 60, 1), *rows("long", 20, 300)]
        return Splits([*rows("learn", 400, 1), *rows("slow", 400, 300)], held_out, rows("test", 9, 1))
"""


def test_rows_that_a_recipe_drops_are_not_rows_that_the_draw_has(tmp_path: Path) -> None:
    """Long contexts go after the draw is cut: no cell can have them, however often it is run again."""
    (plugin := tmp_path / "questions.py").write_text(QUESTIONS)
    plugins = discover([plugin, draw.DevelopmentDraw("questions", 300)])
    found = development_run.DevelopmentRun(Registry(plugins), [], [], [])
    for longest, resample in itertools.product((None, 600), ("none", "train")):
        recipe = Recipe(train=100, validation=300, max_context=longest, resample=resample)
        cell = Cell("s-development", "questions.development@100", "full", "minilm", 1, recipe)
        rows = prepare(plugins.task(cell.task), Sources(), recipe, cell.draw).validation
        assert found.rows(of(cell, 9)) == len(rows)
        assert len(rows) == 300 if longest is None else 100 < len(rows) < 200
        choice.check_rows([of(cell, len(rows))], 300, found.rows)
        with pytest.raises(BenchError) as error:
            choice.check_rows([of(cell, len(rows) - 1)], 300, found.rows)
        assert error.value.code == "too-few-rows-decided"


def record(rows: int) -> Record:
    return of(Cell("s-development", drawn("small@500"), "full", "minilm", 0, Recipe()), rows)


def of(cell: Cell, rows: int) -> Record:
    trials = tuple(Trial(scale=scale, loss=scale, kept=False) for scale in (0.5, 1.0))
    data = Data(fingerprint="f", task_version=1, sizes={"train": 100, "validation": rows, "test": 9})
    return Record(cell=cell, fingerprint="f", status="done", trials=trials, data=data)


def test_a_rate_that_fewer_rows_decided_than_the_draw_has_is_refused() -> None:
    asked: list[Record] = []

    def available(record: Record) -> int:
        asked.append(record)
        return 700

    with pytest.raises(BenchError, match="task 'small@500': 250 validation rows decided") as error:
        choice.check_rows([record(250)], 300, available)
    assert error.value.code == "too-few-rows-decided"
    assert asked == [record(250)]


def test_a_task_that_has_no_more_rows_is_decided_on_those() -> None:
    choice.check_rows([record(250)], 300, lambda record: 250)
    (found,) = choice.choose([record(250)])
    assert found.rows == 250


def test_rows_are_not_read_where_enough_decided() -> None:
    choice.check_rows([record(300)], 300, lambda record: pytest.fail("its rows were read"))
