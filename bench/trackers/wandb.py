"""Cells as runs of Weights & Biases (wandb.ai), in a project of the suite's name: the request as the configuration,
curves as the history, and scores, seconds and sizes as the summary.

The library's own settings say where runs go: WANDB_MODE=offline keeps them in the run folder, WANDB_ENTITY names
the team, and `wandb login` the account."""

# pyright: reportAttributeAccessIssue=false
# (the library fills its module at run time)

from __future__ import annotations

from pathlib import Path

import wandb

from bench.runs.folder import Store
from bench.runs.record import Record
from bench.trackers.contract import curves, metrics, parameters

MARKS = "transferbench"
"""A folder with an empty file for each record that was logged whole."""


class WandB:
    """A project as a tracker (bench.trackers.contract.Tracker). folder: where the library keeps its files."""

    def __init__(self, project: str, folder: Path) -> None:
        self._project = project
        self._folder = folder

    def has(self, key: str) -> bool:
        return (self._folder / MARKS / key).is_file()

    def log(self, record: Record, key: str, store: Store) -> None:
        """The run's id is the key: a run that was cut off is written anew under the same id."""
        (self._folder / MARKS).mkdir(parents=True, exist_ok=True)
        cell = record.cell
        run = wandb.init(
            project=self._project,
            id=key,
            name=cell.id,
            group=f"{cell.task} {cell.backbone}",
            tags=(cell.strategy, record.status),
            notes=record.reason or None,
            dir=self._folder,
            config={
                **parameters(record),
                "fingerprint": record.fingerprint,
                "adaptations": list(record.adaptations),
            },
            settings=wandb.Settings(console="off", silent=True, disable_git=True, x_disable_stats=True),
        )
        steps: dict[int, dict[str, float]] = {}
        for name, points in curves(record).items():
            for step, value in points:
                steps.setdefault(step, {})[name] = value
        for step in sorted(steps):
            run.log(steps[step], step=step)
        run.summary.update(metrics(record))
        run.finish(exit_code=0 if record.status == "done" else 1)
        (self._folder / MARKS / key).touch()


def opened(store: Store) -> WandB:
    """The project of the run's suite; its files are in the run folder."""
    return WandB(store.suite(), store.path / "wandb")
