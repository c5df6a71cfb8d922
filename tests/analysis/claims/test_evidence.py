"""Which groups of a run a claim compares, and what is said to be missing where there are none."""

from __future__ import annotations

import pytest

from bench.analysis.claims.evidence import Evidence, NotTestable
from bench.analysis.claims.published import DifferenceClaim
from bench.analysis.groups import Key
from bench.analysis.loading import Run
from bench.runs.record import Record
from tests.analysis.conftest import make_record

CLAIM = DifferenceClaim(
    name="c", source="", says="", kind="difference", first="full", second="frozen", above=0.0
)


def failed(*names: str) -> Record:
    return cell(*names).model_copy(update={"status": "failed", "scores": {}})


def cell(task: str, strategy: str, backbone: str) -> Record:
    return make_record(task, strategy, backbone=backbone)


def evidence(*records: Record) -> Evidence:
    return Evidence.of(Run("a run", records, {}.__getitem__))


EVERY = [cell(task, name, encoder) for task in "ab" for name in ("full", "frozen") for encoder in ("x", "y")]


def pairs(found: Evidence, first: Key, second: Key, claim: DifferenceClaim = CLAIM) -> list[tuple[str, str]]:
    return [(str(one.key), str(other.key)) for one, other in found.pairs(claim, first, second)]


@pytest.mark.parametrize(
    ("first", "second", "tasks", "backbones", "expected"),
    [
        (("full", ""), ("frozen", ""), (), (), ["a full x frozen x", "a full y frozen y"]),
        (("full", "x"), ("frozen", ""), (), (), ["a full x frozen x"]),
        (("full", "y"), ("full", "x"), (), (), ["a full y full x"]),
        (("full", ""), ("frozen", "y"), (), (), ["a full x frozen y", "a full y frozen y"]),
        (("full", ""), ("frozen", ""), ("a",), (), ["a full x frozen x", "a full y frozen y"]),
        (("full", ""), ("frozen", ""), (), ("y",), ["a full y frozen y"]),
        (("frozen", ""), ("frozen", ""), ("a",), ("x",), ["a frozen x frozen x"]),
    ],
)
def test_the_pairs_of_a_claim(
    first: tuple[str, str],
    second: tuple[str, str],
    tasks: tuple[str, ...],
    backbones: tuple[str, ...],
    expected: list[str],
) -> None:
    """On both tasks, but where it is about one."""
    claim = CLAIM.model_copy(update={"tasks": tasks, "backbones": backbones})
    found = pairs(evidence(*EVERY), Key("", *first), Key("", *second), claim)
    split = [line.split() for line in expected]
    wanted = {
        (f"{task}/{line[1]}/{line[2]}", f"{task}/{line[3]}/{line[4]}")
        for line in split
        for task in (tasks or "ab")
    }
    assert (len(found), set(found)) == (len(wanted), wanted)


FULL, FROZEN = Key("", "full", ""), Key("", "frozen", "")


@pytest.mark.parametrize(
    ("records", "missing"),
    [
        ([cell("a", "full", "x")], "frozen"),
        ([cell("a", "frozen", "x")], "full"),
        ([cell("a", "full", "x"), failed("a", "frozen", "x")], "frozen"),
        ([failed("a", "full", "x"), cell("a", "frozen", "x")], "full"),
        ([failed("a", "full", "x"), failed("a", "frozen", "x")], "full and frozen"),
        ([cell("a", "full", "x"), cell("b", "frozen", "x")], "full and frozen"),
        ([cell("a", "full", "x"), cell("a", "frozen", "y")], "full and frozen"),
        ([], "full and frozen"),
    ],
)
def test_what_did_not_finish_is_named(records: list[Record], missing: str) -> None:
    """Where both did, on no task with one encoder, both are."""
    with pytest.raises(NotTestable) as error:
        evidence(*records).pairs(CLAIM, FULL, FROZEN)
    assert str(error.value) == f"no finished run of {missing} on the same task and encoder"


def test_an_unfinished_pair_is_left_out() -> None:
    records = [
        failed("c", "full", "x"),
        cell("c", "frozen", "x"),
        cell("d", "full", "x"),
        failed("d", "frozen", "x"),
    ]
    found = pairs(evidence(*records, *EVERY[:4]), FULL, FROZEN)
    assert found == [("a/full/x", "a/frozen/x"), ("a/full/y", "a/frozen/y")]
