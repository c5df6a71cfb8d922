"""Links lead somewhere, and files that are named are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Page, pages, read, slug

EVERY = pytest.mark.parametrize("page", pages(), ids=[page.name for page in pages()])
FILE = re.compile(r"(?:bench|docs|tests|results|strategies|tasks|examples|\.ci|\.github)/[\w./-]*")
MADE = ("results/runs",)  # by running


def broken(page: Page) -> list[str]:
    """The relative links of a page that lead nowhere."""
    return [target for target in page.links if not _leads(page.path, target)]


def _leads(start: Path, target: str) -> bool:
    if re.match(r"https?://|mailto:", target):
        return True
    name, _, anchor = target.partition("#")
    path = (start.parent / name).resolve() if name else start
    if not path.exists():
        return False
    return not anchor or anchor in read(path).anchors


def absent(page: Page) -> list[str]:
    """The files of this project that a page names and that are not there."""
    named = [span for span in page.spans if FILE.fullmatch(span) and not span.startswith(MADE)]
    return [name for name in named if not (ROOT / name).exists()]


@EVERY
def test_its_relative_links_and_anchors_lead_somewhere(page: Page) -> None:
    assert broken(page) == []


@EVERY
def test_the_files_it_names_are_there(page: Page) -> None:
    assert absent(page) == []


def test_a_broken_link_anchor_or_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A heading: one, two\n")
    path = tmp_path / "page.md"
    path.write_text(
        "[a](other.md) [b](other.md#a-heading-one-two) [c](other.md#gone) [d](gone.md) ![e](gone.png)\n"
        "[f](https://example.org) `bench/contracts.py` `bench/gone.py` `results/runs/quick`\n"
    )
    assert broken(read(path)) == ["other.md#gone", "gone.md", "gone.png"]
    assert absent(read(path)) == ["bench/gone.py"]


def test_anchors_are_those_of_github() -> None:
    assert slug("Where does a change go?") == "where-does-a-change-go"
    assert slug("What a step of `full` is made of") == "what-a-step-of-full-is-made-of"


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
