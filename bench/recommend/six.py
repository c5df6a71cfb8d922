"""Is `recommend` right? On six data sets the full grid is run and known; then `recommend` gets a share of its time.

python -m bench.recommend.six [--rows 400] [--share 0.4] [--local DIR]   prints a Markdown table

--local: a folder in the hub's layout with sst2, ag_news and conll2003; without it, only the registry's."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cli_tables import console
from bench.contracts import Cell, Recipe, Splits, Task, digest
from bench.data.sources import Sources
from bench.data.splits import subset, training_subset
from bench.discovery import Plugins, discover
from bench.display import Display
from bench.executors.contract import Options
from bench.launch import launch
from bench.own.summary import lengths, recipe_keys
from bench.recommend.answer import Terms, answer
from bench.recommend.evidence import standing
from bench.recommend.race import SEEDS
from bench.recommend.views import Selection
from bench.store import Store

REGISTRY = ("movie-sentiment", "reuters-r8", "financial-ner")
LOCAL = ("sst2", "ag_news", "conll2003")
STRATEGIES = ("frozen", "top-layers", "lp-ft", "full")
BACKBONE = "minilm"
TEST = 400


@dataclass(frozen=True)
class Small:
    """The task `of` with `rows` training rows, as a user with a small file would have it."""

    of: str
    rows: int

    @property
    def name(self) -> str:
        return f"{self.of}-{self.rows}"

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        base, rows = tasks[self.of], self.rows

        def splits(self: Task, sources: Sources) -> Splits:
            whole = base().splits(sources)
            short = [row for row in whole.train if len(getattr(row, "context", "")) < 600]
            return Splits(
                training_subset(short, rows), subset(whole.validation, rows // 5), subset(whole.test, TEST)
            )

        members = {
            "name": self.name,
            "origin": digest([base.name, base.version, rows]),
            "splits": splits,
            "__module__": __name__,
        }
        return type(f"{base.__name__}_{rows}", (base,), members)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--share", type=float, default=0.4, help="of the grid's wall-clock time")
    parser.add_argument("--local", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results/runs/recommend-six"))
    given = parser.parse_args()
    sources = Sources(local=given.local)
    print("| data set | grid, s | recommend, s | named | best of the grid | points behind | verdict |")
    print("|---|---|---|---|---|---|---|")
    for task in (*REGISTRY, *(LOCAL if given.local else ())):
        small = Small(task, given.rows)
        plugins = discover([small, Selection(small.name)])
        print(_row(small.name, plugins, sources, given.out / task, given.share), flush=True)


def _row(name: str, plugins: Plugins, sources: Sources, folder: Path, share: float) -> str:
    """The grid on the test rows, then what `recommend` names without them, as a row of the table."""
    task = plugins.task(name)
    splits = task.splits(sources)
    keys = recipe_keys(task.adapter, len(splits.train), lengths(splits, BACKBONE, sources))
    recipe = Recipe(**{"pooling": "cls", **keys})
    cell = Cell(f"grid-{name}", name, STRATEGIES[0], BACKBONE, 0, recipe)
    options, screen = Options(plugin_files=plugins.given, fresh=True), console(stderr=True)
    cells = [replace(cell, strategy=name, seed=seed) for name in STRATEGIES for seed in range(SEEDS)]
    began = time.monotonic()
    launch(cells, plugins, sources, folder / "grid", options, Display(screen))
    spent = time.monotonic() - began
    grid = standing(Store(folder / "grid"), name)
    terms = Terms(STRATEGIES, BACKBONE, "accuracy", share * spent, "")
    began = time.monotonic()
    found = answer(cell, terms, plugins, sources, (folder / "recommend", options, screen))
    took = time.monotonic() - began
    behind = grid.means[grid.best] - grid.means.get(found.choice, 0.0)
    said = found.round.tied
    verdict = (
        "the best"
        if found.choice == grid.best
        else "tied with it"
        if found.choice in grid.tied
        else f"missed, but it said that it could not tell {grid.best}"
        if grid.best in said
        else "missed"
    )
    best = f"{grid.best} ({100 * grid.means[grid.best]:.1f} {grid.metric})"
    return f"| {name} | {spent:.0f} | {took:.0f} | {found.choice} | {best} | {100 * behind:.1f} | {verdict} |"


if __name__ == "__main__":
    main()
