"""Fair tuning: every cell tries the same learning-rate scales; the lowest validation loss decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from bench.engine.divergence import Diverged
from bench.engine.model import Model
from bench.engine.plan import Plan
from bench.engine.prefix import Stopwatch
from bench.engine.training import Fit
from bench.engine.turns import Turns, finish, unpaused
from bench.runs.record import Trial


@dataclass(frozen=True)
class Trained:
    """A trained model. building: seconds that it took to set up; others: seconds of the trials not kept, diverged
    ones included.

    revive: puts the state back where the next model may have been trained in the same buffers; None: it is not."""

    model: Model
    plan: Plan
    fitted: Fit
    building: float
    others: float = 0.0
    revive: Callable[[], None] | None = None

    @property
    def seconds(self) -> float:
        fitted = self.fitted
        return self.building + fitted.compile_seconds + fitted.train_seconds + fitted.evaluate_seconds


Tuned = tuple[Trained, tuple[Trial, ...]]
"""The model that was kept, and every scale that was tried."""


def tune(scales: Sequence[float], train: Callable[[float], Trained]) -> Tuned:
    """Train with every scale and keep the one with the lowest validation loss, the first of equals; without
    scales, train once. A scale that diverges is out. Raises Diverged where all do."""
    return finish(tuning(scales, lambda scale: unpaused(partial(train, scale))))


def tuning(scales: Sequence[float], training: Callable[[float], Turns[Trained]]) -> Turns[Tuned]:
    """`tune`, with the pauses of each training."""
    if not scales:
        return (yield from training(1.0)), ()
    best: Trained | None = None
    losses: dict[float, float | None] = {}
    scores: dict[float, float] = {}
    kept, spent = scales[0], 0.0
    for place, scale in enumerate(scales):
        try:
            found = yield from training(scale)
        except Diverged as error:
            if best is None and place == len(scales) - 1:
                raise
            losses[scale] = None
            spent += error.seconds
            continue
        losses[scale] = found.fitted.loss
        scores[scale] = found.fitted.score
        spent += found.seconds
        if best is None or found.fitted.loss < best.fitted.loss:
            best, kept = found, scale
    assert best is not None
    if best.revive:
        best.revive()
    trials = tuple(
        Trial(scale=scale, loss=loss, kept=scale == kept, score=scores.get(scale))
        for scale, loss in losses.items()
    )
    return replace(best, others=spent - best.seconds), trials


@contextmanager
def timed(watch: Stopwatch, *before: Stopwatch) -> Iterator[None]:
    """Measure the block. A Diverged that ends it carries these seconds and those of the watches before."""
    try:
        with watch:
            yield
    except Diverged as error:
        error.seconds = sum(one.seconds + one.compiling for one in (watch, *before))
        raise
