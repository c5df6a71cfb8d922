"""The examples run: both plug-ins, and the notebook from its first cell to its last."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench import load
from tests.docs.pages import ROOT
from tests.support.tiny_world import TinyWorld

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    return TinyWorld.build(tmp_path_factory.mktemp("world"))


def test_both_plug_ins_run_together(world: TinyWorld, tmp_path: Path) -> None:
    plugins = [word for name in ("middle_out.py", "haiku.py") for word in ("--plugin", str(EXAMPLES / name))]
    chosen = ["-t", "haiku", "-s", "middle-out", "-b", "minilm", "--seeds", "1", "--out", "mine"]
    done = world.finish(["python", "-m", "bench", "run", "quick", *plugins, *chosen], tmp_path)
    assert done.returncode == 0, done.stdout
    (record,) = load(tmp_path / "mine").records
    assert (record.status, record.cell.id) == ("done", "haiku/middle-out/minilm/seed0")
    assert record.data is not None
    assert set(record.data.labels) == {"spring", "summer", "autumn", "winter"}


def test_every_cell_of_the_notebook_runs(world: TinyWorld, tmp_path: Path) -> None:
    """In order and in one namespace, as a kernel runs them; the last expression of a cell is shown."""
    notebook = json.loads((EXAMPLES / "first-run.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"]), "outputs are not committed"
    (tmp_path / "cells.json").write_text(json.dumps(cells), encoding="utf-8")
    shutil.copyfile(Path(__file__).parent / "kernel.py", tmp_path / "kernel.py")
    done = world.finish(["python", "kernel.py", "cells.json"], tmp_path)
    assert done.returncode == 0, done.stdout
    shown = json.loads((tmp_path / "shown.json").read_text(encoding="utf-8"))
    assert len(shown) == len(cells)
    table = next(text for cell, text in zip(cells, shown, strict=True) if cell == "Table(results)")
    assert table.startswith("<table>")
    assert "done" in shown[-1]


def test_the_files_in_its_list_are_all_there_are() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.glob("[!_.]*") if path.is_file() and path.name not in listed] == [
        "README.md"
    ]
