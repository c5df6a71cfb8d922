"""How a column of numbers is written: with decimal points or commas, or either between thousands. Or whether its
cells are lists of whole numbers, which look like numbers with decimal commas, or of a 0 or 1 for each label."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from bench.user_data.tables import MISSING

POINT = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
DECIMAL_COMMA = r"[-+]?(\d{1,3}(\.\d{3})+|\d*),\d+"
THOUSANDS = r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?"
POINTED = r"[-+]?[1-9]\d{0,2}(\.\d{3})+"
BELOW_THOUSAND = r"[-+]?\d{1,3}"
WHOLE_COMMA = r"[-+]?\d+,00?"
IDS = r"(0|[1-9]\d*)(,(0|[1-9]\d*))+"
FLAGS = r"[01]([ ,;|]+[01])+"
FORMATS = {
    "comma": "numbers are written with decimal commas: 1,5 is 1.5",
    "thousands": "commas separate thousands: 1,500 is 1500",
    "points": "points separate thousands: 1.500 is 1500",
    "unclear": "",
}
"""What is said of a format."""

PLURAL = frozenset(("labels", "categories", "topics", "tags", "classes", "emotions", "intents", "genres"))
"""Names of columns that hold several labels."""

NUMBERS = frozenset(("score", "rating", "similarity", "stars", "value", "number", "price"))
"""Names of columns that hold a number."""

ODD = 0.05  # share of different values that may be no numbers

ALONE = 0.8  # share of the parts of cells that must be cells of their own, too, where they are ids


def number_format(values: Iterable[str]) -> str:
    """A key of FORMATS; '' where numbers are written with points, or too many values are none. `unclear` where
    commas or points may be either: `1,500` alone, or `1.234` beside `850`."""
    written = {value.strip() for value in values} - {""}
    written = {value for value in written if value.casefold() not in MISSING}
    commas = {value for value in written if "," in value}
    rest = written - commas
    if not commas:
        odd = {value for value in rest if not re.fullmatch(f"{POINT}|{POINTED}", value, re.ASCII)}
        return _points(rest - odd) if len(odd) <= ODD * len(written) else ""
    decimal = all(re.fullmatch(DECIMAL_COMMA, value, re.ASCII) for value in commas)
    pointed = [value for value in rest if "." in value]
    if decimal and all(re.fullmatch(POINTED, value, re.ASCII) for value in pointed):
        rest -= set(pointed)
        pointed = []
    if not all(re.fullmatch(POINT, value, re.ASCII) for value in rest):
        return ""
    thousands = all(re.fullmatch(THOUSANDS, value, re.ASCII) for value in commas)
    if decimal and thousands:
        return "comma" if any(value.lstrip("+-").startswith("0") for value in commas) else "unclear"
    if decimal and not pointed:
        return "comma"
    return "thousands" if thousands else ""


def _points(written: Collection[str]) -> str:
    """The format of numbers without commas. Three digits after every point are thousands where numbers are then
    nearer to one another, as 1200 and 850 are, and 1.333 and 2 are not. A program that writes numbers as short as
    it can leaves no 0 at their end."""
    pointed = [value for value in written if "." in value]
    whole = [value for value in written if "." not in value]
    if not pointed or not whole or not all(re.fullmatch(POINTED, value, re.ASCII) for value in pointed):
        return ""
    if not all(re.fullmatch(BELOW_THOUSAND, value, re.ASCII) for value in whole):
        return ""
    if any(value.count(".") > 1 for value in pointed):
        return "points"
    decimals, thousands = (_range(values) for values in (written, [v.replace(".", "") for v in written]))
    if thousands >= decimals:
        return ""
    sure = len(whole) > 1 and any(
        value.endswith("0") for value in pointed
    )  # one may stand for a missing number
    return "points" if sure else "unclear"


def _range(values: Collection[str]) -> float:
    """The largest number over the smallest, without regard to signs and zeros."""
    sizes = [size for value in values if (size := abs(float(value)))]
    return max(sizes) / min(sizes) if sizes else 1.0


def plain_number(value: str, written: str) -> str:
    """A number with a decimal point alone; any other value as it is."""
    patterns = {"comma": f"{DECIMAL_COMMA}|{POINTED}", "thousands": THOUSANDS, "points": POINTED}
    pattern = patterns.get(written, "")
    if not pattern or not re.fullmatch(pattern, value, re.ASCII):
        return value
    return value.replace(",", "") if written == "thousands" else value.replace(".", "").replace(",", ".")


def are_whole(values: Iterable[str]) -> bool:
    """Whether all are whole numbers with a decimal comma, as `1,0` is."""
    written = {value.strip() for value in values}
    written = {value for value in written if value and value.casefold() not in MISSING}
    return bool(written) and all(re.fullmatch(WHOLE_COMMA, value, re.ASCII) for value in written)


def list_of_ids(values: Iterable[str], column: str) -> str:
    """A cell such as `2,27` where cells hold ids of labels, one or several; '' where they may be numbers with
    decimal commas. They are ids in ascending order, or of several digits, and the column's name says that it holds
    several, or most of them stand alone in other cells."""
    written = {value.strip() for value in values} - {""}
    written = {value for value in written if value.casefold() not in MISSING}
    lists = {value: value.split(",") for value in written if re.fullmatch(IDS, value, re.ASCII)}
    alone = {value for value in written if value.isdecimal()}
    if not lists or not alone or written - lists.keys() - alone:
        return ""
    if (
        column.lower() in NUMBERS or len({second for _, second, *_ in lists.values()}) < 2
    ):  # as in 1,5 and 2,5
        return ""
    ids = [id for found in lists.values() for id in found]
    ascending = all(found == sorted(found, key=int) for found in lists.values())
    often = sum(id in alone for id in ids) >= ALONE * len(ids)
    long = any(len(id) > 1 and (id in alone or not often) for _, *others in lists.values() for id in others)
    return min(lists) if (often or column.lower() in PLURAL) and (ascending or long) else ""


def list_of_flags(values: Iterable[str]) -> tuple[str, str]:
    """A cell such as `0,1,0` and the sign between its digits, where all cells have as many zeros and ones, one for
    each label; ('', '') where they may be numbers with decimal commas."""
    written = {value.strip() for value in values} - {""}
    written = {value for value in written if value.casefold() not in MISSING}
    if len(written) < 2 or not all(re.fullmatch(FLAGS, value) for value in written):
        return "", ""
    if len({len(re.findall("[01]", value)) for value in written}) > 1 or number_format(written):
        return "", ""
    cell = min(written)
    return cell, re.sub("[01 ]", "", cell)[:1] or " "
