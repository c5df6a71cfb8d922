"""Cuts never divide a group, samples are nested, and unsound rows are named."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts import BenchError, QuestionExample, Recipe, Splits, TextExample, WordsExample
from bench.data.rows import cached_splits
from bench.data.sources import Sources
from bench.data.splits import (
    all_splits,
    check_labels,
    check_leaks,
    content,
    cut_by_group,
    drop_duplicates,
    fingerprint,
    identity,
    prepare,
    split_by_group,
    subset,
    training_subset,
    with_validation,
)
from tasks.classification import Classification
from tasks.qa import QA

FRACTIONS = {"train": 0.6, "validation": 0.15, "test": 0.25}


def texts(count: int, prefix: str = "", groups: int = 50, labels: int = 4) -> list[TextExample]:
    return [
        TextExample(f"{prefix}{n}", f"{prefix} text {n}", f"label{n % labels}", f"{prefix}g{n % groups}")
        for n in range(count)
    ]


class Made(Classification):
    name = "made"
    summary = "made up"
    rows = Splits(texts(80, "a"), texts(40, "b"), texts(40, "c"), {"far": texts(40, "d")})

    def splits(self, sources: Sources) -> Splits:
        return self.rows


class Asked(QA):
    name = "asked"
    summary = "made up"

    def splits(self, sources: Sources) -> Splits:
        rows = [QuestionExample(f"{n}", "Who?", "Ann" + " ran" * n, (("Ann", 0),)) for n in range(20)]
        return Splits(rows, rows, rows)


def prepared(rows: Splits, recipe: Recipe | None = None) -> Splits:
    task = Made()
    task.rows = rows  # type: ignore[misc]
    return prepare(task, Sources(Path("unused")), recipe or Recipe())


# Cutting


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.text(max_size=5))
def test_no_group_is_ever_divided_and_no_row_is_lost(groups: list[int], salt: str) -> None:
    rows = [TextExample(f"{n}", f"{n}", "x", f"g{group}") for n, group in enumerate(groups)]
    cut = split_by_group(rows, FRACTIONS, salt)
    owners = Counter((row.group, name) for name, part in cut.items() for row in part)
    assert len(owners) == len(set(groups))
    assert sorted(row.id for part in cut.values() for row in part) == sorted(row.id for row in rows)


def test_the_fractions_are_met_approximately() -> None:
    cut = split_by_group(texts(1000, groups=100), FRACTIONS, "s")
    for name, fraction in FRACTIONS.items():
        assert len(cut[name]) == pytest.approx(1000 * fraction, abs=15)


def test_a_cut_depends_on_groups_and_salt_only() -> None:
    rows = texts(200)
    cut = split_by_group(rows, FRACTIONS, "s")
    again = split_by_group(rows[::-1], FRACTIONS, "s")
    assert {k: {row.group for row in v} for k, v in cut.items()} == {
        k: {row.group for row in v} for k, v in again.items()
    }
    assert cut != split_by_group(rows, FRACTIONS, "t")


def test_a_cut_is_the_same_in_every_version() -> None:
    cut = split_by_group(texts(200), FRACTIONS, "s")
    assert {name: fingerprint(part) for name, part in cut.items()} == {
        "train": "7d34556fd3554182",
        "validation": "54060910a67fd215",
        "test": "ffe941f13eed28c6",
    }


def test_rows_without_a_group_stay_with_their_duplicates() -> None:
    rows = [TextExample(f"{n}", f"text {n % 20}", "x") for n in range(100)]
    cut = cut_by_group(rows, 0.5, 0.2, "s")
    assert len(cut.train) + len(cut.validation) + len(cut.test) == 100


def test_training_gets_every_label_however_rare() -> None:
    rows = [*texts(200, groups=200, labels=1), TextExample("rare", "rare text", "rare")]
    for salt in "abcdefgh":
        assert "rare" in {row.label for row in split_by_group(rows, FRACTIONS, salt)["train"]}


def test_a_group_goes_where_its_middle_lies() -> None:
    """The middles of two groups of 4 rows lie at 2 and 6 rows; a middle at the end of a part is beyond it."""
    rows = [TextExample(f"{n}", f"{n}", "x", f"g{n // 4}") for n in range(8)]
    for share, size in ((0.25, 0), (0.26, 4), (0.75, 4), (0.76, 8)):
        assert len(split_by_group(rows, {"train": share, "test": 1 - share})["train"]) == size


# Sampling


def by_digest(rows: Sequence[Any], salt: str = "") -> list[Any]:
    return sorted(rows, key=lambda row: hashlib.sha256(f"{salt}\0{row.id}".encode()).hexdigest())


def test_a_sample_is_the_start_of_the_order_of_digests() -> None:
    """Also where the rows after it have labels that it lacks: only training rows are chosen by their labels."""
    rows = texts(60, labels=30)
    assert subset(rows, 20) == by_digest(rows)[:20] != training_subset(rows, 20)
    assert subset(rows, 20, "s") == by_digest(rows, "s")[:20]


def test_all_rows_are_in_the_order_of_the_task() -> None:
    rows = texts(60)
    assert subset(rows, 60) == training_subset(rows, 60) == rows
    assert training_subset(rows, 60, draw=3) == training_subset(rows, None, draw=3) == rows


def test_tags_are_labels_that_training_has_to_know() -> None:
    rows = [
        *(WordsExample(f"{n}", ("a", "b"), ("O", "O")) for n in range(30)),
        WordsExample("x", ("a",), ("B-X",)),
    ]
    assert "x" in {row.id for row in training_subset(rows, 2)}
    with pytest.raises(
        BenchError,
        match=r"none of 5 training examples has label 'B-X' of split 'test': raise recipe.train where",
    ) as error:
        check_labels(Made(), Splits(rows[:5], rows[:5], rows[-1:]))
    assert error.value.code == "unknown-label"


def test_a_type_of_which_training_has_one_tag_is_learnt() -> None:
    one, both = (WordsExample("a", ("a", "b"), tags) for tags in (("B-X", "B-X"), ("B-X", "I-X")))
    check_labels(Made(), Splits([one], [both], [both, WordsExample("b", ("a",), ("O",))]))
    classes = [TextExample("a", "a", "B-X")], [TextExample("b", "b", "I-X")]
    with pytest.raises(BenchError, match="label 'I-X' of split 'test'"):
        check_labels(Made(), Splits(classes[0], classes[0], classes[1]))


@given(st.integers(1, 60), st.integers(1, 60))
def test_samples_are_nested_and_deterministic(few: int, more: int) -> None:
    few, more = sorted((few, more))
    rows = texts(60)
    for sample in (subset, training_subset):
        assert {row.id for row in sample(rows, few)} <= {row.id for row in sample(rows, more)}
        assert len(sample(rows, few)) == few
        assert {row.id for row in sample(rows, more)} == {row.id for row in sample(rows[::-1], more)}


def test_a_training_sample_has_every_label_as_soon_as_it_can() -> None:
    rows = [*texts(500, labels=5), TextExample("rare", "rare", "rare")]
    assert {row.label for row in training_subset(rows, 6)} == {f"label{n}" for n in range(5)} | {"rare"}


def test_class_proportions_hold_approximately() -> None:
    rows = [TextExample(f"{n}", f"{n}", "a" if n % 4 else "b") for n in range(4000)]
    share = Counter(row.label for row in subset(rows, 1000))["b"] / 1000
    assert share == pytest.approx(0.25, abs=0.04)


def test_no_size_and_too_large_a_size_mean_all_in_order() -> None:
    rows = texts(10)
    assert subset(rows, None) == training_subset(rows, 99) == rows


def test_a_fingerprint_sees_content_and_order() -> None:
    rows = texts(5)
    assert fingerprint(rows) == fingerprint(tuple(rows))
    assert len({fingerprint(rows), fingerprint(rows[::-1]), fingerprint(rows[:4])}) == 3


def test_a_fingerprint_is_the_digest_of_the_fields_line_by_line() -> None:
    rows = [TextExample("1", "é", "a", "g"), TextExample("2", "b", "c", pair="d")]
    lines = '["1", "é", "a", "g"]\n["2", "b", "c", "", "d"]\n'
    assert fingerprint(rows) == hashlib.sha256(lines.encode()).hexdigest()[:16]


# Leaks


def test_duplicates_of_held_out_rows_leave_training() -> None:
    same = TextExample("t", "said twice", "a")
    splits = Splits(
        [same, TextExample("u", "said thrice", "a"), TextExample("w", "once", "a")],
        [replace(same, id="v"), TextExample("x", "said thrice", "b")],
        [replace(same, id="y", label="b")],
    )
    kept = drop_duplicates(splits)
    assert [[row.id for row in part] for part in (kept.train, kept.validation, kept.test)] == [
        ["w"],
        ["x"],
        ["y"],
    ]


def test_duplicates_of_shift_sets_leave_training_too() -> None:
    rows = [TextExample(str(number), f"text {number}", "a") for number in range(4)]
    far = [replace(rows[place], id=f"far {place}") for place in (0, 2)]
    kept = drop_duplicates(Splits(rows[:2], rows[2:], [], {"far": far}))
    assert (kept.train, kept.validation, kept.shift) == (rows[1:2], rows[3:], {"far": far})


def test_a_given_training_set_is_cut_without_duplicates_of_the_test_set() -> None:
    test = [TextExample(f"t{n}", f"text {n}", "x") for n in range(0, 50, 5)]
    train = [TextExample(f"{n}", f"text {n}", "x") for n in range(100)]
    splits = with_validation(train, test, 0.2, "s")
    assert splits.test == test
    assert len(splits.train) + len(splits.validation) == 90
    assert not {content(row) for row in splits.train} & {content(row) for row in test}


def test_a_group_in_two_splits_is_an_error() -> None:
    rows = texts(20)
    with pytest.raises(BenchError, match="task 'made' leaks: group 'g") as error:
        check_leaks(Made(), Splits(rows[:10], rows[10:], [replace(rows[0], id="z")]))
    assert error.value.code == "leak"


def test_a_group_of_training_in_a_shift_set_is_an_error_and_one_of_the_test_set_is_none() -> None:
    rows = texts(30)
    splits = Splits(rows[:10], rows[10:20], rows[20:])
    check_leaks(Made(), replace(splits, shift={"far": [replace(rows[20], id="z")]}))
    for place, name in ((0, "train"), (10, "validation")):
        with pytest.raises(BenchError, match=f"is in both '{name}' and 'shift/far'") as error:
            check_leaks(Made(), replace(splits, shift={"far": [replace(rows[place], id="z")]}))
        assert error.value.code == "leak"


@pytest.mark.parametrize("kept", [False, True], ids=["made each time", "cached"])
def test_a_leak_is_found_among_rows_that_are_not_in_use(kept: bool, tmp_path: Path) -> None:
    leaking = replace(Made.rows, test=[*Made.rows.test, replace(Made.rows.train[0], id="z", text="another")])
    rows = cached_splits("made", 1, lambda: leaking, tmp_path) if kept else leaking
    assert "z" not in {row.id for row in subset(leaking.test, 5)}
    for _ in range(2):
        with pytest.raises(BenchError, match="group 'ag0'") as error:
            prepared(rows, Recipe(train=20, test=5))
        assert error.value.code == "leak"


# Preparing


def test_a_cell_gets_the_sizes_of_its_recipe() -> None:
    splits = prepared(Made.rows, Recipe(train=20, validation=10, test=5, shift=True))
    sizes = [len(splits.train), len(splits.validation), len(splits.test), len(splits.shift["far"])]
    assert sizes == [20, 10, 5, 5]


@pytest.mark.parametrize("recipe", [Recipe(shift=True), Recipe(train=20, validation=10, test=5, shift=True)])
@pytest.mark.parametrize("kept", [False, True])
def test_every_split_of_a_cell_comes_from_the_tasks_split_of_that_name(
    recipe: Recipe, kept: bool, tmp_path: Path
) -> None:
    rows = cached_splits("made", 1, lambda: Made.rows, tmp_path) if kept else Made.rows
    found, own = all_splits(prepared(rows, recipe)), all_splits(Made.rows)
    taken = {name: {row.id for row in part} for name, part in found.items()}
    assert list(taken) == ["train", "validation", "test", "shift/far"]
    for name, ids in taken.items():
        assert ids <= {row.id for row in own[name]}
        assert not ids & {row.id for other, part in found.items() if other != name for row in part}


def test_what_a_draw_or_shots_take_comes_from_training_alone() -> None:
    training = {row.id for row in Made.rows.train}
    for recipe, draw in ((Recipe(train=20), 3), (Recipe(shots=2), None), (Recipe(shots=2), 3)):
        task = Made()
        found = prepare(task, Sources(Path("unused")), recipe, draw)
        assert {row.id for row in found.train} < training
        assert [row.id for row in found.validation] == [row.id for row in Made.rows.validation]
        assert [row.id for row in found.test] == [row.id for row in Made.rows.test]


def test_a_cell_trains_on_every_label_and_is_tested_on_an_unbiased_sample() -> None:
    found = prepared(Made.rows, Recipe(train=4, validation=7, test=7))
    assert sorted(row.label for row in found.train) == [f"label{n}" for n in range(4)]
    for part, rows in ((found.validation, Made.rows.validation), (found.test, Made.rows.test)):
        assert part == by_digest(rows)[:7]


def test_shift_sets_are_left_out_where_the_recipe_does_not_ask_for_them() -> None:
    assert prepared(Made.rows, Recipe()).shift == {}


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_an_empty_split_is_named(name: str) -> None:
    with pytest.raises(BenchError, match=f"task 'made' has no examples in split '{name}'") as error:
        prepared(replace(Made.rows, **{name: []}))
    assert error.value.code == "empty-split"


def test_an_empty_shift_set_is_named() -> None:
    with pytest.raises(BenchError, match="split 'shift/far'") as error:
        prepared(replace(Made.rows, shift={"far": []}))
    assert error.value.code == "empty-split"


def test_an_unsound_example_is_named() -> None:
    rows = [*texts(5), TextExample("x7", " ", "label0")]
    with pytest.raises(BenchError, match="task 'made', split 'test', example 'x7'") as error:
        prepared(replace(Made.rows, test=rows))
    assert error.value.code == "unsound-example"


def test_an_id_that_occurs_twice_is_named() -> None:
    with pytest.raises(BenchError, match="two examples have the id '0'") as error:
        prepared(replace(Made.rows, test=[*texts(3), *texts(1)]))
    assert error.value.code == "duplicate-id"


@pytest.mark.parametrize("split", ["train", "validation", "test", "shift"])
def test_a_second_text_in_some_rows_alone_is_refused(split: str) -> None:
    rows = [replace(row, pair="a second text") for row in texts(40, "e")]
    mixed = replace(Made.rows, **{split: {"far": rows} if split == "shift" else rows})
    with pytest.raises(BenchError, match=r"has a second text \(pair\), and .* has none") as error:
        prepared(mixed, Recipe(shift=True))
    assert error.value.code == "mixed-pairs"


def test_rows_of_which_each_has_a_second_text_are_used() -> None:
    paired = [[replace(row, pair="more") for row in rows] for rows in all_splits(Made.rows).values()]
    found = prepared(Splits(*paired[:3], {"far": paired[3]}), Recipe(shift=True))
    assert {row.pair for rows in all_splits(found).values() for row in rows} == {"more"}


def test_a_label_that_is_not_learnt_is_named() -> None:
    with pytest.raises(BenchError) as error:
        prepared(Made.rows, Recipe(train=2))
    assert error.value.code == "unknown-label"


def test_long_contexts_go_before_sampling() -> None:
    splits = prepare(Asked(), Sources(Path("unused")), Recipe(max_context=19, train=4))
    assert len(splits.train) == 4
    assert {len(row.context) for row in splits.test} == {3, 7, 11, 15, 19}


def test_a_limit_that_leaves_no_context_is_an_error() -> None:
    with pytest.raises(BenchError, match=r"recipe\.max_context=2") as error:
        prepare(Asked(), Sources(Path("unused")), Recipe(max_context=2))
    assert error.value.code == "no-short-context"


def test_text_of_any_script_is_sound() -> None:
    odd = TextExample("x", "naïve 東京 🙂 \ud7ff \ue000", "label1")
    assert odd in prepared(replace(Made.rows, train=[*Made.rows.train, odd])).train


def test_predictions_name_the_document_of_their_rows_where_any_has_one() -> None:
    rows = [TextExample("1", "a", "x"), TextExample("2", "b", "x", "g")]
    assert identity(rows) == {"id": ["1", "2"], "group": ["", "g"]}
    assert identity(rows[:1]) == {"id": ["1"]}


def test_words_are_compared_as_text() -> None:
    assert content(WordsExample("1", ("a", "b"), ("O", "O"))) == "a b"


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (TextExample("x", "a text", 3), "label has 3, which is not text"),  # pyright: ignore[reportArgumentType]
        (TextExample("x", "a text", None), "label has None, which is not text"),  # pyright: ignore[reportArgumentType]
        (TextExample("x", "a text", "\ud800"), "label has half of a character"),
        (TextExample("x", "a \udfff text", "label1"), "text has half of a character"),
        (TextExample("x", 5, "label1"), "text has 5, which is not text"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_rows_that_are_no_text_are_refused_when_they_are_checked(example: TextExample, reason: str) -> None:
    rows = replace(Made.rows, train=[*Made.rows.train, example])
    with pytest.raises(BenchError) as error:
        prepared(rows)
    assert f"task 'made', split 'train', example 'x': {reason}" in str(error.value)
