"""The answer in one sentence, and what is known of the differences. The words follow the verdicts of `table --kind
pairs`: what is not told apart is "not known", never "tied"."""

from __future__ import annotations

from collections.abc import Iterable

from bench.analysis.groups import Group, gather, scale
from bench.analysis.statistics.error_bars import error_bar, seeds_apart
from bench.analysis.statistics.paired import SURE
from bench.analysis.tables.shown import in_words
from bench.analysis.timing import noise
from bench.recommend.choice import without_evidence
from bench.recommend.evidence import Standing
from bench.recommend.findings import Findings
from bench.recommend.views import MOST


def sentence(found: Findings) -> str:
    """The answer."""
    now, choice = found.round, found.choice
    if now.degenerate:
        return (
            f"No recommendation: no strategy is known to have learnt more on {found.task} than to give the "
            "majority answer; check the labels, or give more rows."
        )
    return f"Use {choice} for {found.task}: {_why(found)}."


def reasons(found: Findings) -> list[str]:
    """The answer, and what is known of the differences: for the page and for the README of an export."""
    return [sentence(found), *certainty(found), *as_good(found)]


def _why(found: Findings) -> str:
    """The basis of the choice, with its score."""
    now, choice, margin = found.round, found.choice, points(found.margin)
    score = scored(now, choice)
    if found.basis == "alone":
        return f"it was the only one measured, {score}"
    if found.basis == "as good":
        return (
            f"it is the cheapest that is known to score within {margin} of the best ({now.best}), {score}, "
            f"at {_share(now, choice)}"
        )
    if found.basis == "equal score":
        return f"it is the cheapest of those with the highest score, {score}"
    if found.basis == "shared seeds":
        return f"it scores higher than the others on the seeds that they share, {score}"
    if not now.cheaper:
        of = " that is known to have learnt something" if now.constant else ""
        return f"it is the cheapest{of} and has the highest score, {score}"
    if found.basis == "ahead":
        return f"it has the highest score, {score}; the cheaper ones ({listed(now.cheaper)}) score lower"
    names = listed(without_evidence(now, found.goal, found.margin))
    unknown = f"the cheaper ones ({names}) are not known to be within {margin} of it"
    return f"it has the highest score, {score}; {unknown}"


def _share(now: Standing, name: str) -> str:
    """Seconds of a strategy in percent of those of the best, and whether one of the two was measured once."""
    whole = now.seconds[now.best]
    text = f"{100 * now.seconds[name] / whole if whole else 100:.0f}% of its time"
    found = {key.strategy: known for key, group in gather(now.records).items() if (known := group.timing())}
    sides = [found[side] for side in (name, now.best) if side in found]
    again = len(sides) == 2 and noise(found.values()).half(*sides) is not None
    return text if again else f"{text} (measured once, which is no evidence)"


def certainty(found: Findings) -> list[str]:
    """How sure it is that the best is ahead, and what a difference would have to be to show."""
    now = found.round
    exact = [item.mcnemar is not None for item in now.against_best.values()]
    names = {"McNemar's exact test": any(exact), "paired bootstrap": not all(exact)}
    test = f"{' and '.join(name for name, used in names.items() if used)}, 5% over all comparisons"
    lines = []
    if now.behind:
        lines.append(f"Ahead: {now.best} scores higher than {listed(now.behind)} beyond chance ({test}).")
    compared = [name for name in now.undecided if name in now.against_best]
    if compared:
        lines.append(
            f"Not known: whether {now.best} is better than {listed(compared)}; the difference may be chance "
            f"({test}).{_missed(found)}"
        )
    apart = [name for name in now.undecided if name not in now.against_best]
    if apart:
        lines.append(
            f"Not compared: {now.best} with {listed(apart)}, since they share no seed, or one of several; see the "
            "logs in the run folder."
        )
    if now.seeds < 2 and len(now.means) > 1:
        lines.append(
            "One seed: a test compares these models, not the strategies, and how much the scores change with "
            "another seed is not known; a larger --budget runs more."
        )
    constant = [name for name in now.means if name in now.constant]
    if constant:
        lines.append(
            f"Not known to have learnt anything: {listed(constant)}, within chance of always giving the majority "
            "answer."
        )
    if found.unjudged:
        lines.append(f"Not compared to the end, for want of time: {listed(found.unjudged)}.")
    return lines


def _missed(found: Findings) -> str:
    """The differences that these rows and seeds would not show, and how many rows would show the margin."""
    now, margin = found.round, points(found.margin)
    open_ = [name for name in now.undecided if name in now.against_best]
    if not open_:
        return ""
    least = 100 * max(now.against_best[name].detectable for name in open_)
    which = f"below {least:.1f} points" if least < 100 else "of any size"
    text = f" True differences {which} are likely to be missed here (power below {SURE}%)."
    unshown = [name for name in without_evidence(now, found.goal, found.margin) if name in open_]
    if not unshown or now.seeds < 2:
        return text
    needed = [now.rows_needed(name, found.margin) for name in unshown]
    known = [number for number in needed if number is not None]
    if len(known) < len(needed):
        return f"{text} More rows alone would not show that a cheaper one is within {margin}: seeds vary too much."
    rows = max(known)
    unit = "groups of rows" if now.grouped else "rows"
    limit = f"; at most {MOST:,} are ever compared on" if rows > MOST and not now.grouped else ""
    return (
        f"{text} To show that a cheaper one is within {margin} takes about {rounded(rows):,} {unit} to compare on "
        f"({now.rows:,} here{limit})."
    )


def as_good(found: Findings) -> list[str]:
    """What goal `cost` would have named, where goal `accuracy` did not."""
    now, choice = found.round, found.choice
    good = now.as_good(found.margin)
    if found.goal == "cost" or not good or now.seconds[good[0]] >= now.seconds[choice]:
        return []
    return [
        f"Cheaper: {good[0]} is known to score within {points(found.margin)} of {now.best}, "
        f"at {_share(now, good[0])}."
    ]


def rounded(number: int) -> int:
    """To two digits."""
    digits = max(len(str(number)) - 2, 0)
    return round(number, -digits)


def listed(names: Iterable[str]) -> str:
    """`a, b and c`."""
    found = list(names)
    return ", ".join(found[:-1]) + (" and " if len(found) > 1 else "") + found[-1] if found else "nothing"


def points(margin: float) -> str:
    return f"{100 * margin:g} point{'s' * (margin != 0.01)}"


def scored(now: Standing, name: str) -> str:
    """A strategy's score on the rows that are compared on, with what may be shown around it."""
    group = _group(now, name)
    bar = error_bar(now.intervals[name], scale([group], now.metric), seeds_apart(group, now.metric))
    return in_words(now.means[name], bar, now.metric)


def scored_on_test_rows(found: Findings) -> str:
    """The choice's score on the test rows; '' where there was no time for it."""
    if found.final is None:
        return ""
    whole = scale([_group(found.round, found.choice)], found.round.metric)
    return in_words(found.final.mean, error_bar(found.final, whole, found.final_seeds), found.round.metric)


def _group(now: Standing, name: str) -> Group:
    """The records of a strategy in this round."""
    return next(group for key, group in gather(now.records).items() if key.strategy == name)
