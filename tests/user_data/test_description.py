"""A description says all that is needed to read the data again, and how much there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import Cell, Recipe
from bench.data.sources import Sources
from bench.planning.workload import Workload
from bench.registry import Registry, discover
from bench.user_data.description import UserData, from_values, read
from tests.support.user_files import all_rows, opened, written


def test_the_keys_of_a_suite_make_the_same_description() -> None:
    data = UserData(
        "mine",
        "/data/mine.csv",
        adapter="ner",
        columns=(("words", "w"), ("tags", "t")),
        drop_duplicates=True,
        encoding="cp1251",
        label_names=("O", "B-PER"),
    )
    assert from_values("mine", data.as_values(), Path("/")) == data


def test_estimates_are_of_the_rows_of_the_file(tmp_path: Path) -> None:
    costs = {}
    for rows in (100, 1000):
        path = tmp_path / f"rows{rows}.csv"
        lines = [f"this is text {i},{'yes' if i % 2 else 'no'}" for i in range(rows)]
        path.write_text("\n".join(["text,label", *lines]), encoding="utf-8")
        found = read(UserData(path.stem, str(path)), Sources(cache=tmp_path))
        cell = Cell("s", path.stem, "full", "minilm", 0, Recipe())
        costs[rows] = Workload(Registry(discover([found.data]), Sources(cache=tmp_path))).operations(cell)
        assert sum(found.data.sizes) == rows
        assert replace(found.data, sizes=()).rows == found.data.rows
    assert 8 < costs[1000] / costs[100] < 12


@pytest.mark.parametrize("adapter", ["", "ner"])
def test_a_table_of_words_with_blank_lines_stays_one_with_the_adapter_that_was_guessed(
    adapter: str, tmp_path: Path
) -> None:
    """By the adapter ner alone such a file has columns of words and tags, the last of which are parts of speech."""
    words = (("Ann", "B-PER", "NNP"), ("met", "O", "VBD"), ("Bob", "B-PER", "NNP"))
    sentences = ("".join(f"{n}\t{w}{n}\t{tag}\t{pos}\n" for w, tag, pos in words) for n in range(30))
    path = written("sentence_id\tword\ttag\tpos\n" + "\n".join(sentences), tmp_path, "a.tsv")
    keys = {"adapter": adapter, "words": "word", "tags": "tag", "sentence": "sentence_id"} if adapter else {}
    found = all_rows(opened(path, **keys))
    assert [row.words for row in found] == [(f"Ann{n}", f"met{n}", f"Bob{n}") for n in range(30)]
    assert {row.tags for row in found} == {("B-PER", "O", "B-PER")}


@pytest.mark.parametrize("adapter", ["", "ner"])
def test_a_sentence_a_row_stays_one_with_blank_lines_between_rows(adapter: str, tmp_path: Path) -> None:
    rows = "".join(f"Ann {n} ran\tB-PER O O\n\n" for n in range(30))
    found = all_rows(opened(written("words\ttags\n" + rows, tmp_path, "a.tsv"), adapter=adapter))
    assert [row.words for row in found] == [("Ann", str(n), "ran") for n in range(30)]
