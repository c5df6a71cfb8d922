"""Whose leases count as those of living processes: of this host, and of others that share its file system."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.runs import leases
from bench.runs.folder import Store
from bench.runs.leases import RECENT, Owner, this_process

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(host=..., since=...)`: a lease that nobody holds the lock of."""

    def made(**changed: Any) -> Path:
        path = tmp_path / "claims" / "cell"
        path.parent.mkdir(exist_ok=True)
        owner = {**vars(this_process()), **changed}
        path.write_text(json.dumps({key: value for key, value in owner.items() if value is not None}))
        return path

    return made


def test_a_lease_says_since_when_it_is_held(tmp_path: Path) -> None:
    before = time.time()
    held = Store(tmp_path).lease("cell", "job")
    assert held
    (owner,) = Store(tmp_path).running().values()
    assert before <= owner.since <= time.time()
    assert owner.job == "job"
    assert owner.is_this_process()
    held.release()


def test_owners_are_equal_whenever_their_cells_began() -> None:
    one, two = (Owner("host", 1, 2.0, "job", since) for since in (3.0, 4.0))
    assert one == two
    assert len({one, two}) == 1


def test_a_lease_of_an_earlier_version_is_read(write: Write, tmp_path: Path) -> None:
    write(since=None, job=None)
    (owner,) = Store(tmp_path).running().values()
    assert (owner.since, owner.job) == (0.0, "")


@pytest.mark.parametrize(
    ("age", "lives"), [(0.0, True), (RECENT - 60, True), (RECENT + 60, False), (-RECENT - 60, False)]
)
def test_a_lease_of_a_lost_host_is_believed_for_a_while(
    age: float, lives: bool, write: Write, tmp_path: Path
) -> None:
    """Nobody holds its lock: its node was killed, or the file system shows a lock to its own host alone."""
    write(host="elsewhere", since=time.time() - age)
    assert list(Store(tmp_path).running()) == (["cell"] if lives else [])


@pytest.mark.parametrize("since", [None, math.nan, math.inf])
def test_a_lease_of_another_host_without_a_time_is_not_believed(
    since: float | None, write: Write, tmp_path: Path
) -> None:
    write(host="elsewhere", since=since)
    assert not Store(tmp_path).running()


def test_a_lease_of_another_host_whose_lock_is_held_counts_however_old_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(leases.socket, "gethostname", lambda: "elsewhere")
        patch.setattr(leases.time, "time", lambda: 1e9)
        held = store.lease("cell")
    assert held
    (owner,) = store.running().values()
    assert (owner.host, owner.since) == ("elsewhere", 1e9)
    assert store.lease("cell") is None  # looking at it has not taken it
    held.release()
    assert not store.running()


def test_a_file_system_without_locks_leaves_the_time_to_decide(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(leases.fcntl, "flock", none)
    write(host="elsewhere", since=time.time())
    assert Store(tmp_path).running()
    write(host="elsewhere", since=1e9)
    assert not Store(tmp_path).running()
