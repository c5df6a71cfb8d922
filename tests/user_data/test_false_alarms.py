"""Sound files that look like something else, and the notes that a file does not deserve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from tests.support.user_files import LABELS, TEXTS, all_rows, delimited, opened, said, written

WORDS = ["film", "word", "good", "pier", "cold", "word", "sea", "boat"]


def labelled(path: Path, **keys: Any) -> list[tuple[str, str]]:
    return sorted((row.text, row.label) for row in all_rows(opened(path, **keys)))


def test_a_word_that_is_the_name_of_its_column_makes_the_header_no_row(tmp_path: Path) -> None:
    rows = [
        (n // 8, WORDS[n % 8] if n % 8 else f"{WORDS[0]}{n // 16}", "B-X" if n % 8 == 2 else "O")
        for n in range(240)
    ]
    found = opened(written(delimited(rows, header=("sentence_id", "word", "tag")), tmp_path), adapter="ner")
    assert sorted({word for row in all_rows(found) for word in row.words} & {"word", "tag"}) == ["word"]
    assert len(all_rows(found)) == 30


@pytest.mark.parametrize("header", [("text", "label"), ("text", "mood")])
def test_short_texts_may_say_the_name_of_their_column(header: tuple[str, str], tmp_path: Path) -> None:
    texts = ["text", *(f"call {n}" for n in range(29))]
    path = written(delimited([(texts[n % 30], LABELS[n % 2]) for n in range(60)], header=header), tmp_path)
    assert {text for text, _ in labelled(path, label=header[1])} == set(texts)


def test_a_first_row_of_values_that_come_again_is_one_with_a_usual_name_among_them(tmp_path: Path) -> None:
    rows = [
        ("what is it, and why", "topic"),
        *((text, ["topic", "aim"][n % 2]) for n, text in enumerate(TEXTS)),
    ]
    with pytest.raises(BenchError) as error:
        opened(written(delimited(rows, header=()), tmp_path))
    assert error.value.code == "no-header"


def numbered(folder: Path, name: str, first: int, rows: range) -> Path:
    table = [(first + n // 2, TEXTS[at], LABELS[at]) for n, at in enumerate(rows)]
    return written(delimited(table, header=("doc_id", "text", "label")), folder, name)


@pytest.mark.parametrize("first", [0, 1])
def test_groups_that_each_file_numbers_anew_are_not_shared(first: int, tmp_path: Path) -> None:
    train = numbered(tmp_path, "a.csv", first, range(20))
    test = numbered(tmp_path, "b.csv", first, range(20, 32))
    found = opened(train, test_data=str(test), group="doc_id")
    assert len(found.splits.train) + len(found.splits.validation) == 20
    assert said(found, "numbered anew in each file")


@pytest.mark.parametrize("order", ["alike", "mixed"])
def test_groups_that_are_numbers_may_be_the_same(order: str, tmp_path: Path) -> None:
    """Such as authors: as many in both files, or in no order."""
    train = numbered(tmp_path, "a.csv", 1, range(12))
    test = numbered(tmp_path, "b.csv", 1, range(20, 32))
    if order == "mixed":
        rows = test.read_text().splitlines()
        test.write_text("\n".join([rows[0], *rows[2:10], rows[1]]) + "\n")
    with pytest.raises(BenchError) as error:
        opened(train, test_data=str(test), group="doc_id")
    assert error.value.code == "leak"


def test_groups_that_count_on_are_those_of_the_other_file(tmp_path: Path) -> None:
    train = numbered(tmp_path, "a.csv", 1, range(20))
    test = numbered(tmp_path, "b.csv", 10, range(20, 32))
    with pytest.raises(BenchError, match="prefix them") as error:
        opened(train, test_data=str(test), group="doc_id")
    assert error.value.code == "leak"


def test_a_greeting_above_a_label_is_no_row_where_labels_are_missing(tmp_path: Path) -> None:
    mail = '"Dear team,\nthank you",complaint\n'
    rows = "".join(f"{TEXTS[n]},{['complaint', '', 'praise', 'praise'][n % 4]}\n" for n in range(32))
    found = labelled(written("text,label\n" + rows.replace(", ", " ") + mail * 3, tmp_path))
    assert ("Dear team,\nthank you", "complaint") in found


def test_paragraphs_within_cells_do_not_divide_rows(tmp_path: Path) -> None:
    rows = [(f"Dear all,\n\n{TEXTS[n]}\nYours", LABELS[n]) for n in range(32)]
    assert not said(opened(written(delimited(rows), tmp_path)), "blank lines divide")
    plain = delimited([(TEXTS[n], LABELS[n]) for n in range(32)])
    assert not said(opened(written(plain + "\n" * 9, tmp_path, "b.csv")), "blank lines divide")
    words = "".join(f"{w},{'O' if n else 'B-X'}\n" for n, w in enumerate(WORDS))
    path = written("text,label\n" + (words + "\n") * 9, tmp_path, "c.csv")
    assert said(opened(path, adapter="classification"), "blank lines divide")
    with pytest.raises(BenchError, match="separate words and tags by tabs"):
        opened(path)


def task(n: int, *results: dict[str, Any]) -> dict[str, Any]:
    return {"id": n, "data": {"text": TEXTS[n]}, "annotations": [{"result": list(results)}]}


def result(kind: str, name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": kind, "value": value}


def test_choices_of_a_region_are_no_labels_of_the_text(tmp_path: Path) -> None:
    place = {"start": 0, "end": len(TEXTS[0].split()[0])}
    exported = [
        task(
            n,
            result("labels", "entity", {**place, "end": len(TEXTS[n].split()[0]), "labels": ["X"]}),
            result("choices", "sure", {**place, "choices": ["yes"]}),
        )
        for n in range(32)
    ]
    found = opened(written(json.dumps(exported), tmp_path, "a.json"))
    assert {tag for row in all_rows(found) for tag in row.tags} >= {"B-X", "O"}
    assert len(all_rows(found)) == 32


def test_questions_of_one_name_are_two_columns(tmp_path: Path) -> None:
    from bench.user_data.label_studio import tasks_of
    from bench.user_data.tables import RawTable

    rows = [
        task(
            n,
            result("labels", "a", {"start": 0, "end": 3, "labels": ["X"]}),
            result("choices", "entities", {"choices": ["yes"]}),
            result("rating", "entities", {"rating": 3}),
        )
        for n in range(4)
    ]
    table = RawTable("a.json", ("data", "annotations"), lambda: iter(rows))
    columns = tasks_of(table).columns
    assert len(set(columns)) == len(columns) == 4


def test_data_is_a_date_in_other_languages(tmp_path: Path) -> None:
    rows = [(f"{n + 1:02}/05/2024", TEXTS[n], LABELS[n]) for n in range(28)]
    path = written(delimited(rows, header=("data", "texto", "classe")), tmp_path)
    assert not said(opened(path, text="texto", label="classe"), "'data' holds the texts")
    assert not said(opened(path, label="classe"), "'data' holds the texts")


def test_data_is_a_date_in_words_beside_longer_texts(tmp_path: Path) -> None:
    rows = [(f"{n + 1} maggio 2024", TEXTS[n], LABELS[n]) for n in range(28)]
    found = opened(written(delimited(rows, header=("data", "testo", "label")), tmp_path))
    assert [row.text for row in all_rows(found)] == TEXTS[:28]


def test_data_is_a_text_beside_a_longer_remark(tmp_path: Path) -> None:
    rows = [{"data": TEXTS[n], "label": LABELS[n], "note": "seen " * 20} for n in range(28)]
    found = opened(written("\n".join(map(json.dumps, rows)), tmp_path, "a.jsonl"))
    assert [row.text for row in all_rows(found)] == TEXTS[:28]


@pytest.mark.parametrize("text", ["code", "document"])
def test_the_column_of_labels_is_never_the_text(text: str, tmp_path: Path) -> None:
    names = ["complaint about the bill", "question about the delivery"]
    rows = [(f"AB-{n:04}", names[n % 2]) for n in range(40)]
    path = written(delimited(rows, header=(text, "label")), tmp_path)
    if text == "document":
        assert {label for _, label in labelled(path)} == set(names)
        return
    with pytest.raises(BenchError, match="which column is the text") as error:
        opened(path)
    assert error.value.code == "unclear-column"


WINDOWS = [
    "So ein Spaß… hat es",
    "Das macht „Spaß“ im Kino",
    "Der Spaß– und dann nicht",
    "LE CAFÉ\u00a0: une soirée",
    "Schöne Grüße aus Köln",
    "Ein großer Fuß’ wäre gut",
]


def test_signs_after_a_sharp_s_are_no_second_encoding(tmp_path: Path) -> None:
    rows = [(f"{WINDOWS[n % 6]} {n}", LABELS[n]) for n in range(40)]
    found = opened(written(delimited(rows).encode("cp1252"), tmp_path))
    assert sorted(row.text for row in all_rows(found)) == sorted(text for text, _ in rows)


@pytest.mark.parametrize(
    "other", ["Žluťoučký kůň", "это хороший фильм", "μια καλή ταινία", "une soirée à Paris"]
)
def test_lines_of_two_encodings_are_refused_all_the_same(other: str, tmp_path: Path) -> None:
    lines = [
        f"{WINDOWS[4]} {n},{LABELS[n]}".encode("cp1252") if n % 3 else f"{other} {n},{LABELS[n]}".encode()
        for n in range(40)
    ]
    with pytest.raises(BenchError) as error:
        opened(written(b"text,label\n" + b"\n".join(lines), tmp_path))
    assert error.value.code == "mixed-encodings"


def test_files_of_a_class_may_be_numbered_after_a_split(tmp_path: Path) -> None:
    for n in range(32):
        folder = tmp_path / "data" / LABELS[n]
        folder.mkdir(parents=True, exist_ok=True)
        written(TEXTS[n], folder, [f"test_{n}.txt", f"train ({n}).txt", f"eval-{n}.txt"][n % 3])
    assert len(all_rows(opened(tmp_path / "data"))) == 32


def test_a_blank_line_makes_no_sentences_of_lists(tmp_path: Path) -> None:
    rows = [f"{json.dumps([f'w{n}', *WORDS[:2]])}\t{json.dumps(['O', 'B-X', 'O'])}" for n in range(30)]
    rows.insert(9, "")
    rows.insert(19, "")
    table = "\n".join(["words\ttags", *rows]) + "\n\n\n"
    assert len(all_rows(opened(written(table, tmp_path, "a.tsv"), adapter="ner"))) == 30


HALF = "\ud83d"


def spanned(text: str, start: int, end: int) -> dict[str, Any]:
    return {"text": text, "entities": [[start, end, "X"]]}


def test_half_a_character_in_a_text_with_spans_costs_no_other_row(tmp_path: Path) -> None:
    rows = [spanned(text, 0, 4) for text in TEXTS[:30]]
    rows += [spanned(f"café {HALF} Rome {n}", 7, 11) for n in range(2)]
    path = written("\n".join(map(json.dumps, rows)), tmp_path, "a.jsonl")
    found = opened(path, adapter="ner")
    assert len(all_rows(found)) == 30
    assert said(found, "lone surrogate")


def test_an_end_beyond_a_text_is_broken_in_every_unit(tmp_path: Path) -> None:
    rows = [spanned(f"\U0001f600 Rome {n:02}", 3, 7) for n in range(40)]
    rows[5]["entities"][0][1] = 99
    found = opened(written("\n".join(map(json.dumps, rows)), tmp_path, "a.jsonl"), adapter="ner")
    assert len(all_rows(found)) == 39
    assert said(found, "units of UTF-16")
    assert said(found, "1 row is left out, because a span is not where its text is")


def test_places_of_a_long_text_are_counted_once() -> None:
    from bench.user_data.span_units import unit_of

    text = "\U0001f600 Rome, " * 20_000
    spans = [(9 * n + 3, 9 * n + 7, "Rome") for n in range(20_000)]
    assert unit_of([(text, spans, [])]) == "utf-16-le"


def test_the_line_that_names_the_columns_is_no_tag(tmp_path: Path) -> None:
    """Few rows: one value that is no tag would be more than the share of them that may be none."""
    lines = [
        "word chunk ner",
        *(f"w{n} {'B-NP' if n % 2 else 'O'} {'B-X' if n % 3 else 'O'}" for n in range(60)),
    ]
    sentences = "\n".join(f"{line}\n" if n and not n % 3 else line for n, line in enumerate(lines))
    found = opened(written(sentences, tmp_path, "a.conll"))
    assert said(found, "column 2 holds tags, too (B-NP)")


def test_answers_of_three_kinds_are_listed_with_one_and(tmp_path: Path) -> None:
    exported = [
        task(
            n,
            result("labels", "a", {"start": 0, "end": 4, "labels": ["X"]}),
            result("choices", "b", {"choices": ["yes"]}),
            result("number", "c", {"number": 3}),
        )
        for n in range(32)
    ]
    found = opened(written(json.dumps(exported), tmp_path, "a.json"), adapter="ner")
    assert said(found, "the text, the choices, the spans and the number are read")
