"""`pytest --device cuda -m gpu` imports no more than the tests that it runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_ignore_collect

TESTS = Path(__file__).parents[1]


def chosen(expression: str) -> Any:
    """A configuration with this expression of marks."""
    return SimpleNamespace(getoption={"markexpr": expression}.get)


def test_files_with_a_test_for_the_gpu_are_read_and_no_others() -> None:
    files = sorted(TESTS.rglob("test_*.py"))
    read = [path.name for path in files if pytest_ignore_collect(path, chosen("gpu")) is None]
    assert {"test_equalities.py", "test_workspace.py", "test_replay.py", "test_clock.py"} <= set(read)
    assert len(read) < len(files) / 5


@pytest.mark.parametrize("expression", ["not ray and not mlflow", "", "ray or mlflow"])
def test_without_it_every_file_is_read(expression: str) -> None:
    files = [*TESTS.rglob("test_*.py"), TESTS / "conftest.py", TESTS / "engine"]
    assert all(pytest_ignore_collect(path, chosen(expression)) is None for path in files)
    assert pytest_ignore_collect(TESTS / "conftest.py", chosen("gpu")) is None
