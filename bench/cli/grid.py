"""The grid of a run on a terminal: strategies by tasks, what each cell is at, and how far the whole is.

Pure rendering: it draws what it is given, in the size that the terminal has at that moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from bench.contracts import Cell
from bench.runs.curve import Point
from bench.runs.record import Record
from bench.text import counted, duration, printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

NARROWEST, WIDEST = 9, 15  # characters of a task's column
LABELS = 28  # characters at most of a strategy and its backbone
BAR = 24
BELOW = 4  # lines of the screen that the grid leaves for what stands below it


@dataclass(frozen=True)
class Running:
    """A cell in flight: for how long, what it is estimated to take (None: unknown), its latest point."""

    cell: Cell
    elapsed: float
    estimate: float | None = None
    point: Point | None = None

    @property
    def text(self) -> str:
        parts = [self.cell.id]
        if self.point:
            recipe = self.cell.recipe
            solved = is_solved(self.point)
            parts.append(
                f"{counted(self.point.step, 'iteration')} of L-BFGS"
                if solved
                else f"epoch {self.point.epoch:.1f} of {recipe.epochs:g}"
            )
            parts.append(f"loss {self.point.loss:.3f}")
            parts.append(f"validation {self.point.score:.3f}")
            if self.point.seconds and not solved:
                seen = self.point.step * recipe.batch_size
                parts.append(f"{seen / self.point.seconds:,.0f} examples/s")
        of = f" of about {duration(self.estimate)}" if self.estimate and self.estimate > self.elapsed else ""
        return ", ".join([*parts, f"{duration(self.elapsed)}{of}"])


@dataclass(frozen=True)
class ProgressGrid:
    """What is drawn. cells: of the whole request. records: by cell id. waiting_for: what is said to be under way.
    left: seconds, None where unknown."""

    cells: Sequence[Cell]
    records: Mapping[str, Record]
    running: Sequence[Running] = ()
    waiting_for: str = ""
    elapsed: float = 0.0
    left: float | None = None
    groups: Mapping[tuple[str, str, str], Sequence[Cell]] = field(init=False)

    def __post_init__(self) -> None:
        groups: dict[tuple[str, str, str], list[Cell]] = {}
        for cell in self.cells:
            groups.setdefault((cell.task, cell.strategy, cell.backbone), []).append(cell)
        object.__setattr__(self, "groups", groups)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        height = (options.height or console.size.height) - BELOW - len(self.running)
        yield from self._grid(width, height, plain=options.ascii_only)
        for running in self.running:
            yield _line(("> " if options.ascii_only else "▸ ") + running.text, width)
        if self.waiting_for:
            yield _line(self.waiting_for, width, "dim")
        yield _line(self._bar(options.ascii_only), width)

    def _grid(self, width: int, height: int, plain: bool) -> Iterator[Text]:
        """The rows and columns that fit, around the cell in flight; a note of those that do not."""
        from rich.text import Text

        tasks = list(dict.fromkeys(cell.task for cell in self.cells))
        rows = list(dict.fromkeys((cell.strategy, cell.backbone) for cell in self.cells))
        now = self.running[0].cell if self.running else None
        labels = [printable(f"{strategy} {backbone.rsplit('/', 1)[-1]}") for strategy, backbone in rows]
        label = min(LABELS, max(map(len, labels)))
        column = max(NARROWEST, min(WIDEST, max(map(len, tasks))))
        shown = _around(len(tasks), (width - label) // (column + 2), tasks.index(now.task) if now else 0)
        lines = _around(len(rows), height - 2, rows.index((now.strategy, now.backbone)) if now else 0)
        if not shown or not lines:
            return
        head = Text(" " * label, style="bold", no_wrap=True)
        for place in shown:
            head.append("  " + _cut(printable(tasks[place]), column, plain).rjust(column))
        yield head
        for place in lines:
            line = Text(_cut(labels[place], label, plain).ljust(label), no_wrap=True)
            for task in shown:
                text, style = self._entry((tasks[task], *rows[place]), plain)
                line.append("  ")
                line.append(text.rjust(column), style=style)
            yield line
        hidden = [
            counted(count, f"more {name}")
            for count, name in ((len(tasks) - len(shown), "task"), (len(rows) - len(lines), "row"))
            if count
        ]
        if hidden:
            yield Text(f"({', '.join(hidden)})", style="dim", no_wrap=True)

    def _entry(self, key: tuple[str, str, str], plain: bool) -> tuple[str, str]:
        """What a group is at, and its style: its mean score in percent, and how many of its seeds are done."""
        cells = self.groups.get(key, ())
        if not cells:
            return "", ""
        records = [record for cell in cells if (record := self.records.get(cell.id))]
        done = [record for record in records if record.status == "done"]
        bad = next((record.status for record in records if record.status != "done"), "")
        score = f"{100 * fmean(r.scores['test'][r.headline] for r in done):.1f}" if done else ""
        count = f"{len(records)}/{len(cells)}" if len(cells) > 1 and len(records) < len(cells) else ""
        running = [running for running in self.running if _key(running.cell) == key]
        if running:
            point = running[0].point
            timed = point if point and not is_solved(point) else None
            share = f"{min(1.0, timed.epoch / running[0].cell.recipe.epochs):.0%}" if timed else ""
            mark = ">" if plain else "▸"
            return " ".join(filter(None, [score, count, f"{mark}{share}"])), "bold cyan"
        if bad:
            return " ".join(filter(None, [score, bad])), "dim" if bad == "skipped" else "red"
        if not records:
            return "." if plain else "·", "dim"
        return " ".join([score, count]).strip(), "" if count else "green"

    def _bar(self, plain: bool) -> str:
        total, done = len(self.cells), len(self.records)
        filled = BAR * done // total if total else BAR
        on, off = ("#", "-") if plain else ("━", "─")
        parts = [f"{done} of {counted(total, 'cell')}", f"{duration(self.elapsed)} elapsed"]
        if self.left is not None and done < total:
            parts.append(f"about {duration(self.left)} left")
        return f"{on * filled}{off * (BAR - filled)} {', '.join(parts)}"


def is_solved(point: Point) -> bool:
    """Whether L-BFGS solves for a head: it passes over the training split more often than it takes a step, while a
    step of training is one pass at most. Its iterations are no epochs of the recipe."""
    return point.epoch > point.step


def _key(cell: Cell) -> tuple[str, str, str]:
    return cell.task, cell.strategy, cell.backbone


def _around(count: int, room: int, place: int) -> range:
    """The window of `room` numbers out of `count` that has `place` in its middle, as far as possible."""
    room = max(0, min(count, room))
    start = max(0, min(place - room // 2, count - room))
    return range(start, start + room)


def _cut(text: str, width: int, plain: bool) -> str:
    if len(text) <= width:
        return text
    return text[: width - 1] + ("~" if plain else "…")


def _line(text: str, width: int, style: str = "") -> Text:
    """One line, cut at the edge of the screen."""
    from rich.text import Text

    line = Text(printable(text), style=style, no_wrap=True, overflow="crop", end="\n")
    line.truncate(max(1, width - 1))
    return line
