"""The process of one measurement: `python -m bench.peers.worker JOB OUTCOME`, two JSON files.

What is imported before the clocks start is imported for every side alike."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import torch

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.engine.machine import Device, choose_device
from bench.executors.launch import imports_of
from bench.executors.worker import die_with
from bench.peers import classifiers, engine, few_shot
from bench.peers.measurement import REFUSED, MeasurementJob, SideOutcome
from bench.peers.settings import Settings
from bench.peers.trainer import run_trainer
from bench.registry import Registry, discover


def run(job: MeasurementJob) -> SideOutcome:
    """Take one measurement in this process."""
    registry = Registry(discover(job.plugin_files), Sources(local=job.local))
    for name in imports_of(job.cells, registry):
        importlib.import_module(name)
    cell, *more = job.cells
    if job.side == "engine":
        device = choose_device(job.device.partition(":")[0], job.threads)  # the only one that is visible
        if more:
            return engine.run_suite(job.cells, registry, device)
        return engine.run_one(cell, registry, device)
    device = _device(job)
    if job.side == "scikit-learn":
        return classifiers.run_classifier(cell, registry, device, classifiers.plain)
    if job.side == "sentence-transformers":
        return classifiers.run_classifier(cell, registry, device, classifiers.sentence_transformers)
    if job.side == "setfit":
        return few_shot.run_setfit(cell, registry, device)
    settings = Settings.defaults() if job.side == "trainer" else Settings.tuned(device)
    return run_trainer(cell, registry, device, settings)


def _device(job: MeasurementJob) -> Device:
    """The job's device, without what this engine sets in a process for speed (its allocator, TF32)."""
    if job.threads:
        torch.set_num_threads(job.threads)
    torch.backends.cuda.enable_cudnn_sdp(False)  # its plans for every new length would be most of a short run
    kind = job.device if job.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return Device(torch.device(kind.partition(":")[0]), getattr(torch, job.dtype))


def main() -> None:
    die_with(os.getppid())
    job, outcome = map(Path, sys.argv[1:])
    try:
        result = run(MeasurementJob.model_validate_json(job.read_text(encoding="utf-8")))
    except BenchError as error:
        print(str(error), file=sys.stderr)
        sys.exit(REFUSED)
    outcome.write_text(result.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
