"""The documents build as a site, strictly, and its pages load nothing from the network."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("mkdocstrings"), reason="needs the extra docs: make docs"
)


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(site)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_site_builds_without_a_warning_and_lists_every_command(tmp_path: Path) -> None:
    done = build(ROOT / "mkdocs.yml", tmp_path)
    assert done.returncode == 0, done.stderr
    for page in (ROOT / "docs").glob("*.md"):
        assert (tmp_path / page.with_suffix(".html").name).is_file()
    assert '<h2 id="compare">' in (tmp_path / "cli.html").read_text(encoding="utf-8")
    assert "checked_phases" in (tmp_path / "python-api.html").read_text(encoding="utf-8")


def test_a_page_that_loads_from_the_network_is_refused(tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    (pages / "index.md").write_text("# A page\n\n![a](https://example.org/a.png)\n")
    config = tmp_path / "mkdocs.yml"
    config.write_text(
        f"site_name: a\ntheme: {{name: material, font: false}}\nhooks: ['{ROOT / 'docs' / 'hooks.py'}']\n"
    )
    done = build(config, tmp_path / "site")
    assert done.returncode != 0
    assert "index.html loads from the network" in done.stderr
