"""The meaning of a label column's values: classes, or polarities from words, marks and ratings."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.literals import parse
from bench.user_data.number_format import list_of_flags, list_of_ids
from bench.user_data.tables import FEW, MISSING
from bench.user_data.values import choices

POLARITY = {
    "negative": ("negative", "neg", "bad", "-1", "false", "no"),
    "neutral": ("neutral", "neu", "mixed"),
    "positive": ("positive", "pos", "good", "true", "yes"),
}
"""Words that name a polarity, in lower case."""

WHOLE_FLOAT = r"([-+]?\d{1,20})(\.0*|,00?)"
EXPONENT = r"[-+]?\d(\.\d*)?[eE][-+]?\d\d?"
BYTES = re.compile(r"b'.*'|b\".*\"", re.DOTALL)
MOSTLY = 0.9
DISTINCT = 0.5  # distinct values per row above which a column does not hold labels
RARE = 0.05  # share of rows that may hold no rating, although a number


@dataclass(frozen=True)
class Labelling:
    """From a value of the label column to a label: by name, or by its side of `middle` on a scale; `note`
    says how. spellings: the usual one of true and false, by its lower case."""

    words: Mapping[str, str] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=dict)
    middle: float | None = None
    whole: bool = False  # classes are whole numbers: where one is written as a float, 1.0 is 1
    note: str = ""

    def label(self, value: str) -> str | None:
        """The label, or None where the value has none on this scale."""
        if self.middle is not None:
            number = as_number(value)
            if number is None:
                return None
            return "neutral" if number == self.middle else "positive" if number > self.middle else "negative"
        if self.words:
            return self.words.get(value.lower())
        if self.spellings:
            return self.spellings.get(value.lower(), value)
        return _as_class(value) if self.whole else value


def labelling(values: Sequence[str], adapter: str, column: str, explicit: bool = False) -> Labelling:
    """How the values of the training file's label column are read. explicit: the user said that they are labels, so
    few numbers with fractions are classes. BenchError for a constant column, one of free text, and ratings or a
    regression where classes are expected."""
    truth = _truth_values(values) if adapter == "classification" else Labelling()
    distinct = sorted({truth.label(value) or value for value in values})
    if len(distinct) < 2:
        only = f"every row has the label '{distinct[0]}'" if distinct else "it has no labels"
        raise BenchError(
            f"column '{column}': {only}, so there is nothing to learn: give rows of two classes at least",
            code="constant-label",
        )
    if truth.spellings:
        return truth
    numbers = [as_number(value) for value in distinct if value.casefold() not in MISSING]
    numeric = bool(numbers) and all(number is not None for number in numbers)
    if adapter == "sentiment":
        if not numeric:
            return _polarities(distinct, column)
        return _scale([n for value in values if (n := as_number(value)) is not None], column)
    whole = numeric and all(number is not None and number.is_integer() for number in numbers)
    few = len(distinct) <= min(FEW, DISTINCT * len(values))
    if numeric and not whole and not (explicit and few):
        raise BenchError(
            f"column '{column}' holds numbers with fractions ({distinct[0]}, {distinct[1]}, …): "
            + ("if they are classes, say --adapter classification; " if few else "cut them into classes; ")
            + "for numbers to predict say --adapter regression, for ratings to divide into negative and positive "
            "--adapter sentiment",
            code="regression",
        )
    if len(distinct) > max(DISTINCT * len(values), 2):
        raise BenchError(
            f"column '{column}' has {len(distinct):,} different values in {counted(len(values), 'row')}: it does "
            "not hold labels; choose another column with --label"
            + ("; for numbers to predict say --adapter regression" if _mostly_numbers(distinct) else ""),
            code="no-labels",
        )
    floats = whole and any(_as_class(value) != value for value in distinct)
    if floats and len({Labelling(whole=True).label(value) for value in distinct}) < 2:
        raise BenchError(
            f"column '{column}': '{distinct[0]}' and '{distinct[1]}' are one number, so there is nothing to learn: "
            "give rows of two classes at least, or write the labels as words",
            code="constant-label",
        )
    if numeric and not whole:
        return Labelling(
            note=f"{counted(len(distinct), 'number')} with fractions are classes as they are written"
        )
    return Labelling(
        whole=whole, note="labels are whole numbers written as floats: 1.0 is label 1" if floats else ""
    )


def _truth_values(values: Sequence[str]) -> Labelling:
    """True and false in one spelling each, whatever program wrote them; else values as they are."""
    counts = Counter(values)
    if not {value.lower() for value in counts} <= {"true", "false"}:
        return Labelling()
    usual = {value.lower(): value for value, _ in reversed(counts.most_common())}
    several = len(counts) > len(usual)
    return Labelling(
        spellings=usual,
        note=f"{', '.join(sorted(counts))} are two classes: true and false" if several else "",
    )


def _mostly_numbers(distinct: Sequence[str]) -> bool:
    """Whether nearly all values are numbers, with points or commas."""
    return sum(as_number(value.replace(",", ".")) is not None for value in distinct) >= 0.8 * len(distinct)


def joined_by(values: Sequence[str], column: str) -> str:
    """A note where labels are made of others, as `food|price` is: these stand alone, or stand in other labels, too;
    or of a 0 or 1 for each of several; else ''."""
    counts = Counter(values)
    flags, between = list_of_flags(values)
    if flags:
        return (
            f"look: labels such as '{flags[:40]}' have a 0 or 1 for each of several labels: to read these say "
            f"--label-separator '{between}', and their names in their order with --label-names"
        )
    if several := list_of_ids(values, column):
        return _made_of_others({several: ()}, ",")
    for sign in ("|", ";", "#", ","):
        cut = {label: [part.strip() for part in label.split(sign) if part.strip()] for label in counts}
        joined = {label: parts for label, parts in cut.items() if len(parts) > 1}  # C# has one part
        alone = sum(counts[part] > 0 for parts in joined.values() for part in parts)
        often = joined and alone >= max(2, 0.5 * sum(map(len, joined.values())))
        if often or (sign != "," and _recur(list(cut.values()))):
            return _made_of_others(joined, sign)
    for sign in ("/", "+", "&", " "):  # also within names: here each part stands alone
        cut = {label: [part.strip() for part in label.split(sign) if part.strip()] for label in counts}
        joined = {label: parts for label, parts in cut.items() if len(parts) > 1}
        if joined and all(counts[part] for parts in joined.values() for part in parts):
            return _made_of_others(joined, sign)
    return ""


def _made_of_others(joined: Mapping[str, Sequence[str]], sign: str) -> str:
    return (
        f"look: labels such as '{next(iter(joined))[:40]}' are made of others: for several labels a text "
        f"say --label-separator '{sign}'"
    )


def _recur(labels: Sequence[Sequence[str]]) -> bool:
    """Whether most parts of labels are in several of them, and not each in a place of its own, as the parts of
    `food#quality` and `food#price` are."""
    joined = [parts for parts in labels if len(parts) > 1]
    counts = Counter(part for parts in labels for part in set(parts))
    within = {part for parts in joined for part in parts}
    recurring = sum(counts[part] > 1 for part in within)
    places = Counter(part for part, _ in {(part, n) for parts in joined for n, part in enumerate(parts)})
    free = len(set(map(len, joined))) > 1 or any(count > 1 for count in places.values())
    return free and recurring >= max(2, 0.5 * len(within))


def quoted(values: Sequence[str]) -> str:
    """A note where every label has quotation marks around it; else ''."""
    distinct = set(values)
    marks = ("''", '""', "“”", "„“", "«»", "``")
    if not distinct or not all(len(value) > 2 and value[0] + value[-1] in marks for value in distinct):
        return ""
    return (
        f"look: labels have quotation marks around them ({min(distinct)[:40]}), which are read as part of them: "
        'only " quotes a cell'
    )


def bytes_written(texts: Sequence[str]) -> str:
    """A note where nearly all texts are written as Python writes bytes, `b'so'`; else ''."""
    marked = [text for text in texts if BYTES.fullmatch(text)]
    if not marked or len(marked) < MOSTLY * len(texts):
        return ""
    return f"look: texts are written as Python's bytes, such as {marked[0][:40]}: decode them when writing the file"


def single_label(value: Any) -> Any:
    """The label in a list of one, bare or written out in the cell. BenchError for a list of several."""
    found = choices(value)
    if found is None:
        found = value
    if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]":
        found = parse(value)
    if not isinstance(found, (list, tuple)):
        return value
    if len(found) > 1:
        raise BenchError(
            f"a row has several labels ({', '.join(map(str, found))[:60]}), and a text has one label here: say "
            "--adapter multilabel, keep one a row, or choose another column with --label",
            code="several-labels",
        )
    return found[0] if found else None


def as_whole(value: str) -> str:
    """A whole number that is written as a float without its point or comma: 1.0 is 1; any other value as it is."""
    whole = re.fullmatch(WHOLE_FLOAT, value, re.ASCII)
    return str(int(whole[1])) if whole else value


def _as_class(value: str) -> str:
    """A whole number as its digits, also where an array wrote it as 1.000000e+00; any other value as it is."""
    number = as_number(value) if re.fullmatch(EXPONENT, value, re.ASCII) else None
    return str(int(number)) if number is not None and number.is_integer() else as_whole(value)


def as_number(value: str) -> float | None:
    """The finite number that a value is, in digits alone, or None."""
    value = value.replace("\u2212", "-")  # a typographer's minus
    if not re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", value, flags=re.ASCII):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _polarities(distinct: Sequence[str], column: str) -> Labelling:
    words = {word: polarity for polarity, meanings in POLARITY.items() for word in meanings}
    wrong = [value for value in distinct if value.lower() not in words]
    if wrong:
        raise BenchError(
            f"column '{column}': '{wrong[0]}' is not a polarity (negative, neutral, positive, or a rating): "
            "use --adapter classification for other labels",
            code="not-a-polarity",
        )
    plain = set(distinct) <= set(POLARITY)
    return Labelling(words, note="" if plain else f"labels read as polarities: {', '.join(distinct)}")


def _scale(numbers: Sequence[float], column: str) -> Labelling:
    """Ratings by their side of the middle of the scale. BenchError where all are one rating, or a few that are far
    off set the middle."""
    low, high = min(numbers), max(numbers)
    if low == high:
        raise BenchError(
            f"column '{column}': every rating is {low:g}, so there is nothing to learn: give rows of two at least",
            code="constant-label",
        )
    middle = (low + high) / 2
    note = f"ratings from {low:g} to {high:g}: below {middle:g} is negative, above is positive" + (
        f", {middle:g} is neutral" if middle in numbers else ""
    )
    far = _far_off(set(numbers), middle)
    if not far:
        return Labelling(middle=middle, note=note)
    rows = sum(number in far for number in numbers)
    others = [number for number in numbers if number not in far]
    ratings = " or ".join(f"{number:g}" for number in far)
    said = (
        f"{counted(rows, 'row has', 'rows have')} the rating {ratings}, and all others are from {min(others):g} to "
        f"{max(others):g}"
    )
    if rows <= max(1, RARE * len(numbers)):
        raise BenchError(
            f"column '{column}': {said}, so the middle of the scale would be {middle:g}: leave such rows out if "
            "they hold no ratings, or write negative and positive instead of numbers",
            code="far-rating",
        )
    return Labelling(middle=middle, note=f"look: {said}: are they ratings, too? {note}")


def _far_off(ratings: set[float], middle: float) -> list[float]:
    """The one or two ratings of a side of the middle that are further from the others than these are from each
    other, such as 99 for no answer; [] where there are none. Fewer than three others may be the ends of a scale."""
    below = {rating for rating in ratings if rating < middle}
    for side in (below, ratings - below - {middle}):
        others = ratings - side
        if not 0 < len(side) <= 2 or len(others) < 3:
            continue
        gap = max(min(side) - max(others), min(others) - max(side))
        if gap > len(side) * (max(others) - min(others)):
            return sorted(side)
    return []
