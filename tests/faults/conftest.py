"""What the fault suite shares: a toy grid, and what an undisturbed run of it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runs import ToySuite, results

STRATEGIES = ("frozen", "top-layers", "gradual", "full", "lp-ft", "bitfit")


@pytest.fixture(scope="session")
def grid(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> ToySuite:
    """Six strategies, two seeds."""
    path = tmp_path_factory.mktemp("grid") / "grid.toml"
    return ToySuite.write(path, tiny_encoder, STRATEGIES, seeds=2)


@pytest.fixture(scope="session")
def undisturbed(grid: ToySuite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, str]]:
    """Scores and prediction digests by cell, of one run in one process."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    done = grid.finish(run, "--executor", "inline")
    assert done.returncode == 0, done.stderr
    return results(run)
