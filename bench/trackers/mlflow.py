"""Cells as MLflow runs (mlflow.org): parameters, metrics, curves and files, in the experiment of the suite's name.

MLflow itself chooses the server: MLFLOW_TRACKING_URI, else its local store."""

from __future__ import annotations

import os

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default it retries for minutes

from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.tracking import MlflowClient

from bench.runs.folder import Store
from bench.runs.record import Record
from bench.trackers.contract import curves, metrics, parameters

KEY = "transferbench.record"  # the digest of the record's file: a tag that finds a run again
ENDED = ("FINISHED", "FAILED")
BATCH = 500  # metrics of one request; MLflow takes a thousand


class MLflow:
    """An MLflow experiment as a tracker (bench.trackers.contract.Tracker)."""

    def __init__(self, experiment: str) -> None:
        self._client = MlflowClient()
        found = self._client.get_experiment_by_name(experiment)
        self._experiment = found.experiment_id if found else self._client.create_experiment(experiment)

    def has(self, key: str) -> bool:
        """A run whose logging was interrupted is deleted, and does not count."""
        whole = False
        for run in self._client.search_runs(
            [self._experiment], f"tags.`{KEY}` = '{key}'", ViewType.ACTIVE_ONLY
        ):
            if run.info.status in ENDED:
                whole = True
            else:
                self._client.delete_run(run.info.run_id)
        return whole

    def log(self, record: Record, key: str, store: Store) -> None:
        """The run's status is set last: a run without an end was interrupted."""
        cell = record.cell.id
        tags = {KEY: key, "transferbench.fingerprint": record.fingerprint, "status": record.status}
        if record.reason:
            tags["reason"] = record.reason[:5000]
        run = self._client.create_run(self._experiment, run_name=cell, tags=tags).info.run_id
        now = _milliseconds(record)
        values = [Metric(name, value, now, 0) for name, value in metrics(record).items()]
        for name, points in curves(record).items():
            values += [Metric(name, value, now, step) for step, value in points]
        params = [Param(name, value) for name, value in parameters(record).items()]
        extra = [RunTag(f"adaptation.{i}", text) for i, text in enumerate(record.adaptations, 1)]
        self._client.log_batch(run, params=params, tags=extra)
        for first in range(0, len(values), BATCH):
            self._client.log_batch(run, metrics=values[first : first + BATCH])
        for path in (store.record_path(cell), store.predictions_path(cell), store.log_path(cell)):
            if path.is_file():
                self._client.log_artifact(run, str(path))
        self._client.set_terminated(run, "FINISHED" if record.status == "done" else "FAILED")


def opened(store: Store) -> MLflow:
    """The experiment of the run's suite."""
    return MLflow(store.suite())


def _milliseconds(record: Record) -> int:
    """When the cell started, since 1970; the epoch itself for a cell that never did."""
    from datetime import datetime

    return int(datetime.fromisoformat(record.started).timestamp() * 1000) if record.started else 0
