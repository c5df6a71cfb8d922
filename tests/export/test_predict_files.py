"""What `predict.py` of an exported model does with the files and texts that people give it."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from bench.contracts import Cell, Recipe
from bench.data.sources import Sources
from bench.export.folder import SCRIPTS, export
from bench.export.scripts.predict_files import arguments, read, write
from bench.registry import Plugins, Registry

TEXT = [("text", None)]
REVIEW = [("text", "review")]


def said(file: Path | str, columns: Sequence[tuple[str, str | None]], encoding: str = "utf-8-sig") -> str:
    """The one line with which reading ends, with status 2."""
    with redirect_stderr(io.StringIO()) as errors, pytest.raises(SystemExit) as ended:
        read(str(file), columns, encoding)
    assert ended.value.code == 2
    (line,) = errors.getvalue().splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", ""),
        ("rows.txt", ""),
        ("rows.txt", "\n \n"),
        ("rows.csv", "review,n\n"),
        ("rows.jsonl", ""),
        ("rows.json", "[]"),
        ("rows.jsonl", "[]\n"),
    ],
)
def test_a_file_without_rows_says_so(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    columns = REVIEW if content.startswith("review") else TEXT
    assert "has no rows" in said(tmp_path / name, columns)


def test_a_column_that_is_missing_is_named_beside_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    (tmp_path / "rows.jsonl").write_text('{"a": 1, "b": 2}\n')
    for name in ("rows.csv", "rows.jsonl"):
        assert "no column 'review'" in said(tmp_path / name, REVIEW)
        assert "(columns: a, b)" in said(tmp_path / name, REVIEW)


def test_another_encoding_is_named_by_the_user(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("review\ncafé\n".encode("cp1252"))
    assert "is not text in UTF-8 (byte 11): name its --encoding, such as cp1252" in said(path, TEXT)
    assert read(str(path), TEXT, "cp1252") == [["café"]]
    assert "knows no such encoding" in said(path, TEXT, "latin-99")
    path.write_bytes("review\nnaïve\n".encode("utf-16"))
    assert read(str(path), TEXT, "utf-16") == [["naïve"]]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in said(tmp_path / "none.csv", TEXT)
    assert "cannot be read: Is a directory" in said(tmp_path, TEXT)
    (tmp_path / "rows.json").write_text('{"a": ')
    assert "is not JSON" in said(tmp_path / "rows.json", TEXT)


def test_json_is_an_object_a_line_or_a_list_of_objects(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[\n {"text": "a\\nb"},\n {"text": ""}\n]\n')
    assert read(str(tmp_path / "rows.json"), TEXT) == [["a\nb"], [""]]
    (tmp_path / "rows.json").write_text('{\n "text": "a",\n "n": 1\n}\n')
    assert read(str(tmp_path / "rows.json"), TEXT) == [["a"]]
    (tmp_path / "rows.any").write_text('{"text": "a\\nb"}\n\n{"text": "\\ud800"}\n')
    assert read(str(tmp_path / "rows.any"), TEXT) == [["a\nb"], ["?"]]


@pytest.mark.parametrize(
    "row", ["null", "3", "2.5", "true", '["a", "b"]', '{"nested": "a"}', "NaN"], ids=lambda row: row[:6]
)
@pytest.mark.parametrize("lines", [True, False])
def test_what_is_no_text_is_refused_with_its_row(row: str, lines: bool, tmp_path: Path) -> None:
    rows = ['{"text": "good"}', '{"text": "bad"}', f'{{"text": {row}}}']
    path = tmp_path / "rows.json"
    path.write_text("\n\n".join(rows) if lines else f"[{', '.join(rows)}]")
    assert f"row 3: 'text' is {row}" in said(path, TEXT)
    assert "where a text is needed" in said(path, TEXT)


def test_an_object_without_the_text_is_refused_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "n": 1}\n{"n": 2}\n')
    assert "row 2: 'text' is missing" in said(tmp_path / "rows.jsonl", TEXT)
    (tmp_path / "rows.jsonl").write_text('{"n": 2}\n{"text": "a", "n": 1}\n')
    assert "row 1: 'text' is missing" in said(tmp_path / "rows.jsonl", TEXT)
    pair = [("text", None), ("pair", None)]
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "pair": "b"}\n{"text": "a", "pair": null}\n')
    assert "row 2: 'pair' is null" in said(tmp_path / "rows.jsonl", pair)


@pytest.mark.parametrize("row", ["null", "3", '"bad"', '["bad"]', '{"text": ', "not JSON"])
def test_a_line_that_is_no_object_is_refused_and_never_predicted_as_a_text(row: str, tmp_path: Path) -> None:
    for name in ("rows.jsonl", "rows.txt"):
        (tmp_path / name).write_text(f'{{"text": "a"}}\n{row}\n')
        assert "is not JSON, at line 2" in said(tmp_path / name, TEXT)
    if (row.startswith("n") and row != "null") or row.startswith("{"):
        return
    (tmp_path / "rows.any").write_text(f'[{{"text": "a"}}, {row}]')
    assert "is not JSON, at row 2" in said(tmp_path / "rows.any", TEXT)


def test_words_are_a_list_of_strings_or_a_text(tmp_path: Path) -> None:
    words = [("words", None)]
    path = tmp_path / "rows.jsonl"
    path.write_text('{"words": ["Anna", "\\ud800"]}\n{"words": "in Rome"}\n{"words": []}\n')
    assert read(str(path), words) == [[["Anna", "?"]], ["in Rome"], [[]]]
    for wrong in ('["Anna", null]', '["Anna", 3]', "null", "7"):
        path.write_text(f'{{"words": ["Anna"]}}\n{{"words": {wrong}}}\n')
        assert f"row 2: 'words' is {wrong}, where a list of words or a text is needed" in said(path, words)


def test_lines_of_text_may_look_like_other_values_of_json(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("12\n[laughs]\nnull\n")
    assert read(str(tmp_path / "rows.txt"), TEXT) == [["12"], ["[laughs]"], ["null"]]
    (tmp_path / "rows.txt").write_text("[1, 2]\n")
    assert read(str(tmp_path / "rows.txt"), TEXT) == [["[1, 2]"]]


def test_csv_has_line_breaks_within_quotes_and_fields_of_any_length(tmp_path: Path) -> None:
    long = "x" * 200_000
    (tmp_path / "rows.csv").write_text(f'n;review\n1;"two\nlines"\n2;{long}\n3\n')
    assert read(str(tmp_path / "rows.csv"), REVIEW) == [["two\nlines"], [long], [""]]


def test_an_empty_text_in_quotes_is_a_row_of_a_table_of_one_column(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('\nreview\ngood\n""\nbad\n""\n')
    assert read(str(tmp_path / "rows.csv"), TEXT) == [["good"], [""], ["bad"], [""]]
    (tmp_path / "rows.csv").write_text('review,n\ngood,1\n"",\nbad,2\n')
    assert read(str(tmp_path / "rows.csv"), REVIEW) == [["good"], ["bad"]]  # training leaves it out, too


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.txt", "one\n\n \ntwo\n\n", "2 blank lines were left out"),
        ("rows.txt", "\none\r\ntwo\n", "1 blank line was left out"),
        ("rows.csv", 'review\none\n\n""\n"a\n\nb"\n\n', "1 blank line was left out"),
        ("rows.txt", "one\ntwo\n\n", ""),
        ("rows.csv", "review\none\ntwo\n\n", ""),
        ("rows.csv", 'n,review\n1,one\n2,"two\n\nlines"\n', ""),
    ],
)
def test_blank_lines_that_may_be_empty_texts_are_counted(
    name: str, content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(content)
    read(str(path), REVIEW if content.startswith("n,") else TEXT)
    assert capsys.readouterr().err == (f"{path}: {said}\n" if said else "")


def test_the_file_that_is_read_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, link = tmp_path / "rows.csv", tmp_path / "link.csv"
    path.write_text("review\ngood\n")
    link.symlink_to(path)
    for out in (path, link):
        monkeypatch.setattr(sys, "argv", ["predict.py", "--file", str(path), "--out", str(out)])
        with pytest.raises(SystemExit) as ended:
            arguments("Labels.", ["text"])
        assert ended.value.code == 2
        assert f"--out {out} is the file that is read" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["predict.py", "--file", str(path), "--out", str(tmp_path / "new.csv")])
    assert arguments("Labels.", ["text"]).file == str(path)


def test_the_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("one\ntwo é\n".encode())))
    assert read("-", TEXT) == [["one"], ["two é"]]


def test_an_output_that_cannot_be_written_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["predict.py", "a", "--out", str(tmp_path / "none" / "out.csv")])
    with pytest.raises(SystemExit) as ended:
        arguments("Labels.", ["text"])
    assert ended.value.code == 2
    assert "there is no folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        write(str(tmp_path), ["text"], [])
    assert ended.value.code == 2
    assert "cannot be written: Is a directory" in capsys.readouterr().err


def test_a_text_with_half_a_character_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["predict.py", "caf\udce9"])
    assert arguments("Labels.", ["text"]).texts == ["caf?"]


MINIMAL = """
import sys
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions, requires
from re import split

wanted, found = ["transformers", "torch"], set()
while wanted:
    name = split(r"[^\\w.-]", wanted.pop())[0].lower().replace("_", "-")
    if name not in found:
        found.add(name)
        try:
            wanted += [text for text in requires(name) or () if "extra ==" not in text]
        except ImportError:
            pass
hidden = {
    package
    for package, names in packages_distributions().items()
    if not found & {name.lower().replace("_", "-") for name in names}
}
assert {"pandas", "scipy", "sklearn", "peft", "datasets"} <= hidden, sorted(hidden)
assert not {"numpy", "safetensors", "tokenizers"} & hidden


class Visible(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else PathFinder.find_spec(name, path, target)


sys.meta_path = [Visible if finder is PathFinder else finder for finder in sys.meta_path]
script = sys.argv[1]
sys.argv = sys.argv[1:]
__file__ = script
exec(compile(open(script).read(), script, "exec"))
"""
"""Runs a script where only transformers, torch and what they need can be imported."""


@pytest.fixture(scope="module")
def model(toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("models")
    recipe = Recipe(epochs=1, batch_size=8, max_length=32, stride=8)
    cell = toy_cell("frozen", recipe=recipe)
    return export(cell, Registry(plugins, Sources(cache=work / "cache")), work / "a model", "cpu").folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_it_needs_transformers_and_torch_alone_in_any_folder(model: Path, tmp_path: Path) -> None:
    """Also isolated from the script's own folder, with a text of two lines and an empty one."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", MINIMAL, str(model / "predict.py"), "two\nlines", "", "–5 stars"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    assert [row["text"] for row in rows] == ["two\nlines", "", "–5 stars"]
    assert all(row["label"] for row in rows)
    assert not list(tmp_path.iterdir())


def test_a_pipe_in_and_a_pipe_out(model: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(model / "predict.py"), "--file", "-", "--text", "review"],
        input='n,review\n1,good\n2,"bad, very"\n',
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert [row["text"] for row in rows_of(done.stdout)] == ["good", "bad, very"]


def test_the_scripts_of_a_folder_are_those_that_are_tested_here(model: Path) -> None:
    assert (model / "predict_files.py").read_text() == (SCRIPTS / "predict_files.py").read_text()
