"""Files as libraries, databases and published data sets write them: pandas, R, SQL, AG News, Sentiment140, AIDA."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.user_files import (
    LABELS,
    ROWS,
    SENTENCES,
    TEXTS,
    all_rows,
    conll,
    delimited,
    opened,
    refused,
    said,
    written,
)


def labelled(found: Any) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in all_rows(found)]


@pytest.mark.parametrize("first", [0, 1, 2])
def test_numbers_are_columns_where_the_first_row_starts_with_a_number(first: int, tmp_path: Path) -> None:
    """AG News and Yelp: the first line's class is 1, 2 or 3, and is no name of a column."""
    rows = [(n % 3 + 1, f"Title {n}", text) for n, text in enumerate(TEXTS)]
    rows = rows[first:] + rows[:first]
    found = opened(written(delimited(rows, header=()), tmp_path), text="3", label="1")
    assert labelled(found) == [(text, str(label)) for label, _, text in rows]


def test_names_that_pandas_counts_are_names(tmp_path: Path) -> None:
    rows = [(text, n % 2) for n, text in enumerate(TEXTS)]
    path = written(delimited(rows, header=("0", "1")), tmp_path)
    assert labelled(opened(path, text="0", label="1")) == [(text, str(label)) for text, label in rows]


def test_entities_of_html_separate_no_columns(tmp_path: Path) -> None:
    """Sentiment140: `;` would make one row of all lines."""
    content = "".join(f'"{n % 2}","user","{text} &quot;q&quot;"\n' for n, text in enumerate(TEXTS))
    found = opened(written(content, tmp_path), text="3", label="1")
    assert labelled(found) == [(f"{text} &quot;q&quot;", str(n % 2)) for n, text in enumerate(TEXTS)]


@pytest.mark.parametrize(("train", "test"), [(int, float), (float, int)])
def test_a_whole_label_is_one_class_in_all_files(train: type, test: type, tmp_path: Path) -> None:
    """pandas writes a column of whole numbers as floats where one cell of it is empty."""
    path = written(delimited([(text, train(n % 3)) for n, text in enumerate(TEXTS)]), tmp_path)
    other = written(delimited([(f"another {n}", test(n % 3)) for n in range(9)]), tmp_path, "b.csv")
    found = opened(path, test_data=str(other))
    assert [row.label for row in found.splits.test] == [str(n % 3) for n in range(9)]


def test_a_leading_zero_is_part_of_a_label(tmp_path: Path) -> None:
    rows = list(zip(TEXTS, ("01", "1", "2.0", "9007199254740993.0") * 10, strict=True))
    found = opened(written(delimited(rows), tmp_path))
    assert [row.label for row in all_rows(found)] == ["01", "1", "2", "9007199254740993"] * 10


def test_labels_that_are_one_number_are_refused(tmp_path: Path) -> None:
    rows = list(zip(TEXTS, ("1", "1.0") * 20, strict=True))
    assert refused(written(delimited(rows), tmp_path)).code == "constant-label"


def test_a_column_is_found_however_its_accents_are_written(tmp_path: Path) -> None:
    path = written(delimited(header=("te\u0301xt", "label")), tmp_path)
    assert labelled(opened(path, text="t\u00e9xt", label="label")) == ROWS


@pytest.mark.parametrize("sign", ["\t", ","])
@pytest.mark.parametrize("start", [0, 1, 7])
def test_row_names_of_r_need_no_name(start: int, sign: str, tmp_path: Path) -> None:
    quoted = [[f'"{start + n}"', f'"{text}"', f'"{label}"'] for n, (text, label) in enumerate(ROWS)]
    content = "\n".join(map(sign.join, [['"text"', '"label"'], *quoted]))
    found = opened(written(content, tmp_path))
    assert labelled(found) == ROWS
    assert said(found, "the first line does not name the first column, which numbers the rows")


@pytest.mark.parametrize("rows", ["{text},x{n},{label}", "1,{text},{label}"])
def test_a_column_without_a_name_is_refused(rows: str, tmp_path: Path) -> None:
    texts = [text.replace(",", "") for text in TEXTS]
    lines = [
        rows.format(text=t, label=b, n=n % 3) for n, (t, b) in enumerate(zip(texts, LABELS, strict=True))
    ]
    error = refused(written("\n".join(["text,label", *lines]), tmp_path))
    assert error.code == "malformed-rows"
    assert "names 2 columns: name them all there" in str(error)


def test_a_comma_in_every_text_makes_no_row_names(tmp_path: Path) -> None:
    """Each row has one cell more than the header and starts with a number of its own, without R's quotes."""
    rows = [f"{n},Smith, {text.replace(',', '')},{LABELS[n]}" for n, text in enumerate(TEXTS)]
    assert refused(written("\n".join(["id,text,label", *rows]), tmp_path)).code == "malformed-rows"


@pytest.mark.parametrize("sign", ["\t", ","])
def test_what_databases_write_for_nothing_is_nothing(sign: str, tmp_path: Path) -> None:
    texts = [text.replace(",", "") for text in TEXTS]
    rows = [f"{text}{sign}{LABELS[n] if n % 8 else chr(92) + 'N'}" for n, text in enumerate(texts)]
    found = opened(written("\n".join([f"text{sign}label", *rows]), tmp_path))
    assert labelled(found) == [(texts[n], LABELS[n]) for n in range(40) if n % 8]
    assert said(found, "5 cells \\N, as databases write a missing value: read as empty")


def test_what_databases_write_for_nothing_is_a_text_in_quotes(tmp_path: Path) -> None:
    rows = "".join(f'"{LABELS[n]} {n}","{chr(92) + "N" if n % 2 else "other"}"\n' for n in range(40))
    found = opened(written(f"text,label\n{rows}", tmp_path))
    assert {row.label for row in all_rows(found)} == {"\\N", "other"}


def test_escapes_are_pointed_out(tmp_path: Path) -> None:
    rows = "".join(f"one\\ttwo\\n{n}\t{label}\n" for n, label in enumerate(LABELS))
    found = opened(written(f"text\tlabel\n{rows}", tmp_path))
    assert all_rows(found)[0].text == "one\\ttwo\\n0"
    assert said(found, "look: 40 rows have backslashes before quotes, backslashes, n, r or t")


def test_only_what_is_escaped_loses_its_backslash(tmp_path: Path) -> None:
    rows = "".join(f'"a \\"q\\" b\\nc d\\\\e {n}","{label}"\n' for n, label in enumerate(LABELS))
    found = opened(written(f"text,label\n{rows}", tmp_path))
    assert all_rows(found)[0].text == 'a "q" b\\nc d\\e 0'


def test_lines_that_rule_a_result_are_left_out(tmp_path: Path) -> None:
    rows = "".join(f" {text} | {label}\n" for text, label in ROWS)
    content = f"  text  | label\n--------+------\n{rows}"
    assert labelled(opened(written(content, tmp_path, "a.txt"))) == ROWS
    error = refused(written(content + "(40 rows)\n", tmp_path, "a.txt"))
    assert error.code == "malformed-rows"
    assert "if it is a footer, delete it" in str(error)


@pytest.mark.parametrize("rule", ["--: | :--", "---|---", ":-: | -:"])
def test_any_rule_of_markdown_is_left_out(rule: str, tmp_path: Path) -> None:
    content = f"text | label\n{rule}\n" + "".join(f"{text} | {label}\n" for text, label in ROWS)
    assert labelled(opened(written(content, tmp_path, "a.md"))) == ROWS


def test_a_minus_of_print_is_a_minus(tmp_path: Path) -> None:
    rows = [(text, f"\u2212{n}.5" if n % 3 else f"{n}.5") for n, text in enumerate(TEXTS)]
    found = opened(written(delimited(rows), tmp_path), adapter="regression")
    assert [row.number for row in all_rows(found)] == [-n - 0.5 if n % 3 else n + 0.5 for n in range(40)]


@pytest.mark.parametrize("odd", ["(1.5)", "5%", "1'000.5", "$3"])
def test_numbers_of_another_kind_are_refused_and_not_left_out(odd: str, tmp_path: Path) -> None:
    rows = [(text, odd if n % 10 == 0 else n / 7) for n, text in enumerate(TEXTS)]
    error = refused(written(delimited(rows), tmp_path), adapter="regression")
    assert error.code == "not-numbers"
    assert f"4 of 40 labels are no numbers, such as '{odd}'" in str(error)


def test_missing_numbers_are_left_out(tmp_path: Path) -> None:
    rows = [(text, ("", "NA", "-", "inf")[n % 4] if n % 10 == 0 else n / 7) for n, text in enumerate(TEXTS)]
    found = opened(written(delimited(rows), tmp_path), adapter="regression")
    assert len(all_rows(found)) == 36


@pytest.mark.parametrize("key", ["{n}", "id-{n}"])
def test_rows_by_key_are_rows_whatever_their_columns_are_called(key: str, tmp_path: Path) -> None:
    rows = {key.format(n=n): {"review": text, "stars": n % 2} for n, text in enumerate(TEXTS)}
    found = opened(written(json.dumps(rows), tmp_path, "a.json"))
    assert labelled(found) == [(text, str(n % 2)) for n, text in enumerate(TEXTS)]
    assert said(found, "rows are given by key")


@pytest.mark.parametrize("key", ["{n}", "id-{n}"])
def test_columns_by_row_may_hold_lists(key: str, tmp_path: Path) -> None:
    columns = {
        name: {key.format(n=n): [pair[place] for pair in s] for n, s in enumerate(SENTENCES)}
        for place, name in enumerate(("tokens", "ner_tags"))
    }
    found = opened(written(json.dumps(columns), tmp_path, "a.json"))
    assert [list(zip(row.words, row.tags, strict=True)) for row in all_rows(found)] == SENTENCES


def test_cells_that_a_viewer_cut_are_counted(tmp_path: Path) -> None:
    rows = [
        {"row_idx": n, "row": {"text": text, "label": label}, "truncated_cells": ["text"] * (n % 2)}
        for n, (text, label) in enumerate(ROWS)
    ]
    found = opened(written(json.dumps({"rows": rows}), tmp_path, "a.json"))
    assert said(found, "20 rows have cells that the viewer cut")


def test_two_columns_of_a_name_in_parquet_are_told_apart(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = [pyarrow.array(TEXTS), pyarrow.array(LABELS), pyarrow.array(LABELS[::-1])]
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(columns, names=["text", "label", "label"]), path)
    assert refused(path).code == "unclear-adapter"
    found = opened(path, text="text", label="2")
    assert labelled(found) == ROWS
    assert said(found, "two columns are named 'label': choose one by its number")


def test_a_question_and_a_sentence_are_a_pair(tmp_path: Path) -> None:
    rows = [(f"what is {n}?", text, label) for n, (text, label) in enumerate(ROWS)]
    found = opened(written(delimited(rows, header=("question", "sentence", "label")), tmp_path))
    assert [(row.text, row.pair, row.label) for row in all_rows(found)] == rows


def test_a_column_of_objects_is_named_with_the_way_out(tmp_path: Path) -> None:
    rows = [{"id": n, "said": [{"of": text}], "context": text} for n, text in enumerate(TEXTS)]
    error = refused(written("\n".join(map(json.dumps, rows)), tmp_path, "a.jsonl"))
    assert error.code == "unclear-adapter"
    assert "'said' holds objects: write a row for each text" in str(error)
    rows = [{"id": n, "said": {"of": text}, "context": text} for n, text in enumerate(TEXTS)]
    error = refused(written("\n".join(map(json.dumps, rows)), tmp_path, "b.jsonl"))
    assert error.code == "unclear-adapter"
    assert "'said' holds objects: name a value in them by its path (said.of)" in str(error)


def test_one_column_is_refused_with_the_separators(tmp_path: Path) -> None:
    error = refused(written("text^label\n" + "".join(f"{n}^x\n" for n in range(9)), tmp_path))
    assert error.code == "unclear-adapter"
    assert "columns are separated by commas, semicolons, tabs or '|'" in str(error)


@pytest.mark.parametrize(
    ("first", "said_so"), [(True, "it has 'another 0', 'bad'"), (False, "give both files one")]
)
def test_a_header_in_one_file_alone_is_said(first: bool, said_so: str, tmp_path: Path) -> None:
    header = ("text", "label")
    rows = [(f"another {n}", label) for n, label in enumerate(LABELS)]
    test = written(delimited(rows, header=() if first else header), tmp_path, "b.csv")
    path = written(delimited(header=header if first else ()), tmp_path)
    keys = {} if first else {"text": "1", "label": "2"}
    error = refused(path, test_data=str(test), **keys)
    assert error.code == "different-columns"
    assert said_so in str(error)


def test_words_joined_to_their_tags_are_refused(tmp_path: Path) -> None:
    lines = [" ".join(f"{word}|{tag}" for word, tag in sentence) for sentence in SENTENCES]
    error = refused(written("\n".join(lines), tmp_path, "a.iob"))
    assert error.code == "not-a-word-and-tag"
    assert "words joined to their tags: write a word and its tag a line" in str(error)


def test_quotation_marks_around_labels_are_pointed_out(tmp_path: Path) -> None:
    content = "text,label\n" + "".join(f"'{n}','{label}'\n" for n, label in enumerate(LABELS))
    found = opened(written(content, tmp_path))
    assert said(found, "look: labels have quotation marks around them ('bad')")


@pytest.mark.parametrize("value", [{"value": "Rome"}, ["Rome"], 3, None])
def test_a_column_named_answer_may_hold_anything(value: Any, tmp_path: Path) -> None:
    rows = [{"text": text, "label": label, "answer": value} for text, label in ROWS]
    assert labelled(opened(written("\n".join(map(json.dumps, rows)), tmp_path, "a.jsonl"))) == ROWS


@pytest.mark.parametrize("start", ["-DOCSTART- (1 EU)\n", "-DOCSTART- (1 EU)\tO\n\n", "-DOCSTART-\n"])
def test_a_document_may_have_a_name(start: str, tmp_path: Path) -> None:
    content = start + conll(lambda word, tag: f"{word}\t{tag}")
    found = opened(written(content, tmp_path, "a.conll"))
    assert [list(zip(row.words, row.tags, strict=True)) for row in all_rows(found)] == SENTENCES


def test_a_sign_that_starts_an_entity_is_a_word(tmp_path: Path) -> None:
    content = conll().replace("Ann B-PER", "# B-PER").replace("Upper B-ORG", "Upper B-PER")
    found = opened(written("\n".join([content, "Ann I-PER", "ran O"]), tmp_path, "a.conll"))
    assert all_rows(found)[1].words[0] == "#"


def _bracket(tag: str) -> str:
    return {"B": f"({tag[2:]}*", "I": "*)", "O": "*"}[tag[0]]


COLUMNS: dict[str, tuple[str, Mapping[str, str], str]] = {
    "a document's name": (conll(lambda word, tag: f"doc-1\t{word}\t{tag}"), {}, "implausible-words"),
    "places": (conll(lambda word, tag: f"{len(word)}-{len(tag)}\t{word}\t{tag}"), {}, "implausible-words"),
    "brackets of CoNLL-2012": (
        conll(lambda word, tag: f"{word} {_bracket(tag)}"),
        {"tags": "2"},
        "implausible-tags",
    ),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_a_column_that_cannot_be_what_it_is_read_as_is_refused(case: str, tmp_path: Path) -> None:
    content, keys, code = COLUMNS[case]
    error = refused(written(content, tmp_path, "a.conll"), **keys)
    assert error.code == code
    assert "--" in str(error)


FORMATS: dict[str, tuple[bytes, str]] = {
    "Arrow stream": (b"\xff\xff\xff\xff\x10\0\0\0", "save it as Parquet"),
    "ORC": (b"ORC\n\x06\x12\x04\x08", "save it as Parquet"),
    "Avro": (b"Obj\x01\x04\x14avro.codec", "save it as Parquet"),
    "Stata": (b"<stata_dta><header><release>118</release>\0", "save it as CSV"),
    "pickle": (b"\x80\x05\x95\x10\0\0", "run code"),
    "XML": (b'\xef\xbb\xbf<?xml version="1.0"?>\n<row/>', "convert it to CSV"),
    "SQL": (b"-- MySQL dump\n/*!40101 SET x */;\nDROP TABLE t;\nCREATE TABLE t (a);", "export the table"),
    "rows of SQL": (b"INSERT INTO `t` VALUES (1,'a'),(2,'b');", "export the table"),
    "tar": (b"a/".ljust(257, b"\0") + b"ustar", "unpack it first"),
}


@pytest.mark.parametrize("case", FORMATS)
def test_another_format_is_named_with_the_way_out(case: str, tmp_path: Path) -> None:
    content, way = FORMATS[case]
    error = refused(written(content, tmp_path))
    assert error.code == "not-text"
    assert way in str(error)


@pytest.mark.parametrize(
    "start", ["orchestra", "ORC", "ORCID-Schlüssel", "BZh", "RDX", "create table x", "set"]
)
def test_text_that_starts_like_another_format_is_read(start: str, tmp_path: Path) -> None:
    path = written(delimited(header=(start, "label")), tmp_path)
    assert labelled(opened(path, text="1", label="label")) == ROWS


def test_an_encoding_of_ascii_bytes_alone_must_be_named(tmp_path: Path) -> None:
    rows = [(f"これは映画です {n}", label) for n, label in enumerate(LABELS)]
    path = written(delimited(rows).encode("iso2022_jp"), tmp_path)
    error = refused(path)
    assert error.code == "unknown-encoding"
    assert "--encoding iso2022_jp" in str(error)
    assert labelled(opened(path, encoding="iso2022_jp")) == rows


def test_words_are_shown_where_the_encoding_is_a_guess(tmp_path: Path) -> None:
    rows = [(f"hava çok güzel değil mi {n}", label) for n, label in enumerate(LABELS)]
    found = opened(written(delimited(rows).encode("cp1254"), tmp_path))
    assert said(found, "read as Windows-1252, the superset of Latin-1 (çok, güzel, deðil)")
