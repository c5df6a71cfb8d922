"""What `run` says last of cells that were still improving."""

from __future__ import annotations

import pytest

from bench.cli.run import _print_unconverged
from bench.runs.curve import Point
from tests.analysis.conftest import make_record


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (0, ""),
        (1, "1 of 3 cells was still improving when its budget ended: to see whether it converges,"),
        (2, "2 of 3 cells were still improving when their budget ended: to see whether they converge,"),
    ],
)
def test_cells_that_had_not_converged_are_counted(
    late: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def curve(falls: bool) -> tuple[Point, ...]:
        losses = (1.0, 0.5 if falls else 1.5)
        return tuple(
            Point(step=10 * epoch, epoch=epoch, seconds=5, phase=1, train_loss=1, loss=loss, score=0.5)
            for epoch, loss in enumerate(losses, 1)
        )

    _print_unconverged([make_record(seed=seed, curve=curve(seed < late)) for seed in range(3)])
    said = capsys.readouterr().out
    assert expected in said
    assert bool(said) == bool(late)
