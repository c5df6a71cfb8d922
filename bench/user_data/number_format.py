"""How a column of numbers is written: with decimal points, decimal commas, or commas between thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bench.user_data.tables import MISSING

POINT = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
DECIMAL_COMMA = r"[-+]?(\d{1,3}(\.\d{3})+|\d*),\d+"
THOUSANDS = r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?"
FORMATS = {
    "comma": "numbers are written with decimal commas: 1,5 is 1.5",
    "thousands": "commas separate thousands: 1,500 is 1500",
    "unclear": "",
}
"""What is said of a format."""


def number_format(values: Iterable[str]) -> str:
    """A key of FORMATS; '' where numbers are written with points, or not all values are numbers. `unclear` where
    commas may be either: `1,500` alone."""
    written = {value.strip() for value in values} - {""}
    commas = {value for value in written if "," in value}
    rest = [v for v in written - commas if v.casefold() not in MISSING]
    if not commas or not all(re.fullmatch(POINT, value, re.ASCII) for value in rest):
        return ""
    decimal = all(re.fullmatch(DECIMAL_COMMA, value, re.ASCII) for value in commas)
    thousands = all(re.fullmatch(THOUSANDS, value, re.ASCII) for value in commas)
    if decimal and thousands:
        return "comma" if any(value.lstrip("+-").startswith("0") for value in commas) else "unclear"
    if decimal and not any("." in value for value in rest):
        return "comma"
    return "thousands" if thousands else ""


def plain_number(value: str, written: str) -> str:
    """A number with a decimal point alone; any other value as it is."""
    pattern = {"comma": DECIMAL_COMMA, "thousands": THOUSANDS}.get(written, "")
    if not pattern or not re.fullmatch(pattern, value, re.ASCII):
        return value
    return value.replace(".", "").replace(",", ".") if written == "comma" else value.replace(",", "")
