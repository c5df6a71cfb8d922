"""Baselines: small, exact, migrated or refused with one clear line."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tracemalloc
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.regression import baseline, history, packing
from bench.analysis.regression.compare import compare
from bench.analysis.statistics.metrics import ratios
from bench.analysis.tables.build import build
from bench.contracts import BenchError
from bench.runs.record import Point, Record

FIXTURE = Path(__file__).parents[2] / "golden" / "baseline-version-1.jsonl"


def test_what_is_written_scores_the_same_when_read(predicted):
    read = baseline.load(baseline.dump(predicted), "here")
    for record in read.records:
        rows = read.predictions(record.cell.id)
        for metric in record.metrics:
            assert ratios(metric, rows).score() == pytest.approx(
                record.scores["test"][metric.name], abs=1e-12
            )


def test_parts_of_a_run_are_the_baseline_of_the_whole(predicted):
    """Also where one of them is a baseline itself."""
    tasks = list(dict.fromkeys(record.cell.task for record in predicted.records))
    assert len(tasks) > 1
    first, *others = (
        replace(predicted, records=[record for record in predicted.records if record.cell.task == task])
        for task in tasks
    )
    earlier = baseline.load(baseline.dump(first), "here")
    assert baseline.dump(earlier, *others) == baseline.dump(predicted)


def test_of_a_cell_in_two_parts_the_later_record_is_kept_unless_it_did_not_finish(predicted):
    one, two, *_ = predicted.records
    slower = one.model_copy(update={"seconds": one.seconds.model_copy(update={"cold": 99.0})})
    failed = two.model_copy(update={"status": "failed", "reason": "no disk"})
    later = replace(predicted, records=[slower, failed])
    found = {record.cell.id: record for record in baseline.load(baseline.dump(predicted, later), "x").records}
    assert found == {record.cell.id: record for record in predicted.records} | {one.cell.id: slower}
    found = {record.cell.id: record for record in baseline.load(baseline.dump(later, predicted), "x").records}
    assert found[two.cell.id] == two


def test_parts_with_other_recipes_are_refused(predicted):
    one, *_ = predicted.records
    longer = replace(one.cell, seed=9, recipe=replace(one.cell.recipe, epochs=9))
    other = replace(predicted, name="there", records=[one.model_copy(update={"cell": longer})])
    with pytest.raises(BenchError, match=f"{one.cell.task} has other recipe .* in there than in") as refused:
        baseline.dump(predicted, other)
    assert refused.value.code == "contradiction"


def test_cells_of_two_suites_are_no_baseline_and_no_line_of_a_history(predicted):
    """As two suites leave them that ran in one folder."""
    last = predicted.records[-1]
    other = last.model_copy(update={"cell": replace(last.cell, suite="smoke")})
    mixed = replace(predicted, records=[*predicted.records[:-1], other])
    for make in (lambda: baseline.dump(mixed), lambda: history.line(mixed.records)):
        with pytest.raises(BenchError, match=r"several suites \(quick, smoke\)") as error:
            make()
        assert error.value.code == "other-suite"


def test_a_run_is_unchanged_against_its_own_baseline(predicted):
    found = compare(baseline.load(baseline.dump(predicted), "here"), predicted)
    assert (found.exit_code, found.count("identical")) == (0, 6)


def test_records_are_kept_whole(predicted):
    read = baseline.load(baseline.dump(predicted), "here")
    assert {record.cell.id: record for record in read.records} == {
        record.cell.id: record for record in predicted.records
    }


def losing(*losses: float) -> tuple[Point, ...]:
    """A curve of these validation losses, one an epoch."""
    return tuple(
        Point(step=n, epoch=n, seconds=n, phase=1, train_loss=1, loss=loss, score=0.5)
        for n, loss in enumerate(losses, 1)
    )


def not_converged(records: Sequence[Record]) -> list[str]:
    return [note for note in build(records).notes if "converge" in note.lower()]


def test_the_table_of_a_baseline_names_what_had_not_converged(predicted):
    def edited(record: Record) -> Record:
        falls = record.cell.strategy == "full" or record.cell.id == "news/frozen/minilm/seed1"
        losses = (0.9, 0.7, 0.5) if falls else (0.9, 0.4, 0.5)
        return record.model_copy(update={"curve": losing(*losses)})

    run = replace(predicted, records=[edited(record) for record in predicted.records])
    notes = not_converged(run.records)
    assert not_converged(baseline.load(baseline.dump(run), "here").records) == notes
    assert "7 of 18" in notes[0]
    assert "full 6 of 6" in notes[0]


def test_the_table_of_a_baseline_without_curves_does_not_know_convergence():
    """As baselines of earlier versions are."""
    read = baseline.read(FIXTURE)
    assert not_converged(read.records) == ["Convergence is not known: no record has a learning curve."]


def test_a_record_takes_less_than_three_kilobytes(predicted):
    assert max(map(len, baseline.dump(predicted).splitlines())) < 3000


def test_lines_are_sorted_by_cell(predicted):
    ids = [record.cell.id for record in baseline.load(baseline.dump(predicted), "here").records]
    assert ids == sorted(ids)


def test_failed_cells_are_kept_without_examples(grid):
    failed = [record for record in grid if record.status != "done"]
    text = baseline.dump(baseline.Run("x", failed, {}.__getitem__))
    read = baseline.load(text, "here")
    assert read.records[0].reason == "out of memory at batch 32"
    with pytest.raises(KeyError):
        read.predictions(failed[0].cell.id)


@pytest.mark.parametrize("values", [[0, 1, 1], [0, 255, 256], [0.5, 0.25, 1], [-1, 2, 3]])
def test_numbers_survive(values):
    packed = packing._packed(np.array(values, dtype=float))
    assert packing._unpacked(packed, 3).tolist() == values


def test_a_baseline_of_version_1_is_read_forever():
    read = baseline.read(FIXTURE)
    assert [record.cell.id for record in read.records] == ["news/full/minilm/seed0", "news/full/minilm/seed1"]
    rows = read.predictions("news/full/minilm/seed0")
    assert rows["correct"].tolist() == [1, 0, 1, 1]
    assert rows["reference"].tolist() == ["pos", "neg", "neg", "pos"]


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda line: line[: len(line) // 2], "damaged-baseline"),
        (lambda _: "[]", "damaged-baseline"),
        (
            lambda line: line.replace('"baseline_version":1', '"baseline_version":99'),
            "newer-baseline",
        ),
        (
            lambda line: line.replace('"baseline_version":1', '"baseline_version":0'),
            "older-baseline",
        ),
        (lambda line: line.replace('"baseline_version":1', '"baseline_version":"1"'), "damaged-baseline"),
        (lambda line: json.dumps({**json.loads(line), "examples": []}), "damaged-baseline"),
    ],
    ids=["cut", "other", "newer", "older", "version", "examples"],
)
def test_a_line_that_cannot_be_read_is_refused_by_name(predicted, edit, code):
    lines = baseline.dump(predicted).splitlines()
    lines[1] = edit(lines[1])
    with pytest.raises(BenchError, match="line 2") as error:
        baseline.load("\n".join(lines), "old.jsonl")
    assert error.value.code == code
    assert str(error.value).startswith("old.jsonl")
    assert "\n" not in str(error.value)


def test_a_record_that_is_not_valid_is_refused_by_its_line(predicted):
    lines = baseline.dump(predicted).splitlines()
    lines[1] = lines[1].replace('"status":"done"', '"status":"odd"')
    with pytest.raises(BenchError, match=r"^old\.jsonl, line 2"):
        baseline.load("\n".join(lines), "old.jsonl")


def test_older_lines_are_migrated(predicted, monkeypatch):
    def from_zero(value: dict) -> dict:
        return {**value, "baseline_version": 1, "examples": value["rows"]}

    monkeypatch.setitem(baseline.MIGRATIONS, 0, from_zero)
    value = json.loads(baseline.dump(predicted).splitlines()[0])
    value["baseline_version"], value["rows"] = 0, value["examples"]
    assert len(baseline.load(json.dumps(value), "old").records) == 1


def test_damaged_examples_are_refused_by_cell(predicted):
    value = json.loads(baseline.dump(predicted).splitlines()[0])
    value["examples"]["test"]["columns"]["correct"]["data"] = "AAAA"
    read = baseline.load(json.dumps(value), "old.jsonl")
    with pytest.raises(BenchError) as error:
        read.predictions("news/frozen/minilm/seed0")
    assert error.value.code == "damaged-baseline"
    assert "cell news/frozen/minilm/seed0" in str(error.value)


def test_an_empty_or_absent_baseline_says_how_to_make_one(tmp_path):
    with pytest.raises(BenchError) as error:
        baseline.load("", "here")
    assert error.value.code == "empty-baseline"
    with pytest.raises(BenchError) as error:
        baseline.read(tmp_path / "none.jsonl")
    assert error.value.code == "no-baseline"


@pytest.mark.parametrize("write", [lambda path: path.write_bytes(b"\xff"), lambda path: path.mkdir()])
def test_a_file_that_is_no_text_is_refused(tmp_path, write):
    write(tmp_path / "old.jsonl")
    with pytest.raises(BenchError, match=r"old\.jsonl"):
        baseline.read(tmp_path / "old.jsonl")


def test_a_revision_without_git_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchError, match="git, which could have a baseline of that name, is not installed"):
        baseline.read_revision("main", "quick")


def test_a_baseline_is_read_from_a_git_revision(predicted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("results/baselines/quick.jsonl")
    path.parent.mkdir(parents=True)
    text = baseline.dump(predicted)
    path.write_text(text)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "baseline"]):
        subprocess.run(["git", *command], check=True)
    path.unlink()
    assert len(baseline.read_revision("HEAD", "quick").records) == 18
    monkeypatch.setattr(baseline, "LARGEST", len(text))
    assert len(baseline.read_revision("HEAD", "quick").records) == 18
    monkeypatch.setattr(baseline, "LARGEST", len(text) - 1)
    with pytest.raises(BenchError) as error:
        baseline.read_revision("HEAD", "quick")
    assert error.value.code == "too-large-baseline"
    with pytest.raises(BenchError, match="git has no"):
        baseline.read_revision("nowhere", "quick")


# --------------------------------------------------------------------------------------------------
# From a stranger


def bomb(examples: int, unpacked: int) -> dict:
    data = base64.b64encode(zlib.compress(b"\0" * unpacked, 9)).decode()
    return {"examples": examples, "ids": "x", "columns": {"correct": {"type": "|u1", "data": data}}}


@pytest.mark.parametrize(
    "content",
    [
        bomb(10, 200_000_000),
        bomb(10**13, 10),
        bomb(-1, 10),
        {**bomb(10, 10), "examples": 1e13},
        {**bomb(10, 10), "examples": True},
        {**bomb(10, 10), "examples": float("inf")},
        {**bomb(10, 10), "columns": {"correct": {"type": "|O", "data": "AAAA"}}},
        {**bomb(10, 10), "columns": {"correct": {"type": "<f8,(100000000,)", "data": "AAAA"}}},
        {**bomb(10, 10), "columns": [1]},
        [1],
    ],
    ids=["zlib", "many", "negative", "float", "true", "infinite", "objects", "shape", "list", "no-table"],
)
def test_what_would_unpack_to_gigabytes_is_refused_before_it_is_unpacked(predicted, content):
    value = json.loads(baseline.dump(predicted).splitlines()[0])
    value["examples"]["test"] = content
    read = baseline.load(json.dumps(value), "old.jsonl")
    tracemalloc.start()
    with pytest.raises(BenchError) as error:
        read.predictions("news/frozen/minilm/seed0")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.value.code == "damaged-baseline"
    assert peak < 20_000_000


def test_many_columns_do_not_add_up_to_gigabytes(predicted):
    value = json.loads(baseline.dump(predicted).splitlines()[0])
    large = bomb(5_000_000, 5_000_000)
    large["columns"] = {f"c{number}": large["columns"]["correct"] for number in range(60)}
    value["examples"]["test"] = large
    with pytest.raises(BenchError) as error:
        baseline.load(json.dumps(value), "old.jsonl").predictions("news/frozen/minilm/seed0")
    assert error.value.code == "damaged-baseline"


def test_a_file_that_never_ends_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(baseline, "LARGEST", 1000)
    (tmp_path / "old.jsonl").write_text("x" * 1001)
    with pytest.raises(BenchError) as error:
        baseline.read(tmp_path / "old.jsonl")
    assert error.value.code == "too-large-baseline"


def test_a_baseline_that_is_a_fifo_is_refused(tmp_path):
    os.mkfifo(tmp_path / "old.jsonl")
    with pytest.raises(BenchError) as error:
        baseline.read(tmp_path / "old.jsonl")
    assert error.value.code == "no-baseline"


@pytest.mark.parametrize(
    "revision", ["--output=stolen", "-p", "HEAD:README.md", "a b", "", "x\ny", "x" * 500]
)
def test_nothing_that_is_no_revision_reaches_git(revision, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BenchError) as error:
        baseline.read_revision(revision, "quick")
    assert error.value.code == "no-revision"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("suite", ["../quick", "/etc/quick", "", "--output=x"])
def test_a_suite_of_another_name_is_no_path(suite):
    with pytest.raises(BenchError) as error:
        baseline.read_revision("HEAD", suite)
    assert error.value.code == "unsafe-name"


@pytest.mark.parametrize("suite", ["../quick", "/etc/quick", ""])
def test_a_record_of_a_baseline_whose_suite_is_a_path_is_refused(predicted, suite):
    value = json.loads(baseline.dump(predicted).splitlines()[0])
    value["record"]["cell"]["suite"] = suite
    with pytest.raises(BenchError) as error:
        baseline.load(json.dumps(value), "old.jsonl")
    assert error.value.code == "unsafe-name"


def test_the_committed_baseline_is_read():
    read = baseline.read(Path(__file__).parents[3] / "results" / "baselines" / "quick.jsonl")
    assert {record.cell.suite for record in read.records} == {"quick"}
    for record in read.records:
        assert len(read.predictions(record.cell.id)["id"]) > 0


def test_a_cell_that_is_there_twice_is_refused_by_its_line(predicted):
    """As a merge in version control may leave it: each seed would count twice."""
    first, *others = baseline.dump(predicted).splitlines()
    with pytest.raises(BenchError, match=f"here, line {len(others) + 2} is a second record of ") as error:
        baseline.load("\n".join([first, *others, first]), "here")
    assert error.value.code == "duplicate-record"
