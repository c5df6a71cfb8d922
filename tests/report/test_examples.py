"""The hardest examples: which they are, and what is shown of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.contracts import QuestionExample, WordsExample
from bench.report.examples import LONGEST, example_scores, hardest, readable, text_of
from bench.report.reading import Reading
from tests.support.report_runs import Grid, save_rows


def test_the_hardest_have_the_lowest_mean_score(reading: Reading, tmp_path: Path):
    found = hardest(reading, "reviews", tmp_path, most=5)
    records = [record for group in reading.of_task("reviews") for record in group.done]
    rows = [reading.columns(record) for record in records]
    mean = np.mean([columns["correct"] for columns in rows if columns is not None], axis=0)
    assert [item.score for item in found] == np.sort(mean)[:5].tolist()


def test_every_strategy_is_quoted_with_its_commonest_answer(reading: Reading, tmp_path: Path):
    item = hardest(reading, "reviews", tmp_path)[0]
    assert [said.label for said in item.said] == ["frozen", "top-layers", "full", "scratch"]
    assert all(1 <= said.times <= said.seeds == 3 for said in item.said)


def test_texts_come_from_the_cached_rows(reading: Reading, tmp_path: Path):
    save_rows(Grid(), ["a text"], tmp_path)
    assert {item.text for item in hardest(reading, "reviews", tmp_path)} == {"a text"}


def test_without_cached_rows_there_is_no_text(reading: Reading, tmp_path: Path):
    assert {item.text for item in hardest(reading, "reviews", tmp_path)} == {""}


def test_an_f1_over_labels_counts_an_example_as_right_or_wrong(reading: Reading):
    record = reading.run.records[0].model_copy(update={"headline": "f1"})
    rows = reading.columns(record)
    assert rows is not None
    assert example_scores(record, rows).tolist() == rows["correct"].tolist()


def test_tags_are_shown_as_entities_with_their_words():
    example = WordsExample("1", ("Ada", "Lovelace", "in", "London"), ("B-PER", "I-PER", "O", "B-LOC"))
    assert readable("B-PER I-PER O B-LOC", example) == "PER: Ada Lovelace; LOC: London"
    assert readable("O O O O", example) == "no entity"


def test_a_long_context_is_cut_around_the_answer():
    context = "x" * 5000 + " the answer " + "y" * 5000
    example = QuestionExample("1", "Where?", context, (("the answer", 5001),))
    text = text_of(example)
    assert "the answer" in text
    assert len(text) < 2 * LONGEST
