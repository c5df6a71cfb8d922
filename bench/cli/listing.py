"""`list`: what there is to run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import RUN
from bench.cli.output import console
from bench.text import json_text

if TYPE_CHECKING:
    from bench.registry import Plugins


class ListKind(StrEnum):
    strategies = "strategies"
    tasks = "tasks"
    backbones = "backbones"
    suites = "suites"


Plugin = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file with strategies or tasks. Repeatable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("list", rich_help_panel=RUN)(list_command)


def list_command(
    kind: Annotated[ListKind | None, typer.Argument(help="Only one kind.")] = None,
    as_json: AsJson = False,
    plugin: Plugin = None,
) -> None:
    """List the strategies, tasks, backbones and suites.

    Example: python -m bench list strategies
    """
    from bench.registry import discover

    plugins = discover(plugin or ())
    kinds = {kind, "families"} if kind == ListKind.backbones else {kind}
    found = {name: entries for name, entries in _catalogue(plugins).items() if kind is None or name in kinds}
    if as_json:
        print(json_text(found))
        return
    screen = console()
    from rich.table import Table
    from rich.text import Text

    from bench.text import printable

    for name, entries in found.items():
        table = Table(title=name, title_justify="left", title_style="bold", box=None, pad_edge=False)
        shown = [heading for heading in entries[0] if heading != "caveat"]  # sentences: in the JSON alone
        for heading in shown:
            table.add_column(heading, style="bold" if heading == "name" else "", no_wrap=heading == "name")
        for entry in entries:
            table.add_row(*(Text(printable(entry[heading])) for heading in shown))
        screen.print(table)
        screen.print()


def _catalogue(plugins: Plugins) -> dict[str, list[dict[str, str]]]:
    from bench import suite
    from bench.models.catalog import BACKBONES, COUNTS, TRAINED
    from bench.models.families.abilities import abilities

    others = {
        **TRAINED,
        **COUNTS,
        "gensim-data:<name>": "word vectors of the gensim-data collection",
        "<name or folder>": "any encoder or decoder of Hugging Face with safetensors; also name@revision",
        "<file>": "word vectors: gensim .kv, word2vec, GloVe, fastText",
    }
    backbones = [
        {"name": name, "summary": entry.summary, "caveat": entry.caveat} for name, entry in BACKBONES.items()
    ]
    backbones += [{"name": name, "summary": summary, "caveat": ""} for name, summary in others.items()]
    suites = [{"name": name, "summary": suite.load(name).description} for name in suite.names()]
    return {
        "strategies": [
            {"name": name, "what learns": cls.summary, "paper": cls.paper or "–"}
            for name, cls in plugins.strategies.items()
        ],
        "tasks": [
            {
                "name": name,
                "adapter": cls.adapter,
                "summary": cls.summary,
                "train/validation/test": cls.sizes or "not stated",
                "licence": cls.licence,
                "caveat": cls.caveat,
            }
            for name, cls in plugins.tasks.items()
        ],
        "backbones": backbones,
        "families": abilities(),
        "suites": suites,
    }
