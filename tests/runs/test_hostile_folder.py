"""A run folder from a stranger: links, FIFOs, names that lead elsewhere and impossible values are refused by name,
and nothing outside of the folder is read, written or moved."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError, Cell, Recipe
from bench.runs import atomic_files
from bench.runs.folder import CHECKSUM, Damaged, Store
from bench.runs.integrity import repair, verify
from bench.runs.leases import exclusive
from bench.runs.merge import merge
from bench.runs.plain_files import Irregular
from bench.runs.record import Record, read_record

TESTS = {"test": {"id": ["a", "b"], "reference": ["x", "y"], "prediction": ["x", "x"], "correct": [1, 0]}}
CELL = "task/full/tiny/seed0"


def record(seed: int = 0, **changes: Any) -> Record:
    cell = Cell("s", "task", "full", "tiny", seed, Recipe())
    return Record(
        cell=cell, **{"fingerprint": "f", "status": "done", "scores": {"test": {"f1": 0.5}}, **changes}
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "run")
    store.begin("s", [record(0).cell.id, record(1).cell.id])
    for seed in (0, 1):
        store.save(record(seed), TESTS)
    return store


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    path = tmp_path / "foreign"
    path.write_text("mine")
    return path


def rewritten(store: Store, change: Callable[[dict[str, Any]], None], seal: bool = True) -> Path:
    """The first record, changed; with a checksum that fits where `seal` says so."""
    path = store.record_path(CELL)
    value = json.loads(path.read_text())
    sums = value.pop(CHECKSUM)
    change(value)
    text = json.dumps([value, sums["predictions"]], sort_keys=True, separators=(",", ":"))
    if seal:
        value[CHECKSUM] = {**sums, "record": hashlib.sha256(text.encode()).hexdigest()}
    path.write_text(json.dumps(value))
    return path


# --------------------------------------------------------------------------------------------------
# Links and other things that are no plain file


def linked(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def fifo(path: Path, _: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("replace", [linked, fifo, folder])
@pytest.mark.parametrize("kind", ["records", "predictions"])
def test_a_file_that_is_no_plain_file_is_refused_and_repair_moves_it_alone(
    store: Store, foreign: Path, kind: str, replace: Callable[[Path, Path], None]
) -> None:
    path = store.record_path(CELL) if kind == "records" else store.predictions_path(CELL)
    replace(path, foreign)
    if kind == "records":
        for read in (store.records, store.unverified_records, lambda: store.record(CELL)):
            with pytest.raises(Damaged) as error:
                read()
            assert error.value.path == path
    verdict = verify(store)
    assert list(verdict.damaged) == [path]
    repair(store, verdict)
    assert not os.path.lexists(path)
    assert foreign.read_text() == "mine"
    assert verify(store).damaged == {}


def test_a_record_that_is_a_device_is_refused(store: Store) -> None:
    path = store.record_path(CELL)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(Damaged):
        store.record(CELL)


def test_a_folder_of_the_run_that_is_a_link_is_refused(store: Store, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    os.replace(store.path / "records", elsewhere)
    (store.path / "records").symlink_to(elsewhere)
    before = sorted(path for path in elsewhere.rglob("*"))
    for attempt in (store.records, lambda: store.save(record(2), TESTS), lambda: store.record(CELL)):
        with pytest.raises(Damaged) as error:
            attempt()
        assert error.value.path == store.path / "records"
    repair(store, verify(store))
    assert sorted(path for path in elsewhere.rglob("*")) == before
    assert (store.path / "quarantine" / "records").is_symlink()


def test_the_run_folder_itself_may_be_a_link(store: Store, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(store.path)
    assert len(Store(link).records()) == 2
    Store(link).save(record(2), TESTS)
    assert len(store.records()) == 3


def test_a_plan_that_is_a_link_is_damaged(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    os.replace(store.path / "run.json", target)
    (store.path / "run.json").symlink_to(target)
    with pytest.raises(Damaged):
        store.planned()


def test_a_lease_that_is_a_link_never_writes_to_its_target(store: Store, foreign: Path) -> None:
    linked(store.path / "claims" / CELL, foreign)
    with pytest.raises(Irregular) as error:
        store.lease(CELL)
    assert error.value.code == "irregular-file"
    assert foreign.read_text() == "mine"


def test_a_lock_that_is_a_link_is_refused(store: Store, foreign: Path) -> None:
    linked(store.path / ".lock", foreign)
    with pytest.raises(Irregular):
        store.begin("s", [CELL])
    assert foreign.read_text() == "mine"


@pytest.mark.parametrize("place", ["logs", "logs/workers", f"logs/{CELL}.log", "claims/task/full"])
def test_a_run_does_not_begin_where_a_worker_would_write_through_a_link(
    store: Store, tmp_path: Path, place: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    linked(store.path / place, tmp_path / "elsewhere")
    with pytest.raises(Damaged) as error:
        store.begin("s", [CELL])
    assert error.value.path == store.path / place


def test_merge_does_not_copy_what_a_log_links_to(store: Store, foreign: Path, tmp_path: Path) -> None:
    linked(store.log_path(CELL), foreign)
    into = Store(tmp_path / "into")
    with pytest.raises(Damaged) as error:
        merge([store], into)
    assert error.value.path == store.log_path(CELL)
    assert not any("mine" in path.read_text(errors="replace") for path in into.path.rglob("*.log"))


def test_a_quarantine_that_is_a_link_takes_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (store.path / "quarantine").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Damaged):
        store.quarantine(store.record_path(CELL))
    assert list((tmp_path / "elsewhere").iterdir()) == []


# --------------------------------------------------------------------------------------------------
# Names

ESCAPES = ["/tmp/evil", "../evil", "..", "a/../../evil", "", ".hidden", "a b", "-option", "x" * 300, "a\nb"]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("field", ["suite", "strategy", "task"])
def test_a_name_that_is_none_is_refused_where_a_record_is_read(store: Store, field: str, name: str) -> None:
    path = rewritten(store, lambda value: value["cell"].update({field: name}))
    with pytest.raises(BenchError) as error:
        read_record(_plain(path), "here")
    assert error.value.code == "unsafe-name"
    for read in (store.records, store.unverified_records):
        with pytest.raises(BenchError):
            read()


def _plain(path: Path) -> str:
    value = json.loads(path.read_text())
    del value[CHECKSUM]
    return json.dumps(value)


@pytest.mark.parametrize("backbone", ["..", ".", "/", "a\x00b", "x" * 300])
def test_a_backbone_whose_name_is_no_folder_is_refused(store: Store, backbone: str) -> None:
    path = rewritten(store, lambda value: value["cell"].update({"backbone": backbone}))
    with pytest.raises(BenchError) as error:
        read_record(_plain(path), "here")
    assert error.value.code == "unsafe-name"


@pytest.mark.parametrize("name", ESCAPES)
def test_a_suite_of_run_json_that_is_no_name_is_damaged(store: Store, name: str) -> None:
    (store.path / "run.json").write_text(json.dumps({"suite": name, "cells": []}))
    with pytest.raises(Damaged):
        store.suite()


@pytest.mark.parametrize(
    "cell", ["a/b", "../../../etc/passwd", "a/b/../seed0", "a/b/c/seed", "a/b/c/d/e", 5, None]
)
@pytest.mark.parametrize("key", ["cells", "grid"])
def test_a_cell_of_run_json_that_is_none_is_damaged(store: Store, key: str, cell: Any) -> None:
    (store.path / "run.json").write_text(json.dumps({"suite": "s", "cells": [], key: [cell]}))
    with pytest.raises(Damaged):
        store.grid()


# --------------------------------------------------------------------------------------------------
# Values


def test_a_record_without_its_checksum_is_not_believed(store: Store) -> None:
    rewritten(store, lambda value: value["scores"]["test"].update(f1=0.99), seal=False)
    for read in (store.records, store.unverified_records):
        with pytest.raises(Damaged) as error:
            read()
        assert error.value.reason == "it has no checksum"
    assert verify(store).sound == 1


IMPOSSIBLE = [
    ("seconds", {"cold": -1.0}),
    ("seconds", {"cold": float("nan")}),
    ("seconds", {"train": 1e308}),
    ("scores", {"test": {"f1": float("nan")}}),
    ("scores", {"test": {"f1": 1.5}}),
    ("scores", {"test": {"f1": -0.5}}),
    ("peak_memory", -1),
    ("trainable", 10**30),
    ("flops", 1e308),
    ("utilisation", float("inf")),
    ("schema_version", float("inf")),
    ("schema_version", float("nan")),
    ("curve", [{"step": 1, "epoch": 1, "seconds": -1, "phase": 1, "train_loss": 1, "loss": 1, "score": 1}]),
    (
        "curve",
        [{"step": 1, "epoch": 1, "seconds": 1, "phase": 1, "train_loss": 1, "loss": 1e308, "score": 1}],
    ),
]


@pytest.mark.parametrize(("field", "value"), IMPOSSIBLE)
def test_an_impossible_value_is_refused_when_it_is_read(store: Store, field: str, value: Any) -> None:
    path = rewritten(store, lambda stored: stored.update({field: value}))
    with pytest.raises(BenchError):
        read_record(_plain(path), "here")
    for read in (store.records, store.unverified_records):
        with pytest.raises(BenchError):
            read()


def test_a_lone_surrogate_in_a_reason_is_replaced(store: Store) -> None:
    rewritten(store, lambda value: value.update(status="failed", reason="no \ud800 such"))
    assert store.records()[0].reason == "no ? such"
    store.save(record(2, status="failed", reason="\udfff"))
    assert store.records()[2].reason == "?"


# --------------------------------------------------------------------------------------------------
# Temporary files


def temporary(store: Store, age: float) -> Path:
    path = store.record_path(CELL)
    found = path.with_name(f".{path.name}.abcd1234")
    found.write_text("half")
    os.utime(found, (path.stat().st_mtime - age,) * 2)
    return found


def test_repair_deletes_old_temporary_files_of_writers_that_are_gone(store: Store) -> None:
    old = temporary(store, 2 * atomic_files.ABANDONED)
    verdict = verify(store)
    assert verdict.abandoned == (old,)
    repair(store, verdict)
    assert not old.exists()
    assert verify(store).abandoned == ()


def test_repair_keeps_a_temporary_file_that_is_new_or_whose_writer_is_alive(store: Store) -> None:
    new = temporary(store, 0)
    repair(store, verify(store))
    assert new.exists()
    held = temporary(store, 2 * atomic_files.ABANDONED)
    with exclusive(held):
        repair(store, verify(store))
        assert held.exists()


def test_a_hidden_file_of_somebody_else_is_no_temporary_file(store: Store) -> None:
    other = store.path / "records" / ".DS_Store"
    other.write_text("x")
    os.utime(other, (0, 0))
    repair(store, verify(store))
    assert other.exists()
