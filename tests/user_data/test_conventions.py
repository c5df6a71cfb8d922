"""Files as libraries, databases and published data sets write them: pandas, R, SQL, AG News, Sentiment140, AIDA."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from tests.support.user_files import LABELS, ROWS, SENTENCES, TEXTS, all_rows, conll, delimited, opened


def written(content: str | bytes, folder: Path, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def said(found: Any, text: str) -> bool:
    return any(text in note for note in found.notes)


def labelled(found: Any) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in all_rows(found)]


def refused(path: Path, **keys: Any) -> BenchError:
    with pytest.raises(BenchError) as error:
        opened(path, **keys)
    return error.value


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


@pytest.mark.parametrize("start", ["orchestra", "ORC", "BZh", "RDX", "create table x", "set"])
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
