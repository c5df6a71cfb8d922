"""`predict.py` reads a table as training read it, or refuses it: never another text, never a row more or less."""

from __future__ import annotations

import gzip
import io
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from bench.export.scripts.predict_files import read
from tests.support.user_files import LABELS, TEXTS, all_rows, delimited, opened

TEXT = [("text", None)]
PLAIN = [text.replace(",", "") for text in TEXTS]


def written(content: str | bytes, folder: Path, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def texts(path: Path, column: str | None = None) -> list[str]:
    return [row[0] for row in read(str(path), [("text", column)])]


def refused(path: Path, column: str | None = None) -> str:
    with redirect_stderr(io.StringIO()) as errors, pytest.raises(SystemExit) as ended:
        read(str(path), [("text", column)])
    assert ended.value.code == 2
    (line,) = errors.getvalue().splitlines()
    return line


def rows(text: str, sign: str = ",") -> str:
    """A table with a label beside each text; `text` is that of row 5."""
    lines = [f"{text if n == 5 else PLAIN[n]}{sign}{'good' if n % 2 else 'bad'}" for n in range(40)]
    return "\n".join([f"text{sign}label", *lines]) + "\n"


ALIKE = {
    "separators": rows("x", ";"),
    "tabs, and a comma in the header's neighbour": "text, raw\tlabel\n"
    + "".join(f"{t}\tgood\nx{t}\tbad\n" for t in TEXTS),
    "the separator in the first line": "sep=;\n" + rows("x", ";"),
    "blank lines above": "\n\n" + rows("x"),
    "blanks around names": rows("x").replace("text,label", " text , label "),
    "quotes within a text": rows('a 6" pipe'),
    "a quote that ends before its text": rows('"Hi" he said'),
    "quotes with backslashes": rows('"He said \\"hi, you\\" \\n"'),
    "blanks around a text": rows("   x  "),
    "UTF-16": rows("größer").encode("utf-16"),
    "gzip": gzip.compress(rows("x").encode()),
    "line ends of the old Macintosh": rows("x").replace("\n", "\r"),
    "blank cells beyond the columns": rows("x").replace("\n", ",\n").replace("label,\n", "label\n"),
}


@pytest.mark.parametrize("case", ALIKE)
def test_a_table_gives_the_texts_of_training(case: str, tmp_path: Path) -> None:
    name = "text, raw" if "neighbour" in case else "text"
    path = written(ALIKE[case], tmp_path)
    assert texts(path, name) == [row.text for row in all_rows(opened(path, text=name, label="label"))]


@pytest.mark.parametrize("sign", ["\t", ","])
def test_a_quotation_mark_swallows_no_rows(sign: str, tmp_path: Path) -> None:
    lines = rows("x", sign).splitlines()
    lines[5] = f'"{lines[5]}'
    lines[6] = lines[6].replace(sign, f'"{sign}')
    path = written("\n".join(lines), tmp_path)
    assert texts(path) == [row.text for row in all_rows(opened(path))]
    assert len(texts(path)) == 40


def test_a_compressed_table_is_known_by_its_name(tmp_path: Path) -> None:
    assert texts(written(gzip.compress(rows("x").encode()), tmp_path, "a.csv.gz")) == texts(
        written(rows("x"), tmp_path)
    )
    assert "cannot be read" in refused(written(gzip.compress(b"text\nx\n")[:-9], tmp_path, "b.csv.gz"))


@pytest.mark.parametrize("header", ["text,label", "text"])
def test_a_text_that_a_comma_cuts_is_refused_with_its_row(header: str, tmp_path: Path) -> None:
    label = ",good" if "," in header else ""
    content = f"{header}\nfine{label}\ncut, here{label}\n"
    assert "row 2: it has" in refused(written(content, tmp_path), "text")


def test_quotes_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    assert "is not CSV" in refused(written('text,label\n"a, b" c,good\nd,bad\n', tmp_path), "text")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    assert "several columns 'text'" in refused(written("text,text\na,b\n", tmp_path), "text")


def test_a_table_of_training_has_all_its_rows(tmp_path: Path) -> None:
    path = written(delimited(), tmp_path)
    assert texts(path, "text") == TEXTS


def test_texts_line_by_line_end_as_any_system_ends_them(tmp_path: Path) -> None:
    assert read(str(written("one\rtwo\r\nthree", tmp_path, "a.txt")), TEXT) == [["one"], ["two"], ["three"]]


def test_a_greeting_above_a_label_is_no_row_where_labels_are_missing(tmp_path: Path) -> None:
    mail = '"Dear team,\nthank you",complaint\n'
    said = ["complaint", "", "", "praise"]
    table = "text,label\n" + "".join(f"{text},{said[n % 4]}\n" for n, text in enumerate(PLAIN)) + mail
    assert texts(written(table, tmp_path), "text")[-1] == "Dear team,\nthank you"


EQUALLY = {
    "names end in separators": "text,label,,\n" + rows("x").partition("\n")[2],
    "row names of R": '"text","label"\n'
    + "".join(f'"{n}","{t}","{LABELS[n - 1]}"\n' for n, t in enumerate(TEXTS, 1)),
    "blanks before quotes": "text, label\n" + "".join(f'"{t}", "{LABELS[n]}"\n' for n, t in enumerate(TEXTS)),
    "blanks before quoted texts": "label, text\n"
    + "".join(f'{LABELS[n]}, "{t}"\n' for n, t in enumerate(TEXTS)),
    "the header again": rows("x") + rows("y"),
    "dashes below the header": rows("x", "|").replace("\n", "\n---|---\n", 1),
    "two separators that fit": "id;text,raw;label\n"
    + "".join(f"{n};a, {t};{LABELS[n]}\n" for n, t in enumerate(PLAIN)),
    "two separators that fit, in another order": "id,text;x,label\n"
    + "".join(f"{n},a; {t},{LABELS[n]}\n" for n, t in enumerate(PLAIN)),
    "a separator that is said in capitals": "SEP=; \r\n" + rows("x", ";"),
    "a separator that is said, with CR alone": ("sep=;\n" + rows("x", ";")).replace("\n", "\r"),
    "tabs that are said": "sep=\t\n" + rows("x", "\t"),
}


@pytest.mark.parametrize("case", EQUALLY)
def test_what_training_leaves_out_of_a_table_is_left_out(case: str, tmp_path: Path) -> None:
    path = written(EQUALLY[case], tmp_path)
    name = "text,raw" if "text,raw" in EQUALLY[case] else "text;x" if "text;x" in EQUALLY[case] else "text"
    trained = [row.text.strip() for row in all_rows(opened(path, text=name, label="label"))]
    assert len(trained) >= 40
    assert texts(path, name) == trained


def test_a_value_that_a_database_lacks_is_no_text(tmp_path: Path) -> None:
    table = rows("x").replace(f"{PLAIN[7]},", "\\N,")
    assert texts(written(table, tmp_path), "text") == [
        "x" if n == 5 else "" if n == 7 else t for n, t in enumerate(PLAIN)
    ]


def test_remarks_in_a_column_without_a_name_are_no_texts(tmp_path: Path) -> None:
    table = "text,label,\n" + "".join(
        f"{text},good,{'seen' if n % 3 else ''}\n" for n, text in enumerate(PLAIN)
    )
    assert texts(written(table, tmp_path), "text") == PLAIN


def test_a_text_that_a_comma_cuts_is_refused_where_the_names_end_in_separators(tmp_path: Path) -> None:
    line = "Hello, world,pos,\n"
    assert "row 41" in refused(
        written("text,label,,\n" + rows("x").partition("\n")[2] + line, tmp_path), "text"
    )


def test_rows_within_quotes_are_known_by_their_scores(tmp_path: Path) -> None:
    scored = [f"{text},{n / 7:.3f}" for n, text in enumerate(PLAIN)]
    scored[5] = f'"{scored[5]}'
    scored[8] = f'{PLAIN[8]}",1.142'
    path = written("text,score\n" + "\n".join(scored) + "\n", tmp_path)
    trained = [row.text for row in all_rows(opened(path, text="text", label="score"))]
    assert texts(path, "text") == trained
    assert len(trained) == 40
