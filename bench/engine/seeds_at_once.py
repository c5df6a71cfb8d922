"""Trains several seeds of a cell on one device at once, in turns of a step.

A small model does not fill a GPU: steps that are queued on streams of their own overlap. The first seed trains
alone, and its seconds are measured. The seconds of seeds that train together would say nothing of a cell alone, so
each of them is charged what the first one took, by the step, and its record says so. Such seconds are no
measurements of their own (bench.analysis.timing).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from bench.contracts import Cell
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext
from bench.engine.lanes import Lane
from bench.engine.memory import is_out_of_memory, most_at_once
from bench.engine.training import Watch
from bench.engine.tuning import Trained, Tuned, tuning
from bench.engine.turns import ANYTHING, Turns, finish
from bench.engine.workspaces import Workspaces
from bench.runs.curve import Point
from bench.runs.record import Record

Training = Callable[[Cell, float, CellGroup, Watch], Turns[Trained]]
"""Trains a cell at one scale of its learning rates."""


@dataclass(frozen=True)
class Cost:
    """What a cell that trained alone took, in seconds.

    step: of a step in each phase. evaluation: of a validation pass. before: of what came before the first phase.
    compile, building: as in its record. finish: of what came after the last validation pass. peak: bytes."""

    cell: Cell
    step: tuple[float, ...]
    evaluation: float
    before: float
    compile: float
    building: float
    finish: float = 0.0
    peak: int = 0

    @classmethod
    def of(cls, cell: Cell, trained: Trained) -> Cost:
        fitted = trained.fitted
        pairs = zip(fitted.phase_seconds, fitted.phase_steps, strict=True)
        return cls(
            cell,
            step=tuple(seconds / max(steps, 1) for seconds, steps in pairs),
            evaluation=(fitted.evaluate_seconds - fitted.finish_seconds) / max(len(fitted.curve), 1),
            before=max(fitted.train_seconds - sum(fitted.phase_seconds), 0.0),
            compile=fitted.compile_seconds,
            building=trained.building,
            finish=fitted.finish_seconds,
        )

    def charge(self, trained: Trained, others: int) -> Trained:
        """The same model with these seconds in place of those that `others` more cells had a part in."""
        fitted = trained.fitted
        fitted.curve = self.curve(fitted.curve, fitted.phase_steps)
        fitted.phase_seconds = [
            each * steps for each, steps in zip(self.step, fitted.phase_steps, strict=True)
        ]
        fitted.train_seconds = self.before + sum(fitted.phase_seconds)
        fitted.finish_seconds = self.finish
        fitted.evaluate_seconds = self.evaluation * len(fitted.curve) + self.finish
        fitted.compile_seconds = self.compile
        fitted.adaptations += (
            f"trained beside {others} other seeds: its training seconds are those of seed {self.cell.seed}, by the "
            "step, and its peak memory is that seed's",
        )
        return replace(trained, building=self.building)

    def curve(self, points: Sequence[Point], phase_steps: Sequence[int]) -> list[Point]:
        """The points with the seconds that they would have had alone: of training and of the validation passes
        before each. phase_steps: taken in each phase."""
        return [
            replace(point, seconds=self._training(point.step, phase_steps) + passes * self.evaluation)
            for passes, point in enumerate(points)
        ]

    def until(self, diverged: Diverged, passes: int) -> float:
        """What a cell that diverged after so many validation passes would have taken alone, its set-up included."""
        steps = diverged.phase_steps
        return self.building + self.before + self._training(sum(steps), steps) + passes * self.evaluation

    def _training(self, steps: int, phase_steps: Sequence[int]) -> float:
        """Of the first so many steps."""
        seconds, left = 0.0, steps
        for each, taken in zip(self.step, phase_steps, strict=False):
            seconds += each * min(left, taken)
            left -= min(left, taken)
        return seconds


@dataclass
class _Run:
    """A cell that trains in a lane. heard: points of its curve that its watch has not been told of."""

    cell: Cell
    lane: Lane
    turns: Turns[Tuned]
    heard: list[Point]
    found: Tuned | BaseException | None = None

    def advance(self) -> bool:
        """Take a turn; whether memory sufficed. What comes of the cell at the end is `found`."""
        with self.lane.entered():
            try:
                next(self.turns)
            except StopIteration as done:
                self.found = done.value
            except ANYTHING as error:
                if is_out_of_memory(error):
                    return False  # and nothing keeps the error, whose frames hold a model
                self.found = error
        return True

    def close(self) -> None:
        with self.lane.entered():
            self.turns.close()


class Seeds:
    """Trains the cells of a job, which differ in their seeds: one after another or, where the context says so,
    several at once."""

    def __init__(
        self, cells: Sequence[Cell], group: CellGroup, context: RunContext, training: Training
    ) -> None:
        self._cells = list(cells)
        self._group = group
        self._context = context
        self._training = training
        self._most = min(context.per_device, len(cells))
        self._lanes = [Lane(0, context.device, group.workspaces)]
        self._last: Cost | None = None  # of the cell that trained alone and has no record yet
        self._cost: Cost | None = None  # of one that has
        self._found: dict[Cell, _Run] = {}
        self._beside: dict[Cell, int] = {}  # how many trained at once with a cell, itself included

    def make_room(self, cell: Cell) -> None:
        """Free what a cell cannot use, before its memory is measured: where it trains alone, all that the others
        trained in."""
        self._group.workspaces.make_room(cell)
        if len(self._lanes) > 1 and cell not in self._found and not self._at_once(cell):
            self._leave_lanes()

    def trained(self, cell: Cell, watch: Watch) -> Tuned:
        """The cell's model. Raises what training it raises."""
        if self._cost and (cells := self._at_once(cell)):
            self._train(cells, self._cost)
            if cell not in self._found:  # memory did not suffice; the peak is to be that of one alone
                self._leave_lanes()
                self._context.device.reset_peak_memory()
        run = self._found.pop(cell, None)
        if run is None:
            return self._alone(cell, watch)
        for point in run.heard:
            watch(point)
        found, run.found = run.found, None
        try:
            if isinstance(found, BaseException):
                raise found
            assert found is not None
            return found
        finally:
            del found, run

    def noted(self, record: Record) -> Record:
        """The record of a cell, with the peak of the first where it trained beside others."""
        self.timed(record.cell, record.peak_memory)
        beside = self._beside.get(record.cell, 1)
        if beside == 1 or self._cost is None or record.machine is None:
            return record
        machine = record.machine.model_copy(update={"seeds_at_once": beside})
        return record.model_copy(update={"machine": machine, "peak_memory": self._cost.peak})

    def timed(self, cell: Cell, peak: int = 0) -> None:
        """A cell is done; one that trained alone is what others are charged by, and how much memory each takes."""
        if self._last and self._last.cell == cell:
            self._cost = replace(self._last, peak=peak)
            self._most = most_at_once(self._context.device, peak, self._most)

    def _alone(self, cell: Cell, watch: Watch) -> Tuned:
        found = finish(
            tuning(cell.recipe.tune, lambda scale: self._training(cell, scale, self._group, watch))
        )
        if self._most > 1 and found[0].plan.solver == "adamw":
            self._last = Cost.of(cell, found[0])
        return found

    def _at_once(self, cell: Cell) -> list[Cell]:
        """The cell and those that follow it, where they train at once from here; none where it trains alone."""
        if cell in self._found or self._cost is None or self._most < 2:
            return []
        start = self._cells.index(cell)
        cells = self._cells[start : start + self._most]
        return cells if len(cells) > 1 else []

    def _train(self, cells: Sequence[Cell], cost: Cost) -> None:
        """Train cells at once. Nothing is found where memory does not suffice: then all of them train alone."""
        runs = [self._run(each, cost, number, len(cells) - 1) for number, each in enumerate(cells)]
        waiting = list(runs)
        while waiting:
            if not all(run.advance() for run in waiting):
                self._give_up(runs)
                return
            waiting = [run for run in waiting if run.found is None]
        self._found = {run.cell: run for run in runs}
        self._beside |= {run.cell: len(runs) for run in runs}

    def _run(self, cell: Cell, cost: Cost, number: int, others: int) -> _Run:
        """A cell about to train in lane `number`. Its curve is heard when its turn comes to be scored: where memory
        does not suffice it trains anew, and no point is heard twice."""
        if number == len(self._lanes):
            self._lanes.append(Lane(number, self._context.device, Workspaces(number)))
        lane, heard = self._lanes[number], list[Point]()
        group = replace(self._group, workspaces=lane.workspaces)

        def training(scale: float) -> Turns[Trained]:
            points: list[Point] = []
            try:
                trained = yield from self._training(cell, scale, group, points.append)
            except Diverged as error:
                heard.extend(cost.curve(points, error.phase_steps))
                error.seconds = cost.until(error, len(points))
                raise
            trained = cost.charge(trained, others)
            heard.extend(trained.fitted.curve)
            return trained

        return _Run(cell, lane, tuning(cell.recipe.tune, training), heard)

    def _give_up(self, runs: Sequence[_Run]) -> None:
        for run in runs:
            run.close()
            run.found = None
        self._most = 1
        self._group.workspaces.forget()

    def _leave_lanes(self) -> None:
        """Free the memory of all lanes but that of the process."""
        del self._lanes[1:]
        gc.collect()
        if self._context.device.torch.type == "cuda":
            torch.cuda.empty_cache()
