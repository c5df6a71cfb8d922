"""Is `recommend` right? On six data sets the full grid is run and known; then `recommend` gets a share of its work.

Every cell is run once and kept in results/runs/recommend-six/ (`bench.recommend.known_grid`); an interrupted
attempt goes on where it stopped. What `recommend` names is worked out from the records alone
(`bench.recommend.replay`), so another rule or another share takes seconds. A JSON file of each data set is kept in
results/recommend/, with the table of all of them in six.md. Where a file has the same settings and its cells are
gone, the file stands. The command is `recommend --validate`: without --local (a folder in the hub's layout with
sst2, ag_news and conll2003) it runs only the data sets from package registries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.models.catalog import kind_of
from bench.recommend.answer import MARGIN
from bench.recommend.choice import Basis, choose
from bench.recommend.evidence import Standing, standing
from bench.recommend.known_grid import LONGEST, Known, Setting, known
from bench.recommend.replay import priced, replay, work
from bench.recommend.successive_halving import SEEDS
from bench.registry import discover
from bench.runs import atomic_files
from bench.runs.folder import RUNS, Store
from bench.runs.listeners import Screen

REGISTRY = ("movie-sentiment", "reuters-r8", "financial-ner")
LOCAL = ("sst2", "ag_news", "conll2003")
HIGHEST, CHEAPEST = "the highest score", "the cheapest not told apart from it"
"""Two simpler rules, for comparison."""


class Result(BaseModel, frozen=True, extra="forbid"):
    """One data set.

    Of the grid: scores on the test rows, work in 10^9 operations a model, the best, and those not told apart from
    it (tied). Of `recommend`, which has not seen these rows: what it named ('' where nothing) and why, the rows and
    seeds that this rests on, what it did not tell apart from its best (said_tied), what simpler rules name on the
    same evidence (others), and the share of the grid's work that it used."""

    task: str
    setting: Setting
    metric: str
    scores: dict[str, float]
    work: dict[str, float]
    best: str
    tied: tuple[str, ...]
    named: str
    basis: Basis | None
    rows: int
    seeds: int
    said_tied: tuple[str, ...]
    others: dict[str, str]
    used: float
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

    def behind(self, name: str) -> float:
        """Points that a strategy scores below the best."""
        return 100 * (self.scores[self.best] - self.scores[name])


def judged(task: str, setting: Setting, of: Known) -> Result:
    """What `recommend` names with its share of the grid's work, against the grid."""
    grid = standing(priced(of.grid), f"{task}-{setting.rows}")
    whole = sum(work(record) for record in of.grid.records)
    found = replay(of, setting.share * whole)
    records, seeds = (found.last.records, found.last.seeds) if found.last else ((), 0)
    sizes = next((record.data.sizes for record in records if record.data), {})
    last = found.last if found.last and not found.last.degenerate else None
    choice = choose(last, "accuracy", MARGIN) if last else None
    told = {*last.means, *found.behind} if last else set[str]()
    machine = next(record.machine for record in of.grid.records if record.machine)
    return Result(
        task=task,
        setting=setting,
        metric=grid.metric,
        scores=dict(grid.means),
        work=dict(grid.seconds),
        best=grid.best,
        tied=(grid.best, *grid.undecided),
        named=choice.strategy if choice else "",
        basis=choice.basis if choice else None,
        rows=sizes.get("train", 0),
        seeds=seeds,
        said_tied=(last.best, *last.undecided, *(name for name in setting.strategies if name not in told))
        if last
        else (),
        others=_others(last) if last else {},
        used=found.work / whole,
        machine=f"{machine.processor}, {machine.threads} thread{'s' * (machine.threads > 1)}, "
        f"commit {machine.commit[:12]}",
    )


def _others(last: Standing) -> dict[str, str]:
    cheapest = min([last.best, *last.undecided], key=lambda name: last.seconds[name])
    return {HIGHEST: last.best, CHEAPEST: cheapest}


def table(results: Sequence[Result]) -> str:
    """The results as Markdown: a row a data set, and what all of them say."""
    lines = [
        "| data set | best of the grid | `recommend` named | points behind | rests on | work / grid | verdict |",
        "|---|---|---|---:|---|---:|---|",
    ]
    for found in results:
        behind = f"{found.behind(found.named):.1f}" if found.named else "–"
        evidence = f"{found.rows:,} rows, {found.seeds} seed{'s' * (found.seeds != 1)}" if found.rows else "–"
        lines.append(
            f"| {found.task} | {found.best} ({100 * found.scores[found.best]:.1f} {found.metric}) | "
            f"{found.named or 'nothing'} | {behind} | {evidence} | {100 * found.used:.0f}% | {found.verdict} |"
        )
    right = sum(found.verdict in ("the best", "not told apart from the best") for found in results)
    settings = dict.fromkeys(found.setting for found in results)
    return "\n".join(
        [
            *lines,
            "",
            "Named the best or one not told apart from it (paired bootstrap, step-down min-P over all pairs, 5%) "
            f"on {right} of {len(results)} data sets.",
            *_compared([found for found in results if found.named]),
            *(
                f"Grid: {', '.join(item.strategies)} on {item.backbone}, {SEEDS} seeds, {item.rows} training rows, "
                f"up to {item.test} test rows, texts of up to {LONGEST} tokens. Budget: {100 * item.share:.0f}% of "
                "the grid's operations of training, a tenth of it kept for the test rows."
                for item in settings
            ),
            *(f"Machine: {machine}." for machine in dict.fromkeys(found.machine for found in results)),
            "",
        ]
    )


def _compared(results: Sequence[Result]) -> list[str]:
    """The rule beside simpler ones: points behind the best of the grid, and the work of the models named."""
    if not results:
        return []
    rules = {"`recommend`": [found.named for found in results]}
    rules |= {rule: [found.others[rule] for found in results] for rule in (HIGHEST, CHEAPEST)}
    rows = []
    for rule, names in rules.items():
        pairs = list(zip(results, names, strict=True))
        points = sum(found.behind(name) for found, name in pairs) / len(pairs)
        most = max(found.behind(name) for found, name in pairs)
        spent = sum(found.work[name] / found.work[found.best] for found, name in pairs) / len(pairs)
        rows.append(f"| {rule} | {points:.1f} | {most:.1f} | {100 * spent:.0f}% |")
    head = "| rule | points behind, mean | points behind, most | work of a model, of the best's |"
    return ["", "On the same evidence:", "", head, "|---|---:|---:|---:|", *rows, ""]


def kept(path: Path) -> Result | None:
    """The result in a file; None where there is none, or one of another version of this module."""
    try:
        return Result.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def run(
    tasks: Sequence[str], setting: Setting, sources: Sources, out: Path, options: Options, screen: Screen
) -> str:
    """The table of the tasks, after the cells that are missing were run. BenchError for an unknown task, or a
    backbone that is no encoder."""
    if kind_of(setting.backbone) != "encoder":
        raise BenchError(
            f"--validate counts operations of layers, and '{setting.backbone}' has none: name an encoder",
            code="no-layers",
        )
    plugins = discover(options.plugin_files)
    for task in tasks:
        plugins.task(task)
    for task in tasks:
        path, folder = out / f"{task}.json", RUNS / "recommend-six" / task
        found = kept(path)
        if found is None or found.setting != setting or Store(folder / "rounds").record_files():
            of = known(task, setting, sources, folder, options, screen)
            atomic_files.write(path, judged(task, setting, of).model_dump_json(indent=1).encode())
        names = dict.fromkeys((*REGISTRY, *LOCAL, *tasks))
        there = [found for name in names if (found := kept(out / f"{name}.json"))]
        atomic_files.write(out / "six.md", table(there).encode())
    return table([found for task in tasks if (found := kept(out / f"{task}.json"))])
