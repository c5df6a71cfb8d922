"""Figures for papers: the formats, the sizes, text as text, and what cannot be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analysis.loading import Run
from bench.contracts import BenchError
from bench.report import figures
from bench.report.reading import Reading, read
from tests.support.report_runs import Grid, make_run


@pytest.mark.parametrize("kind", ["pareto", "curves", "convergence", "shift"])
def test_every_kind_is_drawn_with_its_text_as_text(kind: figures.Kind, tmp_path: Path):
    reading = read(make_run(Grid(tasks=("$reviews_1$",), seeds=2, domains=("tweets",))))
    figures.save(reading, kind, tmp_path / "figure.svg", "one")
    text = (tmp_path / "figure.svg").read_text()
    assert ">$reviews_1$</text>" in text
    assert ">top-layers</text>" in text


def test_a_figure_is_as_wide_as_a_column(reading: Reading, tmp_path: Path):
    from PIL import Image

    for width, inches in figures.INCHES.items():
        figures.save(reading, "pareto", tmp_path / f"{width}.png", width)  # pyright: ignore[reportArgumentType]
        with Image.open(tmp_path / f"{width}.png") as picture:
            assert picture.width == pytest.approx(300 * inches, abs=1)


def test_letters_of_a_pdf_are_letters(reading: Reading, tmp_path: Path):
    figures.save(reading, "pareto", tmp_path / "figure.pdf")
    content = (tmp_path / "figure.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/Type3" not in content


def test_the_same_run_gives_the_same_file(reading: Reading, tmp_path: Path):
    for name in ("a.svg", "b.svg"):
        figures.save(reading, "pareto", tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_what_a_run_lacks_cannot_be_drawn(reading: Reading, run: Run, tmp_path: Path):
    with pytest.raises(BenchError) as error:
        figures.save(reading, "shift", tmp_path / "figure.pdf")
    assert error.value.code == "nothing-to-plot"
    bare = [record.model_copy(update={"curve": ()}) for record in run.records]
    with pytest.raises(BenchError) as error:
        figures.save(read(Run("bare", bare, run.predictions)), "curves", tmp_path / "figure.pdf")
    assert error.value.code == "nothing-to-plot"
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_is_an_error(reading: Reading, tmp_path: Path):
    with pytest.raises(BenchError, match=r"\.jpg.*\.pdf, \.svg, \.png") as error:
        figures.save(reading, "pareto", tmp_path / "figure.jpg")
    assert error.value.code == "unknown-ending"
