"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from bench.analysis.tables.model import Column, Entry
from bench.analysis.tables.number_format import compact, decimals, number


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.8234, "score", "82.3"),
        (-1e-9, "percent", "0.0"),
        (3.21, "seconds", "3.2"),
        (99.4, "seconds", "99.4"),
        (99.5, "seconds", "100"),
        (123.4, "seconds", "123"),
        (0.2, "times", "0.20×"),
        (99.5, "times", "100×"),
        (250.0, "times", "250×"),
        (1.0, "share", "100%"),
        (0.157, "share", "15.7%"),
        (0.0042, "share", "0.42%"),
        (3e-6, "share", "<0.01%"),
        (2**30, "bytes", "1,024 MiB"),
        (3 * 2**19, "bytes", "1.5 MiB"),
        (3_076, "bytes", "3.0 KiB"),
        (0, "bytes", "0 MiB"),
        (0.0004, "p", "<0.001"),
        (0.0312, "p", "0.031"),
        (None, "score", "–"),
        (math.nan, "score", "–"),
        ("failed", "text", "failed"),
    ],
)
def test_a_number_in_its_unit(value, unit, text):
    assert number(Entry(value), Column("c", "c", unit)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.48e12, "1.48T"),
        (66_362_880, "66.4M"),
        (1.5e9, "1.5B"),
        (23_552, "23.6k"),
        (770, "770"),
        (322.581, "323"),
        (3.14159, "3.14"),
    ],
)
def test_a_count_has_three_digits_and_a_suffix(value, text):
    assert compact(value) == text


@pytest.mark.parametrize(("spread", "digits"), [(0.012, 1), (0.0005, 2), (None, 1)])
def test_digits_follow_the_spread(spread, digits):
    assert decimals([Entry(0.8, spread)]) == digits
