"""Exported models of pairs, of numbers and of several labels: the standard pipelines, and `predict.py`."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import Cell, Recipe
from bench.data.sources import Sources
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.export.folder import export
from bench.registry import Registry, discover
from tests.support import warm

RECIPE = Recipe(epochs=3, batch_size=8, max_length=32, stride=8, rate_scale=3)
TASKS = ("toy-pairs", "toy-numbers", "toy-labels")
KINDS = {"toy-pairs": None, "toy-numbers": "regression", "toy-labels": "multi_label_classification"}
PLUGIN = Path(__file__).parents[1] / "support" / "toy_texts.py"


@pytest.fixture(scope="module")
def models(
    toy_cell: Callable[..., Cell], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Path]:
    """Folders by task and pooling. Each is compared with the harness's predictions on all test rows when it is
    written."""
    work = tmp_path_factory.mktemp("models")
    registry = Registry(discover([PLUGIN]), Sources(cache=work / "cache"))
    found = {}
    for task in TASKS:
        for pooling in ("cls", "mean"):
            cell = toy_cell("full", task=task, recipe=replace(RECIPE, pooling=pooling))
            found[task, pooling] = work / f"{task}-{pooling}"
            export(cell, registry, found[task, pooling], "cpu")
    return found


@pytest.mark.parametrize("task", TASKS)
def test_the_standard_pipeline_gives_the_same_answers(task: str, models: dict[tuple[str, str], Path]) -> None:
    from transformers import pipeline

    folder = str(models[task, "cls"])
    assert json.loads((models[task, "cls"] / "config.json").read_text()).get("problem_type") == KINDS[task]
    rows = discover([PLUGIN]).task(task).splits(Sources()).test
    classify: Any = pipeline("text-classification", model=folder, truncation=True, top_k=None)
    if task == "toy-pairs":
        said = classify([{"text": row.text, "text_pair": row.pair} for row in rows])
        assert len({max(found, key=lambda item: item["score"])["label"] for found in said}) == 2
    elif task == "toy-numbers":
        numbers = [found[0]["score"] for found in classify([row.text for row in rows])]
        assert 5 < min(numbers) < max(numbers) - 0.01 < 15  # in the units of the data, which are about 10
    else:
        said = classify([row.text for row in rows])
        sets = {tuple(sorted(item["label"] for item in found if item["score"] > 0.5)) for found in said}
        assert len(sets) > 1  # the folder was compared with the harness when it was written


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("task", TASKS)
def test_the_script_reads_a_file_and_writes_csv(
    task: str, pooling: str, models: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    rows = discover([PLUGIN]).task(task).splits(Sources()).test
    with (tmp_path / "in.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerows([("first", "second"), *((row.text, row.pair) for row in rows)])
    columns = ["--text", "first", *(["--pair", "second"] if task == "toy-pairs" else [])]
    script = [warm.python(), str(models[task, pooling] / "predict.py")]
    done = subprocess.run(
        [*script, "--file", str(tmp_path / "in.csv"), *columns, "--out", str(tmp_path / "out.csv")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open(newline="") as file:
        header, *said = csv.reader(file)
    assert len(said) == len(rows)
    if task == "toy-numbers":
        assert header == ["text", "number"]
        assert all(5 < float(number) < 15 for _, number in said)
    elif task == "toy-pairs":
        assert header == ["text", "pair", "label", "p(other)", "p(same)"]
        assert [line[:2] for line in said] == [[row.text, row.pair] for row in rows]
    else:
        assert header == ["text", "labels", "p(person)", "p(place)", "p(thing)"]
        for _, labels, *shares in said:
            above = [name for name, share in zip(header[2:], shares, strict=True) if float(share) > 0.5]
            if "0.5000" not in shares:  # rounded, which side it is on cannot be seen
                assert labels == "; ".join(item[2:-1] for item in above)


def test_the_pipeline_of_the_card_gives_the_labels_of_the_script(models: dict[tuple[str, str], Path]) -> None:
    """With the call and the threshold that the card of several labels states."""
    from transformers import pipeline

    folder = models["toy-labels", "cls"]
    card = (folder / "README.md").read_text()
    ((call, threshold),) = re.findall(r"`(pipeline\(.*?\))`.*?above ([\d.]+)\.", card)
    texts = [row.text for row in discover([PLUGIN]).task("toy-labels").splits(Sources()).test]
    said = eval(call.replace("THIS FOLDER", str(folder)), {"pipeline": pipeline})(texts)
    answers = [sorted(item["label"] for item in found if item["score"] > float(threshold)) for found in said]
    done = subprocess.run(
        [warm.python(), str(folder / "predict.py"), *texts], capture_output=True, text=True, check=True
    )
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["labels"] for row in rows] == ["; ".join(found) for found in answers]
    assert any(len(found) != 1 for found in answers)


def test_one_text_of_a_pair_is_refused_with_the_way_out(models: dict[tuple[str, str], Path]) -> None:
    script = [warm.python(), str(models["toy-pairs", "cls"] / "predict.py"), "one text"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "give two texts" in done.stderr


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("strategy", ["frozen", "probe", "full"])
def test_a_strategy_learns_it(
    task: str, strategy: str, toy_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    """Better than what needs no model, by the task's own headline."""
    import torch

    registry = Registry(discover([PLUGIN]), Sources(cache=tmp_path))
    context = RunContext(registry, Device(torch.device("cpu"), torch.float32))
    cell = toy_cell(strategy, task=task, recipe=replace(RECIPE, epochs=30, patience=60, rate_scale=5))
    record, tests = run_cell(cell, prepare_group(cell, context), context, lambda point: None)
    assert record.data
    least = record.data.majority[record.headline]
    if not (task == "toy-pairs" and strategy != "full"):  # a frozen random encoder cannot compare two texts
        assert record.scores["test"][record.headline] > least + 0.1
    assert set(record.scores["test"]) == {metric.name for metric in record.metrics}
    assert len(tests["test"]["prediction"]) == record.data.sizes["test"]
