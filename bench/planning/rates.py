"""The learning rates of a suite: the grid that every strategy gets, and those that were chosen from it.

They are chosen on a development draw, which has no test row, and then fixed in the suite's file together with
digests of everything else in it, of the choice, and of the default rates that the chosen scales multiply. A suite
that was changed afterwards is refused."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from pydantic import BaseModel, Field

from bench.contracts import FROZEN, BenchError, Strategy, digest
from bench.runs.identity import DEPTHS

LEAST_ROWS = 300
"""Validation rows on which a rate may be chosen."""
KEY = "rates"
"""The section of a suite's file that holds the choice."""

Scale = Annotated[float, Field(gt=0, le=1e7)]


class Development(BaseModel, extra="forbid", frozen=True):
    """Every strategy tries these scales of its own default rates. seeds: of each. train: training rows, where they
    are fewer than the suite's; a size of a task (`name@size`) stands. validation: rows that decide."""

    scales: tuple[Scale, ...] = Field(min_length=2)
    seeds: int = Field(default=1, ge=1, le=1000)
    train: int | None = Field(default=None, ge=1)
    validation: int = Field(default=LEAST_ROWS, ge=LEAST_ROWS)


class Rates(BaseModel, extra="forbid", frozen=True):
    """The scales that were chosen, by task, encoder and strategy; a size of a task (`name@size`) has its own.

    of: the digest of the suite that they are for. chosen: that of `defaults` and `scales`. defaults: by strategy,
    the digest of the default rates that its scales multiply. Files of earlier versions have neither `chosen` nor
    `defaults`."""

    of: str
    chosen: str = ""
    defaults: dict[str, str] = {}
    scales: dict[str, dict[str, dict[str, Scale]]]

    def scale(self, task: str, backbone: str, strategy: str) -> float | None:
        """The scale of all learning rates of a strategy; None where none was chosen."""
        return self.scales.get(task, {}).get(backbone, {}).get(strategy)


def suite_digest(values: Mapping[str, Any]) -> str:
    """The digest of a suite's file, without its description and the chosen rates."""
    return digest({key: value for key, value in values.items() if key not in ("description", KEY)})


def choice_digest(rates: Mapping[str, Any]) -> str:
    """The digest of what a section [rates] says was chosen."""
    return digest([rates.get("defaults", {}), rates.get("scales", {})])


def default_rates(strategy: Strategy) -> str:
    """The digest of a strategy's default learning rates, of encoders of usual depths: a scale without them is no
    rate. What learns at them, and when, is no part of it, nor which depths the strategy fits."""
    rates: set[float] = set()
    heads: set[float] = set()
    for depth in DEPTHS:
        with suppress(BenchError):
            for phase in strategy.checked_phases(depth):
                rates |= {rate for _, rate in phase.rates if rate != FROZEN}
                heads.add(phase.head)
    return digest([sorted(rates), sorted(heads)])


def check_unchanged(values: Mapping[str, Any], where: str) -> None:
    """BenchError where a suite with chosen rates is no longer the one that they were chosen for, or where the
    rates are no longer those that were chosen."""
    rates = values.get(KEY)
    if not isinstance(rates, dict):
        return
    of, written = rates.get("of"), {"chosen", "defaults"} & rates.keys()
    if isinstance(of, str) and of != suite_digest(values):
        raise BenchError(
            f"suite {where}: it was changed after its rates were chosen (digest {of[:20]} then, "
            f"{suite_digest(values)} now): delete its section [rates] and choose them again with `python -m bench "
            "rates`, or undo the change",
            code="changed-after-rates",
        )
    if written and rates.get("chosen") != choice_digest(rates):
        raise BenchError(
            f"suite {where}: its section [rates] is not what `python -m bench rates` wrote "
            f"(digest {str(rates.get('chosen'))[:20]} then, {choice_digest(rates)} now): undo the change, or "
            "delete the section and choose the rates again",
            code="rates-were-edited",
        )


def check_defaults(rates: Rates, strategies: Mapping[str, Strategy], where: str) -> None:
    """BenchError where a strategy's default rates are no longer those that its scales were chosen for."""
    changed = [
        name
        for name, strategy in strategies.items()
        if rates.defaults.get(name) not in (None, default_rates(strategy))
    ]
    if changed:
        raise BenchError(
            f"suite '{where}': the default rates of {', '.join(changed)} were changed after scales of them were "
            "chosen: delete the suite's section [rates] and choose them again, undo the change, or train at the "
            "defaults with --rates default",
            code="defaults-changed",
        )


def check_setting(setting: str) -> None:
    """BenchError where a `key=value` of a request would replace chosen rates."""
    key = setting.partition("=")[0]
    if key.split(".")[0].strip() == KEY:
        raise BenchError(
            f"--set {key[:80]}: chosen rates are not set by hand: choose them with `python -m bench rates`, "
            "train at the defaults with --rates default, or scale all rates with --set recipe.rate_scale=2",
            code="rates-are-fixed",
        )
