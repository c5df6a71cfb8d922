"""Titles, headers, lines that describe the columns, and rows that go on beyond them: each is told from rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.user_files import LABELS, ROWS, TEXTS, all_rows, delimited, opened, refused, written

PLAIN = [text.replace(",", "") for text in TEXTS]


def labelled(path: Path, **keys: Any) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in all_rows(opened(path, **keys))]


def said(path: Path, words: str, **keys: Any) -> bool:
    return any(words in note for note in opened(path, **keys).notes)


ABOVE = {
    "a title with the separator": "Report, 2024\n",
    "a comment with the separator": "# exported today, by hand\n",
    "a title with another separator": "Report; of 2024\n",
    "a first header in words": "What was written,How it was meant\n",
}


@pytest.mark.parametrize("case", ABOVE)
@pytest.mark.parametrize("keys", [{}, {"text": "1", "label": "2"}], ids=["guessed", "by number"])
def test_a_line_above_the_names_of_the_columns_is_refused(
    case: str, keys: dict[str, str], tmp_path: Path
) -> None:
    """By number, too: the names would be a row with a class of its own."""
    assert refused(written(ABOVE[case] + delimited(), tmp_path), **keys).code == "title-above-table"


def test_lines_of_survey_software_are_refused(tmp_path: Path) -> None:
    described = '"Response ID","How was it?","{""ImportId"":""QID2""}"\n'
    content = (
        "ResponseId,Q1,label\n" + described + delimited([(n, *row) for n, row in enumerate(ROWS)], header=())
    )
    error = refused(written(content, tmp_path), text="Q1", label="label")
    assert error.code == "title-above-table"
    assert "Qualtrics" in str(error)


def test_a_line_of_units_is_pointed_out(tmp_path: Path) -> None:
    rows = [("(words)", "(1 to 5)"), *((text, n % 5 + 1) for n, text in enumerate(TEXTS))]
    path = written(delimited(rows), tmp_path)
    assert said(path, "look: line 2 has '(1 to 5)' in column 'label', where all other rows have numbers")
    rows[0] = ("a text", "3")
    assert not said(written(delimited(rows), tmp_path, "b.csv"), "look: line 2")


def test_the_first_row_of_numbers_is_no_header(tmp_path: Path) -> None:
    numbers = [f"{n / 7:.2f}" for n in range(40)]
    path = written(delimited(list(zip(TEXTS, numbers, strict=True)), header=()), tmp_path)
    found = all_rows(opened(path, text="1", label="2", adapter="regression"))
    assert [(row.text, row.number) for row in found] == [
        (t, float(n)) for t, n in zip(TEXTS, numbers, strict=True)
    ]
    assert refused(path, text="text", label="score").code in ("unknown-column", "no-header")


def test_the_first_row_of_many_classes_is_no_header(tmp_path: Path) -> None:
    rows = [(f"{text} {again}", f"intent {n}") for again in range(5) for n, text in enumerate(TEXTS)]
    rows += [(f"{text} more {again}", f"more {n}") for again in range(5) for n, text in enumerate(TEXTS)]
    path = written(delimited(rows, header=()), tmp_path)
    assert labelled(path, text="1", label="2") == rows


def test_a_row_that_repeats_the_first_one_is_a_row(tmp_path: Path) -> None:
    hello = ("hello", "greeting")
    rows = [hello, *((text, ("greeting", "other")[n % 2]) for n, text in enumerate(TEXTS)), hello, hello]
    path = written(delimited(rows, header=()), tmp_path)
    assert labelled(path, text="1", label="2") == rows
    assert not said(path, "the header: left out", text="1", label="2")


def test_a_word_that_repeats_the_first_row_stays_in_its_sentence(tmp_path: Path) -> None:
    rows = [
        (n, word, tag) for n in range(1, 31) for word, tag in (("the", "O"), (f"dog{n}", "B-X"), ("the", "O"))
    ]
    path = written(delimited(rows, "\t", header=()), tmp_path, "a.tsv")
    found = all_rows(opened(path, sentence="1", words="2", tags="3"))
    assert [row.words for row in found] == [("the", f"dog{n}", "the") for n in range(1, 31)]


def test_names_that_look_like_a_row_and_come_again_are_left_out_where_one_is_named(tmp_path: Path) -> None:
    rows = [(text, ("spam", "ham")[n % 2]) for n, text in enumerate(TEXTS)]
    header = ("text", "spam")
    path = written(delimited(rows[:20], header=header) + delimited(rows[20:], header=header), tmp_path)
    assert labelled(path, text="text", label="spam") == rows
    assert said(path, "1 line repeats the header: left out", text="text", label="spam")


def test_names_that_are_numbers_stay_names_beside_usual_ones(tmp_path: Path) -> None:
    rows = [(text, f"{n / 7:.2f}", label) for n, (text, label) in enumerate(ROWS)]
    path = written(delimited(rows, header=("text", "0.5", "label")), tmp_path)
    assert labelled(path) == ROWS


def test_rows_that_go_on_beyond_the_named_columns_are_left_out(tmp_path: Path) -> None:
    """As a collection of short messages is passed around: `v1,v2,,,`, and some texts go on in the next columns."""
    lines = [f'{label},"{text}",,,' for text, label in ROWS]
    lines[7] = f"{LABELS[7]},{PLAIN[7]}, keep in touch,,"
    path = written("\n".join(["v1,v2,,,", *lines]), tmp_path)
    assert labelled(path, text="v2", label="v1") == [row for n, row in enumerate(ROWS) if n != 7]
    assert said(
        path,
        "1 row left out, because it has values beyond the columns with names (line 9)",
        text="v2",
        label="v1",
    )


def test_a_label_that_a_comma_moved_is_never_read(tmp_path: Path) -> None:
    lines = [f'"{text}",{label},,' for text, label in ROWS]
    lines[7] = f"{PLAIN[7]}, nice,{LABELS[7]},"
    path = written("\n".join(["text,label,,", *lines]), tmp_path)
    assert labelled(path) == [row for n, row in enumerate(ROWS) if n != 7]


def test_a_column_without_a_name_that_is_filled_is_a_column(tmp_path: Path) -> None:
    path = written(delimited([(*row, "x") for row in ROWS], header=("text", "label", "")), tmp_path)
    assert labelled(path) == ROWS
    assert said(path, "columns not read: 'column 3'")


def swallowing(lines: list[str], sign: str) -> str:
    """With a quotation mark at the start of line 5 and one at the end of the text of line 6."""
    first, second = (line.split(sign) for line in lines[5:7])
    lines[5:7] = [f'"{sign.join(first)}', sign.join([f'{second[0]}"', *second[1:]])]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("sign", ["\t", ","])
@pytest.mark.parametrize("kind", ["scores", "many classes"])
def test_quotation_marks_swallow_no_rows_whatever_is_beside_the_texts(
    kind: str, sign: str, tmp_path: Path
) -> None:
    """Neither where every number is another one, nor where there are more than fifty classes."""
    values = [f"{n / 7:.3f}" for n in range(180)] if kind == "scores" else [f"c{n % 60}" for n in range(180)]
    texts = [f"a text {n}" for n in range(180)]
    lines = [f"text{sign}label", *(f"{t}{sign}{v}" for t, v in zip(texts, values, strict=True))]
    path = written(swallowing(lines, sign), tmp_path)
    found = all_rows(opened(path, adapter="regression" if kind == "scores" else "classification"))
    assert [row.text for row in found] == [*texts[:4], '"a text 4', 'a text 5"', *texts[6:]]


def test_a_numbered_list_within_quotes_is_one_text(tmp_path: Path) -> None:
    rows = [(n, f"1, first thing {n}\n2, second thing {n}", label) for n, label in enumerate(LABELS)]
    path = written(delimited(rows, header=("id", "text", "label")), tmp_path)
    assert labelled(path) == [(text, label) for _, text, label in rows]


@pytest.mark.parametrize("header", ["[text],[label]", "[text];[label]"])
def test_names_in_brackets_are_names(header: str, tmp_path: Path) -> None:
    path = written(f"{header}\n" + delimited(delimiter=header[6], header=()), tmp_path)
    assert labelled(path, text="[text]", label="[label]") == ROWS


def test_a_first_row_in_brackets_is_a_row(tmp_path: Path) -> None:
    path = written("[removed],bad\n" + delimited(header=()), tmp_path)
    assert labelled(path, text="1", label="2") == [("[removed]", "bad"), *ROWS]


COLUMNS = {
    "numbers of rows": ("review", lambda n: str(n)),
    "identifiers": ("document", lambda n: f"doc-{n:04}"),
    "addresses": ("content", lambda n: f"https://example.org/{n}?a=b"),
    "days": ("comment", lambda n: f"2024-03-{n % 28 + 1:02}"),
}


@pytest.mark.parametrize("other", ["narrative", "body"])
@pytest.mark.parametrize("case", COLUMNS)
def test_a_column_that_holds_no_texts_is_not_guessed_by_its_name(
    case: str, other: str, tmp_path: Path
) -> None:
    name, value = COLUMNS[case]
    rows = [(value(n), text, label) for n, (text, label) in enumerate(ROWS)]
    assert labelled(written(delimited(rows, header=(name, other, "label")), tmp_path)) == ROWS


def test_a_table_without_texts_asks(tmp_path: Path) -> None:
    rows = [(17 * n, label) for n, label in enumerate(LABELS)]
    error = refused(written(delimited(rows), tmp_path))
    assert error.code == "unclear-column"
    assert labelled(written(delimited(rows), tmp_path), text="text", label="label") == [
        (str(17 * n), label) for n, label in enumerate(LABELS)
    ]


def test_quotation_marks_join_no_cells(tmp_path: Path) -> None:
    """Of two texts the first begins with a mark and the second ends with one, as in corpora of paraphrases."""
    rows = [[f"one {n}", f"two {n}", label] for n, label in enumerate(LABELS)]
    rows[5][:2] = ['"one 5', 'two 5"']
    content = "\n".join("\t".join(row) for row in (["sentence1", "sentence2", "label"], *rows))
    path = written(content, tmp_path, "a.tsv")
    assert [[row.text, row.pair, row.label] for row in all_rows(opened(path))] == rows
    assert said(path, "the quoted text in line 7 would join two cells")


def test_a_short_row_with_a_separator_in_its_quotes_is_read(tmp_path: Path) -> None:
    lines = [f'"{text}",{label},{"" if n == 5 else "a remark"}' for n, (text, label) in enumerate(ROWS)]
    lines[5] = lines[5].rstrip(",")
    path = written("\n".join(["text,label,remark", *lines]), tmp_path)
    assert labelled(path) == ROWS
