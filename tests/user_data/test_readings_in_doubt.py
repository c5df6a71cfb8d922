"""Files that can be read in two ways, or in a way that is wrong without a sign of it: each with its true rows, the
right refusal, or a note that says what was done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.data.sources import Sources
from bench.user_data.number_format import list_of_ids, number_format, plain_number
from bench.user_data.questions import place_answers
from bench.user_data.summary import lengths, summarise
from tests.support.user_files import TEXTS, all_rows, delimited, json_lines, opened, refused, said, written

NFC, NFD = "José", "Jose\u0301"
LONG = "the board of the company number {} decided to go on with it and so on"


def table(
    folder: Path, header: Sequence[str], rows: Sequence[Sequence[Any]], name: str = "a.csv", **how: Any
) -> Path:
    return written(delimited(rows, header=header, **how), folder, name)


# --------------------------------------------------------------------------------------------------
# Numbers


@pytest.mark.parametrize(
    ("values", "column", "expected"),
    [
        (("27", "2,27", "10", "3,18", "0"), "labels", "2,27"),
        (("2", "3", "2,27", "27", "3,18", "18"), "label", "2,27"),
        (("1", "2", "3", "1,2,3", "2,3"), "label", "1,2,3"),
        (("27", "10", "2,27", "18,3"), "emotions", "18,3"),
        (("1", "2", "4", "1,5", "2,5", "3,5", "5", "3"), "label", ""),
        (("1", "2", "3", "4", "5", "3,2", "4,7", "1,4"), "rating", ""),
        (("0", "1", "0,5", "0,25"), "score", ""),
        (("1,5", "2,75"), "labels", ""),
        (("2,27", "much", "2"), "labels", ""),
        (("3,05", "3", "5"), "labels", ""),
        (("1,5", "2,5", "2,7", "3,5", "1", "2", "3", "5", "7"), "score", ""),
    ],
)
def test_lists_of_ids_are_no_numbers_with_decimal_commas(
    values: Sequence[str], column: str, expected: str
) -> None:
    assert list_of_ids(values, column) == expected


@pytest.mark.parametrize("column", ["labels", "label"])
@pytest.mark.parametrize("more", [{}, {"label": "named"}, {"adapter": "classification"}])
def test_several_ids_in_a_cell_are_no_number(column: str, more: dict[str, str], tmp_path: Path) -> None:
    """As GoEmotions is published: `2,27` has two emotions."""
    labels = ["27", "2,27", "10", "3,18", "2", "18", "3"]
    rows = [(text, labels[n % 7]) for n, text in enumerate(TEXTS)]
    path = table(tmp_path, ("text", column), rows, "a.tsv", delimiter="\t")
    keys = {**more, **({"label": column} if "label" in more else {})}
    way = "for several labels a text say --label-separator ','"
    if "adapter" in more:
        assert said(opened(path, **keys), way)
    else:
        error = refused(path, **keys)
        assert error.code == "unclear-numbers"
        assert way in str(error)
    found = all_rows(opened(path, label_separator=","))
    assert [set(row.labels) for row in found] == [set(label.split(",")) for _, label in rows]


@pytest.mark.parametrize(
    ("values", "written_as", "numbers"),
    [
        (("1.200", "850", "3.500", "99"), "points", ("1200", "850", "3500", "99")),
        (("1.234.567", "850"), "points", ("1234567", "850")),
        (("1.234", "850"), "unclear", ()),
        (("1.250", "2.980", "99"), "unclear", ()),
        (("1.200", "2.500", "850", *map(str, range(100, 140)), "n.v."), "points", ()),
        (("1.333", "1.667", "2", "2.333", "3"), "", ("1.333", "1.667", "2", "2.333", "3")),
        (("1.250", "3", "2.500"), "", ("1.250", "3", "2.500")),
        (("1.125", "2", "3.875"), "", ("1.125", "2", "3.875")),
        (("1.200", "850", "99,5"), "comma", ("1200", "850", "99.5")),
        (("1.234,50", "850", "3.500", "99,00"), "comma", ("1234.50", "850", "3500", "99.00")),
        (("1.250", "0.125", "3"), "", ("1.250", "0.125", "3")),
        (("1.25", "1.125", "3"), "", ("1.25", "1.125", "3")),
        (("1.200", "3.500"), "", ("1.200", "3.500")),
        (("1.200", "3500"), "", ("1.200", "3500")),
        (("1.5", "2,5"), "", ("1.5", "2,5")),
    ],
)
def test_points_between_thousands(values: Sequence[str], written_as: str, numbers: Sequence[str]) -> None:
    """As in German. `1.234` beside whole numbers below a thousand may be either; with a 0 at its end, no program
    that leaves `850` without a point wrote it as a fraction."""
    assert number_format(values) == written_as
    if numbers:
        assert tuple(plain_number(value, written_as) for value in values) == tuple(numbers)


def test_scores_with_points_between_thousands_are_read_so(tmp_path: Path) -> None:
    scores = ("1.200", "850", "3.500", "99,5")
    path = table(
        tmp_path, ("text", "score"), [(text, scores[n % 4]) for n, text in enumerate(TEXTS)], delimiter=";"
    )
    assert [row.number for row in all_rows(opened(path))[:4]] == [1200, 850, 3500, 99.5]
    whole = path.read_text().replace("99,5", "99")
    found = opened(written(whole, tmp_path, "whole.csv"), adapter="regression")
    assert [row.number for row in all_rows(found)[:4]] == [1200, 850, 3500, 99]
    assert said(found, "points separate thousands: 1.500 is 1500")
    error = refused(written(whole.replace("00", "34"), tmp_path, "unclear.csv"), adapter="regression")
    assert "'1.234' may be 1.234 or 1234" in str(error)


@pytest.mark.parametrize("stored", ["jsonl", "csv"])
def test_means_of_three_annotators_are_no_thousands(stored: str, tmp_path: Path) -> None:
    """As stored numbers, and as programs write them who drop `.0`."""
    scores = [1.0, 1.333, 1.667, 2.0, 2.333, 2.667, 3.0, 850.0]
    rows = [
        {"text": text, "score": scores[n % (8 if stored == "jsonl" else 7)]} for n, text in enumerate(TEXTS)
    ]
    content = json_lines(rows)
    if stored == "csv":
        content = delimited([(r["text"], f"{r['score']:g}") for r in rows], header=("text", "score"))
    found = all_rows(opened(written(content, tmp_path, f"a.{stored}"), adapter="regression"))
    assert [row.number for row in found] == [row["score"] for row in rows]


@pytest.mark.parametrize("values", [("1.200", "850"), ("1,5", "2"), ("1,500", "2")])
def test_numbers_of_a_test_file_are_written_as_those_of_training(
    values: Sequence[str], tmp_path: Path
) -> None:
    train = table(tmp_path, ("text", "score"), [(t, 1 + n / 8) for n, t in enumerate(TEXTS)], "train.csv")
    rows = [(f"another {text}", values[n % 2]) for n, text in enumerate(TEXTS)]
    test = table(tmp_path, ("text", "score"), rows, "test.csv", delimiter=";")
    error = refused(train, test_data=str(test), adapter="regression")
    assert "test.csv: column 'score' writes numbers otherwise than the training file" in str(error)


@pytest.mark.parametrize(("train", "test"), [("{},0", "{}"), ("{}", "{},0"), ("{},0", "{},0")])
def test_whole_numbers_with_a_decimal_comma_are_classes(train: str, test: str, tmp_path: Path) -> None:
    files = [
        table(
            tmp_path,
            ("text", "rating"),
            [(f"{text} {name}", form.format(1 + n % 4)) for n, text in enumerate(TEXTS)],
            f"{name}.csv",
            delimiter=";",
        )
        for name, form in (("train", train), ("test", test))
    ]
    found = opened(files[0], test_data=str(files[1]))
    assert {row.label for row in all_rows(found)} == {"1", "2", "3", "4"}


# --------------------------------------------------------------------------------------------------
# Columns and lines


def test_files_without_names_have_the_same_columns(tmp_path: Path) -> None:
    """Else the id of one would be read as the text of the other."""
    rows = [(f"this is text {n}", ("pos", "neg")[n % 2]) for n in range(60)]
    train = table(tmp_path, (), rows[:40], "train.csv")
    test = table(tmp_path, (), [(n, *row) for n, row in enumerate(rows[40:])], "test.csv")
    for files in ({"data": train, "test_data": test}, {"data": test, "test_data": train}):
        text, label = (1, 2) if files["data"] == train else (2, 3)
        error = refused(files["data"], test_data=str(files["test_data"]), text=str(text), label=str(label))
        assert error.code == "different-columns"
    assert refused(tmp_path, text="1", label="2").code == "different-columns"


def test_a_first_line_that_is_taken_for_names_is_said(tmp_path: Path) -> None:
    rows = [("first row here", "zz"), *((f"this is text {n}", ("pos", "neg")[n % 2]) for n in range(40))]
    found = opened(table(tmp_path, (), rows), text="1", label="2")
    assert said(found, "the first line names the columns ('first row here', 'zz') and is no row")


def test_a_whole_number_above_numbers_with_fractions_is_a_row(tmp_path: Path) -> None:
    """But not where it is the number of its column, as pandas names them, or a year."""
    rows = [("first row here", "5"), *((f"this is text {n}", n / 8) for n in range(1, 40))]
    found = opened(table(tmp_path, (), rows), text="1", label="2")
    assert all_rows(found)[0].number == 5
    for name in ("2", "2019"):
        named = opened(table(tmp_path, (), [("words", name), *rows[1:]], f"{name}.csv"), text="1", label="2")
        assert len(all_rows(named)) == 39


@pytest.mark.parametrize(
    ("named", "values"), [("review", "yes no"), ("content", "video image post"), ("comment", "")]
)
def test_a_column_of_single_words_or_blanks_is_no_text_beside_texts(
    named: str, values: str, tmp_path: Path
) -> None:
    words = values.split() or ["", "", "see there"]
    rows = [(words[n % len(words)], LONG.format(n), "ab"[n % 2]) for n in range(60)]
    found = opened(table(tmp_path, (named, "utterance", "label"), rows))
    assert [row.text for row in all_rows(found)] == [LONG.format(n) for n in range(60)]
    assert said(found, f"look: '{named}' is named like the text, and holds hardly one: 'utterance' is read")


@pytest.mark.parametrize(
    ("text", "other", "value"),
    [
        ("turn the lights {}", "explanation", LONG),
        ("Annual Report of Acme {}", "passage", LONG),
        ("good film {}", "bio", LONG),
        ("turn the lights {}", "date", "Monday the fifth of March in the year of grace {}"),
    ],
)
def test_a_text_that_repeats_is_read_and_a_longer_one_is_pointed_out(
    text: str, other: str, value: str, tmp_path: Path
) -> None:
    """The titles of documents, or short commands beside an explanation that gives the label away: only the user
    knows which."""
    rows = [(text.format(n % 12), value.format(n), "ab"[n % 2]) for n in range(60)]
    found = opened(table(tmp_path, ("text", other, "label"), rows))
    assert [row.text for row in all_rows(found)] == [row[0] for row in rows]
    assert said(found, f"'text' has 12 different values in 60 rows, and '{other}' holds longer texts")


def test_long_texts_that_repeat_are_texts_still(tmp_path: Path) -> None:
    rows = [(LONG.format(n // 3) * 2, f"a claim that is short {n}", "ab"[n % 2]) for n in range(60)]
    found = opened(table(tmp_path, ("text", "claim", "label"), rows))
    assert said(found, "text is 'text'")
    assert said(found, "--text 'text' --pair 'claim'")


@pytest.mark.parametrize(
    ("header", "group", "expected"),
    [
        (("text", "topic", "sentiment"), "topic", "label is 'sentiment'"),
        (("review", "category", "stars"), "category", "label is 'stars'"),
        (("sentence", "phrase", "label"), "sentence", "text is 'phrase'"),
    ],
)
def test_a_group_is_guessed_as_another_part_where_nothing_else_is(
    header: Sequence[str], group: str, expected: str, tmp_path: Path
) -> None:
    middle = [LONG.format(n) if "phrase" in header else f"topic{n % 12}" for n in range(60)]
    rows = [
        (f"{LONG.format(n // 5 if 'phrase' in header else n)} and more", middle[n], ("a", "b")[n % 2])
        for n in range(60)
    ]
    found = opened(table(tmp_path, header, rows), group=group, adapter="classification")
    assert said(found, expected)


def test_another_column_of_labels_is_pointed_out(tmp_path: Path) -> None:
    rows = [
        (text, ("art", "law")[n % 2], ("positive", "negative")[n % 3 % 2]) for n, text in enumerate(TEXTS)
    ]
    path = table(tmp_path, ("text", "topic", "sentiment"), rows)
    assert said(opened(path), "look: 'sentiment' may be the label, too: choose with --label")
    assert not said(opened(path, label="topic"), "may be the label, too")


@pytest.mark.parametrize("role", ["question", "context"])
def test_a_group_may_be_a_column_that_is_read(role: str, tmp_path: Path) -> None:
    rows = [(f"Where is it {n // 2}?", f"Bob {n // 2} met Carl in Oslo.", "Oslo") for n in range(40)]
    found = opened(table(tmp_path, ("question", "context", "answer"), rows), group=role)
    assert {row.group for row in all_rows(found)} == {row[role == "context"] for row in rows}


def test_a_group_may_be_the_text(tmp_path: Path) -> None:
    rows = [(f"this is text {n // 2}", n % 2) for n in range(40)]
    found = opened(table(tmp_path, ("sentence", "label"), rows), group="sentence")
    assert {row.group for row in all_rows(found)} == {text for text, _ in rows}


def test_texts_that_python_wrote_as_bytes_are_pointed_out(tmp_path: Path) -> None:
    path = table(tmp_path, ("text", "label"), [(repr(text.encode()), n % 2) for n, text in enumerate(TEXTS)])
    assert said(opened(path), "look: texts are written as Python's bytes, such as b'film number 0")
    assert not said(
        opened(table(tmp_path, ("text", "label"), [(t, n % 2) for n, t in enumerate(TEXTS)])), "bytes"
    )


# --------------------------------------------------------------------------------------------------
# Groups


def test_groups_that_differ_in_how_accents_are_written_are_one(tmp_path: Path) -> None:
    rows = [(f"this is text {n}", n % 2, f"{(NFC, NFD)[n % 2]} {n // 4}") for n in range(80)]
    splits = opened(table(tmp_path, ("text", "label", "author"), rows), group="author").splits
    groups = [{row.group for row in part} for part in (splits.train, splits.validation, splits.test)]
    assert len(set.union(*groups)) == 20 == sum(map(len, groups))


def test_texts_that_differ_in_how_accents_are_written_are_pointed_out(tmp_path: Path) -> None:
    train = table(
        tmp_path, ("text", "label"), [(f"caf\u00e9 number {n}", n % 2) for n in range(40)], "train.csv"
    )
    test = table(
        tmp_path, ("text", "label"), [(f"cafe\u0301 number {n}", n % 2) for n in range(30, 50)], "test.csv"
    )
    found = opened(train, test_data=str(test))
    lines = summarise(found, lengths(found.splits, "glove", Sources()))
    assert any("rows but for case, blanks and how accents are written" in line for line in lines)


@pytest.mark.parametrize("missing", ["nan", "None", "-", "NULL"])
def test_a_missing_group_is_no_group(missing: str, tmp_path: Path) -> None:
    """Else all rows without one would be of one group, in both files."""
    rows = [(f"this is text {n}", n % 2, missing if n % 3 else f"a{n}") for n in range(60)]
    header = ("text", "label", "author")
    train, test = (
        table(tmp_path, header, rows[:40], "train.csv"),
        table(tmp_path, header, rows[40:], "test.csv"),
    )
    found = opened(train, test_data=str(test), group="author")
    assert len(all_rows(found)) == 60
    assert said(found, "26 rows have a missing value as their group")
    assert {row.group for row in all_rows(found)} == {"", *(f"a{n}" for n in range(0, 60, 3))}


# --------------------------------------------------------------------------------------------------
# Questions

QUESTION = ("question", "context", "answer")


def asked(n: int, answer: str = "Carl") -> tuple[str, str, str]:
    return f"Who was met in {1900 + n}?", f"In {1900 + n} Bob met Carl in Oslo.", answer


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("label", "01"),
        ("is_correct", ("true", "false")),
        ("correct", ("yes", "no")),
        ("label", ("1.0", "0.0")),
        ("is_true", "TF"),
        ("label", ("1", "-1")),
    ],
)
def test_answers_that_a_column_calls_wrong_are_no_answers(
    name: str, values: Sequence[str], tmp_path: Path
) -> None:
    """As in MultiRC, where each row is a candidate; the user may say that all are right."""
    rows = [(*asked(n, ("Carl", "Bob", "Oslo")[n % 3]), values[n % len(values)]) for n in range(40)]
    path = table(tmp_path, (*QUESTION, name), rows)
    error = refused(path)
    assert error.code == "judged-answers"
    assert f"'{name}' (" in str(error)
    assert len(all_rows(opened(path, adapter="qa"))) == 40


@pytest.mark.parametrize("shared", [True, False])
def test_other_numbers_judge_answers_only_where_rows_share_a_question(shared: bool, tmp_path: Path) -> None:
    rows = [(*asked(n // 4 if shared else n, ("Carl", "Bob")[n % 2]), n % 4) for n in range(40)]
    path = table(tmp_path, (*QUESTION, "label"), rows)
    if shared:
        assert refused(path).code == "judged-answers"
    else:
        assert len(all_rows(opened(path))) == 40


@pytest.mark.parametrize(("name", "value"), [("answer_index", 15), ("target", 1990), ("relevance", 3)])
def test_other_numbers_beside_answers_are_no_judgements(name: str, value: int, tmp_path: Path) -> None:
    rows = [(*asked(n), value + n % 3) for n in range(40)]
    assert len(all_rows(opened(table(tmp_path, (*QUESTION, name), rows)))) == 40


def test_a_label_that_says_which_questions_have_answers_judges_none(tmp_path: Path) -> None:
    rows = [(*asked(n, "Carl" if n % 2 else ""), ("no", "yes")[n % 2]) for n in range(40)]
    assert len(all_rows(opened(table(tmp_path, (*QUESTION, "label"), rows)))) == 20


def test_answers_with_places_are_not_judged_by_a_label(tmp_path: Path) -> None:
    rows = [(*asked(n), 17, n % 2) for n in range(40)]
    assert len(all_rows(opened(table(tmp_path, (*QUESTION, "answer_start", "label"), rows)))) == 40


def test_a_test_file_alone_may_judge_answers(tmp_path: Path) -> None:
    train = table(tmp_path, QUESTION, [asked(n) for n in range(40)], "train.csv")
    rows = [(*asked(n, ("Carl", "Bob")[n % 2]), n % 2) for n in range(50, 90)]
    test = table(tmp_path, (*QUESTION, "label"), rows, "test.csv")
    assert refused(train, test_data=str(test)).code == "judged-answers"


@pytest.mark.parametrize("layout", ["table", "SQuAD"])
@pytest.mark.parametrize(
    ("key", "right", "wrong"), [("label", 1, 0), ("isAnswer", True, False), ("correct", True, False)]
)
def test_an_answer_that_calls_itself_wrong_is_left_out(
    key: str, right: Any, wrong: Any, layout: str, tmp_path: Path
) -> None:
    def answers(name: str) -> list[dict[str, Any]]:
        return [
            {"text": "Carl", "answer_start": -1, key: right},
            {"text": name, "answer_start": -1, key: wrong},
        ]

    rows = [
        {"id": str(n), "question": f"Who, {n}?", "context": f"Bob met Carl {n}.", "answers": answers("Bob")}
        for n in range(40)
    ]
    value: Any = rows
    if layout == "SQuAD":
        value = {"data": [{"paragraphs": [{"context": row["context"], "qas": [row]}]} for row in rows]}
    found = opened(written(json.dumps(value), tmp_path, "a.json"))
    assert {answer for row in all_rows(found) for answer, _ in row.answers} == {"Carl"}
    assert layout == "SQuAD" or said(found, "40 answers are left out, because they say that they are wrong")


@pytest.mark.parametrize("kind", ["articles", "lines"])
@pytest.mark.parametrize(("key", "none"), [("answerable", False), ("has_answer", False), ("no_answer", True)])
def test_questions_of_squads_layout_say_in_several_ways_that_they_have_no_answer(
    key: str, none: bool, kind: str, tmp_path: Path
) -> None:
    paragraphs = [
        {
            "context": f"Bob met Carl {n}.",
            "qas": [{"question": "Who?", "answers": [{"text": "Carl"}], key: none if n % 2 else not none}],
        }
        for n in range(40)
    ]
    value = {"data": [{"title": str(n), "paragraphs": [p]} for n, p in enumerate(paragraphs)]}
    content = json_lines(paragraphs) if kind == "lines" else json.dumps(value)
    found = all_rows(opened(written(content, tmp_path, "a.json")))
    assert [bool(row.answers) for row in found] == [n % 2 == 0 for n in range(40)]


@pytest.mark.parametrize("kind", ["articles", "paragraphs", "lines"])
@pytest.mark.parametrize("value", ["Oslo", {"text": "Oslo", "answer_start": 33}, ["Oslo"]], ids=str)
@pytest.mark.parametrize("key", ["answer", "answer_text", "span"])
def test_answers_of_squads_layout_have_the_names_that_columns_have(
    key: str, value: Any, kind: str, tmp_path: Path
) -> None:
    """As in KorQuAD 2. The place of a bare text may stand beside it."""
    context = "Ann was born in Oslo and died in Oslo."
    rows = [
        {"context": f"{context} {n}", "qas": [{"question": f"Where, {n}?", key: value, "answer_start": 33}]}
        for n in range(40)
    ]
    content = json_lines(rows) if kind == "lines" else json.dumps({"data": rows})
    if kind == "articles":
        content = json.dumps({"data": [{"title": str(n), "paragraphs": [p]} for n, p in enumerate(rows)]})
    found = opened(written(content, tmp_path, "a.json"))
    assert found.data.adapter == "qa"
    assert {row.answers for row in all_rows(found)} == {(("Oslo", 33),)}


@pytest.mark.parametrize("adapter", ["", "qa"])
def test_letters_that_are_words_of_their_contexts_are_answers(adapter: str, tmp_path: Path) -> None:
    """Grades, groups and types of blood."""
    rows = [(f"Which grade, {n}?", f"Student {n} got the grade {g}.", g) for n, g in enumerate("ABCDF" * 8)]
    found = opened(table(tmp_path, QUESTION, rows), **({"adapter": adapter} if adapter else {}))
    assert len(all_rows(found)) == 40


def test_a_column_of_one_value_judges_no_answer(tmp_path: Path) -> None:
    rows = [(*asked(n), "1") for n in range(40)]
    assert len(all_rows(opened(table(tmp_path, (*QUESTION, "label"), rows)))) == 40


@pytest.mark.parametrize("letter", ["{}", "({})", "{}."])
@pytest.mark.parametrize("adapter", ["", "qa"])
def test_letters_of_options_are_no_answers(letter: str, adapter: str, tmp_path: Path) -> None:
    rows = [
        (f"Who came {n}?", "A man met Bob, Carl and Dora.", letter.format("ABCD"[n % 4]), "Ann", "Bob")
        for n in range(40)
    ]
    error = refused(table(tmp_path, (*QUESTION, "A", "B"), rows), **({"adapter": adapter} if adapter else {}))
    assert "nearly all answers are letters of options" in str(error)


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("In 1901 he left.", "1"),
        ("A man met Bob.", "B"),
        ("It was 11.14 then.", "1.14"),
        ("It was 1.14 then.", "1"),
        ("All 20,000 came.", "20"),
        ("It cost $10.", "$1"),
        ("All 11% came.", "1%"),
        ("All 21,000 came.", "1,000"),
    ],
)
def test_a_part_of_a_number_is_no_answer_where_no_place_is_stated(context: str, answer: str) -> None:
    assert place_answers(context, [(answer, None)])[1] == ()
    inside = context.index(answer)
    assert place_answers(context, [(answer, inside)])[1] == ((answer, inside),)
    assert place_answers(context, [(f" {answer}", inside - 1)])[1] == ((answer, inside),)
    assert place_answers(context, [(f" {answer}", inside)])[1] == ()


@pytest.mark.parametrize(
    ("context", "answer", "stated", "place"),
    [
        ("The bridge is 20m long.", "20", None, 14),
        ("Built in the 1920s.", "1920", None, 13),
        ("He came 20th.", "20", None, 8),
        ("Take bus A20.", "20", None, 10),
        ("It has 20GB.", "20", 6, 7),
        ("März: 20GB.", "20", 7, 6),
        ("A lack of vitaminA.", "A", 17, 17),
        ("In 1901, 1 man left.", "1", None, 9),
        ("On 5, 6 and 7 May.", "5", None, 3),
        ("Romeo", "Rome", None, 0),
    ],
)
def test_a_number_beside_letters_is_an_answer(
    context: str, answer: str, stated: int | None, place: int
) -> None:
    assert place_answers(context, [(answer, stated)])[1] == ((answer, place),)


@pytest.mark.parametrize("key", ["start_char", "offset", "span_start", "answer_start"])
def test_the_place_of_an_answer_is_read_by_any_usual_name(key: str, tmp_path: Path) -> None:
    context = "Ann was born in Oslo and died in Oslo."
    objects = [{"text": "Oslo", key: 33}], {"text": ["Oslo"], key: [33]}
    for number, answers in enumerate(objects):
        rows = [
            {"question": f"Where did Ann die, {n}?", "context": f"{context} {n}", "answers": answers}
            for n in range(40)
        ]
        found = all_rows(opened(written(json_lines(rows), tmp_path, f"{number}.jsonl")))
        assert {row.answers for row in found} == {(("Oslo", 33),)}
    flat = table(
        tmp_path, (*QUESTION, key), [(f"Where {n}?", f"{context} {n}", "Oslo", 33) for n in range(40)]
    )
    assert {row.answers for row in all_rows(opened(flat))} == {(("Oslo", 33),)}


@pytest.mark.parametrize("name", ["answerable", "has_answer"])
def test_questions_that_are_not_answerable_have_no_answer(name: str, tmp_path: Path) -> None:
    rows = [(*asked(n), bool(n % 2)) for n in range(40)]
    found = opened(table(tmp_path, (*QUESTION, name), rows))
    assert found.data.adapter == "unanswerable"
    assert [bool(row.answers) for row in all_rows(found)] == [bool(n % 2) for n in range(40)]


# --------------------------------------------------------------------------------------------------
# Words, spans and folders


def test_a_split_divides_no_sentence(tmp_path: Path) -> None:
    words = (("Ann", "B-PER"), ("met", "O"), ("Bob", "B-PER"))
    rows = [
        (n, f"{word}{n}", tag, "test" if n > 30 or word == "Bob" else "train")
        for n in range(40)
        for word, tag in words
    ]
    header = ("sentence_id", "word", "tag", "split")
    error = refused(table(tmp_path, header, rows), split="split")
    assert error.code == "divided-sentence"
    assert "row 3: a word of sentence '0' is for test" in str(error)
    whole = [(*row[:3], "test" if row[0] > 30 else "train") for row in rows]
    assert len(opened(table(tmp_path, header, whole, "whole.csv"), split="split").splits.test) == 9


@pytest.mark.parametrize("named", ["", "nr", "1"])
@pytest.mark.parametrize("stored", ["csv", "jsonl"])
def test_whole_sentences_may_be_numbered_anew_in_each_document(
    named: str, stored: str, tmp_path: Path
) -> None:
    """Neighbours of two documents have one number; 0 is a number, and a column may be named by its own."""
    header = ("nr" if named else "sent_id", "word", "tag", "doc", "split")
    rows = [
        (sentence, f"w{doc}x{sentence}x{n}", "B-X" if n else "O", f"d{doc}", ("train", "test")[doc % 2])
        for doc in range(24)
        for sentence in range(1 + doc % 2)
        for n in range(3)
    ]
    content = delimited(rows, header=header)
    if stored == "jsonl":
        content = json_lines([dict(zip(header, row, strict=True)) for row in rows])
    path = written(content, tmp_path, f"a.{stored}")
    found = opened(path, group="doc", split="split", adapter="ner", **({"sentence": named} if named else {}))
    assert len(all_rows(found)) == 36


def test_words_of_one_sentence_may_be_texts_of_their_own(tmp_path: Path) -> None:
    rows = [
        (LONG.format(n // 4), f"word{n}", "ab"[n % 2], ("train", "train", "test")[n % 3]) for n in range(120)
    ]
    path = table(tmp_path, ("sentence", "token", "label", "split"), rows)
    assert len(all_rows(opened(path, text="token", pair="sentence", label="label", split="split"))) == 120


def test_names_of_other_roles_divide_no_sentence_either(tmp_path: Path) -> None:
    rows = [(n // 3, f"w{n}", "B-X" if n % 3 else "O", ("train", "test")[n % 2]) for n in range(120)]
    path = table(tmp_path, ("sentence_id", "form", "ne", "split"), rows)
    error = refused(path, adapter="ner", text="form", label="ne", split="split")
    assert error.code == "divided-sentence"


@pytest.mark.parametrize("adapter", ["", "ner"])
@pytest.mark.parametrize(("words", "tags"), [("2", "3"), ("form", "ne")])
def test_a_table_with_blank_lines_keeps_its_columns(
    words: str, tags: str, adapter: str, tmp_path: Path
) -> None:
    content = "sid\tform\tne\tpos\n" + "".join(
        f"{n}\tAnn\tB-PER\tNNP\n{n}\tmet\tO\tVBD\n{n}\tx{n}\tO\tNN\n\n" for n in range(40)
    )
    path = written(content, tmp_path, "a.tsv")
    found = all_rows(opened(path, words=words, tags=tags, sentence="sid", adapter=adapter))
    assert len(found) == 40


@pytest.mark.parametrize("options", [{}, {"text": "2", "label": "1"}, {"words": "2", "tags": "1"}])
@pytest.mark.parametrize("name", ["mit.txt", "mit.bio"])
def test_tags_may_stand_before_their_words(options: dict[str, str], name: str, tmp_path: Path) -> None:
    """As in the MIT corpora of films and restaurants."""
    content = "".join(f"O\tshow\nB-TITLE\tAlien\nI-TITLE\t{n}\nO\tplease\n\n" for n in range(40))
    found = all_rows(opened(written(content, tmp_path, name), **options))
    assert [row.words for row in found] == [("show", "Alien", str(n), "please") for n in range(40)]
    assert {row.tags for row in found} == {("O", "B-TITLE", "I-TITLE", "O")}


@pytest.mark.parametrize("adapter", ["", "ner"])
def test_blank_lines_between_rows_of_commas_are_explained(adapter: str, tmp_path: Path) -> None:
    content = "word,tag\n" + "".join(f"Ann,B-PER\nmet,O\nnumber{n},O\n\n" for n in range(40))
    error = refused(written(content, tmp_path), **({"adapter": adapter} if adapter else {}))
    assert "blank lines divide the sentences: separate words and tags by tabs" in str(error)


@pytest.mark.parametrize(
    ("label", "wrong"),
    [
        (None, "row 8: a span of 'entities' has no label"),
        (["PER", "VIP"], "row 8: a span of 'entities' has several labels (PER, VIP)"),
        (1, "row 8: a span of 'entities' has a number as its label"),
    ],
)
def test_the_row_of_a_span_without_a_label_is_named(label: Any, wrong: str, tmp_path: Path) -> None:
    rows = [
        {
            "text": f"Ann {n} met Bob.",
            "entities": [{"start": 0, "end": 3, "label": label if n == 7 else "PER"}],
        }
        for n in range(40)
    ]
    assert wrong in str(refused(written(json_lines(rows), tmp_path, "a.jsonl")))


@pytest.mark.parametrize("label", [2, 0.5])
def test_spans_with_numbers_are_not_read_beside_labels_or_tags(label: Any, tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 3, "label": label}]
    texts = [{"text": f"Ann {n} met Bob.", "sentiment": "ab"[n % 2], "spans": spans} for n in range(40)]
    found = opened(written(json_lines(texts), tmp_path, "a.jsonl"))
    assert found.data.adapter == "classification"
    words = [{**row, "tokens": ["Ann", str(n)], "ner_tags": ["B-X", "O"]} for n, row in enumerate(texts)]
    assert opened(written(json_lines(words), tmp_path, "b.jsonl")).data.adapter == "ner"


def test_a_span_without_a_place_is_named(tmp_path: Path) -> None:
    rows = [
        {"text": f"Ann {n} met Bob.", "entities": [{"start": 0 if n != 7 else "x", "end": 3, "label": "PER"}]}
        for n in range(40)
    ]
    assert "row 8: a span of 'entities' begins at 'x' and ends at '3'" in str(
        refused(written(json_lines(rows), tmp_path, "a.jsonl"))
    )


def flights(more: Callable[[str], Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Texts, each with a span of a city. more: what a span has besides its place."""
    cities = [("Oslo", "Köln", "San Marino")[n % 3] for n in range(40)]
    spans = [{"start": 10, "end": 10 + len(city), **more(city)} for city in cities]
    return [{"text": f"I flew to {cities[n]} {n}", "entities": [spans[n]]} for n in range(40)]


def tags_in(found: Any) -> set[str]:
    return {tag for row in all_rows(found) for tag in row.tags}


@pytest.mark.parametrize("key", ["category", "entity_type", "class"])
@pytest.mark.parametrize("own", ["entity", "name"])
def test_the_own_words_of_a_span_are_not_its_label(own: str, key: str, tmp_path: Path) -> None:
    rows = flights(lambda city: {own: city.lower(), key: "LOC"})
    path = written(json_lines(rows), tmp_path, "a.jsonl")
    assert tags_in(opened(path)) == {"O", "B-LOC", "I-LOC"}
    assert tags_in(opened(path, adapter="ner")) == {"O", "B-LOC", "I-LOC"}


@pytest.mark.parametrize("own", ["entity", "name"])
def test_spans_with_no_label_but_their_own_words_are_refused(own: str, tmp_path: Path) -> None:
    error = refused(written(json_lines(flights(lambda city: {own: city})), tmp_path, "a.jsonl"))
    assert error.code == "spans-without-labels"
    assert f"row 1: a span of 'entities' has no label: its '{own}' holds its own words" in str(error)


@pytest.mark.parametrize(
    ("more", "label"),
    [
        (lambda city: {"value": city, "entity": "city"}, "city"),
        (lambda city: {"word": city, "entity_group": "LOC"}, "LOC"),
        (lambda city: {"name": "LOC", "category": "geography"}, "LOC"),
        (lambda city: {"category": "LOC"}, "LOC"),
    ],
)
def test_other_keys_of_a_span_are_its_label(more: Any, label: str, tmp_path: Path) -> None:
    found = opened(written(json_lines(flights(more)), tmp_path, "a.jsonl"))
    assert tags_in(found) == {"O", f"B-{label}", f"I-{label}"}


def test_a_category_of_spans_makes_them_no_rival_of_a_label(tmp_path: Path) -> None:
    rows = [{**row, "label": "ab"[n % 2]} for n, row in enumerate(flights(lambda _: {"category": "LOC"}))]
    path = written(json_lines(rows), tmp_path, "a.jsonl")
    assert {row.label for row in all_rows(opened(path))} == {"a", "b"}
    assert tags_in(opened(path, text="text", tags="entities")) == {"O", "B-LOC", "I-LOC"}


def test_a_relation_among_spans_is_no_span(tmp_path: Path) -> None:
    relation = {"type": "relation", "from_id": "a", "to_id": "b"}
    rows = [
        {
            "text": f"Ann {n} met Bob.",
            "label": [
                {"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]},
                *([relation] if n == 7 else []),
            ],
        }
        for n in range(40)
    ]
    found = all_rows(opened(written(json_lines(rows), tmp_path, "a.jsonl")))
    assert {row.tags for row in found} == {("B-PER", "O", "O", "O", "O")}


def test_a_readme_among_texts_is_no_text(tmp_path: Path) -> None:
    for label in "ab":
        written(f"{label}: downloaded from a site", tmp_path, f"{label}/README")
        for n in range(20):
            written(f"{label} text {n}", tmp_path, f"{label}/{n}.txt")
    found = opened(tmp_path)
    assert sorted(row.text for row in all_rows(found)) == sorted(
        f"{c} text {n}" for c in "ab" for n in range(20)
    )
    assert said(found, "2 other files of the folder not read, such as README")


@pytest.mark.parametrize(("kinds", "left_out"), [((".txt", ""), 0), (("",), 4), ((".txt",), 4)])
def test_texts_of_two_kinds_are_texts(kinds: Sequence[str], left_out: int, tmp_path: Path) -> None:
    """All but what is about the others."""
    for label in "ab":
        for n in range(20):
            written(f"{label} text {n}", tmp_path, f"{label}/{n}{kinds[n % 5 > 2 and -1]}")
        for name in ("README", "LICENSE.txt") if left_out else ():
            written("about these", tmp_path, f"{label}/{name}")
    found = opened(tmp_path)
    assert len(all_rows(found)) == 40
    assert said(found, "4 other files") == bool(left_out)


def test_mails_named_by_digests_are_texts(tmp_path: Path) -> None:
    """As in SpamAssassin's corpus, which has a file of commands in each folder."""
    for label in ("ham", "spam"):
        written("mv 1 2", tmp_path, f"{label}/cmds")
        for n in range(20):
            written(f"{label} mail {n}", tmp_path, f"{label}/{n:05}.{n:032x}")
    assert {row.text for row in all_rows(opened(tmp_path))} == {
        f"{c} mail {n}" for c in ("ham", "spam") for n in range(20)
    }
