"""Reads the documents: fenced blocks and how they are marked, code spans, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARK = "<!-- run -->"
FENCE = re.compile(r"^(```+)[ ]*([\w+-]*)[^\n]*\n(.*?)^\1[ ]*$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
LINK = re.compile(r"!?\[(?:[^\]\[]|!?\[[^\]]*\]\([^)]*\))*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. runs: the line before it is the mark `<!-- run -->`."""

    page: str
    line: int
    language: str
    text: str
    runs: bool

    @property
    def file(self) -> str:
        """The file that the block is, where its first line names one: `# my-suite.toml`; else ''."""
        first = re.match(r"# ([\w.-]+\.(?:py|toml))\n", self.text)
        return first[1] if first else ""


@dataclass(frozen=True)
class Page:
    """A Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix() if self.path.is_relative_to(ROOT) else self.path.name

    @cached_property
    def blocks(self) -> list[Block]:
        found = []
        for match in FENCE.finditer(self.text):
            line = self.text[: match.start()].count("\n") + 1
            before = self.text[: match.start()].rstrip("\n").rpartition("\n")[2].strip()
            found.append(Block(self.name, line, match[2], match[3], before == MARK))
        return found

    @cached_property
    def prose(self) -> str:
        """The text without fenced blocks."""
        return FENCE.sub("", self.text)

    @cached_property
    def spans(self) -> list[str]:
        """Inline code, on one line each."""
        return [" ".join(span.split()) for span in SPAN.findall(self.prose)]

    @cached_property
    def links(self) -> list[str]:
        """The targets of links and pictures."""
        return LINK.findall(SPAN.sub("", self.prose))

    @cached_property
    def anchors(self) -> set[str]:
        """The anchors of headings, by GitHub's rule."""
        return {slug(heading) for heading in HEADING.findall(self.prose)}

    @cached_property
    def code(self) -> list[str]:
        """The lines of all blocks. A line that ends in a backslash goes on in the next."""
        return [line for block in self.blocks for line in block.text.replace("\\\n", " ").splitlines()]


def read(path: Path) -> Page:
    return Page(path, path.read_text(encoding="utf-8"))


def pages() -> list[Page]:
    """Every document."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.md")]
    return [read(path) for path in sorted(paths)]


def slug(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
