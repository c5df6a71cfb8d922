"""The trend over runs and the steps in it."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from bench.analysis.regression import history
from bench.analysis.tables.formats import render
from bench.contracts import BenchError, Recipe
from bench.runs.record import Data, Seconds
from tests.analysis.conftest import MACHINE, make_record


def run_at(commit: str, accuracy: float):
    machine = MACHINE.model_copy(update={"commit": commit})
    return [make_record(seed=seed, accuracy=accuracy, machine=machine) for seed in range(3)]


def test_a_line_names_its_version_the_commit_and_whether_code_had_changed():
    changed = MACHINE.model_copy(update={"dirty": True})
    line = history.line([make_record(machine=changed)])
    assert (line.history_version, line.commit, line.dirty) == (3, "abc1234", True)
    unknown = history.line([make_record(machine=None)])
    assert (unknown.commit, unknown.dirty, unknown.machine) == ("", False, "unknown")


def test_a_run_adds_a_line(tmp_path):
    path = tmp_path / "results" / "runs" / "history.jsonl"
    history.append(run_at("one", 0.8), path)
    history.append(run_at("two", 0.9), path)
    lines = history.read(path)
    assert [line.commit for line in lines] == ["one", "two"]
    assert lines[1].cells["reviews/full/minilm"].score == pytest.approx(0.9)


def test_a_line_is_on_the_disk_when_it_has_been_added(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(history.os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    path = tmp_path / "history.jsonl"
    history.append(run_at("one", 0.8), path)
    assert synced == [path.stat().st_size]


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("a symbolic link", lambda path: path.symlink_to(path.with_name("elsewhere.jsonl"))),
        ("a folder", lambda path: path.mkdir()),
        ("a FIFO", os.mkfifo),
    ],
)
def test_a_run_is_added_to_a_file_alone(tmp_path, kind, make):
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_text("")
    path = tmp_path / "history.jsonl"
    make(path)
    with pytest.raises(BenchError) as error:
        history.append(run_at("one", 0.8), path)
    assert error.value.code == "irregular-file"
    assert f"the history {path} (it is {kind})" in str(error.value)
    assert elsewhere.read_text() == ""


def test_a_write_that_the_disk_takes_in_parts_is_whole(tmp_path, monkeypatch):
    path, write = tmp_path / "history.jsonl", os.write
    monkeypatch.setattr(history.os, "write", lambda file, content: write(file, content[:7]))
    history.append(run_at("one", 0.8), path)
    assert len(history.read(path)) == 1


def test_the_same_run_is_not_added_twice(tmp_path):
    path = tmp_path / "history.jsonl"
    history.append(run_at("one", 0.8), path)
    history.append(run_at("one", 0.8), path)
    assert len(history.read(path)) == 1


def test_nor_where_another_run_came_between(tmp_path):
    path = tmp_path / "history.jsonl"
    for commit in ("one", "two", "one"):
        history.append(run_at(commit, 0.8), path)
    assert [line.commit for line in history.read(path)] == ["one", "two"]


def test_the_committed_history_and_that_of_the_runs_are_read_as_one(tmp_path):
    """By date, whichever file a run is in; a run that became a baseline is in both and counts once."""
    runs = tmp_path / "runs"
    days = {
        day: [r.model_copy(update={"started": f"2026-01-0{day}"}) for r in run_at(f"c{day}", 0.8)]
        for day in range(1, 6)
    }
    for day in (1, 3, 5):
        history.append(days[day], tmp_path / "history.jsonl")
    for day in (2, 3, 4):
        history.append(days[day], runs / "history.jsonl")
    assert [line.commit for line in history.read_both(runs)] == ["c1", "c2", "c3", "c4", "c5"]


@pytest.mark.parametrize("place", ["history.jsonl", "runs/history.jsonl"])
def test_one_of_the_two_histories_is_enough(tmp_path, place):
    history.append(run_at("one", 0.8), tmp_path / place)
    assert [line.commit for line in history.read_both(tmp_path / "runs")] == ["one"]


def test_no_history_at_all_is_refused(tmp_path):
    with pytest.raises(BenchError) as error:
        history.read_both(tmp_path / "runs")
    assert error.value.code == "no-history"


def line_of(cell: str, score: object = 0.5, seconds: object = 1.0, seeds: object = 3) -> str:
    """A line as JSON; Python reads NaN and Infinity in it."""
    measured = f'{{"score": {score}, "seconds": {seconds}, "seeds": {seeds}}}'
    return (
        f'{{"history_version": 2, "suite": "quick", "date": "2026-01-01", "cells": {{"{cell}": {measured}}}}}'
    )


def test_a_line_that_is_sound_is_read(tmp_path):
    """The damaged ones below differ from it in one place."""
    path = tmp_path / "history.jsonl"
    path.write_text(line_of("reviews/full/owner/name"))
    assert history.trend(history.read(path), "quick").blocks[0].rows[0].labels == (
        "reviews",
        "full",
        "owner/name",
    )


def test_a_history_that_is_a_link_is_not_written_through(tmp_path):
    (tmp_path / "foreign").write_text("kept")
    path = tmp_path / "history.jsonl"
    path.symlink_to(tmp_path / "foreign")
    with pytest.raises(BenchError) as error:
        history.append(run_at("one", 0.8), path)
    assert error.value.code == "irregular-file"
    assert (tmp_path / "foreign").read_text() == "kept"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "damaged-history"),
        ('{"history_version": 1}', "damaged-history"),
        ("[]", "damaged-history"),
        ('{"history_version": 4}', "newer-history"),
        ('{"history_version": 7}', "newer-history"),
        ('{"history_version": Infinity}', "newer-history"),
        (f'{{"history_version": {"9" * 5000}}}', "damaged-history"),
        ("[" * 100_000, "damaged-history"),
        (line_of("reviews/full/minilm", seconds=-1), "damaged-history"),
        (line_of("reviews/full/minilm", seconds="NaN"), "damaged-history"),
        (line_of("reviews/full/minilm", score="Infinity"), "damaged-history"),
        (line_of("reviews/full/minilm", score=-7), "damaged-history"),
        (line_of("reviews/full/minilm", seeds=-1), "damaged-history"),
        (line_of("reviews"), "damaged-history"),
        (line_of("reviews/full"), "damaged-history"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, text, code):
    path = tmp_path / "history.jsonl"
    path.write_text(text)
    with pytest.raises(BenchError, match="line 1") as error:
        history.read(path)
    assert error.value.code == code


def test_a_run_is_not_added_to_a_damaged_file(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"\xff")
    with pytest.raises(BenchError) as error:
        history.append(run_at("one", 0.8), path)
    assert error.value.code == "cannot-write"
    assert "(the file is damaged)" in str(error.value)
    assert path.read_bytes() == b"\xff"


def test_an_unfinished_run_is_not_added(tmp_path):
    with pytest.raises(BenchError) as error:
        history.append([make_record(status="failed", scores={})], tmp_path / "history.jsonl")
    assert error.value.code == "nothing-finished"


def test_a_step_is_found_where_it_is():
    noise = np.random.default_rng(0).normal(0, 0.004, 30)
    found = history.steps([*(0.80 + noise[:18]), *(0.77 + noise[18:])], 0.002)
    assert [place for place, _, _ in found] == [18]
    assert found[0][1] - found[0][2] == pytest.approx(0.03, abs=0.005)


def test_noise_has_hardly_a_step():
    rng = np.random.default_rng(1)
    assert sum(bool(history.steps(list(0.8 + rng.normal(0, 0.005, 30)), 0.002)) for _ in range(100)) <= 10


def test_a_constant_series_has_no_step():
    assert history.steps([0.8] * 20, 0.002) == []


def test_five_runs_are_too_few_for_a_step_and_six_are_enough():
    assert history.steps([0.9, 0.9, 0.1, 0.1, 0.1], 0.002) == []
    assert history.steps([0.9] * 3 + [0.1] * 3, 0.002) == [(3, pytest.approx(0.9), pytest.approx(0.1))]


def test_every_step_has_the_means_of_the_levels_on_its_sides():
    levels = [[0.90, 0.93, 0.90], [0.50, 0.52, 0.50, 0.52], [0.70, 0.72, 0.70, 0.72]]
    found = history.steps([value for level in levels for value in level], 0.002)
    means = [pytest.approx(float(np.mean(level))) for level in levels]
    assert found == [(3, means[0], means[1]), (7, means[1], means[2])]


@pytest.mark.parametrize(("size", "found"), [(1.95, True), (1.7, False)])
def test_the_least_step_of_twelve_runs_is_nearly_twice_their_noise(size, found):
    """A step d of n runs, at their middle, takes n d^2 / 4 off the cost; it must exceed 4 log n."""
    wave = 0.01 * np.array([1.0, -1.0] * 6)
    noise = 1.4826 / np.sqrt(2) * 0.02
    series = 0.8 + wave - size * noise * (np.arange(12) >= 6)
    assert bool(history.steps(list(series), 0.0)) == found


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([0.0, 0.5, 1.0], "▁▅█"),
        ([10.0, 10.5, 11.0], "▁▅█"),
        ([1.0, 1.0], "▁▁"),
        ([], ""),
        ([0.0, 1.0] * 30, "▁█" * 15),
    ],
)
def test_a_sparkline_runs_from_the_lowest_to_the_highest(values, bars):
    assert history.sparkline(values) == bars


def test_the_trend_names_the_commit_that_begins_a_step(tmp_path):
    path = tmp_path / "history.jsonl"
    for number in range(12):
        history.append(run_at(f"c{number}", 0.8 - 0.05 * (number >= 7) + 0.001 * (number % 3)), path)
    text = render(history.trend(history.read(path), "quick", task="reviews"), "md")
    assert "points at c7" in text


@pytest.mark.parametrize(
    ("fall", "growth", "steps"),
    [
        (0.004, 1.04, ("-0.4 points at c06456789a", "+4% at c06456789a")),
        (0.0035, 1.035, ("", "")),
    ],
)
def test_runs_that_agree_have_the_least_noise(fall, growth, steps):
    """That is 0.2 points, and 2% of the time: a step of six runs must exceed 1.82 times as much."""
    lines = [
        history.Line(
            suite="quick",
            date=f"2026-01-{place + 1:02}",
            commit=f"c{place:02}456789abcdef",
            cells={
                "t/s/b": history.Measured(
                    score=0.8 - fall * (place >= 6), seconds=10 * growth ** (place >= 6), seeds=3
                )
            },
        )
        for place in range(12)
    ]
    (row,) = history.trend(lines, "quick").blocks[0].rows
    assert (row.entries[3].value, row.entries[6].value) == steps


def test_times_of_another_machine_are_in_no_trend(tmp_path):
    """The last run's machine decides; a step of time is named by the run that begins it."""
    path = tmp_path / "history.jsonl"
    for number in range(16):
        fast = number in (3, 9)
        threads, cold = (64, 1.0) if fast else (2, 20.0 if number >= 8 else 10.0)
        machine = MACHINE.model_copy(update={"commit": f"c{number}", "threads": threads})
        records = [make_record(machine=machine, seconds=Seconds(train=cold, cold=cold))]
        history.append(records, path)
    (row,) = history.trend(history.read(path), "quick").blocks[0].rows
    runs, _, scores, _, seconds, times, steps = row.entries
    assert (runs.value, seconds.value) == (16, 20.0)
    assert (len(str(scores.value)), len(str(times.value))) == (16, 14)
    assert steps.value == "+100% at c8"


def test_a_trend_never_mixes_recipes():
    def line(commit: str, accuracy: float, epochs: float):
        records = [make_record(accuracy=accuracy, recipe=Recipe(epochs=epochs), machine=MACHINE)]
        return history.line(records).model_copy(update={"commit": commit})

    lines = [line("a", 0.5, 1.0), line("b", 0.8, 3.0), line("c", 0.81, 3.0)]
    found = history.trend(lines, "quick")
    assert found.blocks[0].rows[0].entries[0].value == 2
    assert found.notes[-1].startswith(
        "Left out of some rows: 1 earlier run with another recipe or number of "
    )
    assert len(history.trend(lines[1:], "quick").notes) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"data": Data(fingerprint="other", task_version=1)},
        {"data": Data(fingerprint="rows", task_version=2)},
        {"scorer": "conlleval"},
        {"weights": "0b"},
        {"headline": "f1"},
    ],
    ids=["rows", "version", "scorer", "weights", "headline"],
)
def test_a_trend_never_mixes_what_cells_ran_on(change):
    """A file of data that has grown is no step of a commit."""

    def line(commit: str, **changes: object):
        rows = Data(fingerprint="rows", task_version=1)
        record = make_record(machine=MACHINE, **{"data": rows, "weights": "0a", **changes})
        return history.line([record]).model_copy(update={"commit": commit})

    lines = [line("a"), line("b", **change), line("c", **change)]
    found = history.trend(lines, "quick")
    assert found.blocks[0].rows[0].entries[0].value == 2
    assert "on other rows" in found.notes[-1]
    assert history.trend([*lines, line("d")], "quick").blocks[0].rows[0].entries[0].value == 2


def test_a_trend_never_mixes_numbers_of_seeds():
    """The mean over two seeds more is another number of the same code."""

    def line(commit: str, seeds: int):
        records = [
            make_record(seed=seed, accuracy=0.8 - 0.01 * seed, machine=MACHINE) for seed in range(seeds)
        ]
        return history.line(records).model_copy(update={"commit": commit})

    entries = history.trend([line("a", 3), line("b", 5), line("c", 5)], "quick").blocks[0].rows[0].entries
    assert (entries[0].value, entries[2].value) == (2, "▁▁")


def test_a_run_in_which_all_seeds_failed_ends_no_trend():
    def line(commit: str, status: str = "done"):
        records = [make_record(seed=seed, status=status, machine=MACHINE) for seed in range(3)]
        made = history.line([*records, make_record(strategy="frozen", machine=MACHINE)])
        return made.model_copy(update={"commit": commit})

    found = history.trend([line("a"), line("b"), line("c", "oom")], "quick", strategy="full")
    assert found.blocks[0].rows[0].entries[2].value == "▁▁"


def test_lines_that_do_not_say_what_they_ran_on_stay():
    known = history.line(run_at("new", 0.8))
    earlier = known.model_copy(
        update={
            "commit": "old",
            "cells": {name: cell.model_copy(update={"terms": ""}) for name, cell in known.cells.items()},
        }
    )
    assert history.trend([earlier, known], "quick").blocks[0].rows[0].entries[0].value == 2


def test_lines_without_recipes_are_read_and_not_mixed_with_others(tmp_path):
    path = tmp_path / "history.jsonl"
    history.append(run_at("new", 0.8), path)
    cells = {"reviews/full/minilm": {"score": 0.7, "seconds": 9.0, "seeds": 3}}
    old = {"history_version": 1, "suite": "quick", "date": "2025-01-01", "cells": cells}
    path.write_text(json.dumps(old) + "\n" + path.read_text())
    assert history.trend(history.read(path), "quick").blocks[0].rows[0].entries[0].value == 1


def test_a_trend_of_nothing_is_an_error():
    with pytest.raises(BenchError, match=r"no run of suite 'other' \(suites: quick\)") as error:
        history.trend([history.line(run_at("one", 0.8))], "other")
    assert error.value.code == "no-history"


def test_what_could_be_asked_for_is_listed_where_nothing_matches():
    words = r"no cell of suite 'quick' matches \(tasks: reviews; strategies: full\)"
    with pytest.raises(BenchError, match=words) as error:
        history.trend([history.line(run_at("one", 0.8))], "quick", task="other")
    assert error.value.code == "no-history"


def test_a_trend_in_latex_has_bars_that_any_engine_sets():
    trend = history.trend([history.line(run_at(f"c{n}", 0.8 + 0.01 * n)) for n in range(3)], "quick")
    text = render(trend, "latex")
    assert r"\rule{.4em}{0.125em}" in text
    assert text.isascii()


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "history.jsonl").write_bytes(b"\xff")
    with pytest.raises(BenchError) as error:
        history.read(tmp_path / "history.jsonl")
    assert error.value.code == "cannot-read"


def test_a_folder_is_no_history(tmp_path):
    (tmp_path / "history.jsonl").mkdir()
    with pytest.raises(BenchError) as error:
        history.read(tmp_path / "history.jsonl")
    assert error.value.code == "no-history"
