"""Disks that are full or read-only, and files that rot."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.contracts import BenchError
from bench.runs.folder import Store
from bench.runs.integrity import verify
from tests.support.made_runs import MOMENTS, ToySuite, finish_warm, results


def mounted(folder: Path, options: str) -> None:
    """A tmpfs at `folder`; skips the test where this user may not mount."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no mount: {error}")
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 512 KiB."""
    folder = tmp_path / "disk"
    mounted(folder, "size=512k")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_is_one_line_and_what_was_written_stays(small_disk: Path) -> None:
    """The store on a real full disk, without a training run."""
    from tests.runs.test_folder import TESTS, record

    store = Store(small_disk / "run")
    store.begin("s", [record(0).cell.id])
    store.save(record(0), TESTS)

    def fill() -> None:
        for seed in range(1, 10_000):
            store.save(record(seed, reason="x" * 4000), TESTS)

    with pytest.raises(BenchError, match="No space left on device") as error:
        fill()
    assert error.value.code == "cannot-write"
    kept = store.records()
    assert len(kept) > 1
    assert verify(store).damaged == {}


@pytest.mark.skipif(not MOMENTS, reason="part of `make faults`")
def test_a_run_on_a_full_disk_stops_with_2_and_goes_on_when_there_is_room(
    grid: ToySuite, undisturbed: dict[str, object], small_disk: Path
) -> None:
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, filler.stat().st_size - 60_000)  # room for some cells, not for all
    run = small_disk / "run"
    done = grid.finish_warm(run)
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("transferbench: ")
    assert "No space left on device" in last
    assert "Traceback" not in done.stderr
    kept = results(run)
    assert kept == {cell: undisturbed[cell] for cell in kept}
    filler.unlink()
    assert grid.finish_warm(run).returncode == 0
    assert results(run) == undisturbed


def test_a_read_only_folder_is_one_line(grid: ToySuite, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    mounted(folder, "ro,size=64k")
    try:
        done = grid.finish_warm(folder / "run")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
    assert done.returncode == 2
    assert "Read-only file system" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not MOMENTS, reason="part of `make faults`")
def test_a_folder_that_rots_is_found_mended_and_run_again(
    grid: ToySuite, undisturbed: dict[str, object], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert grid.finish_warm(run).returncode == 0
    records = sorted((run / "records").rglob("*.json"))
    predictions = sorted((run / "predictions").rglob("*.parquet"))
    records[0].write_bytes(records[0].read_bytes()[:-7])
    predictions[3].write_bytes(b"rot" + predictions[3].read_bytes()[3:])
    table = finish_warm(["table", str(run)])
    assert table.returncode == 2
    assert str(records[0]) in table.stderr
    assert "status RUN --check --repair" in table.stderr
    assert finish_warm(["status", "--check", str(run)]).returncode == 1
    assert finish_warm(["status", "--check", str(run), "--repair"]).returncode == 0
    assert finish_warm(["status", "--check", str(run)]).returncode == 0
    again = grid.finish_warm(run)
    assert again.returncode == 0
    assert "2 cells to run; 10 finished before" in again.stderr
    assert results(run) == undisturbed


def test_debug_shows_the_traceback_and_without_it_there_is_one_line() -> None:
    plain, debug = (finish_warm(["table", "nowhere", *more]) for more in ([], ["--debug"]))
    assert (plain.returncode, debug.returncode) == (2, 2)
    assert len(plain.stderr.splitlines()) == 1
    assert "Traceback" in debug.stderr
