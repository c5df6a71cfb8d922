"""Files of one task that write their labels in different ways: another scale, another spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from statistics import quantiles

from bench.contracts import BenchError
from bench.user_data.examples import Numbered
from bench.user_data.labels import as_number
from bench.user_data.rules import ReadingRules

BEYOND = 0.05  # share of ratings that may lie beyond those of the training file, which may lack a rare one
WIDER = 1.5  # of the span of training's numbers, the most that both files' together may have unnoticed
ENOUGH = 10  # numbers from which their spread tells something
NARROW = (
    0.5  # of what the middle half of the training file's numbers spans, the least that 90% of others span
)


def numbers_of(rules: ReadingRules, rows: Numbered) -> list[float]:
    """The ratings, or the numbers to predict; none where labels are classes."""
    if rules.adapter != "regression" and rules.labels.middle is None:
        return []
    found = (as_number(rules.label(row)) for _, row in rows)
    return [number for number in found if number is not None]


def other_scale(rules: ReadingRules, trained: Sequence[float], found: Sequence[float], where: str) -> str:
    """A note where the numbers of another file look as if they were on a scale of their own; else ''. BenchError
    where they must be: a model is never scored on another scale than it learnt."""
    if not trained or not found:
        return ""
    low, high, middle = min(trained), max(trained), rules.labels.middle
    outside = sum(not low <= number <= high for number in found)
    share = outside / len(found)
    wider = max(*found, high) - min(*found, low) > WIDER * (high - low)
    span = f"{where} has {_span(found)}, and the training file {_span(trained)}"
    look = f"look: {span}: are both on one scale?"
    if middle is None:
        if share > 0.5:
            raise BenchError(f"{span}: write both on one scale", code="other-scale")
        return look if share > BEYOND or wider or _narrow(trained, found) else ""
    one_side = max(found) <= middle or min(found) >= middle
    beyond = share > BEYOND and (outside > 1 or wider)
    if beyond or (one_side and len(found) >= ENOUGH and not _is_end(found, low, middle, high)):
        raise BenchError(
            f"{span}: ratings are divided at {middle:g}, so write both on one scale, or as negative and positive",
            code="other-scale",
        )
    return look if outside or (one_side and len(found) >= ENOUGH) else ""


def _is_end(found: Sequence[float], low: float, middle: float, high: float) -> bool:
    """Whether ratings of one side are the end of the training file's scale: the good ones up to the best, or the
    one or two worst. More of them from the worst on are a shorter scale, and so are 0 and 1."""
    if min(found) >= middle:
        return max(found) == high
    worst = set(found)
    return min(worst) == low and len(worst) <= 2 and max(worst) < middle and worst != {0.0, 1.0}


def _span(numbers: Sequence[float]) -> str:
    return f"numbers from {min(numbers):g} to {max(numbers):g}"


def _narrow(trained: Sequence[float], found: Sequence[float]) -> bool:
    if min(len(trained), len(found)) < 2 * ENOUGH:
        return False
    first, _, third = quantiles(trained, n=4)
    low, *_, high = quantiles(found, n=20)
    return high - low < NARROW * (third - first)


def spelled_alike(strange: str, known: Iterable[str]) -> str:
    """What to do about a label that training lacks, where it has the same one in another spelling; else ''."""
    names = sorted(known)
    twin = next((name for name in names if _plain(name) == _plain(strange)), None)
    if twin is not None:
        return f"training writes it '{twin}': write it alike in both files"
    is_number = as_number(strange) is not None
    others = [name for name in names if (as_number(name) is not None) != is_number]
    if names and len(others) == len(names):
        kinds = ("a number", "words") if is_number else ("a word", "numbers")
        return (
            f"it is {kinds[0]}, and training has {kinds[1]} ({', '.join(names[:3])[:60]}): write labels alike"
        )
    return ""


def _plain(label: str) -> str:
    """The label without case, blanks and signs between its words; a number as its value."""
    number = as_number(label)
    return f"{number:g}" if number is not None else re.sub(r"[\W_]+", "", label.casefold()) or label
