"""A run folder: whole files, checksums, claims, quarantine."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError, Cell, Recipe
from bench.runs import atomic_files
from bench.runs.folder import Damaged, Store, open_run
from bench.runs.integrity import repair, verify
from bench.runs.record import SCHEMA_VERSION, Record, Seconds

TESTS = {"test": {"id": ["a", "b"], "reference": ["x", "y"], "prediction": ["x", "x"], "correct": [1, 0]}}


def record(seed: int = 0, **changes: Any) -> Record:
    cell = Cell("s", "task", "full", "tiny", seed, Recipe())
    fields = {"fingerprint": "f", "status": "done", "seconds": Seconds(cold=1.5), **changes}
    return Record(cell=cell, **fields)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run of two finished cells."""
    store = Store(tmp_path / "run")
    store.begin("s", [record(seed).cell.id for seed in (1, 0)])
    for seed in (0, 1):
        store.save(record(seed), TESTS)
    return store


def test_records_come_back_in_the_order_of_the_plan(store: Store) -> None:
    assert [r.cell.seed for r in store.records()] == [1, 0]
    assert store.records()[1] == record(0)


def test_predictions_come_back(store: Store) -> None:
    assert store.predictions(record().cell.id)["correct"].to_pylist() == [1, 0]


def test_a_later_call_keeps_the_cells_of_an_earlier_one_in_the_plan(store: Store) -> None:
    store.begin("s", [record(2).cell.id])
    assert store.planned() == [record(seed).cell.id for seed in (1, 0, 2)]


def test_a_folder_without_a_plan_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        open_run(tmp_path)
    assert error.value.code == "no-run"


def flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
def test_one_changed_bit_of_a_record_is_noticed(store: Store, share: float) -> None:
    """Anywhere but in blanks between values, which mean nothing."""
    path = store.record_path(record().cell.id)
    place = int(path.stat().st_size * share)
    while path.read_bytes()[place : place + 1].isspace():
        place += 1
    flipped(path, place)
    with pytest.raises(Damaged) as error:
        store.records()
    assert error.value.code == "damaged"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_one_changed_bit_of_a_prediction_file_is_noticed(store: Store, share: float) -> None:
    path = store.predictions_path(record().cell.id)
    flipped(path, int(path.stat().st_size * share))
    with pytest.raises(Damaged) as error:
        store.predictions(record().cell.id)
    assert error.value.code == "damaged"


def test_a_cut_off_record_is_damaged(store: Store) -> None:
    path = store.record_path(record().cell.id)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(Damaged) as error:
        store.record(record().cell.id)
    assert error.value.code == "damaged"


def test_a_record_at_the_place_of_another_is_damaged(store: Store) -> None:
    os.replace(store.record_path(record(0).cell.id), store.record_path(record(1).cell.id))
    with pytest.raises(Damaged, match="it holds the record of task/full/tiny/seed0") as error:
        store.records()
    assert error.value.code == "damaged"


def test_a_record_of_a_newer_version_is_not_damaged(store: Store) -> None:
    path = store.record_path(record().cell.id)
    path.write_text(
        path.read_text().replace(f'_version": {SCHEMA_VERSION}', f'_version": {SCHEMA_VERSION + 1}')
    )
    with pytest.raises(BenchError) as caught:
        store.records()
    assert caught.value.code == "newer-schema"
    assert not isinstance(caught.value, Damaged)


def test_check_finds_a_sound_folder_sound(store: Store) -> None:
    verdict = verify(store)
    assert (verdict.sound, verdict.damaged, verdict.leftovers) == (2, {}, ())


def test_check_finds_what_is_damaged_and_what_belongs_to_nothing(store: Store) -> None:
    flipped(store.predictions_path(record(0).cell.id), 50)
    store.record_path(record(1).cell.id).unlink()
    verdict = verify(store)
    assert list(verdict.damaged) == [store.predictions_path(record(0).cell.id)]
    assert verdict.leftovers == (store.predictions_path(record(1).cell.id),)


def test_repair_sets_damaged_predictions_aside_with_their_record(store: Store) -> None:
    flipped(store.predictions_path(record(0).cell.id), 50)
    moved = repair(store, verify(store))
    assert [path.relative_to(store.path / "quarantine").parts[0] for path in moved] == [
        "predictions",
        "records",
    ]
    assert [r.cell.seed for r in store.records()] == [1]
    assert verify(store).damaged == {}


def test_a_second_quarantine_keeps_the_first(store: Store) -> None:
    path = store.record_path(record().cell.id)
    first = store.quarantine(path)
    store.save(record(), TESTS)
    assert store.quarantine(path) != first
    assert first.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_write_that_fails_is_one_line_and_what_was_finished_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic_files.os, "fsync", fail)
    with pytest.raises(BenchError, match=os.strerror(number)) as error:
        store.save(record(2), TESTS)
    assert error.value.code == "cannot-write"
    assert len(store.records()) == 2
    assert verify(store).leftovers == ()


def test_a_write_that_is_cut_off_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    atomic_files.write(path, b"old")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic_files.os, "replace", cut)
    with pytest.raises(KeyboardInterrupt):
        atomic_files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


# --------------------------------------------------------------------------------------------------
# Claims


def test_a_claimed_cell_cannot_be_claimed_again_until_it_is_released(store: Store) -> None:
    first = store.lease("a/b")
    assert first is not None
    assert store.lease("a/b") is None
    assert list(store.running()) == ["a/b"]
    first.release()
    assert list(store.running()) == []
    again = store.lease("a/b")
    assert again is not None
    again.release()


def test_a_claim_of_a_killed_process_is_free(store: Store) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from bench.runs.leases import lease\n"
        "held = lease(Path(sys.argv[1])); print('held', flush=True); signal.pause()"
    )
    path = store.path / "claims" / "cell"
    other = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    with other.stdout:
        assert other.stdout.readline() == "held\n"
        assert store.lease("cell") is None
        assert list(store.running()) == ["cell"]
        other.kill()
        other.wait()
    assert list(store.running()) == []
    mine = store.lease("cell")
    assert mine is not None
    mine.release()
