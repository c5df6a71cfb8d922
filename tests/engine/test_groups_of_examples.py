"""Prediction files name the document of each example, so that intervals can resample documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bench.contracts import Cell
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group


def test_predictions_name_documents_where_examples_have_them(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    cell = toy_cell("frozen")
    plain = prepare_group(cell, toy_context)
    _, tests = run_cell(cell, plain, toy_context, lambda _: None)
    assert "group" not in tests["test"]
    names = [f"document {number // 3}" for number in range(len(plain.rows.test))]
    rows = [replace(row, group=name) for row, name in zip(plain.rows.test, names, strict=True)]
    grouped = replace(plain, rows=replace(plain.rows, test=rows))
    _, tests = run_cell(cell, grouped, toy_context, lambda _: None)
    assert tests["test"]["group"] == names
