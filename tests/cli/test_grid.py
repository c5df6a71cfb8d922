"""What a terminal shows while a run goes on, in every size, and what a pipe shows."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pexpect
import pyte
import pytest
from rich.console import Console

from bench.cli import display
from bench.cli.display import Display
from bench.cli.grid import ProgressGrid, Running
from bench.contracts import Cell, Recipe
from bench.runs import load
from bench.runs.curve import Point
from bench.runs.record import Record, Seconds
from tests.support.made_runs import ROOT, ToySuite

ORIGINAL_LOAD = display.load_per_core
POINT = Point(step=10, epoch=1.5, seconds=2.0, phase=1, train_loss=0.6, loss=0.5, score=0.8)


def cell(name: str, recipe: Recipe | None = None) -> Cell:
    """The cell called `task/strategy/backbone/seed`."""
    task, strategy, backbone, seed = name.split("/")
    return Cell("s", task, strategy, backbone, int(seed), recipe or Recipe())


def done(of: Cell, score: float = 0.8) -> Record:
    scores = {"test": {"accuracy": score}}
    seconds = Seconds(train=1.0, cold=2.0)
    return Record(cell=of, fingerprint="", status="done", scores=scores, headline="accuracy", seconds=seconds)


def failed(of: Cell) -> Record:
    return Record(cell=of, fingerprint="", status="oom", reason="no memory [bold]\x1b[31m\r\nat all")


def drawn(grid: ProgressGrid, width: int = 80, height: int = 24, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=width, height=height, force_terminal=True, no_color=True).print(grid)
    file.flush()
    plain = pyte.Screen(width, height)
    pyte.Stream(plain).feed(raw.getvalue().decode(encoding).replace("\n", "\r\n"))
    return [line.rstrip() for line in plain.display if line.strip()]


CELLS = [
    cell(f"{task}/{s}/x/{seed}") for task in ("films", "news") for s in ("full", "frozen") for seed in (0, 1)
]
RECORDS = {c.id: done(c) for c in CELLS[:3]} | {CELLS[6].id: failed(CELLS[6])}


def test_the_grid_fills() -> None:
    running = Running(CELLS[3], elapsed=3.0, estimate=60.0, point=POINT)
    lines = drawn(ProgressGrid(CELLS, RECORDS, [running], elapsed=70.0, left=125.0))
    assert lines[0].split() == ["films", "news"]
    assert lines[1].split() == ["full", "x", "80.0", "·"]
    assert lines[2].split() == ["frozen", "x", "80.0", "1/2", "▸50%", "oom"]
    assert (
        lines[3]
        == ("▸ films/frozen/x/seed1, epoch 1.5 of 3, loss 0.500, validation 0.800, 160 examples/s"[:79])
    )
    assert lines[4].endswith("4 of 8 cells, 70 s elapsed, about 2 min left")


def test_a_head_that_is_solved_for_counts_iterations() -> None:
    """L-BFGS passes over the training split at each of its iterations; that is no share of the recipe's epochs."""
    point = replace(POINT, step=280, epoch=321.0)
    running = Running(CELLS[3], elapsed=3.0, point=point)
    assert running.text == "films/frozen/x/seed1, 280 iterations of L-BFGS, loss 0.500, validation 0.800, 3 s"
    lines = drawn(ProgressGrid(CELLS, RECORDS, [running]))
    assert lines[2].split() == ["frozen", "x", "80.0", "1/2", "▸", "oom"]


def test_a_step_for_each_epoch_is_no_iteration() -> None:
    running = Running(CELLS[3], elapsed=3.0, point=replace(POINT, step=2, epoch=2.0))
    assert "epoch 2.0 of 3" in running.text


def test_a_running_cell_says_how_long_it_has_taken_of_how_much() -> None:
    assert Running(CELLS[3], 3.0, 60.0).text == "films/frozen/x/seed1, 3 s of about 60 s"
    assert Running(CELLS[3], 61.0, 60.0).text == "films/frozen/x/seed1, 61 s"


@pytest.mark.parametrize("width", [8, 20, 40, 80, 200])
@pytest.mark.parametrize("height", [5, 8, 12, 24])
def test_it_never_exceeds_the_screen(width: int, height: int) -> None:
    many = [cell(f"task-{t}/strategy-{s}/{'b' * 50}/0") for t in range(9) for s in range(20)]
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True)
    lines = console.render_lines(ProgressGrid(many, {}, [Running(many[100], 1.0)]), pad=False)
    assert len(lines) <= height
    assert all(sum(part.cell_length for part in line) <= width for line in lines)


def test_what_does_not_fit_is_counted_and_the_cell_in_flight_is_in_the_window() -> None:
    many = [cell(f"task-{t}/full/x/0") for t in range(9)]
    lines = drawn(ProgressGrid(many, {}, [Running(many[6], 1.0)]), width=50)
    assert "task-6" in lines[0]
    assert any("more tasks" in line for line in lines)


def test_a_terminal_without_unicode_gets_ascii() -> None:
    text = "\n".join(drawn(ProgressGrid(CELLS, RECORDS, [Running(CELLS[3], 3.0)]), encoding="ascii"))
    assert text.isascii()
    assert "> films/frozen" in text


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests themselves may keep the machine busy. Here nothing counts what others take."""
    monkeypatch.setattr(display, "load_per_core", lambda: 0.2)
    monkeypatch.setattr(load, "with_children", lambda: load.Moment(clock=0.0, load=0.2, busy=None, own=0.0))


def plain_lines(records: Sequence[Record]) -> list[str]:
    output = io.StringIO()
    screen = Display(Console(file=output, width=1000))
    screen.begin([record.cell for record in records], [])
    for record in records:
        screen.cell_started(record.cell)
        screen.cell_done(record)
    screen.end()
    return output.getvalue().splitlines()


def test_a_pipe_gets_a_line_for_each_cell_without_escapes() -> None:
    lines = plain_lines([done(CELLS[0]), failed(CELLS[6])])
    assert lines[0].startswith("2 cells to run")
    assert lines[1].startswith("films/full/x/seed0: accuracy 0.800, 2.0 s cold")
    assert lines[2] == "news/frozen/x/seed0: oom: no memory [bold] [31m at all"


def test_a_busy_machine_is_said_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "load_per_core", lambda: 1.84)
    lines = plain_lines([done(CELLS[0])])
    assert lines[0] == "this machine is busy (load 1.8 a core): the run takes longer than on an idle one"
    assert lines[1].startswith("1 cell to run")
    assert plain_lines([])[0].startswith("0 cells to run")


def moments(monkeypatch: pytest.MonkeyPatch, *found: load.Moment) -> None:
    """What the clock and the counts of the system say, one look after another."""
    left = iter(found)
    monkeypatch.setattr(load, "with_children", lambda: next(left))


CORES = os.cpu_count() or 1
START = load.Moment(clock=0.0, load=2.0, busy=0.0, own=0.0)
BUSY_BY_OTHERS = load.Moment(clock=10.0, load=2.0, busy=9.0 * CORES, own=4.0 * CORES)
BUSY_BY_ITSELF = load.Moment(clock=10.0, load=2.0, busy=9.0 * CORES, own=8.0 * CORES)


def test_what_other_processes_take_is_said_rather_than_a_load_that_may_be_one_s_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(display, "load_per_core", lambda: 3.0)
    moments(monkeypatch, START, BUSY_BY_OTHERS)
    line = "this machine is busy (other processes take 50% of its cores): the run takes longer than on an idle one"
    assert plain_lines([done(CELLS[0])])[0] == line
    moments(monkeypatch, START, BUSY_BY_ITSELF)
    assert plain_lines([done(CELLS[0])])[0].startswith("1 cell to run")


def test_the_load_of_the_last_minute_is_not_asked_where_the_system_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would hold the program that the user ran just before."""
    monkeypatch.setattr(display, "load_per_core", lambda: 3.0)
    moments(monkeypatch, START, load.Moment(clock=0.9, load=3.0, busy=0.9 * CORES, own=0.9))
    assert plain_lines([done(CELLS[0])])[0].startswith("1 cell to run")


def test_a_run_in_rounds_says_once_that_the_machine_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later rounds would find the load of the first ones."""
    moments(monkeypatch, START, BUSY_BY_OTHERS)
    output = io.StringIO()
    screen = Display(Console(file=output, width=1000))
    for of in CELLS[:3]:
        screen.begin([of], [])
        screen.end()
    assert output.getvalue().count("busy") == 1


def test_the_load_is_that_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (3.0, 1.0, 1.0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert ORIGINAL_LOAD() == 1.5


class Terminal:
    """`python -m bench` on a pseudo-terminal."""

    def __init__(self, arguments: Sequence[str], cache: Path, **environment: str) -> None:
        import sys

        self.screen = pyte.Screen(100, 30)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.seen: set[str] = set()
        surroundings = {
            **os.environ,
            "TRANSFERBENCH_CACHE": str(cache),
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        surroundings.pop("NO_COLOR", None) if "NO_COLOR" not in environment else None
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "bench", *arguments],
            env=surroundings,  # pyright: ignore[reportArgumentType]
            cwd=str(ROOT),
            dimensions=(30, 100),
            timeout=100,
        )

    def run(self, resize: bool = False) -> int | None:
        """To the end; every line that was ever on the screen is in `seen`."""
        while True:
            try:
                part = self.child.read_nonblocking(4096, timeout=100)
            except pexpect.EOF:
                break
            self.raw += part
            self._stream.feed(part)
            self.seen |= {line.rstrip() for line in self.screen.display}
            if resize and any("0 of 2 cells" in line for line in self.seen):
                self.child.setwinsize(12, 60)
                self.screen.resize(12, 60)
                resize = False
        self.child.close()
        return self.child.exitstatus


@pytest.fixture(scope="module")
def suite(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> ToySuite:
    """Two cells, in a file with Windows line endings."""
    path = tmp_path_factory.mktemp("grid") / "grid.toml"
    made = ToySuite.write(path, tiny_encoder, ("frozen", "full"))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    return made


def test_a_real_terminal_shows_the_grid_survives_a_resize_and_ends_with_the_table(
    suite: ToySuite, tmp_path: Path
) -> None:
    terminal = Terminal(suite.arguments(tmp_path / "run"), tmp_path, TERM="xterm-256color")
    assert terminal.run(resize=True) == 0
    assert any("of 2 cells" in line for line in terminal.seen)
    assert any("validation" in line or "loading" in line for line in terminal.seen)
    text = terminal.raw.decode()
    assert "Transfer strategies on suite grid" in text
    assert "next:" in text.splitlines()[-4:][0] or "next:" in text[-600:]
    assert "\x1b[?25h" in text[text.rindex("\x1b[?25l") :], "the cursor stays hidden"


def test_a_dumb_terminal_gets_lines_without_escapes(suite: ToySuite, tmp_path: Path) -> None:
    terminal = Terminal(
        [*suite.arguments(tmp_path / "run"), "--executor", "inline"], tmp_path, TERM="dumb", NO_COLOR="1"
    )
    assert terminal.run() == 0
    assert b"\x1b" not in terminal.raw
    assert b"toy-sentiment/full/" in terminal.raw
