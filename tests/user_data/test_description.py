"""A description says all that is needed to read the data again, and how much there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.contracts import Cell, Recipe
from bench.data.sources import Sources
from bench.planning.workload import Workload
from bench.registry import Registry, discover
from bench.user_data.description import UserData, from_values, read


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
