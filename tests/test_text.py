"""Text that a terminal, a file and a program can take."""

from __future__ import annotations

import json
import math

import pytest

from bench.text import clipped, first_of, json_text, printable


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\n", "\x7f", "\x9b", "\u2028", "\u202e", "\u2066", "\ud800"]
)
def test_printable_text_has_no_control_character(character: str) -> None:
    assert printable(f"a{character}b") == "a b"


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x9b", "\u2028", "\u202e", "\ud800"])
def test_json_escapes_control_characters_and_keeps_the_value(character: str) -> None:
    text = json_text({"name": f"é{character}"})
    assert character not in text
    assert "é" in text
    text.encode()
    assert json.loads(text) == {"name": f"é{character}"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null(value: float) -> None:
    assert json.loads(json_text({"a": [value, (value, 1.5)]})) == {"a": [None, [None, 1.5]]}


def test_a_long_name_is_clipped_in_the_middle() -> None:
    assert clipped("positive") == "positive"
    assert clipped("x" * 48) == "x" * 48
    long = clipped(f"{'a reason of many words ' * 9}no")
    assert len(long) == 48
    assert long.startswith("a reason of many words")
    assert long.endswith(" no")


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, ""), (1, "1"), (3, "1, 2, 3"), (4, "1, 2, 3 and 1 more"), (1203, "1, 2, 3 and 1,200 more")],
)
def test_of_many_names_the_first_are_shown(count: int, shown: str) -> None:
    assert first_of(range(1, count + 1)) == shown


def test_as_many_as_are_asked_for() -> None:
    assert first_of(["a", "b", "c"], 1) == "a and 2 more"
