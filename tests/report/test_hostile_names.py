"""Names that a stranger's records may hold, through the commands that draw them. The chart library aborts the
interpreter on some of them, so each command runs in a process of its own."""

from __future__ import annotations

import xml.etree.ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.loading import Run, arrays
from bench.report.chart_text import LONGEST, fit
from bench.runs.folder import Store
from tests.support.made_runs import finish_warm
from tests.support.report_runs import Grid, make_run, save_run

METRIC = 'score\x00\x1b[31m\n"]\\\u2028\u202e\ufffe\uffff'
BACKBONES = ("org/\u202eplain", "org/x\ufffe\u2028y")
TWEETS = "tweets\x07\n\u2067"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A finished run whose metric, backbones, labels and second test set have such names."""
    labels = ("neg\x00", "pos\x1b[0m", "\u202emixed\ufffe")
    made = make_run(
        Grid(tasks=("reviews",), backbones=BACKBONES, seeds=2, labels=labels, domains=("tweets",))
    )
    files, records = {}, []
    for record in made.records:
        metrics = tuple(replace(metric, name=_renamed(metric.name)) for metric in record.metrics)
        scores = {
            {"tweets": TWEETS}.get(test, test): {_renamed(name): value for name, value in found.items()}
            for test, found in record.scores.items()
        }
        rows = arrays(made.predictions(record.cell.id))
        tests = [{"tweets": TWEETS}.get(test, test) for test in rows["split"]]
        files[record.cell.id] = {**rows, "split": np.array(tests, dtype=object)}
        updated = {"headline": METRIC, "metrics": metrics, "scores": scores, "adapter": "classification"}
        records.append(record.model_copy(update=updated))
    return save_run(Run("made", records, files.__getitem__), tmp_path_factory.mktemp("hostile"))


def _renamed(metric: str) -> str:
    return METRIC if metric == "accuracy" else metric


def test_report_draws_them(hostile: Store, tmp_path: Path):
    made = finish_warm(["report", str(hostile.path), "-o", str(tmp_path / "page.html")])
    assert (made.returncode, made.stderr) == (0, "")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<svg" in text
    assert not set("\x00\x1b\x07\ufffe\uffff") & set(text)


@pytest.mark.parametrize("kind", ["pareto", "curves", "convergence", "shift"])
def test_plot_draws_them(kind: str, hostile: Store, tmp_path: Path):
    figure = tmp_path / "figure.svg"
    made = finish_warm(["plot", str(hostile.path), "--kind", kind, "--out", str(figure)])
    assert (made.returncode, made.stderr) == (0, "")
    xml.etree.ElementTree.parse(figure)  # raises where a character is none of XML's


def test_different_names_stay_different_and_end():
    assert fit("a\x00") != fit("a\x01")
    assert fit("naïve 猫 שלום") == "naïve 猫 שלום"
    assert len(fit("x" * 10_000)) == LONGEST
    assert "\ud800" not in fit("lone \ud800")
