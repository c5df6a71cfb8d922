"""Whatever can be written into a file comes back as it was, and what the parsers give keeps its promises."""

from __future__ import annotations

import csv
import io
import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.contracts import BenchError
from bench.user_data.conll_layout import read_conll
from bench.user_data.delimited import read_delimited
from bench.user_data.description import from_values
from bench.user_data.encodings import encoding_of
from bench.user_data.labels import as_number, labelling
from bench.user_data.questions import answers_of
from bench.user_data.tables import read_json_lines
from bench.user_data.tagging import scheme_of, to_iob2
from bench.user_data.text_files import lines_of, sample
from bench.user_data.values import as_text
from tests.data import test_hostile_files as hostile
from tests.data.test_hostile_files import JSON

fuzz = settings(hostile.fuzz, max_examples=60)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
WORD = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="#"), min_size=1, max_size=6)
TAG = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y", "S-X", "E-X", "U-Y", "L-Y", "X", "Y"])


@fuzz
@given(rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), delimiter=st.sampled_from(",;\t|"))
@example(rows=[("NA", "null"), ('"', "1.0"), ("\n", "a,b;c\t|")], delimiter=",")
def test_any_texts_come_back_from_a_csv_file(
    rows: list[tuple[str, str]], delimiter: str, tmp_path: Path
) -> None:
    """Quotes, separators, line breaks and what looks like a missing value included; a row without any is no row."""
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    path = tmp_path / ("rows.tsv" if delimiter == "\t" else "rows.csv")
    path.write_text(written.getvalue(), encoding="utf-8", newline="")
    found = [(row["text"], row["label"]) for row in read_delimited(path, encoding_of(path)).rows()]
    assert found == [row for row in rows if any(cell.strip() for cell in row)]


@fuzz
@given(rows=st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=5), escaped=st.booleans())
def test_any_objects_come_back_from_json_lines(rows: list[Any], escaped: bool, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row, ensure_ascii=escaped) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    sound = [json.loads(line.encode(errors="replace")) for line in lines]
    assert json.dumps(list(read_json_lines(path, encoding_of(path)).rows())) == json.dumps(sound)


@fuzz
@given(
    sentences=st.lists(st.lists(st.tuples(WORD, TAG), min_size=1, max_size=5), max_size=5),
    between=st.sampled_from(["\t", " ", "  "]),
)
def test_any_sentences_come_back_from_conll_columns(
    sentences: list[list[tuple[str, str]]], between: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.conll"
    parts = ["\n".join(f"{word}{between}{tag}" for word, tag in sentence) for sentence in sentences]
    path.write_text("\n\n".join(parts), encoding="utf-8")
    found = [list(zip(sentence.words, sentence.tags, strict=True)) for sentence in read_conll(path)]
    assert found == sentences


@fuzz
@given(sentences=st.lists(st.lists(TAG, max_size=6), max_size=4))
def test_tags_of_every_scheme_become_iob2(sentences: list[list[str]]) -> None:
    """Every I- continues an entity of its type, what is outside stays outside, and IOB2 stays as it is."""
    scheme = scheme_of(sentences)
    for tags in sentences:
        found = to_iob2(tags, scheme)
        assert [tag == "O" for tag in found] == [tag == "O" for tag in tags]
        for before, tag in zip(("O", *found), found, strict=False):
            assert not tag.startswith("I-") or before[2:] == tag[2:]
        assert to_iob2(found, "IOB2") == found


@fuzz
@given(
    values=st.lists(TEXT | st.floats().map(str), max_size=8),
    adapter=st.sampled_from(["classification", "sentiment"]),
)
def test_any_labels_are_read_or_refused(values: list[str], adapter: str) -> None:
    with suppress(BenchError):
        read = labelling(values, adapter, "label")
        labels = {read.label(value) for value in values}
        assert labels - {None}, "none of the labels has a meaning"
        if adapter == "sentiment":
            assert labels <= {None, "negative", "neutral", "positive"}


@fuzz
@given(value=JSON | st.text(), start=JSON)
def test_any_answer_is_a_list_of_texts_with_places_or_none(value: Any, start: Any) -> None:
    for given_value in (value, json.dumps(value)):
        for text, place in answers_of(given_value, start) or ():
            assert isinstance(text, str)
            assert place is None or isinstance(place, (int, str)), "a place, none, or why it cannot be read"


@fuzz
@given(value=JSON)
def test_any_value_is_a_text_that_can_be_written(value: Any) -> None:
    as_text(value).encode()
    number = as_number(as_text(value))
    assert number is None or math.isfinite(number)


@fuzz
@given(content=st.binary(max_size=60), mark=st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"]))
def test_any_bytes_are_text_of_some_encoding_or_refused(content: bytes, mark: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(mark + content)
    with suppress(BenchError):
        "".join(lines_of(path, encoding_of(path))).encode()


@fuzz
@given(count=st.integers(0, 300), limit=st.integers(1, 60))
def test_a_sample_is_some_of_the_rows_in_their_order(count: int, limit: int) -> None:
    rows, total = sample(range(1000, 1000 + count), limit)
    assert total == count
    assert len(rows) == min(count, limit)
    assert rows == sorted(rows)
    assert all(item == 1000 + number for number, item in rows)


KEYS = ("data", "validation", "test", "adapter", "text", "label", "words", "tags", "question", "base", "x")


@fuzz
@given(values=st.dictionaries(st.sampled_from(KEYS) | TEXT, JSON, max_size=4))
def test_any_description_of_data_is_valid_or_refused(values: dict[str, Any], tmp_path: Path) -> None:
    with suppress(BenchError):
        from_values("mine", values, tmp_path)
