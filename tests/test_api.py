"""The package from a script: ten lines, pandas frames, and `run` stays a function."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

import bench
from bench import Table, load, run
from bench.analysis.tables import model
from bench.analysis.tables.model import Block, Column, Entry, Row
from bench.api import DataArguments, Results
from bench.contracts import BenchError
from bench.executors.contract import Options
from tests.support.made_runs import TOYS, ToySuite


@pytest.fixture(scope="module")
def results(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two strategies, one seed, run in this process."""
    folder = tmp_path_factory.mktemp("api")
    suite = ToySuite.write(folder / "mine.toml", tiny_encoder, ("frozen", "full", "bitfit"))
    options = Options(device="cpu", threads=1, executor="inline", plugin_files=(TOYS,))
    return run(str(suite.path), folder / "run", options=options, strategies=["frozen", "full"])


def test_optional_tasks_whose_rows_cannot_be_had_are_left_out(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = ToySuite.write(tmp_path / "mine.toml", tiny_encoder, ("frozen",))
    text = suite.path.read_text().replace("[recipe]", 'optional = ["sst2"]\n[recipe]')
    suite.path.write_text(text.replace("[tasks.toy-sentiment]", "[tasks.toy-sentiment]\n[tasks.sst2]"))
    options = Options(device="cpu", threads=1, executor="inline", plugin_files=(TOYS,))
    nowhere = f"data.local='{tmp_path / 'nowhere'}'"
    found = run(str(suite.path), tmp_path / "run", [nowhere], options)
    assert list(found.frame()["task"]) == ["toy-sentiment"]
    assert "left out: sst2: data.local=" in capsys.readouterr().err


def test_a_frame_has_a_row_a_cell(results: Results) -> None:
    frame = results.frame()
    assert list(frame["strategy"]) == ["frozen", "full"]
    assert frame["test.accuracy"].between(0, 1).all()
    assert (frame["cold"] > 0).all()


def test_curves_and_predictions_are_frames(results: Results) -> None:
    assert {"strategy", "epoch", "loss", "score"} <= set(results.curve().columns)
    predictions = results.predictions()
    assert set(predictions["strategy"]) == {"frozen", "full"}
    assert {"id", "reference", "prediction"} <= set(predictions.columns)


def test_a_table_is_markdown_html_and_a_frame(results: Results) -> None:
    table = Table(results)
    assert "| frozen" in str(table)
    assert table._repr_html_().startswith("<table>")
    frame = table.frame()
    assert list(frame["strategy"]) == ["frozen", "full"]
    assert "accuracy ±" in frame.columns


def test_a_frame_has_the_ends_of_an_interval_that_is_not_symmetric(results: Results) -> None:
    table, entry = Table(results), Entry(1.0, 0.02, bounds=(0.98, 1.0))
    table.table = model.Table(
        "", ("h",), (Column("f1", "f1", "score"),), (Block("", (Row(("a",), (entry,)),)),)
    )
    (row,) = table.frame().to_dict("records")
    assert row == {"h": "a", "f1": 1.0, "f1 ±": None, "f1 low": 0.98, "f1 high": 1.0}


def test_progress_is_on_stderr(results: Results, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nothing is left to run, so it is one line."""
    path = next(results.path.parent.glob("*.toml"))
    options = Options(device="cpu", threads=1, executor="inline", plugin_files=(TOYS,))
    run(str(path), results.path, options=options, strategies=["frozen"])
    shown = capsys.readouterr()
    assert "0 cells to run; 1 finished before" in shown.err
    assert shown.out == ""


def test_load_gives_the_same_run(results: Results) -> None:
    assert load(results.path).frame().equals(results.frame())


def test_a_wrong_request_is_a_bench_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="did you mean 'smoke'"):
        run("smoek")
    with pytest.raises(BenchError, match="not a run folder"):
        load(tmp_path)


ROWS = pandas.DataFrame(
    {
        "review": [f"film number {n} was {'good' if n % 2 else 'bad'}" for n in range(60)],
        "stars": ["positive" if n % 2 else "negative" for n in range(60)],
        "author": [f"a{n}" for n in range(60)],
    }
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_workers: None) -> Path:
    """An empty working folder with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFERBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def core(folder: Path, encoder: Path) -> Path:
    """A suite file with one strategy, for data that are given."""
    path = folder / "core.toml"
    path.write_text(
        f'seeds = 1\n[recipe]\nepochs = 1\n[[grid]]\nstrategies = ["frozen"]\nbackbones = ["{encoder}"]\n'
    )
    return path


def test_a_frame_is_run_in_a_process_of_its_own(here: Path, tiny_encoder: Path) -> None:
    suite = core(here, tiny_encoder)
    options = Options(device="cpu", threads=1)
    found = run(suite, data=ROWS, text="review", label="stars", options=options)
    (record,) = found.records
    assert record.status == "done", record.reason
    assert record.cell.task.startswith("frame-")
    assert len(found.predictions()) == 12


def test_results_of_different_frames_do_not_meet(here: Path, tiny_encoder: Path) -> None:
    suite = core(here, tiny_encoder)
    options = Options(device="cpu", threads=1, executor="inline")
    named = {"text": "review", "label": "stars"}
    first = run(suite, data=ROWS, options=options, out="run", **named)
    again = run(suite, data=ROWS.set_index("author", drop=False), options=options, out="run", **named)
    assert again.records == first.records
    other = run(suite, data=ROWS.iloc[:50], options=options, out="run", **named)
    assert {record.cell.task for record in other.records}.isdisjoint(
        record.cell.task for record in first.records
    )
    assert len(load("run").records) == 2


def test_a_named_frame_with_other_rows_gets_a_folder_of_its_own(here: Path, tiny_encoder: Path) -> None:
    suite = core(here, tiny_encoder)
    options = Options(device="cpu", threads=1, executor="inline")
    named = {"name": "films", "text": "review", "label": "stars"}
    first, other = (run(suite, data=rows, options=options, **named) for rows in (ROWS, ROWS.iloc[:50]))
    assert first.path != other.path
    assert [len(load(found.path).records) for found in (first, other)] == [1, 1]


def test_the_arguments_for_data_are_the_options_of_the_command_line() -> None:
    from bench.cli.user_data import OPTIONS

    assert {*DataArguments.__annotations__, "data"} == set(OPTIONS)


def test_a_file_and_its_frame_give_the_same_scores(here: Path, tiny_encoder: Path) -> None:
    ROWS.to_csv(here / "reviews.csv", index=False)
    suite = core(here, tiny_encoder)
    options = Options(device="cpu", threads=1, executor="inline")
    scores = [
        run(suite, data=data, text="review", label="stars", options=options).records[0].scores
        for data in (ROWS, here / "reviews.csv")
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ([1, 2], "data-type"),
        (pandas.DataFrame({"text": ["a", {1: 2}], "label": ["x", "y"]}), "frame-values"),
        (pandas.DataFrame({("a", "b"): ["a"], ("c", "d"): ["x"]}), "frame-columns"),
        (pandas.DataFrame([["a", "x"]], columns=["text", "text"]), "unclear-adapter"),
    ],
)
def test_data_that_are_no_table_are_refused(data: Any, code: str, here: Path) -> None:
    with pytest.raises(BenchError) as error:
        run(data=data)
    assert error.value.code == code


def test_a_frame_in_place_of_a_suite_says_where_data_go() -> None:
    with pytest.raises(BenchError, match=r"run\(data=") as error:
        run(ROWS)  # pyright: ignore[reportArgumentType]
    assert error.value.code == "suite-type"


@pytest.mark.parametrize(
    ("call", "argument", "nearest"),
    [
        (lambda: run("smoke", strategy=["full"]), "strategy", "strategies"),
        (lambda: run("smoke", task="squad"), "task", "tasks"),
        (lambda: run("smoke", labels="stars"), "labels", "label"),
        (lambda: bench.recommend(ROWS, txt="review"), "txt", "text"),
        (lambda: bench.export("model", ROWS, tex="review"), "tex", "text"),
    ],
)
def test_an_unknown_argument_is_an_error_that_names_the_nearest(
    call: Callable[[], object], argument: str, nearest: str
) -> None:
    with pytest.raises(TypeError, match=f"no argument '{argument}': did you mean '{nearest}'"):
        call()


def test_one_name_may_stand_alone(here: Path, tiny_encoder: Path) -> None:
    suite = ToySuite.write(here / "mine.toml", tiny_encoder, ("frozen", "full"))
    options = Options(device="cpu", threads=1, executor="inline", plugin_files=(TOYS,))
    found = run(suite.path, options=options, strategies="full", tasks="toy-sentiment")
    assert [record.cell.strategy for record in found.records] == ["full"]


def test_recommend_and_export_are_functions_though_packages_have_their_names(
    here: Path, tiny_encoder: Path
) -> None:
    import bench.recommend.answer  # puts the package in the function's place

    options = Options(device="cpu", threads=1, executor="inline")
    found = bench.recommend(
        ROWS,
        budget="5m",
        text="review",
        label="stars",
        backbone=str(tiny_encoder),
        strategies=["frozen", "full"],
        options=options,
    )
    assert found.choice in ("", "frozen", "full")
    assert str(found).startswith(("Use ", "No recommendation"))
    assert {record.cell.strategy for record in found.results.records} == {"frozen", "full"}
    saved = bench.export(
        "model",
        ROWS,
        text="review",
        label="stars",
        backbone=str(tiny_encoder),
        strategy="full",
        options=options,
    )
    assert (saved.folder / "predict.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"goal": "speed"}, "unknown goal 'speed'"),
        ({"budget": "soon"}, "soon"),
        ({"task": "sst22"}, "did you mean 'sst2'"),
        ({"task": "sst2", "strategies": "frozn"}, "did you mean 'frozen'"),
    ],
)
def test_a_wrong_recommendation_is_a_bench_error(arguments: dict[str, Any], says: str, here: Path) -> None:
    with pytest.raises(BenchError, match=says):
        bench.recommend(**arguments)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: bench.run("quick", seeds="2"), "seeds must be a whole number, not '2'"),
        (lambda: bench.run(data=None), "data is None"),
        (lambda: bench.run("quick", settings="recipe.epochs"), "--set recipe.epochs: write it as key=value"),
        (lambda: bench.recommend(task="sst2", margin="two"), "margin must be a number, not 'two'"),
    ],
)
def test_an_argument_of_another_kind_is_a_bench_error(call: Any, says: str, here: Path) -> None:
    with pytest.raises(BenchError, match=says):
        call()


def test_the_package_is_cheap_to_import() -> None:
    program = "import sys, bench; print([n for n in ('torch', 'pandas', 'rich') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
