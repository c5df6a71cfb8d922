"""`status`: what it says, and with --check its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.runs.folder import Store
from tests.cli.test_tables import write_run

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(bench: Command, tmp_path: Path) -> Command:
    """`python -m bench` beside the run `made`."""
    write_run(tmp_path / "made", seeds=1)
    return bench


@pytest.fixture
def damaged(bench: Command) -> Path:
    """A record of the run with its end cut off."""
    path = Store(Path("made")).record_files()[0]
    path.write_bytes(path.read_bytes()[:-7])
    return path


def test_a_whole_run_is_sound(bench: Command) -> None:
    code, out, err = bench("status", "made", "--check")
    assert (code, err) == (0, "")
    assert "4 cells are sound, 0 files are damaged" in out


def test_a_damaged_file_is_named_and_the_exit_code_is_1(bench: Command, damaged: Path) -> None:
    code, out, _ = bench("status", "made", "--check")
    assert code == 1
    assert str(damaged) in out
    assert out.splitlines()[-1] == "next: python -m bench status made --check --repair"


def test_a_repair_sets_it_aside_and_the_run_is_sound(bench: Command, damaged: Path) -> None:
    code, out, _ = bench("status", "made", "--check", "--repair")
    assert code == 0
    assert "moved to made/quarantine/" in out
    assert not damaged.exists()
    assert bench("status", "made", "--check")[0] == 0


def test_json_has_what_was_found_and_moved(bench: Command, damaged: Path) -> None:
    code, out, _ = bench("status", "made", "--check", "--json")
    found = json.loads(out)
    assert (code, found["sound"], list(found["damaged"]), found["moved"]) == (1, 3, [str(damaged)], [])
    code, out, _ = bench("status", "made", "--check", "--repair", "--json")
    assert code == 0
    assert len(json.loads(out)["moved"]) >= 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["status", "made", "--repair"], "--check"),
        (["status", "absent", "--check"], "absent is not a run folder"),
        (["check", "made"], "python -m bench status --check made"),
        (["check"], "python -m bench status --check RUN"),
    ],
)
def test_a_wrong_request_is_one_line(bench: Command, arguments: list[str], text: str) -> None:
    code, out, err = bench(*arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert text in err
