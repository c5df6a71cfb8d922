"""A test file that writes its labels in another way than the training file: refused, with what differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from tests.support.user_files import opened, refused, said

FIVE = [str(1 + n % 5) for n in range(40)]


def files(folder: Path, train: Sequence[str], test: Sequence[str]) -> tuple[Path, Path]:
    paths = folder / "train.csv", folder / "test.csv"
    for path, labels in zip(paths, (train, test), strict=True):
        rows = [f"a text of {path.stem} number {n},{label}" for n, label in enumerate(labels)]
        path.write_text("\n".join(["text,rating", *rows]))
    return paths


def read(
    folder: Path, train: Sequence[str], test: Sequence[str], adapter: str, role: str = "test_data"
) -> Any:
    first, second = files(folder, train, test)
    return opened(first, adapter=adapter, **{role: str(second)})


@pytest.mark.parametrize("role", ["test_data", "validation_data"])
@pytest.mark.parametrize(
    ("train", "test"),
    [
        (FIVE, ["0", "1"] * 10),
        (FIVE, [f"{n / 20:g}" for n in range(20)]),
        (FIVE, [str(1 + n % 10) for n in range(20)]),
        ([str(1 + n % 10) for n in range(40)], [str(1 + n % 5) for n in range(20)]),
        (["0", "1"] * 20, FIVE[:20]),
        ([str(n % 11) for n in range(66)], [str(n % 6) for n in range(30)]),
        ([str(10 * (n % 11)) for n in range(66)], [str(10 * (n % 6)) for n in range(30)]),
        ([str(n % 11) for n in range(66)], ["0", "1"] * 10),
        ([str(n % 5) for n in range(40)], FIVE[:30]),
        (FIVE, [str(1 + n % 3) for n in range(30)]),
    ],
    ids=[
        "0 or 1 after 1-5",
        "shares after 1-5",
        "1-10 after 1-5",
        "1-5 after 1-10",
        "1-5 after 0 or 1",
        "0-5 after 0-10",
        "0-50 after 0-100",
        "0 or 1 after 0-10",
        "1-5 after 0-4",
        "1-3 after 1-5",
    ],
)
def test_ratings_on_another_scale_are_refused(
    train: list[str], test: list[str], role: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError) as error:
        read(tmp_path, train, test, "sentiment", role)
    assert error.value.code == "other-scale"


def test_zero_after_minus_one_and_one_is_neutral_and_so_untrained(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        read(tmp_path, ["-1", "1"] * 20, ["0", "1"] * 10, "sentiment")
    assert error.value.code == "untrained-class"


def test_ratings_on_the_same_scale_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, FIVE, FIVE[:20], "sentiment")
    assert [row.label for row in found.splits.test[:5]] == [
        "negative", "negative", "neutral", "positive", "positive",
    ]  # fmt: skip


def test_one_rating_that_training_lacks_is_on_its_scale(tmp_path: Path) -> None:
    train = [str(2 + n % 4) for n in range(40)]
    assert len(read(tmp_path, train, [*FIVE[1:5] * 9, "1"], "sentiment").splits.test) == 37


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (FIVE, ["4", "5"] * 6),
        (FIVE, ["5"] * 12),
        (FIVE, ["1", "2"] * 6),
        ([str(1 + n % 4) for n in range(40)], [*[str(1 + n % 4) for n in range(11)], "5"]),
    ],
    ids=["4 and 5", "5", "1 and 2", "one 5 after 1-4"],
)
@pytest.mark.parametrize("role", ["test_data", "validation_data"])
def test_ratings_of_one_end_of_the_scale_are_read_and_pointed_out(
    train: list[str], test: list[str], role: str, tmp_path: Path
) -> None:
    found = read(tmp_path, train, test, "sentiment", role)
    assert len(getattr(found.splits, role.removesuffix("_data"))) == 12
    assert any(note.startswith("look:") and "on one scale" in note for note in found.notes)


def numbers(count: int, low: float, high: float) -> list[str]:
    return [f"{low + (high - low) * n / (count - 1):.3f}" for n in range(count)]


@pytest.mark.parametrize("test", [numbers(30, 0, 0.9), numbers(30, 10, 50), numbers(30, -5, 0)], ids=str)
def test_numbers_beyond_those_of_training_are_refused(test: list[str], tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        read(tmp_path, numbers(60, 1, 5), test, "regression")
    assert error.value.code == "other-scale"


@pytest.mark.parametrize(
    ("test", "is_said"),
    [
        (numbers(30, 0, 1), True),
        (numbers(30, 0.2, 4.9), False),
        (numbers(5, 0, 1), False),
        (numbers(80, 0, 10), True),
        (["0"] * 45 + numbers(40, 0, 100), True),
        ([*numbers(39, 0, 5), "100"], True),
        ([*numbers(39, 0, 5), "5.1"], False),
    ],
)
def test_numbers_of_a_small_part_of_the_scale_or_beyond_it_are_pointed_out(
    test: list[str], is_said: bool, tmp_path: Path
) -> None:
    found = read(tmp_path, numbers(60, 0, 5), test, "regression")
    assert any(note.startswith("look:") and "on one scale" in note for note in found.notes) is is_said


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (["Sports", "Politics"], ["sports", "politics"], "'Politics'"),
        (["card arrival", "top up"], ["card_arrival", "top_up"], "'card arrival'"),
        (["01", "02"], ["1", "2"], "'01'"),
        (["neg", "pos"], ["0", "1"], "training has words (neg, pos)"),
        (["0", "1"], ["neg", "pos"], "training has numbers (0, 1)"),
        (["neg", "pos"], ["neg", "neutral"], "add rows of it"),
    ],
    ids=str,
)
def test_classes_in_another_spelling_are_named(
    train: list[str], test: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError) as error:
        read(tmp_path, train * 20, test * 10, "classification")
    assert error.value.code == "untrained-class"
    assert said in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda found: found.replace("text,rating", "Text,rating"),
        lambda found: found.replace("text,", "review,", 1),
    ],
)
def test_other_names_of_columns_are_refused(wrong: Callable[[str], str], tmp_path: Path) -> None:
    first, second = files(tmp_path, FIVE, FIVE[:20])
    second.write_text(wrong(second.read_text()))
    with pytest.raises(BenchError) as error:
        opened(first, adapter="classification", test_data=str(second))
    assert error.value.code == "different-columns"


def test_a_test_file_that_is_the_training_file_is_a_leak(tmp_path: Path) -> None:
    first, _ = files(tmp_path, FIVE, FIVE)
    with pytest.raises(BenchError) as error:
        opened(first, adapter="classification", test_data=str(first))
    assert error.value.code == "leak"


FAR: dict[str, list[str]] = {
    "99 for no answer": [*FIVE, "99"],
    "-99 for no answer": [*FIVE, "-99"],
    "98 and 99": [*FIVE, "98", "99"],
    "a sum": [*FIVE, str(sum(map(int, FIVE)))],
}


@pytest.mark.parametrize("case", FAR)
def test_a_few_ratings_that_are_far_from_all_others_are_refused(case: str, tmp_path: Path) -> None:
    """They would move the middle of the scale, and with it the polarity of every row."""
    first, _ = files(tmp_path, FAR[case], FIVE)
    error = refused(first, adapter="sentiment")
    assert error.code == "far-rating"
    assert "and all others are from 1 to 5" in str(error)


def test_many_ratings_that_are_far_from_all_others_are_pointed_out(tmp_path: Path) -> None:
    first, _ = files(tmp_path, ["1", "4", "4.5", "5"] * 10, FIVE)
    found = opened(first, adapter="sentiment")
    assert said(found, "look: 10 rows have the rating 1, and all others are from 4 to 5")
    assert len(found.splits.train) + len(found.splits.validation) + len(found.splits.test) == 40


@pytest.mark.parametrize(
    "ratings",
    [["0", "1"], ["1", "3", "5"], ["1", "2", "5"], ["1", "2", "3", "5"], ["1", "2", "3", "4", "9", "10"]],
    ids=str,
)
def test_the_ends_of_a_scale_are_not_far_off(ratings: list[str], tmp_path: Path) -> None:
    first, _ = files(tmp_path, ratings * 12, FIVE)
    assert not said(opened(first, adapter="sentiment"), "look:")
