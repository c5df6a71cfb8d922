"""What the fault suite shares: a toy grid, and what an undisturbed run of it gives."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import suite as suites
from bench.cli.display import Display
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.registry import Registry, discover
from tests.support.made_runs import CACHE, NASTY, TOYS, ToySuite, results

STRATEGIES = ("frozen", "top-layers", "gradual", "full", "lp-ft", "bitfit")


@pytest.fixture(scope="session")
def grid(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> ToySuite:
    """Six strategies, two seeds."""
    path = tmp_path_factory.mktemp("grid") / "grid.toml"
    return ToySuite.write(path, tiny_encoder, STRATEGIES, seeds=2)


@pytest.fixture(scope="session")
def undisturbed(grid: ToySuite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, str]]:
    """Scores and prediction digests by cell, of one run in this process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    plugins = discover([TOYS, NASTY])
    cells = suites.cells(suites.load(str(grid.path)), plugins)
    display = Display(Console(file=io.StringIO()))
    options = Options(device="cpu", threads=1, executor="inline")
    launch(cells, Registry(plugins, Sources(cache=CACHE)), folder / "run", options, display)
    return results(folder / "run")
