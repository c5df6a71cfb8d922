"""The answer on a page: one sentence, what it rests on, what it costs, a plot, what was not tried, how to
run it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.analysis.statistics.intervals import Interval
from bench.recommend.evidence import Growth, Standing
from bench.recommend.successive_halving import Outcome
from bench.text import duration


@dataclass(frozen=True)
class Findings:
    """All that the page says. final: the choice's score on the test rows, None where there was no time for it."""

    task: str
    goal: str
    choice: str
    round: Standing
    outcome: Outcome
    growth: Growth
    final: Interval | None
    test_rows: int
    command: str
    folder: str
    strategies: tuple[str, ...]
    measured: frozenset[str]  # those of them that finished a cell
    ended: frozenset[str]  # and those that finished one or failed
    all_strategies: tuple[str, ...]
    backbone: str

    @property
    def unjudged(self) -> list[str]:
        """Strategies that the time did not allow to compare with the others to the end."""
        told = {*self.round.means, *self.outcome.behind, *self.failed}
        return [name for name in self.strategies if name not in told]

    @property
    def failed(self) -> list[str]:
        return [name for name in self.strategies if name in self.ended - self.measured]


def sentence(found: Findings) -> str:
    """The answer."""
    now = found.round
    if now.degenerate:
        return (
            f"No recommendation: no strategy learnt more than always saying the commonest answer on {found.task}; "
            "check the labels, or give more rows."
        )
    others = [name for name in now.tied if name != found.choice]
    worse = [name for name in now.means if name not in now.tied]
    if others and now.seeds < 2:
        sure = "a first guess, as one seed each tells nothing apart; a larger --budget tells more"
    elif not others and worse:
        sure = f"it is ahead of {_listed(worse)} beyond chance (5%, Holm)"
    elif worse:
        sure = f"it cannot be told from {_listed(others)}, and is ahead of {_listed(worse)} (5%, Holm)"
    elif others:
        sure = f"this data cannot tell it from {_listed(others)}"
    else:
        sure = "nothing else was measured beside it"
    if found.unjudged:
        sure += f"; there was no time to tell it from {_listed(found.unjudged)}"
    why = "the cheapest of the best" if found.goal == "cost" else "the best score"
    return f"Use {found.choice} for {found.task} ({why}): {sure}."


def details(found: Findings) -> list[str]:
    """What follows the answer, a line each."""
    now = found.round
    rows = next((record.data.sizes for record in now.records if record.data), {})
    size = rows.get("train", found.outcome.sizes[-1])
    of_all = f" of {found.outcome.rows:,}" if size < found.outcome.rows else ""
    cheapest = min(now.tied, key=lambda name: now.seconds[name])
    lines = [
        f"Rests on: {size:,}{of_all} training rows, {_seeds(now.seeds)}, compared on "
        f"{rows.get('test', 0):,} rows that no run was trained or stopped on."
    ]
    if found.final is None:
        lines.append(
            "Test rows: not scored, as the time was up; the scores above chose the strategy and flatter it."
        )
    else:
        lines.append(
            f"Test rows: {_score(found.final)} {now.metric} on {found.test_rows:,} rows that no choice has seen "
            f"({_seeds(found.final.seeds)}, trained on all training rows)."
        )
    lines.append(f"Cost: {now.seconds[found.choice]:.0f} s a model from cold on {size:,} rows here.")
    if cheapest != found.choice:
        share = now.seconds[cheapest] / now.seconds[found.choice]
        lines.append(f"Cheaper: {cheapest} is tied with it at {100 * share:.0f}% of the time.")
    if found.growth.gain is None:
        lines.append(f"More data: cannot tell what it would bring: {found.growth.why_not}.")
    else:
        lines.append(
            f"More data: twice the rows would add about {100 * found.growth.gain:.1f} points "
            f"({100 * found.growth.low:.1f} to {100 * found.growth.high:.1f}), if the curve goes on as it did."
        )
    stopped = found.outcome.stopped
    lines.append(
        f"More time: {stopped}; a larger --budget would go on from here."
        if stopped
        else "More time: all rows were used, so a larger --budget brings nothing; more rows or another encoder may."
    )
    return lines


def tried(found: Findings) -> list[str]:
    """What was and was not tried, and how to do it again."""
    sizes = ", ".join(f"{size:,}" for size in found.outcome.sizes)
    measured = [name for name in found.strategies if name in found.measured]
    missed = [name for name in found.strategies if name not in found.ended]
    untried = [name for name in found.all_strategies if name not in found.strategies]
    return [
        f"Tried: {_listed(measured)} on {found.backbone}, at {sizes} training rows, "
        f"in {duration(found.outcome.seconds)}.",
        *([f"Not reached in the time: {_listed(missed)}."] if missed else []),
        *([f"Failed: {_listed(found.failed)}; the logs in the run folder say why."] if found.failed else []),
        *(f"Given up on the way: {name}: {reason}." for name, reason in found.outcome.behind.items()),
        f"Not tried: {_listed(untried)}; other encoders (-b); other learning rates.",
        f"Again: {found.command}",
        f"Records and predictions: {found.folder}/",
    ]


def plot(found: Findings, width: int = 72) -> str:
    """Score against seconds in text, a letter a strategy."""
    import plotext

    now = found.round
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(width, 15)
    plotext.xlabel("seconds a model, from cold")
    plotext.ylabel(f"{now.metric}, %")
    names = sorted(now.means, key=lambda name: now.seconds[name])
    letters = [chr(ord("A") + number) for number in range(len(names))]
    for letter, name in zip(letters, names, strict=True):
        plotext.scatter([now.seconds[name]], [100 * now.means[name]], marker=letter)
    text = plotext.uncolorize(plotext.build())
    key = "   ".join(f"{letter} {name}" for letter, name in zip(letters, names, strict=True))
    return f"{text.rstrip()}\n{key}"


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _score(found: Interval) -> str:
    return f"{100 * found.mean:.1f} ± {100 * found.half:.1f}"


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:-1]) + (" and " if len(found) > 1 else "") + found[-1] if found else "nothing"
