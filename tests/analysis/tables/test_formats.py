"""Every format: golden files, escaping, and LaTeX that compiles.

Golden files are rewritten by `UPDATE_GOLDEN=1 python -m pytest tests/analysis/test_formats.py`."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.analysis.tables import formats, latex
from bench.analysis.tables.build import ACROSS_TASKS, BY_TASK, TableOptions, build
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.analysis.tables.terminal import show
from bench.contracts import BenchError

GOLDEN = Path(__file__).parents[2] / "golden"
EXTENSIONS = {"md": "md", "latex": "tex", "csv": "csv", "html": "html", "json": "json"}
EVIL = "a|b & c_d <script>alert(1)</script> \x1b[31mred\x1b[0m {x} $y$ 50% #1 ~^\\ *z* `q`\nline"


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def evil_table() -> Table:
    entry = Entry(0.5, 0.01, "best", EVIL)
    columns = (Column(EVIL, EVIL, "score", EVIL), Column("why", EVIL, "text"))
    return Table(
        EVIL, (EVIL,), columns, (Block(EVIL, (Row((EVIL,), (entry, Entry(EVIL))),)),), (EVIL,), "task"
    )


@pytest.mark.parametrize("format", EXTENSIONS)
@pytest.mark.parametrize("rows", [BY_TASK, ACROSS_TASKS], ids=["by-task", "across-tasks"])
def test_golden(grid, format, rows):
    name = "by-task" if rows == BY_TASK else "across-tasks"
    table = build(grid, options=TableOptions(rows=rows, caption="Strategies & budgets"))
    golden(f"{name}.{EXTENSIONS[format]}", formats.render(table, format))


@pytest.mark.parametrize("format", EXTENSIONS)
def test_golden_with_ties(predicted, format):
    table = build(predicted.records, predicted.predictions, TableOptions(columns=("accuracy", "f1")))
    golden(f"ties.{EXTENSIONS[format]}", formats.render(table, format))


def test_golden_terminal(grid):
    golden("by-task.txt", printed(build(grid)))


def test_the_notes_of_two_rows_fit_on_one_screen(predicted):
    two = [record for record in predicted.records if record.cell.strategy != "frozen"]
    one_task = [record for record in two if record.cell.task == "news"]
    table = build(one_task, predicted.predictions, TableOptions(columns=("accuracy", "seconds")))
    assert len(printed(table, 80).splitlines()) <= 24
    assert "7 more notes, on data, recipe and machine: add --notes" in printed(table)
    whole = printed(table.unfolded())
    assert "Recipe: 3 epochs" in whole
    assert "--notes" not in whole


@pytest.mark.parametrize("format", ["md", "latex", "html", "json"])
def test_documents_hold_every_note(grid, format):
    text = formats.render(build(grid), format)
    assert "Recipe: 3 epochs" in text
    assert "Not finished" in text


def printed(table: Table, width: int = 120) -> str:
    from rich.console import Console

    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(show(table))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_an_unknown_format_lists_the_valid_ones(grid):
    with pytest.raises(BenchError, match="md, latex, csv, html, json") as error:
        formats.render(build(grid), "pdf")
    assert error.value.code == "unknown-format"


# --------------------------------------------------------------------------------------------------
# Escaping


@pytest.mark.parametrize("format", ["md", "latex", "csv", "html"])
def test_no_format_lets_a_terminal_escape_through(format):
    assert "\x1b" not in formats.render(evil_table(), format)


def test_the_terminal_shows_no_escape_code_of_a_label():
    assert "\x1b" not in printed(evil_table())


def test_the_terminal_takes_no_markup_from_a_label():
    table = Table(
        "[bold]c[/]",
        ("[red]h",),
        (Column("a", "[b]", "text"),),
        (Block("", (Row(("[/x]",), (Entry("[i]"),)),)),),
    )
    assert all(text in printed(table) for text in ("[bold]c[/]", "[red]h", "[b]", "[/x]", "[i]"))


def test_markdown_rows_keep_their_columns():
    lines = [line for line in formats.render(evil_table(), "md").splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}


@pytest.mark.parametrize("format", ["md", "html"])
def test_no_tag_of_a_label_is_left(format):
    assert "<script" not in formats.render(evil_table(), format)


def test_html_is_well_formed():
    class Balanced(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Balanced()
    parser.feed(formats.render(evil_table(), "html"))
    assert parser.open == []


def test_csv_reads_back(grid):
    rows = list(csv.DictReader(io.StringIO(formats.render(build(grid), "csv"))))
    full = next(row for row in rows if (row["task"], row["strategy"]) == ("reviews", "full"))
    assert (float(full["accuracy"]), full["accuracy mark"]) == (0.82, "best")


def test_csv_has_the_ends_of_intervals_that_are_not_symmetric():
    """Half of [0.98, 1] beside 1 would say that the score may be 1.02."""
    entries = (Entry(1.0, 0.02, bounds=(0.98, 1.0)), Entry(0.9, 0.05), Entry(0.8))
    rows = tuple(Row((str(place),), (entry,)) for place, entry in enumerate(entries))
    table = Table("", ("h",), (Column("f1", "f1", "score"),), (Block("", rows),))
    assert formats.render(table, "csv").splitlines() == [
        "h,f1,f1 ±,f1 low,f1 high,f1 mark",
        "0,1,,0.98,1,",
        "1,0.9,0.05,0.85,0.95,",
        "2,0.8,,,,",
    ]


def test_csv_has_the_intervals_of_whatever_has_one():
    columns = (Column("relative", "time / full", "times"), Column("drop", "drop", "percent"))
    row = Row(("a",), (Entry(0.5, 0.06, note="once"), Entry(0.1, 0.04)))
    lines = formats.render(Table("", ("h",), columns, (Block("", (row,)),)), "csv").splitlines()
    assert lines == ["h,relative,relative ±,relative mark,drop,drop ±", "a,0.5,0.06,once,0.1,0.04"]


def test_csv_has_the_marks_of_whatever_has_one():
    columns = (Column("rank", "mean rank", "rank"), Column("low", "from", "rank"))
    rows = tuple(Row((mark,), (Entry(1.5, mark=mark), Entry(1.0))) for mark in ("best", "tied", ""))
    table = Table("", ("h",), columns, (Block("", rows),))
    assert formats.render(table, "csv").splitlines() == [
        "h,rank,rank mark,low",
        "best,1.5,best,1",
        "tied,1.5,tied,1",
        ",1.5,,1",
    ]


@pytest.mark.parametrize(
    ("text", "written"), [("+12.2", "+12.2"), ("-9", "-9"), ("-9.0 to +3", "'-9.0 to +3"), ("+a", "'+a")]
)
def test_csv_has_numbers_with_a_sign_as_they_are(text, written):
    table = Table("", ("h",), (Column("a", "a", "text"),), (Block("", (Row(("x",), (Entry(text),)),)),))
    assert formats.render(table, "csv").splitlines()[1] == f"x,{written}"


@pytest.mark.parametrize("format", ["md", "html", "latex"])
def test_a_word_to_be_seen_first_is_bold(format):
    table = Table(
        "", ("h",), (Column("a", "a", "text"),), (Block("", (Row(("x",), (Entry("lost", mark="loud"),)),)),)
    )
    bold = {"md": "**lost**", "html": "<strong>lost</strong>", "latex": r"\textbf{lost}"}
    assert bold[format] in formats.render(table, format)


def test_csv_labels_are_not_formulas():
    table = Table("", ("h",), (Column("a", "a", "text"),), (Block("", (Row(("=1+1",), (Entry("@x"),)),)),))
    assert formats.render(table, "csv").splitlines()[1] == "'=1+1,'@x"


def test_json_keeps_labels_as_they_are():
    value = json.loads(formats.render(evil_table(), "json"))
    assert value["caption"] == EVIL


# --------------------------------------------------------------------------------------------------
# LaTeX


def check_latex(text: str) -> None:
    """A strict reading: environments and braces balance, every row of a tabular has all its columns."""
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([^}]*)\}", text):
        assert kind == "begin" or opened.pop() == name
        opened += [name] if kind == "begin" else []
    assert opened == []
    bare = re.sub(r"\\[\\{}&%$#_]", "", text.replace(latex.FIT, "{"))
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert re.findall(r"[~^<>|\"\x00-\x08\x1b]", bare) == []
    columns, body = re.search(r"\\begin\{tabular\}\{([lr]+)\}(.*)\\end\{tabular\}", text, re.S).groups()  # type: ignore[union-attr]
    for line in body.split(r" \\"):
        row = re.sub(r"\\(toprule|midrule|bottomrule|cmidrule\(lr\)\{[\d-]+\})", "", line).strip()
        if row:
            spans = sum(int(span) - 1 for span in re.findall(r"\\multicolumn\{(\d+)\}", row))
            assert len(re.findall(r"(?<!\\)&", row)) + 1 + spans == len(columns), row


@pytest.mark.parametrize("rows", [BY_TASK, ACROSS_TASKS], ids=["by-task", "across-tasks"])
def test_latex_passes_a_strict_reading(grid, rows):
    check_latex(formats.render(build(grid, options=TableOptions(rows=rows)), "latex"))


def test_latex_with_any_label_passes_a_strict_reading():
    check_latex(formats.render(evil_table(), "latex"))


@pytest.mark.parametrize("label", ["[CLS]", "*", "[2pt]", "*x"])
def test_latex_takes_no_label_for_an_argument_of_the_row_above(label: str):
    r"""`\\\\` ends a row, and reads a star or a length in brackets that follows it, on the next line too."""
    rows = tuple(Row((name,), (Entry("x"),)) for name in ("first", label))
    table = Table("", ("h",), (Column("a", "a", "text"),), (Block("", rows),))
    text = formats.render(table, "latex")
    assert not re.search(r"\\\\\s*[*\[]", text)
    assert f"{{}}{label} & x" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX engine here")
@pytest.mark.parametrize("evil", [False, True])
def test_latex_compiles(grid, tmp_path, evil):
    table = evil_table() if evil else build(grid, options=TableOptions(rows=ACROSS_TASKS))
    text = formats.render(table, "latex")
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "table.tex").write_text(f"{head}\n{text}\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert evil or "Overfull" not in done.stdout


@pytest.mark.parametrize(
    ("text", "active"),
    [
        ("@somebody", "@somebody"),
        ("by @some-org/team", "@some"),
        ("a@example.org", "@example"),
        ("fixes #12", "#12"),
        ("owner/name#3", "#3"),
        ("GH-7", "GH-7"),
        ("see https://example.org", "https://"),
        ("HTTP://example.org", "HTTP://"),
        ("www.example.org", "www."),
        ("ftp://example.org", "ftp://"),
    ],
)
def test_markdown_mentions_nobody_refers_to_no_issue_and_makes_no_link(text: str, active: str):
    escaped = formats.escape_markdown(text)
    assert active not in escaped
    assert escaped.replace("&#8203;", "") == text.replace("_", r"\_")


@pytest.mark.parametrize("text", ["sst2@100", "a # b", "20:30", "C#"])
def test_markdown_leaves_what_github_leaves(text: str):
    assert formats.escape_markdown(text) == text
