"""Is `recommend` right? On six data sets the full grid is run and known; then `recommend` gets a share of its time.

One data set after another, each kept as a JSON file in results/recommend/ when it is done: one that is there with
the same settings is not run again. At the end, and after each, the table of all that are there is written to
six.md beside them. The command is `recommend --validate`: without --local (a folder in the hub's layout with sst2,
ag_news and conll2003) it runs only the data sets from package registries."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ValidationError

from bench.analysis.loading import Run
from bench.contracts import Cell, Splits, Task, digest
from bench.data.sources import Sources
from bench.data.splits import subset, training_subset
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.recommend.answer import STRATEGIES, Terms, answer
from bench.recommend.evidence import standing
from bench.recommend.successive_halving import SEEDS
from bench.recommend.views import Selection
from bench.registry import Registry, discover
from bench.runs import atomic_files
from bench.runs.folder import RUNS, Store
from bench.runs.listeners import Screen
from bench.user_data.summary import recipe_for

REGISTRY = ("movie-sentiment", "reuters-r8", "financial-ner")
LOCAL = ("sst2", "ag_news", "conll2003")
LONGEST = 64  # tokens of a text here, so that six grids take minutes on two cores


class Setting(BaseModel, frozen=True):
    """What all data sets are run with. share: of the grid's wall-clock time, as the budget of `recommend`."""

    rows: int = 400
    test: int = 400
    share: float = 0.55
    strategies: tuple[str, ...] = STRATEGIES
    backbone: str = "minilm"


class Result(BaseModel, frozen=True):
    """One data set: scores of the grid on its test rows, the best and those not told apart from it (tied), and what
    `recommend` named and did not tell apart from it, without these rows (said_tied). named: '' where it recommended
    nothing."""

    task: str
    setting: Setting
    metric: str
    scores: dict[str, float]
    best: str
    tied: tuple[str, ...]
    grid_seconds: float
    named: str
    said_tied: tuple[str, ...]
    seconds: float
    machine: str

    @property
    def verdict(self) -> str:
        """Whether the grid bears the name out."""
        if not self.named:
            return "no recommendation"
        if self.named == self.best:
            return "the best"
        if self.named in self.tied:
            return "not told apart from the best"
        return f"missed, but said that {self.best} may be better" if self.best in self.said_tied else "missed"


@dataclass(frozen=True)
class Small:
    """The task `of` with `rows` training rows, as a user with a small file would have it."""

    of: str
    rows: int
    test: int

    @property
    def name(self) -> str:
        return f"{self.of}-{self.rows}"

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        base, rows, test = tasks[self.of], self.rows, self.test

        def splits(self: Task, sources: Sources) -> Splits:
            whole = base().splits(sources)
            validation = subset(whole.validation, max(rows // 5, 1))
            return Splits(training_subset(whole.train, rows), validation, subset(whole.test, test))

        members = {
            "name": self.name,
            "origin": digest([base.name, base.version, base.origin, rows, test]),
            "splits": splits,
            "__module__": __name__,
        }
        return type(f"{base.__name__}_{rows}", (base,), members)


def assess(
    task: str, setting: Setting, sources: Sources, folder: Path, options: Options, screen: Screen
) -> Result:
    """The grid on the test rows, then `recommend` without them. What `folder` held of an earlier attempt is
    deleted, so that both times are of whole runs."""
    shutil.rmtree(folder, ignore_errors=True)
    small = Small(task, setting.rows, setting.test)
    registry = Registry(discover([*options.plugin_files, small, Selection(small.name)]), sources)
    options = replace(options, plugin_files=registry.given)
    cell = _cell(small.name, setting, registry)
    cells = [replace(cell, strategy=name, seed=seed) for name in setting.strategies for seed in range(SEEDS)]
    began = time.monotonic()
    records = launch(cells, registry, folder / "grid", options, screen)
    grid_seconds = time.monotonic() - began
    grid = standing(Run(task, records, Store(folder / "grid").predictions), small.name)
    terms = Terms(setting.strategies, setting.backbone, "accuracy", setting.share * grid_seconds, "")
    began = time.monotonic()
    found = answer(cell, terms, registry, (folder / "recommend", options, screen))
    machine = next(record.machine for record in grid.records if record.machine)
    return Result(
        task=task,
        setting=setting,
        metric=grid.metric,
        scores=dict(grid.means),
        best=grid.best,
        tied=(grid.best, *grid.undecided),
        grid_seconds=grid_seconds,
        named="" if found.round.degenerate else found.choice,
        said_tied=(found.round.best, *found.round.undecided, *found.unjudged),
        seconds=time.monotonic() - began,
        machine=f"{machine.processor}, {machine.threads} threads, commit {machine.commit[:12]}",
    )


def _cell(name: str, setting: Setting, registry: Registry) -> Cell:
    """The cell with the recipe that `recommend` takes, texts cut at LONGEST tokens."""
    task = registry.task(name)
    splits = task.splits(registry.sources)
    recipe = recipe_for(task.adapter, splits, setting.backbone, registry.sources)
    recipe = replace(recipe, max_length=min(recipe.max_length, LONGEST))
    return Cell(f"grid-{name}", name, setting.strategies[0], setting.backbone, 0, recipe)


def table(results: Sequence[Result]) -> str:
    """The results as Markdown: a row a data set, and a sentence on all of them."""
    lines = [
        "| data set | best of the grid | `recommend` named | points behind | time / grid | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for found in results:
        behind = f"{100 * (found.scores[found.best] - found.scores[found.named]):.1f}" if found.named else "–"
        share = 100 * found.seconds / found.grid_seconds
        lines.append(
            f"| {found.task} | {found.best} ({100 * found.scores[found.best]:.1f} {found.metric}) | "
            f"{found.named or 'nothing'} | {behind} | {share:.0f}% of {found.grid_seconds:.0f} s | "
            f"{found.verdict} |"
        )
    right = sum(found.verdict in ("the best", "not told apart from the best") for found in results)
    spent = sum(found.seconds for found in results) / sum(found.grid_seconds for found in results)
    settings = {found.setting.model_copy(update={"share": 0.0}) for found in results}
    return "\n".join(
        [
            *lines,
            "",
            "Named the best or one not told apart from it (paired bootstrap, step-down min-P over all pairs, 5%) "
            f"on {right} of {len(results)} data sets, in {100 * spent:.0f}% of the grids' time.",
            *(
                f"Grid: {', '.join(item.strategies)} on {item.backbone}, {SEEDS} seeds, {item.rows} training rows, "
                f"up to {item.test} test rows, texts of up to {LONGEST} tokens."
                for item in settings
            ),
            *(f"Machine: {machine}." for machine in dict.fromkeys(found.machine for found in results)),
            "",
        ]
    )


def kept(path: Path) -> Result | None:
    """The result in a file; None where there is none, or one of another version of this module."""
    try:
        return Result.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def run(
    tasks: Sequence[str], setting: Setting, sources: Sources, out: Path, options: Options, screen: Screen
) -> str:
    """The table of the tasks, after those that `out` lacks were run. BenchError for an unknown one."""
    known = discover(options.plugin_files)
    for task in tasks:
        known.task(task)
    for task in tasks:
        path = out / f"{task}.json"
        found = kept(path)
        if found is None or found.setting != setting:
            found = assess(task, setting, sources, RUNS / "recommend-six" / task, options, screen)
            atomic_files.write(path, found.model_dump_json(indent=1).encode())
        names = dict.fromkeys((*REGISTRY, *LOCAL, *tasks))
        there = [found for name in names if (found := kept(out / f"{name}.json"))]
        atomic_files.write(out / "six.md", table(there).encode())
    return table([found for task in tasks if (found := kept(out / f"{task}.json"))])
