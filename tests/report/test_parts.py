"""Ledger, curves, classes, palette: what the charts and tables are made of."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from sklearn.metrics import precision_recall_fscore_support

from bench.analysis.entities import spans, types
from bench.analysis.loading import Run, arrays
from bench.analysis.statistics.uncertainty import Shown, from_predictions
from bench.analysis.tables.classes import IS_RARE
from bench.analysis.tables.classes import build as class_table
from bench.analysis.tables.model import Column, Table
from bench.contracts import BenchError, Cell, Metric, Recipe
from bench.report import charts, classes, page, palette
from bench.report import curves as curves_module
from bench.report.curves import cold_curve, curves, mean_curve, thinned
from bench.report.encodings import letters
from bench.report.front import options
from bench.report.ledger import explain, ledger, steps
from bench.report.pareto import pareto
from bench.report.reading import Reading, read
from bench.runs.record import Record
from tests.support.report_runs import Grid, make_run


def test_the_parts_of_the_ledger_sum_to_the_cold_seconds(reading: Reading):
    for entry in ledger(reading).entries:
        assert sum(entry.parts.values()) == pytest.approx(entry.cold)


def test_the_page_and_the_table_mark_the_same_ties(reading: Reading):
    metrics = dict.fromkeys(reading.groups, ("accuracy", "f1"))
    table = from_predictions(reading.groups, metrics, reading.run.predictions)
    page = {Shown(item.second, item.metric, "test") for item in reading.comparisons if item.tied}
    assert {item for item in page if item.metric in ("accuracy", "f1")} == table.tied
    assert page


def test_the_ledger_says_which_parts_make_the_difference(reading: Reading):
    found = ledger(reading)
    frozen = next(entry for entry in found.entries if entry.key.strategy == "frozen")
    reference = found.reference(frozen)
    assert reference is not None
    assert explain(frozen, reference).startswith(f"{reference.cold - frozen.cold:.1f} s less: train -")


def test_every_seed_is_on_the_axis():
    """One of three learned nothing, so that the group has no interval."""
    run = make_run(Grid(tasks=("reviews",), strategies=("frozen", "full")))
    records = [
        record.model_copy(update={"scores": {"test": {"accuracy": 0.3, "f1": 0.2}}})
        if (record.cell.strategy, record.cell.seed) == ("full", 2)
        else record
        for record in run.records
    ]
    chart = charts.seeds(read(Run("x", records, run.predictions)), "reviews")
    assert chart is not None
    *_, strokes, points = chart.spec["layer"]
    low, high = strokes["encoding"]["x"]["scale"]["domain"]
    scores = [point["score"] for point in points["data"]["values"]]
    assert min(scores) == 30
    assert all(low <= score <= high for score in scores)


def test_on_other_domains_every_row_has_a_line_of_its_own():
    grid = Grid(tasks=("reviews",), strategies=("frozen", "full"), backbones=("a", "b"), domains=("tweets",))
    chart = charts.shift(read(make_run(grid)), "reviews")
    assert chart is not None
    names = Counter(value["name"] for value in chart.spec["data"]["values"])
    assert names == dict.fromkeys(("frozen a", "frozen b", "full a", "full b"), 2)
    assert chart.spec["encoding"]["detail"] == {"field": "name"}


def test_seconds_of_several_machines_are_not_compared():
    run = make_run(Grid(tasks=("reviews",)))
    moved = [
        record.model_copy(update={"machine": record.machine.model_copy(update={"processor": "Another"})})
        if record.cell.strategy == "full" and record.machine
        else record
        for record in run.records
    ]
    reading = read(Run("moved", moved, run.predictions))
    found = ledger(reading)
    assert {found.reference(entry) for entry in found.entries} == {None}
    assert not any(item.front for item in options(reading, "reviews"))
    chart = pareto(reading, "reviews")
    assert chart is not None
    assert chart.description.endswith("ran on several machines, whose seconds cannot be compared.")


def test_encoders_whose_paths_end_alike_have_their_whole_names():
    reading = read(make_run(Grid(strategies=("full",), backbones=("a/model", "b/model", "c/other"))))
    assert {reading.label(key) for key in reading.groups} == {"full a/model", "full b/model", "full other"}


def test_the_parts_of_a_step_are_read_from_the_run_s_folder(tmp_path: Path):
    measured = Table("Steps", ("strategy",), (Column("forward", "forward", "milliseconds"),), ())
    assert steps(tmp_path) is None
    (tmp_path / "ledger.json").write_bytes(TypeAdapter(Table).dump_json(measured))
    assert steps(tmp_path) == measured
    (tmp_path / "ledger.json").write_text("{")
    with pytest.raises(BenchError) as error:
        steps(tmp_path)
    assert error.value.code == "cannot-read"


def test_a_curve_in_seconds_counts_what_came_before_the_first_step(reading: Reading):
    record = reading.run.records[0]
    before = record.seconds.prepare + record.seconds.prefix
    assert cold_curve(record)[0].seconds == pytest.approx(before + record.curve[0].seconds)


def test_a_mean_curve_is_over_the_steps_that_all_seeds_have(reading: Reading):
    group = reading.of_task("reviews")[0]
    short = group.records[0].model_copy(update={"curve": group.records[0].curve[:3]})
    cut = type(group)(group.key, (short, *group.records[1:]))
    found = mean_curve(cut)
    assert [point.step for point in found] == [10, 20, 30]
    assert found[0].score == pytest.approx(np.mean([r.curve[0].score for r in group.records]))


def test_a_long_curve_keeps_its_last_point(reading: Reading):
    curve = list(reading.run.records[0].curve) * 50
    assert len(thinned(curve, 60)) <= 60
    assert thinned(curve, 60)[-1] is curve[-1]


def test_a_run_without_curves_has_no_chart_of_them(run: Run):
    bare = [record.model_copy(update={"curve": ()}) for record in run.records]
    assert curves(read(Run("bare", bare, run.predictions)), "reviews", "step") is None


def test_scores_by_class_are_those_of_scikit_learn(run: Run, reading: Reading):
    found = classes.by_class(reading, "reviews")
    assert found is not None
    place = [column.heading for column in found.compared.columns].index("full")
    (compared,) = found.compared.blocks
    labels = [row.labels[0] for row in compared.rows]
    assert sorted(labels) == ["mixed", "neg", "pos"]
    files = [run.predictions(f"reviews/full/minilm/seed{seed}") for seed in range(3)]
    wanted: list[Any] = [
        precision_recall_fscore_support(list(f["reference"]), list(f["prediction"]), labels=labels)
        for f in files
    ]
    precision, recall, f1 = (np.mean([item[part] for item in wanted], axis=0).tolist() for part in range(3))
    assert [row.entries[place].value for row in compared.rows] == pytest.approx(f1)
    block = next(block for block in found.details.blocks if block.title == "full")
    for number, row in enumerate(block.rows):
        support, *scores = (entry.value for entry in row.entries)
        assert support == wanted[0][3][number]
        assert scores == pytest.approx([precision[number], recall[number], f1[number]])
        assert all(entry.spread for entry in row.entries[1:])


def test_a_confusion_matrix_counts_every_example_of_every_seed(reading: Reading):
    found = classes.confusions(reading, "reviews")
    assert [item.label for item in found] == ["frozen", "top-layers", "full", "scratch"]
    assert all(sum(map(sum, item.counts)) == 3 * 80 for item in found)
    assert sum(found[0].share(0, column) for column in range(3)) == pytest.approx(1)


def many_classes() -> Reading:
    """52 classes, of which 80 examples leave most rare."""
    labels = tuple(f"label-{number:02}" for number in range(52))
    return read(make_run(Grid(tasks=("many",), labels=labels)))


def test_of_many_classes_the_most_frequent_confusions_are_listed():
    reading = many_classes()
    found = classes.confusions(reading, "many")[0]
    assert not found.classes
    assert len(found.worst) == classes.WORST
    counts = Counter[tuple[str, str]]()
    for seed in range(3):
        rows = arrays(reading.run.predictions(f"many/{found.label}/minilm/seed{seed}"))
        counts.update((a, b) for a, b in zip(rows["reference"], rows["prediction"], strict=True) if a != b)
    assert [item.count for item in found.worst] == [count for _, count in counts.most_common(classes.WORST)]
    assert all(counts[item.reference, item.prediction] == item.count for item in found.worst)
    assert found.others == len(counts) - classes.WORST
    rows = arrays(reading.run.predictions(f"many/{found.label}/minilm/seed0"))
    of_class = 3 * sum(rows["reference"] == found.worst[0].reference)
    assert found.worst[0].share == found.worst[0].count / of_class


def test_of_many_classes_only_the_best_strategy_has_details_and_rare_ones_are_marked():
    reading = many_classes()
    found = classes.by_class(reading, "many")
    assert found is not None
    assert len(found.compared.blocks[0].rows) == classes.MOST
    assert any("with fewer examples are in the details alone" in note for note in found.compared.notes)
    (block,) = found.details.blocks
    scores = {group.key.strategy: np.mean(group.scores("accuracy")) for group in reading.of_task("many")}
    assert block.title == max(scores, key=lambda name: scores[name])
    assert len(block.rows) > classes.MOST
    assert all(row.entries[0].note.endswith("(rare)") for row in block.rows if row.entries[0].value != 0.0)
    assert IS_RARE in found.details.notes


def test_more_classes_than_a_page_shows_are_in_the_table_of_classes():
    labels = tuple(f"label-{number:02}" for number in range(70))
    run = make_run(Grid(("many",), ("full",), seeds=1, examples=1000, labels=labels))
    found = classes.by_class(read(run), "many")
    assert found is not None
    assert [len(table.blocks[0].rows) for table in (found.compared, found.details)] == [20, 60]
    assert "Of 70 classes, 40 with fewer examples are in the details alone." in found.compared.notes
    assert any(
        note.startswith("Of 70 classes, the 60 with the most examples;") for note in found.details.notes
    )
    assert len(class_table(run.records, run.predictions).blocks[0].rows) == 70


def tagged_run() -> Run:
    """One strategy on two sentences: an entity found, and one found a word too long."""
    metrics = (Metric("f1", "f1", ("tp", "predicted", "gold")),)
    record = Record(
        cell=Cell("made", "people", "full", "minilm", 0, Recipe()),
        fingerprint="x",
        status="done",
        adapter="ner",
        headline="f1",
        metrics=metrics,
        scores={"test": {"f1": 0.5}},
    )
    rows = {
        "split": np.array(["test", "test"], dtype=object),
        "id": np.array(["a", "b"], dtype=object),
        "reference": np.array(["B-PER O", "O B-LOC O"], dtype=object),
        "prediction": np.array(["B-PER O", "O B-LOC I-LOC"], dtype=object),
        "tp": np.array([1.0, 0.0]),
        "predicted": np.array([1.0, 1.0]),
        "gold": np.array([1.0, 1.0]),
    }
    return Run("tagged", [record], lambda cell: rows)


def test_entities_are_scored_whole_and_confused_by_word():
    reading = read(tagged_run())
    found = classes.by_class(reading, "people")
    assert found is not None
    rows = found.compared.blocks[0].rows
    assert {row.labels[0]: row.entries[1].value for row in rows} == {"PER": 1.0, "LOC": 0.0}
    confusion = classes.confusions(reading, "people")[0]
    counts = {
        (row, column): confusion.counts[i][j]
        for i, row in enumerate(confusion.classes)
        for j, column in enumerate(confusion.classes)
    }
    assert counts["O", "LOC"] == 1
    assert counts["LOC", "LOC"] == 1


def test_a_task_whose_test_rows_hold_no_entity_has_no_scores_by_class():
    run = tagged_run()
    texts = np.array(["O O", "O O O"], dtype=object)
    rows = {**run.predictions("people"), "reference": texts, "prediction": texts}
    assert classes.by_class(read(replace(run, predictions=lambda cell: rows)), "people") is None


def test_spans_are_those_that_the_scores_count():
    assert spans("B-A I-A O I-B") == {("A", 0, 2), ("B", 3, 4)}
    assert types("B-A-B O") == ["A-B", "O"]


# Machado, Oliveira & Fernandes (2009), severity 1.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def srgb(colour: str) -> np.ndarray:
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255


def linear(colour: str) -> np.ndarray:
    return decoded(srgb(colour))


def decoded(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    scaled = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1, 1.08883])
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK])
def test_colours_differ_for_every_kind_of_sight(sight: str, colours: tuple[str, ...]):
    seen = [lab(np.asarray(SIGHT[sight]) @ linear(colour)) for colour in colours]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 14


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """Of two linear colours (WCAG 2.2)."""
    low, high = sorted((float(one @ TO_XYZ[1]), float(other @ TO_XYZ[1])))
    return (high + 0.05) / (low + 0.05)


PAGES = [(palette.LIGHT, "#ffffff", "#16181d"), (palette.DARK, "#14161a", "#eceef1")]


@pytest.mark.parametrize(("colours", "paper", "ink"), PAGES)
def test_colours_stand_out_from_the_page(colours: tuple[str, ...], paper: str, ink: str):
    assert all(contrast(linear(colour), linear(paper)) >= 3 for colour in colours)


@pytest.mark.parametrize(("colours", "paper", "ink"), PAGES)
def test_names_in_a_strategy_s_colour_can_be_read(colours: tuple[str, ...], paper: str, ink: str):
    share = float(letters("x").split()[3].rstrip("%,")) / 100
    for colour in colours:
        mixed = decoded(share * srgb(colour) + (1 - share) * srgb(ink))
        assert contrast(mixed, linear(paper)) >= 4.5


def test_twenty_strategies_all_look_different():
    looks = palette.looks([str(number) for number in range(20)])
    assert len(set(looks.values())) == 20


@pytest.mark.parametrize("limit", ["MOST_OF_SEEDS", "MOST_ON_PAGE"])
def test_curves_of_more_seeds_than_can_be_drawn_are_means_alone(limit: str, monkeypatch: pytest.MonkeyPatch):
    made = read(make_run(Grid(tasks=("reviews",), seeds=3)))
    whole = curves_module.curves(made, "reviews", "step")
    monkeypatch.setattr(curves_module, limit, 59)  # 4 strategies, 3 seeds, 5 points
    means = curves_module.curves(made, "reviews", "step")
    assert whole is not None
    assert means is not None
    assert [len(layer["data"]["values"]) for layer in whole.spec["layer"]] == [60, 20, 20]
    assert [len(layer["data"]["values"]) for layer in means.spec["layer"]] == [0, 20, 20]
    assert "60 points, are not drawn" in means.description


def test_a_selection_says_how_large_a_part_may_be_and_where_none_is_best(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.report.reading.MANY", 1)
    some = read(run)
    (marked, *_), said = some.tasks, page._selection(some)
    assert "with at most 2,000 finished cells shows all of that part" in said
    assert "where none is marked best" not in said
    best = some.best(marked)
    assert best is not None
    assert best in some.examined(marked)
    monkeypatch.setattr(Reading, "best", lambda reading, task: None)
    assert f"(the first of {', '.join(some.tasks)}, where none is marked best)" in page._selection(some)
    first = some.of_task(marked)[0]
    assert first in some.examined(marked)
