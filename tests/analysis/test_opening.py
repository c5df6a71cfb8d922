"""What a command names: a run, a baseline file, or a revision; and whether its checksums were verified."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis import opening
from bench.analysis.opening import UNVERIFIED, noted, open_source
from bench.analysis.tables.model import Table
from bench.contracts import BenchError
from bench.runs.folder import Store
from tests.support.report_runs import Grid, make_run, save_run

TABLE = Table("a table", ("task",), (), (), ("a note",))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return save_run(make_run(Grid(tasks=("reviews",), strategies=("full",), seeds=2)), tmp_path / "run")


@pytest.mark.parametrize(("most", "verified"), [(1, False), (2, True), (3, True)])
def test_the_checksums_of_a_large_run_are_not_verified_and_its_table_says_so(
    most: int, verified: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MANY", most)
    run = open_source(str(store.path))
    assert (len(run.planned), run.verified) == (2, verified)
    sound = replace(run, verified=True)
    expected = ("a note",) if verified else ("a note", UNVERIFIED)
    assert noted(TABLE, run).notes == noted(TABLE, sound, run).notes == expected
    assert noted(TABLE, sound) == TABLE


def refusal(name: str, suite: str) -> str:
    with pytest.raises(BenchError) as error:
        open_source(name, suite)
    return error.value.code


def test_a_name_that_is_no_run_is_a_revision_only_where_a_suite_is_given(tmp_path: Path) -> None:
    assert refusal(str(tmp_path / "none"), "") == "no-run"
    assert refusal("no-such-revision", "quick") in ("no-revision", "no-git")


@pytest.mark.parametrize("suite", ["", "quick"])
def test_a_folder_that_is_no_run_is_no_revision_either(suite: str, tmp_path: Path) -> None:
    assert refusal(str(tmp_path), suite) == "no-run"
