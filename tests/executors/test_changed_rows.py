"""A finished cell runs again where its rows have changed, wherever they come from, and only there."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from bench.cli.display import Display
from bench.contracts import Cell, Splits, Task
from bench.data.sources import Sources
from bench.executors.ahead import are_here
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.planning.forecast import forecast
from bench.registry import Plugins, Registry, discover
from bench.runs.folder import Store

INLINE = Options(device="cpu", threads=1, executor="inline")
PLUGIN = '''
from pathlib import Path
from bench.contracts import Splits, TextExample
from tasks.sentiment import Sentiment


class Mine(Sentiment):
    """A task that reads a file of its own."""

    name = "mine"
    summary = "Is a line positive?"

    def splits(self, sources):
        lines = (Path(__file__).parent / "lines.txt").read_text().splitlines()
        rows = [TextExample(str(n), line, ("negative", "positive")[n % 2]) for n, line in enumerate(lines)]
        return Splits(rows[:12], rows[12:16], rows[16:])
'''


def lines(last: str) -> str:
    things = ("film", "book", "meal", "song", "room")
    found = [f"the {things[n // 2 % 5]} was {('bad', 'good')[n % 2]} {n}" for n in range(20)]
    return "\n".join([*found[:-1], last])


class Run:
    """Launches cells into one folder. ran: those of the last launch; shown: what it said."""

    def __init__(self, folder: Path, plugins: Plugins) -> None:
        self.folder, self.plugins = folder, plugins
        self.ran: set[str] = set()
        self.shown = ""

    def __call__(self, cells: Sequence[Cell], sources: Sources, options: Options = INLINE) -> None:
        before, output = self._stamps(cells), io.StringIO()
        registry, display = Registry(self.plugins, sources), Display(Console(file=output, width=10_000))
        launch(cells, registry, self.folder / "run", options, display)
        after = self._stamps(cells)
        self.ran = {f"{cell.task}/{cell.strategy}" for cell in cells if before[cell.id] != after[cell.id]}
        self.shown = output.getvalue()

    def _stamps(self, cells: Sequence[Cell]) -> dict[str, int]:
        paths = {cell.id: Store(self.folder / "run").record_path(cell.id) for cell in cells}
        return {name: path.stat().st_mtime_ns if path.exists() else 0 for name, path in paths.items()}


def test_cells_run_again_where_a_task_reads_other_rows(
    tmp_path: Path, toy_plugin: Path, toy_cell: Callable[..., Cell]
) -> None:
    """An own task has no need to raise its version."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "lines.txt").write_text(lines("the room was good 19"))
    run = Run(tmp_path, discover([toy_plugin, tmp_path / "mine.py"]))
    sources = Sources(tmp_path / "cache")
    cells = [toy_cell(strategy, "mine") for strategy in ("frozen", "full")] + [toy_cell("frozen")]
    run(cells, sources)
    run(cells, sources)
    assert run.ran == set()
    assert "changed" not in run.shown
    assert forecast(cells, Registry(run.plugins, sources), tmp_path / "run").rows[0].finished == 1

    (tmp_path / "lines.txt").write_text(lines("the room was great 19"))  # a test row
    left = forecast(cells, Registry(run.plugins, sources), tmp_path / "run").rows
    assert {(row.cells[0].task, row.finished) for row in left} == {("mine", 0), ("toy-sentiment", 1)}
    run(cells, sources)
    assert run.ran == {"mine/frozen", "mine/full"}
    assert run.shown.count("mine: its rows have changed since cells finished, which run again") == 1
    run(cells, sources)
    assert run.ran == set()


def test_rows_that_a_recipe_does_not_use_may_change(
    tmp_path: Path, toy_plugin: Path, toy_cell: Callable[..., Cell]
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "lines.txt").write_text(lines("the room was good 19"))
    run = Run(tmp_path, discover([toy_plugin, tmp_path / "mine.py"]))
    plain = toy_cell("frozen", "mine")
    cell = replace(plain, recipe=replace(plain.recipe, test=2))
    sources = Sources(tmp_path / "cache")
    run([cell], sources)
    used = {str(name) for name in Store(tmp_path / "run").predictions(cell.id)["id"]}
    assert len(used) == 2
    changed = lines("the room was good 19").splitlines()
    unused = next(number for number in range(16, 20) if str(number) not in used)
    changed[unused] += " again"
    (tmp_path / "lines.txt").write_text("\n".join(changed))
    run([cell], sources)
    assert run.ran == set()


def test_cells_run_again_where_a_split_ends_at_another_row(
    tmp_path: Path, toy_plugin: Path, toy_cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are the same, in the same order: their digest alone does not tell."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "lines.txt").write_text(lines("the room was good 19"))
    run = Run(tmp_path, discover([toy_plugin, tmp_path / "mine.py"]))
    plain = toy_cell("frozen", "mine")
    cells = [replace(plain, recipe=replace(plain.recipe, train=None, validation=None, test=None))]
    sources = Sources(tmp_path / "cache")
    run(cells, sources)

    def moved(task: Task, sources: Sources) -> Splits:
        found = before(task, sources)
        return replace(found, validation=[*found.validation, found.test[0]], test=found.test[1:])

    before = run.plugins.tasks["mine"].splits
    monkeypatch.setattr(run.plugins.tasks["mine"], "splits", moved)
    run(cells, sources)
    assert run.ran == {"mine/frozen"}
    assert "mine: its rows have changed since cells finished, which run again" in run.shown


def written(folder: Path, word: str = "film") -> Path:
    """A folder in the hub's layout with a copy of SST-2."""
    (folder / "sst2").mkdir(parents=True, exist_ok=True)
    sentences = [f"the {word} was {('bad', 'good')[n % 2]} {n}" for n in range(20)]
    for split, some in (
        ("train", sentences[:12]),
        ("validation", sentences[12:16]),
        ("test", sentences[16:]),
    ):
        table = pa.table({"sentence": some, "label": [n % 2 for n in range(len(some))]})
        pq.write_table(table, folder / "sst2" / f"{split}.parquet")
    return folder


def test_the_place_of_local_data_does_not_count_but_their_rows_do(
    tmp_path: Path, plugins: Plugins, toy_cell: Callable[..., Cell]
) -> None:
    run, cells = Run(tmp_path, plugins), [toy_cell("frozen", "sst2"), toy_cell("frozen")]
    cache = tmp_path / "cache"
    run(cells, Sources(cache, written(tmp_path / "here")))
    run(cells, Sources(cache, written(tmp_path / "there")))
    assert run.ran == set()
    run(cells, Sources(cache, written(tmp_path / "other", "play")))
    assert run.ran == {"sst2/frozen"}
    run(cells, Sources(cache, written(tmp_path / "other", "book")))
    assert run.ran == {"sst2/frozen"}


@pytest.mark.parametrize(("folder", "fetched"), [("mrpc", False), ("glue", True), ("sst2", True)])
def test_only_a_copy_of_the_data_set_itself_saves_a_download(
    tmp_path: Path, folder: str, fetched: bool, toy_cell: Callable[..., Cell]
) -> None:
    """GLUE's data sets lie in folders of their own names."""
    (tmp_path / "local" / folder).mkdir(parents=True)
    pq.write_table(pa.table({"label": [1]}), tmp_path / "local" / folder / "train.parquet")
    registry = Registry(discover(), Sources(tmp_path / "cache", tmp_path / "local"))
    downloads = forecast([toy_cell("full", "mrpc")], registry, tmp_path / "run").downloads
    assert ["Hugging Face hub" in item.source for item in downloads] == [True] * fetched
    assert are_here("mrpc", registry) is not fetched
