"""The kinds behind the cases: whatever a file is made with, it is read truly, and what was guessed is said; or it
is refused with the way out. A row of a table is a file; its columns are what is in it and what it must give."""

from __future__ import annotations

import gzip
import json
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
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
)

CONTEXTS = [f"Ann {n} lives in Rome. Bob lives in Oslo, and Rome is wärm." for n in range(30)]
OBJECTS = [{"text": text, "label": label} for text, label in ROWS]


@dataclass(frozen=True)
class File:
    """A file, the options that it is read with, and what a note must say."""

    content: str | bytes
    name: str = "a.csv"
    keys: Mapping[str, str] = field(default_factory=dict)
    says: str = ""


def written(file: File, folder: Path) -> Path:
    path = folder / file.name
    path.write_bytes(file.content if isinstance(file.content, bytes) else file.content.encode())
    return path


READ_AS_TEXTS: dict[str, File] = {
    "UTF-8 with a mark": File(delimited().encode("utf-8-sig")),
    "UTF-16, as a spreadsheet's Unicode text": File(
        delimited(delimiter="\t").encode("utf-16"), "a.txt", says="the file is UTF-16"
    ),
    "UTF-16 without a mark": File(delimited().encode("utf-16-le"), says="UTF-16-LE without a mark"),
    "UTF-32": File(delimited().encode("utf-32"), says="the file is UTF-32"),
    "line ends of the old Macintosh": File(delimited().replace("\n", "\r")),
    "line ends of Windows": File(delimited().replace("\n", "\r\n")),
    "tabs in a .csv": File(delimited(delimiter="\t"), says="separated by tabs"),
    "commas in a .tsv": File(delimited(), "a.tsv", says="separated by commas"),
    "bars in a .txt": File(delimited(delimiter="|"), "a.txt", says="separated by '|'"),
    "semicolons, and commas in the texts": File(delimited(delimiter=";"), says="separated by ';'"),
    "a separator at the end of each line": File("".join(f"{line},\n" for line in delimited().splitlines())),
    "a separator at the end of each row but the header": File(
        "text,label\n" + "".join(f"{line},\n" for line in delimited(header=()).splitlines()),
        says="40 rows end with blank cells beyond the columns",
    ),
    "rows of separators below the table": File(delimited() + ",\n" * 100),
    "the header again within": File(
        delimited(ROWS[:20]) + delimited(ROWS[20:]), says="1 line repeats the header: left out"
    ),
    "no header, columns by number": File(
        delimited(header=()), keys={"text": "1", "label": "2"}, says="the first line is a row"
    ),
    "two columns of one name, one chosen": File(
        delimited([(a, "x", b) for a, b in ROWS], header=("text", "label", "label")),
        keys={"text": "text", "label": "3"},
        says="two columns are named 'label'",
    ),
    "gzip": File(gzip.compress(delimited().encode()), "a.csv.gz"),
    "gzip without a name that says so": File(gzip.compress(delimited().encode())),
    "a JSON list in a .jsonl": File(json.dumps(OBJECTS), "a.jsonl"),
    "objects over several lines": File("\n".join(json.dumps(row, indent=1) for row in OBJECTS), "a.jsonl"),
    "a list under one name": File(json.dumps({"version": 1, "data": OBJECTS}), "a.json", says="under 'data'"),
    "columns as lists": File(json.dumps({"text": TEXTS, "label": LABELS}), "a.json", says="given as columns"),
    "columns by row": File(
        json.dumps({"text": dict(enumerate(TEXTS)), "label": dict(enumerate(LABELS))}),
        "a.json",
        says="given as columns",
    ),
    "rows by key": File(json.dumps(dict(enumerate(OBJECTS))), "a.json", says="given by key"),
    "rows as lists": File(
        json.dumps({"columns": ["text", "label"], "index": [0], "data": ROWS}), "a.json", says="under 'data'"
    ),
    "rows of a viewer": File(
        json.dumps({"features": [{"name": "text"}], "rows": [{"row_idx": 0, "row": row} for row in OBJECTS]}),
        "a.json",
        says="each under 'row'",
    ),
    "labels that are numbers with names": File(
        delimited([(text, n % 2) for n, text in enumerate(TEXTS)]), keys={"label_names": "bad,good"}
    ),
    "lines of fastText": File(
        "\n".join(f"__label__{label} {text}" for text, label in ROWS), "a.txt", says="as fastText has them"
    ),
    "a second text, one chosen": File(
        delimited([(a, a[::-1], b) for a, b in ROWS], header=("premise", "hypothesis", "label")),
        keys={"text": "premise"},
        says="columns not read: 'hypothesis'",
    ),
    "names that say nothing, both given": File(
        delimited(header=("a", "b")), keys={"text": "a", "label": "b"}, says="as --text and --label say"
    ),
}


@pytest.mark.parametrize("case", READ_AS_TEXTS)
def test_a_table_of_texts_is_read_truly(case: str, tmp_path: Path) -> None:
    file = READ_AS_TEXTS[case]
    found = opened(written(file, tmp_path), **file.keys)
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS
    assert any(file.says in note for note in found.notes), found.notes


QUOTED: dict[str, tuple[str, str]] = {
    "line breaks": ("first line, here\nthanks {n}", ""),
    "line breaks that look like rows": ("Dear all, film {n}\nthanks", ""),
    "quotes doubled": ('He said "hi", {n}', ""),
    "NA": ("NA {n}", ""),
    "emoji": ("😀 \u200d {n}", ""),
}


@pytest.mark.parametrize("case", QUOTED)
def test_a_quoted_text_is_read_truly(case: str, tmp_path: Path) -> None:
    rows = [(QUOTED[case][0].format(n=n), label) for n, label in enumerate(LABELS)]
    found = opened(written(File(delimited(rows)), tmp_path))
    assert [(row.text, row.label) for row in all_rows(found)] == rows


@pytest.mark.parametrize(
    ("content", "text", "says"),
    [
        ('"He said \\"hi\\", {n}"', 'He said "hi", {n}', 'written \\": it is read so'),
        ('"Hi" he said {n}', '"Hi" he said {n}', 'a " is read as text'),
    ],
)
def test_a_quote_that_is_not_doubled_is_read_and_said(
    content: str, text: str, says: str, tmp_path: Path
) -> None:
    lines = [f"{content.format(n=n)},{label}" for n, label in enumerate(LABELS)]
    found = opened(written(File("\n".join(["text,label", *lines])), tmp_path))
    assert [row.text for row in all_rows(found)] == [text.format(n=n) for n in range(40)]
    assert any(says in note for note in found.notes)


LABELS_OF: dict[str, tuple[Callable[[int], Any], Callable[[int], str]]] = {
    "true and false": (lambda n: n % 2 == 0, lambda n: "false" if n % 2 else "true"),
    "whole floats": (lambda n: float(n % 3), lambda n: str(n % 3)),
    "emoji": (lambda n: "😀😡"[n % 2], lambda n: "😀😡"[n % 2]),
    "case that differs": (lambda n: ("Good", "good")[n % 2], lambda n: ("Good", "good")[n % 2]),
}


@pytest.mark.parametrize("case", LABELS_OF)
def test_labels_of_any_kind_are_classes(case: str, tmp_path: Path) -> None:
    value, label = LABELS_OF[case]
    rows = [{"text": text, "label": value(n)} for n, text in enumerate(TEXTS)]
    found = opened(written(File(json_lines(rows), "a.jsonl"), tmp_path))
    assert [row.label for row in all_rows(found)] == [label(n) for n in range(40)]


@pytest.mark.parametrize("missing", [None, "", float("nan"), " "])
def test_rows_without_a_label_are_left_out_and_counted(missing: Any, tmp_path: Path) -> None:
    rows = [{"text": text, "label": missing if n % 7 == 0 else label} for n, (text, label) in enumerate(ROWS)]
    found = opened(written(File(json_lines(rows), "a.jsonl"), tmp_path))
    assert len(all_rows(found)) == 34
    assert any("6 of 40 rows left out, because the label is empty" in note for note in found.notes)


def test_half_a_character_is_left_out_and_counted(tmp_path: Path) -> None:
    content = json_lines([*OBJECTS, {"text": "x \ud800", "label": "good"}])
    found = opened(written(File(content, "a.jsonl"), tmp_path))
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS
    assert any("1 of 41 rows left out, because a character is incomplete" in note for note in found.notes)


READ_AS_WORDS: dict[str, File] = {
    "tabs": File(conll(lambda w, t: f"{w}\t{t}"), "a.conll"),
    "columns in a .csv": File(conll(lambda w, t: f"{w}\t{t}")),
    "columns in a .txt": File(conll(), "a.txt"),
    "columns in a file without a suffix": File(conll(), "a"),
    "blanks between sentences": File(conll(between="\n  \n"), "a.conll"),
    "tabs between sentences": File(conll(lambda w, t: f"{w}\t{t}", between="\n\t\n"), "a.conll"),
    "documents of CoNLL-2003": File(
        "-DOCSTART- -X- -X- O\n\n" + conll(lambda w, t: f"{w} NN B-NP {t}"),
        "a.conll",
        says="words are column 1, tags are column 4",
    ),
    "UTF-16": File(conll().encode("utf-16"), "a.conll"),
    "line ends of Windows": File(conll().replace("\n", "\r\n"), "a.conll"),
    "comments of CoNLL-U": File(
        conll(between="\n\n# sent_id = 3\n# text = He said O\n"), "a.conll", says="58 comment lines left out"
    ),
    "CoNLL-U with ranges, the tags chosen": File(
        "\n\n".join(
            "1-2\tAnnlee\t_\t_\t_\t_\t_\t_\t_\t_\n"
            + "\n".join(f"{n}\t{w}\t_\t_\t{t}\t_\t_\t_\t_\t_" for n, (w, t) in enumerate(sentence, 1))
            for sentence in SENTENCES
        ),
        "a.conllu",
        {"tags": "5"},
        "30 lines of multiword tokens and empty nodes are left out",
    ),
    "lists in JSON lines": File(
        json_lines([dict(zip(("tokens", "ner_tags"), zip(*s, strict=True), strict=True)) for s in SENTENCES]),
        "a.jsonl",
    ),
    "texts cut at blanks": File(
        json_lines(
            [
                {k: " ".join(v) for k, v in zip(("words", "tags"), zip(*s, strict=True), strict=True)}
                for s in SENTENCES
            ]
        ),
        "a.jsonl",
    ),
    "lists named as text and label": File(
        json_lines([dict(zip(("a", "b"), zip(*s, strict=True), strict=True)) for s in SENTENCES]),
        "a.jsonl",
        {"text": "a", "label": "b"},
        "and both hold lists",
    ),
    "lists without quotes": File(
        delimited(
            [[f"[{', '.join(column)}]" for column in zip(*s, strict=True)] for s in SENTENCES],
            header=("tokens", "tags"),
        )
    ),
}


@pytest.mark.parametrize("case", READ_AS_WORDS)
def test_tagged_words_are_read_truly(case: str, tmp_path: Path) -> None:
    file = READ_AS_WORDS[case]
    found = opened(written(file, tmp_path), **file.keys)
    assert [list(zip(row.words, row.tags, strict=True)) for row in all_rows(found)] == SENTENCES
    assert any(file.says in note for note in found.notes), found.notes


def test_lower_case_tags_are_read_and_said(tmp_path: Path) -> None:
    found = opened(written(File(conll(tag=str.lower), "a.conll"), tmp_path))
    assert all_rows(found)[1].tags == ("B-per", "I-per", "O", "O", "B-loc", "O")
    assert any("tags are written as b-type" in note for note in found.notes)


def test_entities_that_begin_with_i_among_others_are_counted(tmp_path: Path) -> None:
    content = conll().replace("Kite I-ORG", "Kite I-MISC", 1).replace("Works I-ORG", "Works o", 1)
    found = opened(written(File(content, "a.conll"), tmp_path))
    assert all_rows(found)[0].tags == ("O", "B-ORG", "B-MISC", "O", "O")
    assert any("1 entity begins with I- where others begin with B-" in note for note in found.notes)
    assert any("1 word with the tag 'o': it is read as O" in note for note in found.notes)


def test_one_mistyped_tag_costs_its_sentence_and_is_counted(tmp_path: Path) -> None:
    content = "\n".join(conll() for _ in range(12)) + "\nBob BPER\nran O\n"
    found = opened(written(File(content, "a.conll"), tmp_path))
    assert len(all_rows(found)) == 360
    assert any("1 of 361 rows left out, because a tag is not of" in note for note in found.notes)


def question(n: int, **changes: Any) -> dict[str, Any]:
    return {"question": "Where is it warm?", "context": CONTEXTS[n], **changes}


def place(n: int) -> int:
    return CONTEXTS[n].rindex("Rome")


ANSWERS: dict[str, tuple[Callable[[int], dict[str, Any]], str]] = {
    "lists by name": (lambda n: {"answers": {"text": ["Rome"], "answer_start": [place(n)]}}, ""),
    "a list of objects": (lambda n: {"answers": [{"text": "Rome", "answer_start": place(n)}]}, ""),
    "a text and its place": (lambda n: {"answer": "Rome", "answer_start": place(n)}, ""),
    "a place with blanks before the answer": (
        lambda n: {"answer": " Rome", "answer_start": place(n) - 1},
        "",
    ),
    "an answer twice": (lambda n: {"answers": {"text": ["Rome"] * 2, "answer_start": [place(n)] * 2}}, ""),
    "a place that is off": (lambda n: {"answer": "Rome", "start": place(n) - 2}, "not at the place given"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_are_where_they_are(case: str, tmp_path: Path) -> None:
    change, says = ANSWERS[case]
    rows = [question(n, **change(n)) for n in range(30)]
    found = opened(written(File(json_lines(rows), "a.jsonl"), tmp_path))
    assert [row.answers for row in all_rows(found)] == [(("Rome", place(n)),) for n in range(30)]
    assert any(says in note for note in found.notes)


def test_places_counted_in_bytes_are_recognised(tmp_path: Path) -> None:
    contexts = [f"Über {n} und Rom, Öl und Rom" for n in range(30)]
    rows = [
        question(0, context=text, answer="Rom", start=len(text[: text.index("Rom")].encode()))
        for text in contexts
    ]
    found = opened(written(File(json_lines(rows), "a.jsonl"), tmp_path))
    assert [row.answers for row in all_rows(found)] == [(("Rom", text.index("Rom")),) for text in contexts]
    assert any("is counted in bytes, in 30 contexts" in note for note in found.notes)


def test_accents_written_in_two_ways_are_one(tmp_path: Path) -> None:
    rows = [question(n, context=unicodedata.normalize("NFD", CONTEXTS[n]), answer="wärm") for n in range(30)]
    found = opened(written(File(json_lines(rows), "a.jsonl"), tmp_path))
    assert all_rows(found)[0].context == CONTEXTS[0]
    assert any("both are read as NFC" in note for note in found.notes)


def test_questions_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    paragraphs = [
        {
            "context": CONTEXTS[n],
            "qas": [
                {
                    "id": n,
                    "question": "Where?",
                    "is_impossible": n % 3 == 0,
                    "answers": [{"text": "Rome", "answer_start": place(n)}],
                }
            ],
        }
        for n in range(30)
    ]
    content = json.dumps({"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]})
    found = opened(written(File(content, "a.txt"), tmp_path), adapter="qa")
    assert len(all_rows(found)) == 20
    assert any("10 of 30 rows left out, because there is no answer" in note for note in found.notes)


def archive() -> bytes:
    import io

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


REFUSED: dict[str, tuple[File, str]] = {
    "a header alone": (File("text,label\n"), "no-rows"),
    "nothing": (File(""), "empty-file"),
    "blank lines": (File("\n\n\n"), "empty-file"),
    "nothing in JSON lines": (File("", "a.jsonl"), "empty-file"),
    "blank lines in JSON lines": (File("\n\n", "a.jsonl"), "empty-file"),
    "nothing in JSON": (File("", "a.json"), "empty-file"),
    "nothing in a text": (File("", "a.txt"), "empty-file"),
    "a text with a separator without quotes": (File(delimited() + "a, b,good\n"), "malformed-rows"),
    "a text with a line break without quotes": (File(delimited() + "a\nb,good\n"), "malformed-rows"),
    "no header": (File(delimited(header=())), "unclear-adapter"),
    "no header, columns by name": (
        File(delimited(header=()), keys={"text": "text", "label": "label"}),
        "unknown-column",
    ),
    "a title above the table": (File("Report of 2024\n" + delimited()), "title-above-table"),
    "two columns of one name": (
        File(delimited([(a, b, b) for a, b in ROWS], header=("text", "label", "label"))),
        "unclear-adapter",
    ),
    "two columns of one name, chosen by name": (
        File(
            delimited([(a, b, b) for a, b in ROWS], header=("text", "label", "label")),
            keys={"text": "text", "label": "label"},
        ),
        "unknown-column",
    ),
    "dates": (File(delimited([(t, f"2024-01-{n:02}") for n, t in enumerate(TEXTS)])), "no-labels"),
    "objects as texts": (
        File(json_lines([{"text": {"body": a}, "label": b} for a, b in ROWS]), "a.jsonl"),
        "nested-column",
    ),
    "a number beyond the names": (
        File(delimited([(t, n % 3) for n, t in enumerate(TEXTS)]), keys={"label_names": "bad,good"}),
        "label-without-name",
    ),
    "names for labels that are no numbers": (
        File(delimited(), keys={"label_names": "x,y"}),
        "label-without-name",
    ),
    "two labels a line of fastText, always the same": (
        File("__label__a __label__b text\n" * 20, "a.txt"),
        "constant-label",
    ),
    "a name twice": (File(delimited(), keys={"label_names": "a,a"}), "wrong-label-names"),
    "splits under names": (File(json.dumps({"train": OBJECTS, "test": OBJECTS}), "a.json"), "not-records"),
    "Python's notation": (File("\n".join(map(str, OBJECTS)), "a.jsonl"), "not-json"),
    "no table": (File('"hello"', "a.json"), "not-records"),
    "a web page": (File("<!DOCTYPE html><html></html>"), "not-text"),
    "a workbook called .csv": (File(archive()), "not-text"),
    "half of a gzip file": (File(gzip.compress(delimited().encode())[:-20], "a.csv.gz"), "cannot-read"),
    "Mac OS Roman": (
        File(
            delimited([(f"café à la crème, garçon {n}", x) for n, x in enumerate(LABELS)]).encode("mac-roman")
        ),
        "unknown-encoding",
    ),
    "GBK": (
        File(delimited([(f"服务员很热情{n}", x) for n, x in enumerate(LABELS)]).encode("gbk")),
        "unknown-encoding",
    ),
    "damaged Parquet": (File(b"PAR1xxxx"), "not-parquet"),
    "no entity": (File(conll(tag=lambda tag: "O"), "a.conll"), "no-entities"),
    "parts of speech": (File(conll(tag=lambda tag: f"NN{tag[2:]}"), "a.conll"), "implausible-tags"),
    "lemmas": (File(conll(lambda w, t: f"{w} {t} {w.lower()}"), "a.conll"), "implausible-tags"),
    "CoNLL-U": (
        File(conll(lambda w, t: f"1\t{w}\t_\tX\t_\t_\t_\t_\t_\t_", between="\n\n"), "a.conllu"),
        "no-entities",
    ),
    "tags of two kinds": (
        File(conll(tag=lambda tag: tag[2:] if tag == "B-PER" else tag), "a.conll"),
        "mixed-tags",
    ),
    "a word of two in blanks": (File(conll() + "\nNew York B-LOC\n", "a.conll"), "ragged-columns"),
    "a word without a tag": (File(conll() + "\nYork\n", "a.conll"), "not-a-word-and-tag"),
    "no blank lines": (File(conll(between="\n"), "a.conll"), "no-sentences"),
    "a blank line after each word": (File(conll().replace("\n", "\n\n"), "a.conll"), "one-word-sentences"),
    "fewer tags than words": (
        File(json_lines([{"tokens": ["a", "b"], "tags": ["O"]}] * 20), "a.jsonl"),
        "not-tagged-words",
    ),
    "spans": (
        File(json_lines([{"text": "Ann ran", "entities": [{"start": 0, "end": 3}]}] * 20), "a.jsonl"),
        "not-tagged-words",
    ),
    "pieces of words": (
        File(
            json_lines([{"tokens": ["a"], "ner_tags": [-100]}] * 20),
            "a.jsonl",
            {"label_names": "O", "adapter": "ner"},
        ),
        "label-without-name",
    ),
    "answers in another case": (
        File(json_lines([question(n, answer="rome") for n in range(30)]), "a.jsonl"),
        "unusable-rows",
    ),
    "SQuAD with a number for a context": (
        File(json.dumps({"data": [{"paragraphs": [{"context": 3, "qas": []}]}]}), "a.json"),
        "not-squad",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_truly_is_refused_with_the_way_out(case: str, tmp_path: Path) -> None:
    file, code = REFUSED[case]
    with pytest.raises(BenchError) as error:
        opened(written(file, tmp_path), **file.keys)
    assert error.value.code == code, error.value
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["nowhere.csv", "nowhere", "here/nowhere", "./nowhere", "~/nowhere-at-all"])
def test_what_is_not_there_is_never_looked_for_on_the_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    with pytest.raises(BenchError) as error:
        opened(name)
    assert error.value.code == "no-file"


def test_the_test_file_has_the_columns_of_the_training_file(tmp_path: Path) -> None:
    path = written(File(delimited(ROWS[:30])), tmp_path)
    other = written(File(delimited(ROWS[30:], header=("body", "label")), "b.csv"), tmp_path)
    with pytest.raises(BenchError) as error:
        opened(path, test_data=str(other))
    assert error.value.code == "different-columns"
    other = written(File(conll(), "b.conll"), tmp_path)
    with pytest.raises(BenchError) as error:
        opened(path, test_data=str(other))
    assert error.value.code == "different-formats"


def test_two_files_without_a_header_are_read_by_number(tmp_path: Path) -> None:
    path = written(File(delimited(ROWS[:30], header=())), tmp_path)
    other = written(File(delimited(ROWS[30:], header=()), "b.csv"), tmp_path)
    found = opened(path, test_data=str(other), text="1", label="2")
    assert [(row.text, row.label) for row in found.splits.test] == ROWS[30:]


def test_a_folder_is_read_by_the_names_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "best.model"
    folder.mkdir()
    (folder / "train.tsv").write_text(delimited(ROWS[:24], delimiter="\t"))
    (folder / "dev.tsv").write_text(delimited(ROWS[24:32], delimiter="\t"))
    (folder / "test.tsv").write_text(delimited(ROWS[32:], delimiter="\t"))
    splits = opened(folder).splits
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [24, 8, 8]
    (folder / "train.tsv").rename(folder / "reviews.tsv")
    with pytest.raises(BenchError) as error:
        opened(folder)
    assert error.value.code == "no-train-split"
