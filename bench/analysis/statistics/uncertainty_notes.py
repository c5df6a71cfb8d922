"""The notes of a table on its intervals and ties: what ±, brackets, bold and underlined mean, and what they miss.

The scores of a table are in parts: one, or one a test set. A size that differs between parts is given with the name
of its part, and a single part has no name ('')."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis.groups import Group, Key
from bench.analysis.statistics.error_bars import ErrorBar
from bench.analysis.statistics.intervals import EXACT, MEANING, POINTS, WIDE
from bench.analysis.statistics.paired import SURE, Comparison
from bench.analysis.statistics.scales import ERROR

TWO_SEEDS = (
    "Beside cells that are calm, intervals of two seeds that scatter by 5 to 10 points held the truth in 85 to 90% "
    "of simulated cells, not in 95%."
)
NO_INTERVAL = "One seed has no interval: what another would score is not known."
OF_EXAMPLES = "The choice of test examples alone moves {what} by {halves}."
FIXED_ROWS = "Intervals are given these training rows, which all seeds share."
DRAWN_ROWS = (
    "Each seed draws its training rows anew, so intervals speak of the task, not of one training set."
)
TIED = (
    "Bold: the best mean of its task. Underlined: not told apart from it ({test}; 5% over all pairs of {family}), "
    "which does not mean equal: {missed} would be missed more than {odds} times in 100."
)
OF_TABLE = "strategies, tasks and metrics of this table"
ONE_SEED_TESTS = (
    "{of} this compares models, not strategies: another seed may reverse it. Where seeds scatter by 1.2 points, "
    "6 to 8% of simulated tables of two to four equal strategies told some apart."
)
DOCUMENTS = "Test examples are resampled by the document that they come from: {counts} documents."


@dataclass(frozen=True)
class Part:
    """What notes say of the scores on one test set. bars: around them. compared: the tests behind their ties.
    clusters: how many documents were resampled, by the name of the task.
    more: notes on what no mark shows."""

    bars: Collection[ErrorBar] = ()
    compared: Sequence[Comparison] = ()
    clusters: Mapping[str, int] = field(default_factory=dict)
    more: Sequence[str] = ()


def notes_on(
    parts: Mapping[str, Part], groups: Mapping[Key, Group], what: str = "its score", family: str = OF_TABLE
) -> list[str]:
    """Everything that these parts need, in the order of a table's notes. what: is moved by the choice of
    examples. family: as in `on_ties`."""
    bars = [bar for part in parts.values() for bar in part.bars]
    tasks = Counter(key.task for key, group in groups.items() if group.done)
    rivals = any(part.compared for part in parts.values()) or (bars and max(tasks.values(), default=0) > 1)
    return [
        *on_intervals(bars, groups),
        *on_one_seed({name: part.bars for name, part in parts.items()}, what),
        *on_marks(bars),
        *([on_ties({name: part.compared for name, part in parts.items()}, family)] if rivals else []),
        *by_document({name: n for part in parts.values() for name, n in part.clusters.items()}),
        *dict.fromkeys(note for part in parts.values() for note in part.more),
    ]


def on_intervals(bars: Iterable[ErrorBar], groups: Mapping[Key, Group]) -> list[str]:
    """What ± is, where the table has one."""
    intervals = [bar for bar in bars if bar.spread is not None]
    around = [bar for bar in intervals if bar.kind != "exact"]
    meaning = f"{MEANING} {TWO_SEEDS}" if any(bar.seeds == 2 for bar in around) else MEANING
    return [*([meaning] if around else []), *(training_rows(groups) if intervals else [])]


def training_rows(groups: Mapping[Key, Group]) -> list[str]:
    """What intervals say of training rows: those that all seeds have, or any that the task could have had."""
    tasks: dict[bool, dict[str, None]] = {}
    for group in groups.values():
        for record in group.done:
            tasks.setdefault(record.cell.draw is not None, {})[record.cell.task] = None
    texts = {False: FIXED_ROWS, True: DRAWN_ROWS}
    return [
        f"{texts[drawn][:-1]} ({', '.join(names)})." if len(tasks) > 1 else texts[drawn]
        for drawn, names in tasks.items()
    ]


def on_one_seed(parts: Mapping[str, Iterable[ErrorBar]], what: str = "its score") -> list[str]:
    """Why single seeds have no interval, and how far test examples alone move them; sizes of errors, which are not
    in points, are left out."""
    single = {name: [bar for bar in bars if bar.kind == "single"] for name, bars in parts.items()}
    if not any(single.values()):
        return []
    halves = {name: [bar.half for bar in bars if bar.in_points] for name, bars in single.items()}
    sizes = by_part({name: [f"± {points(own)} points"] for name, own in halves.items() if own})
    return [f"{NO_INTERVAL} {OF_EXAMPLES.format(what=what, halves=sizes)}" if sizes else NO_INTERVAL]


def on_marks(bars: Iterable[ErrorBar]) -> list[str]:
    """What brackets and parentheses are, for those that the table has."""
    kinds = {bar.kind for bar in bars}
    notes = {"exact": EXACT, "wide": WIDE, "seeds": POINTS}
    return [note for kind, note in notes.items() if kind in kinds]


def on_ties(parts: Mapping[str, Sequence[Comparison]], family: str = OF_TABLE) -> str:
    """What bold and underlined mean, by which tests, and which differences ties may hide. family: whose pairs the
    tests are corrected over."""
    compared = [item for part in parts.values() for item in part]
    single = [item for item in compared if item.difference.seeds == 1]
    over_seeds = [item for item in compared if item.difference.seeds > 1]
    several = bool(over_seeds) or not compared
    tests = [f"{_bootstrap(over_seeds)}, noise over seeds"] if several else []
    if single:
        tests.append(f"{'of one seed ' if several else ''}{_on_one_seed(single)}, without noise over seeds")
    found = by_part({name: missed([item for item in part if item.tied]) for name, part in parts.items()})
    which = f"differences below {found or 'a detectable one'}"
    text = TIED.format(test="; ".join(tests), family=family, missed=which, odds=100 - SURE)
    return (
        f"{text} {ONE_SEED_TESTS.format(of='Of one seed' if several else 'On one seed')}" if single else text
    )


def _on_one_seed(compared: Sequence[Comparison]) -> str:
    """The tests that decide between single seeds."""
    others = [item for item in compared if item.mcnemar is None]
    if not others:
        return "McNemar's exact test on the same examples"
    bootstrap = _bootstrap(others)
    several = len(others) < len(compared)
    return f"McNemar's exact test or, where it does not apply, {bootstrap}" if several else bootstrap


def _bootstrap(compared: Sequence[Comparison]) -> str:
    """The paired bootstrap, with the scales on which it tests."""
    odds = {item.scale.odds for item in compared} or {True}
    scales = [name for own, name in ((True, "log-odds"), (False, "errors in their own units")) if own in odds]
    return ", ".join(["paired bootstrap on the same examples", *scales])


def missed(tied: Sequence[Comparison]) -> list[str]:
    """The differences that these ties may hide: in points, and those of an error in units of its own."""
    found = [item.detectable for item in tied if item.scale != ERROR]
    texts = [f"{points(found)} points"] if found else []
    for task, metric in dict.fromkeys((item.first.task, item.metric) for item in tied if item.scale == ERROR):
        own = [item.detectable for item in tied if (item.first.task, item.metric) == (task, metric)]
        texts.append(f"{_range(own, '{:.2g}')} of {metric} on {task}")
    return texts


def by_part(texts: Mapping[str, Sequence[str]]) -> str:
    """The sizes of all parts, each with the name of its part: `1 to 2 points (source), 3 points (tweets)`."""
    return ", ".join(f"{text} ({name})" if name else text for name, own in texts.items() for text in own)


def by_document(clusters: Mapping[str, int]) -> list[str]:
    """That examples of one document are not independent, where a task has such; clusters: the documents by task."""
    counts = ", ".join(f"{task} ({count:,})" for task, count in clusters.items() if count)
    return [DOCUMENTS.format(counts=counts)] if counts else []


def points(values: Sequence[float]) -> str:
    """Smallest to largest, in points."""
    return _range([100 * value for value in values], "{:.1f}")


def _range(values: Sequence[float], digits: str) -> str:
    least, most = (digits.format(limit(values)) for limit in (min, max))
    return most if least == most else f"{least} to {most}"
