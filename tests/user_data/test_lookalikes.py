"""Tables that look like something else: columns of tags, a first row, classes, one label, answers in a context."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.data.sources import Sources
from bench.user_data.description import from_values, read
from bench.user_data.labels import joined_by
from bench.user_data.values import as_label
from tests.support.user_files import (
    LABELS,
    ROWS,
    SENTENCES,
    TEXTS,
    all_rows,
    conll,
    delimited,
    json_lines,
    opened,
    refused,
    said,
    written,
)


def labelled(path: Path, **keys: Any) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in all_rows(opened(path, **keys))]


# --------------------------------------------------------------------------------------------------
# A table with blank lines, and words with their tags


def apart(rows: Sequence[Sequence[str]], header: Sequence[str], sign: str = "\t") -> str:
    """Rows with a blank line after every ninth."""
    lines = [sign.join(row) + "\n" * (n % 9 == 8) for n, row in enumerate(rows)]
    return "\n".join([sign.join(header), *lines]) + "\n"


@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a.csv"])
@pytest.mark.parametrize("usual", ["0", "-", "none", "O"])
def test_texts_with_blank_lines_between_them_are_no_words(usual: str, name: str, tmp_path: Path) -> None:
    rows = [(text, usual if n % 3 else "other") for n, text in enumerate(TEXTS)]
    assert labelled(written(apart(rows, ("tweet", "hate")), tmp_path, name), label="hate") == rows


def test_rows_of_tabs_at_the_end_are_no_sentences(tmp_path: Path) -> None:
    rows = [(text, str(n % 3 // 2)) for n, text in enumerate(TEXTS)]
    path = written(delimited(rows, "\t") + "\t\n" * 3, tmp_path, "a.tsv")
    assert labelled(path, text="text", label="label") == rows


@pytest.mark.parametrize(
    ("header", "keys"),
    [
        (("text", "label"), {}),
        (("a", "b"), {"text": "a", "label": "b"}),
        (("a", "b"), {"text": "a", "label": "b", "adapter": "classification"}),
        (("text", " label"), {}),
    ],
)
def test_texts_without_blanks_are_no_words_where_their_column_is_named(
    header: Sequence[str], keys: dict[str, str], tmp_path: Path
) -> None:
    rows = [(f"很好的电影{n}", "none" if n % 3 else "other") for n in range(40)]
    assert labelled(written(apart(rows, header), tmp_path, "a.tsv"), **keys) == rows


def test_a_blank_after_the_comma_makes_no_tag(tmp_path: Path) -> None:
    rows = [(f"a film {'and so on ' * (n % 4)}{n}", " 0" if n % 3 else " 1") for n in range(40)]
    path = written(apart(rows, ("words_of_it", "hate"), ","), tmp_path)
    assert [label for _, label in labelled(path, text="1", label="2")] == [label.strip() for _, label in rows]


@pytest.mark.parametrize("header", ["", "text\tlabel\n", "word\ttag\n"])
@pytest.mark.parametrize("keys", [{}, {"adapter": "ner"}])
def test_words_and_tags_stay_such(header: str, keys: dict[str, str], tmp_path: Path) -> None:
    path = written(header + conll(lambda word, tag: f"{word}\t{tag}"), tmp_path, "a.txt")
    found = all_rows(opened(path, **keys))
    assert [list(zip(row.words, row.tags, strict=True)) for row in found] == SENTENCES


# --------------------------------------------------------------------------------------------------
# Rows that end early


@pytest.mark.parametrize("role", ["test_data", "validation_data"])
@pytest.mark.parametrize("header", [("label", "text"), ()], ids=["named", "by number"])
def test_a_row_of_a_held_out_file_that_ends_early_is_refused(
    header: Sequence[str], role: str, tmp_path: Path
) -> None:
    rows = [(label, text) for text, label in ROWS]
    path = written(delimited(rows[:30], header=header), tmp_path)
    other = written(delimited(rows[30:36], header=header) + "and on it goes\n", tmp_path, "b.csv")
    other.write_text(other.read_text() + delimited(rows[36:], header=()))
    error = refused(path, text="2", label="1", **{role: str(other)})
    assert error.code == "malformed-rows"
    assert f"b.csv is not well-formed, line {7 + bool(header)}" in str(error)


def test_a_row_that_ends_early_is_refused_in_any_shard(tmp_path: Path) -> None:
    for n in range(2):
        more = "an end\n" + delimited(ROWS[38:], header=()) if n else ""
        content = delimited(ROWS[19 * n : 19 * n + 19]) + more
        written(content, tmp_path / "films", f"train-0000{n}-of-00002.csv")
    error = refused(tmp_path / "films")
    assert error.code == "malformed-rows"
    assert "train-00001-of-00002.csv is not well-formed, line 21" in str(error)


def test_rows_of_shards_that_are_like_their_first_line_are_counted(tmp_path: Path) -> None:
    """The first line of both, though it looks like a row, has the names of the columns."""
    for n in range(2):
        rows = [*ROWS[19 * n : 19 * n + 19], ("a film to see", "positive")]
        content = delimited(rows, header=("a film to see", "positive"))
        written(content, tmp_path / "films", f"train-0000{n}-of-00002.csv")
    found = opened(tmp_path / "films", text="1", label="2")
    assert said(found, "train-00000-of-00002.csv: 1 line repeats the header: left out")


def test_a_row_that_lacks_a_column_of_0_and_1_is_refused(tmp_path: Path) -> None:
    rows = [(text, n % 2, n % 3 % 2) for n, text in enumerate(TEXTS)]
    content = delimited(rows, header=("text", "food", "price")) + "an end,1\nanother,1,0\n"
    assert refused(written(content, tmp_path), label=["food", "price"]).code == "malformed-rows"


def test_a_row_may_lack_a_column_that_is_not_read(tmp_path: Path) -> None:
    rows = [(text, n % 2, n % 3 % 2, "a remark") for n, text in enumerate(TEXTS)]
    content = delimited(rows, header=("text", "food", "price", "remark")) + "an end,1,0\nanother,1,0,\n"
    assert len(all_rows(opened(written(content, tmp_path), label=["food", "price"]))) == 42


# --------------------------------------------------------------------------------------------------
# Columns of 0 and 1 without names, and names that are classes


def test_columns_of_0_and_1_without_names_keep_their_first_row(tmp_path: Path) -> None:
    rows = [(1 - n % 2, text, n % 3 % 2) for n, text in enumerate(TEXTS)]
    path = written(delimited(rows[:30], header=()), tmp_path)
    other = written(delimited(rows[30:], header=()), tmp_path, "b.csv")
    found = opened(path, text="2", label=["1", "3"], test_data=str(other))
    assert {row.text: row.labels for row in all_rows(found)} == {
        text: ("column 1",) * a + ("column 3",) * b for a, text, b in rows
    }
    assert said(found, "labels are named by the numbers of their columns")
    again = from_values("a", found.data.as_values(), Path())
    assert read(again, Sources()).data.rows == found.data.rows
    named = all_rows(opened(path, text="2", label=["1", "3"], label_names="food,price"))
    assert {label for row in named for label in row.labels} == {"food", "price"}


def test_a_number_beside_columns_of_0_and_1_counts_all_columns(tmp_path: Path) -> None:
    rows = [(n % 2, n % 3 % 2, text) for n, text in enumerate(TEXTS)]
    path = written(delimited(rows, header=("food", "price", "said")), tmp_path)
    found = all_rows(opened(path, text="3", label=["1", "2"]))
    assert [(row.text, row.labels) for row in found] == [
        (text, ("food",) * a + ("price",) * b) for a, b, text in rows
    ]
    assert refused(path, text="2", label=["1", "2"]).code == "same-column"


def test_a_column_that_is_named_as_one_of_its_classes_has_a_name_where_the_user_says_it(
    tmp_path: Path,
) -> None:
    rows = [(text, ["spam", "ham"][n % 2]) for n, text in enumerate(TEXTS)]
    path = written(delimited(rows[:30], header=("text", "spam")), tmp_path)
    other = written(delimited(rows[30:], header=("text", "spam")), tmp_path, "b.csv")
    found = opened(path, text="text", label="spam", test_data=str(other))
    assert sorted((row.text, row.label) for row in all_rows(found)) == sorted(rows)
    assert labelled(path, text="1", label="spam") == rows[:30]
    assert refused(path).code in ("no-header", "unclear-adapter")


# --------------------------------------------------------------------------------------------------
# Numbers and classes


@pytest.mark.parametrize("sign", [";", "\t"])
@pytest.mark.parametrize("keys", [{}, {"text": "text", "label": "rating"}])
def test_some_decimal_commas_make_a_column_of_numbers(
    keys: dict[str, str], sign: str, tmp_path: Path
) -> None:
    marks = ["3", "3,5", "4", "4,5", "5"]
    rows = [(text, marks[n % 5]) for n, text in enumerate(TEXTS)]
    found = opened(written(delimited(rows, sign, ("text", "rating")), tmp_path), **keys)
    assert found.data.adapter == "regression"
    assert {row.number for row in all_rows(found)} == {3, 3.5, 4, 4.5, 5}


def test_decimal_commas_in_json_are_numbers(tmp_path: Path) -> None:
    rows = [{"text": text, "rating": ["3", "3,5", "4"][n % 3]} for n, text in enumerate(TEXTS)]
    assert opened(written(json_lines(rows), tmp_path, "a.jsonl")).data.adapter == "regression"


def test_commas_between_the_numbers_of_classes_are_no_decimal_commas(tmp_path: Path) -> None:
    rows = [(text, ["1", "2", "1,2"][n % 3]) for n, text in enumerate(TEXTS)]
    found = opened(written(delimited(rows), tmp_path))
    assert found.data.adapter == "classification"
    assert said(found, "--label-separator ','")


@pytest.mark.parametrize(
    "numbers",
    [
        [f"{1 + n / 10:.1f}" for n in range(41)],
        ["1.0", "1.5", "2.0", "2.5", "3.0", "4.0", "4.5", "5.0"],
        ["1", "1.33", "1.67", "2", "2.33", "2.67", "3"],
    ],
    ids=["tenths", "halves", "means of three"],
)
def test_naming_a_column_of_scores_makes_no_classes_of_them(numbers: list[str], tmp_path: Path) -> None:
    rows = [(f"text {n}", numbers[3 * n % len(numbers)]) for n in range(200)]
    path = written(delimited(rows, header=("text", "score")), tmp_path)
    for keys in ({}, {"label": "score"}, {"text": "1", "label": "2"}):
        assert opened(path, **keys).data.adapter == "regression"
    assert {label for _, label in labelled(path, adapter="classification", label="score")} == set(numbers)


@pytest.mark.parametrize("keys", [{"label": "label"}, {"text": "text", "label": "label"}])
def test_naming_a_column_of_codes_makes_classes_of_them(keys: dict[str, str], tmp_path: Path) -> None:
    codes = ["1.1", "1.2", "1.3", "2.1", "2.2", "3.1"]
    rows = [(text, codes[n % 6]) for n, text in enumerate(TEXTS)]
    assert labelled(written(delimited(rows), tmp_path), **keys) == rows


@pytest.mark.parametrize("value", [" 1", "1 ", "1.00", "1.", "\u200b1", "\u00a01.0", 1, 1.0])
def test_a_number_of_a_label_has_its_name_however_it_is_written(value: Any) -> None:
    assert as_label(value, ("bad", "good")) == "good"


def test_names_are_those_of_numbers_after_blanks_and_of_themselves(tmp_path: Path) -> None:
    lines = [f'"{text}",{" " * (n % 2)}{n % 3 % 2}' for n, text in enumerate(TEXTS)]
    path = written("\n".join(["text, label", *lines]), tmp_path)
    assert {label for _, label in labelled(path, label_names="bad,good")} == {"bad", "good"}
    path = written("\n".join(["text, label", *(f'"{text}", {label}' for text, label in ROWS)]), tmp_path)
    assert labelled(path, label_names="bad,good") == ROWS


# --------------------------------------------------------------------------------------------------
# Labels that are made of others


@pytest.mark.parametrize("sign", ["|", ";", "#"])
@pytest.mark.parametrize(
    "sets",
    [
        [["food", "price"], ["food", "staff"], ["price", "staff"]],
        [["food"], ["price"], ["food", "price"]],
        [["food", "price"], ["food", "price", "staff"], ["staff", "room"], ["room", "food"]],
    ],
    ids=["never alone", "alone, too", "two or three"],
)
def test_labels_of_recurring_parts_are_pointed_out(sets: list[list[str]], sign: str, tmp_path: Path) -> None:
    labels = [sign.join(found) for found in sets]
    rows = [(text, labels[n % len(labels)]) for n, text in enumerate(TEXTS)]
    path = written(delimited(rows, "\t"), tmp_path)
    assert said(opened(path), f"--label-separator '{sign}'")
    assert {row.labels for row in all_rows(opened(path, label_separator=sign))} == set(map(tuple, sets))


@pytest.mark.parametrize(
    "labels",
    [
        ["C", "C#", "F", "F#"],
        ["C#", "F#", "Java"],
        ["food#quality", "food#price", "drinks#quality", "drinks#price"],
        ["News|Sports", "News|Politics", "Arts|Film", "Arts|Music"],
        ["R;D", "sales", "staff"],
        ["Paris, France", "Lyon, France", "France, Paris"],
    ],
    ids=str,
)
def test_a_sign_within_a_name_is_not_pointed_out(labels: list[str]) -> None:
    assert joined_by(labels * 10, "label") == ""


# --------------------------------------------------------------------------------------------------
# Texts without blanks, and answers that are in no context

CHINESE = [f"这部电影很好看，推荐第{n}次" for n in range(40)]


@pytest.mark.parametrize("keys", [{}, {"label": "label"}])
@pytest.mark.parametrize("column", ["text", "sentence"])
def test_texts_without_blanks_are_no_words(column: str, keys: dict[str, str], tmp_path: Path) -> None:
    rows = [
        {column: text[:4] + " " * (n % 10 == 0) + text[4:], "label": f"news_{LABELS[n]}"}
        for n, text in enumerate(CHINESE)
    ]
    path = written(json_lines(rows), tmp_path, "a.jsonl")
    assert labelled(path, **keys) == [(row[column], row["label"]) for row in rows]


def test_texts_without_blanks_are_refused_with_the_way_out(tmp_path: Path) -> None:
    rows = [(text, LABELS[n]) for n, text in enumerate(CHINESE)]
    path = written(delimited(rows, header=("text", "tag")), tmp_path)
    for keys in ({}, {"adapter": "ner"}):
        assert "--adapter classification" in str(refused(path, **keys))
    assert labelled(path, adapter="classification", label="tag") == rows


TRUTHS = ["yes", "No", "no.", "TRUE", "false"]


def answered(answer: Any, n: int, **more: Any) -> dict[str, Any]:
    context = f"The known notes on river number {n} say nothing of it, or yes."
    return {"question": f"Is number {n} a boat?", "context": context, "answer": answer, **more}


@pytest.mark.parametrize("keys", [{}, {"adapter": "qa"}, {"adapter": "unanswerable"}])
def test_answers_of_yes_and_no_are_classes(keys: dict[str, str], tmp_path: Path) -> None:
    rows = [answered(TRUTHS[n % 5] if n else "river", n) for n in range(40)]
    error = refused(written(json_lines(rows), tmp_path, "a.jsonl"), **keys)
    assert error.code == "unusable-rows"
    assert "--adapter classification" in str(error)


def test_an_answer_of_yes_that_stands_at_its_place_is_one(tmp_path: Path) -> None:
    rows = [answered("yes", n, start=len(answered("", n)["context"]) - 4) for n in range(40)]
    found = all_rows(opened(written(json_lines(rows), tmp_path, "a.jsonl")))
    assert [row.answers for row in found] == [(("yes", row["start"]),) for row in rows]


def test_some_answers_of_yes_and_no_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [answered(["river", "nothing", "false"][n % 3], n) for n in range(40)]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert len(all_rows(found)) == 27
    assert said(found, "13 of 40 rows left out, because the answer is not in the context")
