"""The learning rates of a suite: the grid that every strategy gets, and those that were chosen from it.

They are chosen on a development draw, which has no test row, and then fixed in the suite's file together with a
digest of everything else in it. A suite that was changed afterwards is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from bench.contracts import BenchError, digest

LEAST_ROWS = 300
"""Validation rows on which a rate may be chosen."""

Scale = Annotated[float, Field(gt=0, le=1e7)]


class Development(BaseModel, extra="forbid", frozen=True):
    """Every strategy tries these scales of its own default rates. seeds: of each. train: training rows, where they
    are fewer than the suite's. validation: rows that decide."""

    scales: tuple[Scale, ...] = Field(min_length=2)
    seeds: int = Field(default=1, ge=1, le=1000)
    train: int | None = Field(default=None, ge=1)
    validation: int = Field(default=LEAST_ROWS, ge=LEAST_ROWS)


class Rates(BaseModel, extra="forbid", frozen=True):
    """The scales that were chosen, by task, encoder and strategy. of: the digest of the suite that they are for."""

    of: str
    scales: dict[str, dict[str, dict[str, Scale]]]

    def scale(self, task: str, backbone: str, strategy: str) -> float | None:
        """The scale of all learning rates of a strategy; None where none was chosen."""
        return self.scales.get(task, {}).get(backbone, {}).get(strategy)


def suite_digest(values: Mapping[str, Any]) -> str:
    """The digest of a suite's file, without its description and the chosen rates."""
    return digest({key: value for key, value in values.items() if key not in ("description", "rates")})


def check_unchanged(values: Mapping[str, Any], where: str) -> None:
    """BenchError where a suite with chosen rates is no longer the one that they were chosen for."""
    rates = values.get("rates")
    stated = rates.get("of") if isinstance(rates, dict) else None
    if isinstance(stated, str) and stated != suite_digest(values):
        raise BenchError(
            f"suite {where}: it was changed after its rates were chosen (digest {stated[:20]} then, "
            f"{suite_digest(values)} now): delete its section [rates] and choose them again with `bench rates`, or "
            "undo the change",
            code="changed-after-rates",
        )
