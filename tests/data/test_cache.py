"""The cache folder: made where it is missing, locked while something is built, errors in one line."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from bench.contracts import BenchError
from bench.data.cache import cache_errors, locked, work_folder


def test_a_lock_is_held_in_its_block_and_free_after_it(tmp_path: Path) -> None:
    cache = tmp_path / "new" / "cache"
    other = FileLock(cache / "locks" / "rows.lock", timeout=0)
    with locked(cache, "rows"):
        with pytest.raises(Timeout):
            other.acquire()
        with locked(cache, "members"):
            pass
    with other:
        assert other.is_locked


def test_a_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path, "rows"):
        raise KeyError
    with FileLock(tmp_path / "locks" / "rows.lock", timeout=0):
        pass


def test_a_work_folder_is_made_below_a_cache_that_is_not_there(tmp_path: Path) -> None:
    with work_folder(tmp_path / "new" / "cache") as folder:
        assert folder.parent == tmp_path / "new" / "cache" / "work"
        (folder / "file").write_text("")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), os.strerror(errno.ENOSPC)), (OSError(), "OSError")],
    ids=["with a reason", "without one"],
)
def test_an_error_of_the_disk_names_the_cache_and_its_reason(
    error: OSError, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError) as found, cache_errors(tmp_path):
        raise error
    assert found.value.code == "cannot-use-cache"
    assert f"{tmp_path} ({reason}):" in str(found.value)
