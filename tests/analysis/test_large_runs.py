"""What reading a large run costs, counted: files that are opened, columns that are held, scores resampled."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from bench.analysis import class_counts, loading, ranking, workers
from bench.analysis.groups import gather
from bench.analysis.held import held
from bench.analysis.loading import Run, arrays, columns
from bench.analysis.opening import open_source
from bench.analysis.regression import compare as compare_runs
from bench.analysis.regression import digests, matching, outcomes
from bench.analysis.regression.compare import compare
from bench.analysis.regression.digests import digest, digest_of_file
from bench.analysis.statistics import paired, resampling, resampling_all, rivals, stepdown
from bench.cli.report import only
from bench.contracts import BenchError
from bench.report import curves, html, page, ranks, reading
from bench.report.reading import read
from bench.report.vega import Chart
from bench.runs.folder import Store
from bench.runs.integrity import verify
from tests.support.report_runs import Grid, make_run, save_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return save_run(make_run(Grid()), tmp_path / "run")


def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is opened from now on, by its folder in the run."""
    found: Counter[str] = Counter()
    given = os.open

    def counted(path: Any, *rest: Any, **more: Any) -> int:
        for folder in ("records", "predictions"):
            if f"/{folder}/" in os.fspath(path):
                found[folder] += 1
        return given(path, *rest, **more)

    monkeypatch.setattr(os, "open", counted)
    return found


def calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """The first arguments of the calls of a function from now on, wherever this module calls it."""
    found: list[Any] = []
    given: Callable[..., Any] = getattr(module, name)

    def counted(*arguments: Any, **more: Any) -> Any:
        found.append(arguments[0])
        return given(*arguments, **more)

    monkeypatch.setattr(module, name, counted)
    return found


def test_compare_opens_each_record_and_each_prediction_file_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = opened(monkeypatch)
    run = open_source(str(store.path))
    compare(run, run)
    cells = len(run.records)
    assert counted == {"records": cells, "predictions": 2 * cells}  # the same run on both sides


def test_files_that_are_equal_in_both_runs_are_decoded_once_and_verified_twice(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(store.path, tmp_path / "again")
    decoded = calls(monkeypatch, Store, "predictions")
    sides = [open_source(str(store.path)), open_source(str(tmp_path / "again"))]
    plain = [replace(side, sums=None) for side in sides]
    found = compare(*sides)
    assert len(decoded) == len(sides[0].records)
    assert (found.cells, found.costs) == (compare(*plain).cells, compare(*plain).costs)


def test_a_file_that_was_changed_is_found_even_where_its_record_says_that_it_is_equal(
    store: Store, tmp_path: Path
) -> None:
    shutil.copytree(store.path, tmp_path / "again")
    other = Store(tmp_path / "again")
    run, again = open_source(str(store.path)), open_source(str(other.path))
    other.predictions_path(run.records[0].cell.id).write_bytes(b"other")
    with pytest.raises(BenchError) as error:
        compare(run, again)
    assert error.value.code == "damaged"


def test_a_page_with_many_charts_has_pictures_of_the_first_alone_and_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jinja2")
    made = page.build(open_source(str(store.path)), tmp_path)
    whole = html.report(made)
    charts, drawn = whole.count('class="chart"'), re.compile(r'class="chart"[^>]*><svg')
    assert len(drawn.findall(whole)) == charts
    assert "without scripts" not in whole
    monkeypatch.setattr(html, "MOST_PICTURES", 2)
    some = html.report(made)
    assert len(drawn.findall(some)) == 2
    assert some.count('class="chart"') == some.count('type="application/json"') == charts
    assert f"This page has {charts} charts. The first 2 are here as pictures." in some


def test_pictures_are_fewer_where_charts_hold_many_marks(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jinja2")
    made = page.build(open_source(str(store.path)), tmp_path)
    drawn = calls(monkeypatch, Chart, "svg")
    html.report(made)
    charts, marks = len(drawn), sum(chart.marks for chart in drawn)
    assert marks == sum(len(re.findall(r"'strategy': |'floor': ", str(chart.spec))) for chart in drawn)
    monkeypatch.setattr(html, "MOST_MARKS", marks // 2)
    text = html.report(made)
    assert len(drawn) - charts == charts * (marks // 2) // marks
    assert f"The first {len(drawn) - charts} are here as pictures." in text
    monkeypatch.setattr(html, "MOST_MARKS", 1)
    html.report(made)
    assert "The first 1 are here" in html.report(made)


def test_a_large_run_shows_the_errors_of_the_best_and_the_reference_and_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jinja2")
    run = open_source(str(store.path))
    whole = page.build(run, tmp_path)
    assert whole.selection == ""
    monkeypatch.setattr(reading, "MANY", len(run.records) - 1)
    some = page.build(run, tmp_path)
    assert f"This run has {len(run.records)} finished cells." in some.selection
    assert some.selection in html.report(some)
    for all_of, few, answer in zip(whole.errors, some.errors, some.answers, strict=True):
        assert answer.best is not None
        shown = [item.key for item in few.confusions]
        assert shown == [key for key in dict.fromkeys(item.key for item in all_of.confusions) if key in shown]
        assert set(shown) == {answer.best.key, answer.best.key._replace(strategy="full")}
        for item in few.confusions:
            assert item in all_of.confusions  # the same numbers, of fewer strategies
    monkeypatch.setattr(reading, "MANY", len(run.records))
    assert page.build(run, tmp_path).errors == whole.errors


def test_a_page_of_a_task_holds_that_task_with_all_its_strategies(store: Store, tmp_path: Path) -> None:
    run = open_source(str(store.path))
    part = only(run, ["news"], [])
    assert {record.cell.task for record in part.records} == {"news"}
    assert {cell.split("/")[0] for cell in part.planned} == {"news"}
    strategies = {record.cell.strategy for record in part.records}
    assert strategies == {record.cell.strategy for record in run.records}
    assert page.build(part, tmp_path).answers[0].task == "news"
    assert only(run, [], []).records == run.records
    for tasks, names, code in ((["nws"], [], "unknown-task"), (["news"], ["ful"], "unknown-strategy")):
        with pytest.raises(BenchError) as error:
            only(run, tasks, names)
        assert error.value.code == code
    assert "did you mean 'news'?" in str(only_error(run, "nws"))


def only_error(run: Run, task: str) -> BenchError:
    with pytest.raises(BenchError) as error:
        only(run, [task], [])
    return error.value


def test_columns_are_decoded_where_they_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    table = store.predictions(store.records()[0].cell.id)
    decoded = calls(monkeypatch, loading, "column")
    found = columns(table)
    assert len(decoded) == 1  # the test set of each row
    for _ in range(2):
        assert len(found["correct"]) == len(table)
    assert len(decoded) == 2
    assert {"id", "prediction"} <= found.keys()
    assert "split" not in found
    assert len(decoded) == 2


def test_a_report_opens_each_record_and_each_prediction_file_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = opened(monkeypatch)
    run = open_source(str(store.path))
    page.build(run, tmp_path)
    assert counted == {"records": len(run.records), "predictions": len(run.records)}


def test_a_check_opens_each_record_and_each_prediction_file_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = opened(monkeypatch)
    verdict = verify(store)
    assert counted == {"records": verdict.sound, "predictions": verdict.sound}


def test_a_report_holds_the_columns_of_a_run_in_less_memory_and_gives_them_back_exactly(store: Store) -> None:
    read_again = held(store.predictions)
    for record in store.records():
        for _ in range(2):
            found, expected = read_again(record.cell.id), arrays(store.predictions(record.cell.id))
            assert list(found) == list(expected)
            for name, values in expected.items():
                assert found[name].dtype == values.dtype
                assert np.array_equal(found[name], values)


@pytest.mark.parametrize(
    "values", [[0, 1, 255], [0, 256], [-1, 3], [0, 2**40], [0.1, 0.5], [0.5, 1e-60], [1e300, 0.0], [0.25], []]
)
def test_numbers_are_held_in_a_smaller_type_only_where_it_holds_them_exactly(values: list[float]) -> None:
    given = np.array(values)
    found = held(lambda _: {"values": given})("cell")["values"]
    assert found.dtype == given.dtype
    assert np.array_equal(found, given)


def test_classes_are_counted_once_for_each_distinct_pair_of_reference_and_prediction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed = calls(monkeypatch, class_counts, "units")
    texts = np.array(["B-A O", "O O", "B-A I-A", "B-A O"] * 50, dtype=object)
    said = np.array(["B-A O", "O B-B", "B-A O", "B-A O"] * 50, dtype=object)
    found = class_counts.count_classes("ner", ["A", "B"], {"reference": texts, "prediction": said})
    assert len(parsed) == 2 * 3
    assert found.right.sum(0).tolist() == [100, 0]
    assert found.said.sum(0).tolist() == [150, 50]
    assert found.gold.sum(0).tolist() == [150, 0]


def test_predictions_are_checked_with_the_checksum_of_the_record_that_was_read(store: Store) -> None:
    """A file that another run of the cell replaced is looked up again, and one that was changed is found."""
    cell = store.records()[0].cell.id
    fresh = Store(store.path)
    table = store.predictions(cell)
    fresh.save(
        store.records()[0], {"test": {name: table[name].to_pylist()[:3] for name in table.column_names[1:]}}
    )
    assert len(store.predictions(cell)) == 3
    store.predictions_path(cell).write_bytes(b"other")
    with pytest.raises(ValueError, match="checksum") as error:
        store.predictions(cell)
    assert error.value.code == "damaged"  # pyright: ignore[reportAttributeAccessIssue]


def test_cells_of_a_task_share_the_columns_that_are_equal(store: Store) -> None:
    records = [record for record in store.records() if record.cell.task == "reviews"]
    first, second = (columns(store.predictions(record.cell.id)) for record in records[:2])
    assert first["id"] is second["id"]
    assert first["reference"] is second["reference"]
    assert first["prediction"] is not second["prediction"]


def test_columns_are_those_that_were_saved(store: Store) -> None:
    table = store.predictions(store.records()[0].cell.id)
    for name, values in arrays(table).items():
        assert values.tolist() == table[name].to_pylist()
        assert values.dtype == np.array(table[name].to_pylist()[:1]).dtype or values.dtype == object


def test_the_report_resamples_each_score_once_and_tests_each_pair_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    resampled, tested = calls(monkeypatch, resampling, "draw"), calls(monkeypatch, paired, "all_pairs")
    found = read(open_source(str(store.path)))
    metrics = {item.metric for item in found.comparisons}
    assert len(resampled) == len(found.groups) * len(metrics)
    assert len(tested) == 1


def test_the_ranks_of_a_report_rest_on_the_scores_that_its_table_resampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = save_run(make_run(Grid(tasks=("reviews", "news", "mail"))), tmp_path / "run")
    run = open_source(str(store.path))
    expected = ranking.rank(run.records, run.predictions)
    resampled = calls(monkeypatch, ranking, "resample")
    found = read(run)
    assert ranks.ranking(found) == expected
    assert not resampled
    found.resampled.clear()
    assert ranks.ranking(found) == expected
    assert len(resampled) == len(found.groups)


def test_the_answer_and_the_table_of_a_report_rest_on_the_same_tests(store: Store) -> None:
    found = read(open_source(str(store.path)))
    for item in found.comparisons:
        assert (found.entry(item.second, item.metric).mark == "tied") == item.tied


def test_pairs_are_made_within_a_task_and_a_metric_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, subtracted = (
        calls(monkeypatch, rivals, "RivalPair"),
        calls(monkeypatch, resampling.Resampled, "minus"),
    )
    found = read(open_source(str(store.path)))
    tasks, metrics = found.tasks, {item.metric for item in found.comparisons}
    several = len(found.groups) // len(tasks)
    within, with_best = several * (several - 1) // 2, several - 1
    assert len(made) == len(tasks) * len(metrics) * within
    assert len(subtracted) <= len(tasks) * len(metrics) * (within + with_best)


def test_a_page_decides_the_decimals_of_a_table_once_and_never_hashes_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jinja2")
    made = page.build(open_source(str(store.path)), tmp_path)
    monkeypatch.setattr(page.Table, "__hash__", None)
    html._environment.cache_clear()
    decided = calls(monkeypatch, html, "column_decimals")
    html.report(made)
    html._environment.cache_clear()
    blocks = sum(len(table.blocks) for table in decided)
    assert len(decided) <= blocks


def test_curves_shift_only_the_points_that_are_drawn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(open_source(str(store.path)))
    copied = calls(monkeypatch, curves, "replace")
    curves.curves(found, "reviews", "seconds")
    steps = max(len(record.curve) for record in found.run.records)
    assert len(copied) <= steps * len(found.groups)  # the means alone


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "b"],
        [""],
        ["", ""],
        ["ü", "\n", "a b"],
        ["a\0b", "c"],
        ["\0"],
        [],
        ["x", None],
        ["a", "b", "a"] * 99,
    ],
)
def test_the_digest_of_a_column_is_the_same_before_it_is_decoded(texts: list[str | None]) -> None:
    whole = pyarrow.chunked_array([texts, texts[:1]], pyarrow.string())
    for values in (whole, whole.slice(1), whole.slice(0, len(texts))):
        found = digest_of_file(values)
        if found is not None:
            assert found == digest(loading.column(values))
        else:
            assert not len(values) or values.null_count or "\0" in "".join(values.to_pylist())


def test_a_comparison_decodes_no_texts_that_it_only_compares(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_source(str(store.path))
    plain = replace(run, predictions=lambda cell: dict(arrays(run.predictions(cell))))
    expected = compare(run, plain)
    assert {item.status for item in expected.cells} == {"identical"}  # by digests of decoded columns
    decoded = calls(monkeypatch, loading, "_texts")
    once = replace(run, sums=None)
    found = compare(once, once)
    assert found.cells == expected.cells
    files = 2 * len(run.records)
    labelled = sum(record.headline == "f1" for record in run.records)
    assert len(decoded) <= 2 * files + 4 * labelled  # split and id, and the labels that F1 reads


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["a", "b"], ["ab", ""]),
        (["a\0b"], ["a", "b"]),
        (["a\0b", "c"], ["a", "b\0c"]),
        (["a", "b\0c"], ["a", "b", "c"]),
        ([""], []),
        (["", ""], ["\0"]),
    ],
)
def test_the_digest_of_texts_tells_every_two_lists_apart(first: list[str], second: list[str]) -> None:
    made = [digest(np.array(texts, dtype=object)) for texts in (first, second)]
    assert made[0] != made[1]
    assert made[0] == digest(np.array(first, dtype=object))


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Splits all work from now on, as for a large run. Two processes, also beside the threads of a test runner."""

    def split() -> None:
        for module in (resampling_all, stepdown, paired, matching, compare_runs):
            monkeypatch.setattr(module, "WORTH", 1)
        monkeypatch.setattr(workers, "processors", lambda: 2)
        monkeypatch.setattr(workers, "_may_fork", lambda: True)

    return split


@pytest.mark.parametrize("documents", [False, True])
def test_a_report_rests_on_the_same_numbers_whatever_the_number_of_processes(
    documents: bool, tmp_path: Path, two_processes: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the predictions are read once and not held."""
    made = make_run(Grid(tasks=("reviews", "news", "mail"), strategies=STRATEGIES))
    run = open_source(str(save_run(_in_documents(made) if documents else made, tmp_path / "run").path))
    plain = read(run)
    two_processes()
    started = calls(monkeypatch, workers, "_started")
    monkeypatch.setattr(reading, "MANY", 1)
    found = read(run)
    assert len(started) >= 3  # resampling, correcting, comparing
    assert found.table == plain.table
    assert [_of(item) for item in found.comparisons] == [_of(item) for item in plain.comparisons]
    assert found.resampled.keys() == plain.resampled.keys()
    for scored, scores in found.resampled.items():
        assert np.array_equal(scores.draws, plain.resampled[scored].draws)
        assert scores.ids is next(
            other.ids for (key, _), other in found.resampled.items() if key.task == scored[0].task
        )


STRATEGIES = ("frozen", "top-layers", "full", "gradual", "lp-ft", "scratch")


def _in_documents(run: Run) -> Run:
    """Two examples of each document."""

    def predictions(cell: str) -> dict[str, np.ndarray]:
        found = dict(arrays(run.predictions(cell)))
        size = len(found["id"])
        return {**found, "group": np.array([f"document {place // 2}" for place in range(size)], dtype=object)}

    return replace(run, predictions=predictions)


def _of(item: paired.Comparison) -> tuple[Any, ...]:
    """A comparison without its noise, which has no equality; its interval comes from it."""
    return tuple(
        item.difference.half if name == "difference" else value for name, value in vars(item).items()
    )


def test_compare_says_the_same_whatever_the_number_of_processes(
    tmp_path: Path, two_processes: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With cells that repeat, cells that differ, and a cell that the run lacks."""
    grid = Grid(strategies=STRATEGIES)
    old, new = make_run(grid), make_run(replace(grid, examples=80))
    files = {record.cell.id: dict(arrays(old.predictions(record.cell.id))) for record in old.records}
    for number, found in enumerate(files.values()):
        if number % 4 == 0:
            found["correct"] = np.where(np.arange(len(found["id"])) < number, 0, found["correct"])
    changed = replace(new, records=new.records[:-1], predictions=files.__getitem__)
    sides = [
        open_source(str(save_run(side, tmp_path / name).path))
        for name, side in (("old", old), ("new", changed))
    ]
    plain = compare(*sides).to_json()
    counts = json.loads(plain)["counts"]
    assert all(counts[status] for status in ("identical", "unchanged", "missing")), counts
    two_processes()
    started = calls(monkeypatch, workers, "_started")
    assert compare(*sides).to_json() == plain
    assert len(started) == 2  # cells, and strategies over all tasks


def test_predictions_that_differ_are_told_by_the_columns_of_their_metric(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = next(item for item in store.records() if item.headline == "accuracy")
    found = dict(columns(store.predictions(record.cell.id)))
    other = {**found, "correct": 1 - found["correct"]}
    how = resampling.definition(record, "accuracy")
    assert how is not None
    asked = calls(monkeypatch, digests, "digest")
    first, second, equal = (
        outcomes.Outcomes({"test": outcomes.Predicted(side)}, how) for side in (found, other, dict(found))
    )
    assert not outcomes.same_outcomes([first], [second])
    assert len(asked) == 2  # `correct` of either
    assert outcomes.same_outcomes([first], [equal])
    assert len(asked) == 2 + 2 * len(first)
    assert outcomes.same_outcomes([first], [first])
    assert len(asked) == 2 + 2 * len(first)


def test_several_metrics_are_resampled_as_each_is_and_rows_are_read_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = next(iter(gather(store.records()).values()))
    source = resampling.Source(store.predictions)
    each = {metric: resampling.resample(group, metric, source) for metric in ("f1", "accuracy")}
    opened_ = opened(monkeypatch)
    found = resampling.resample_metrics(group, ("f1", "none", "accuracy"), source)
    assert opened_["predictions"] == len(group.done)
    assert list(found) == ["f1", "accuracy"]
    for metric, scores in each.items():
        assert scores is not None
        assert np.array_equal(scores.draws, found[metric].draws)
        assert scores.components() == found[metric].components()
