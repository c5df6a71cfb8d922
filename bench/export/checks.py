"""What is known to stand in the way of a model before anything is trained."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench.contracts import BenchError, Cell
from bench.export.standard import why_not
from bench.models.catalog import architecture, check_positions, kind_of
from bench.registry import Registry


def check_free(folder: Path) -> None:
    """BenchError where a folder cannot become a model: it is a file, holds something, cannot be made, or cannot be
    replaced by the finished one. Nothing is left of the attempt."""
    place = place_of(folder)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BenchError(
                f"the folder {folder} is there already and not empty: give a new one", "export-not-empty"
            )
        if os.path.ismount(place) or place == Path.cwd():
            what = "a mount point" if os.path.ismount(place) else "the current folder"
            raise BenchError(f"{folder} is {what}: give a new folder in it", "export-in-use")
        there = next(path for path in place.parents if os.path.lexists(path))
        Path(tempfile.mkdtemp(dir=there, prefix=f".{place.name}-")).rmdir()
    except OSError as error:
        raise not_written(folder, error) from error


def check_apart(folder: Path, run: Path) -> None:
    """BenchError where a model's folder would hold the folder of a run, and so not be empty."""
    if place_of(run).is_relative_to(place_of(folder)):
        raise BenchError(f"{folder} would hold the run folder {run}: give another folder", "export-in-use")


def place_of(folder: Path) -> Path:
    """Where a model is written: what a link leads to."""
    return Path(os.path.realpath(folder))


def not_written(folder: Path, error: OSError) -> BenchError:
    return BenchError(f"the folder {folder} cannot be written ({error.strerror or error})", "cannot-write")


def check_exportable(cell: Cell, registry: Registry) -> None:
    """BenchError where no training gives a model to hand over: the strategy starts from random weights, or the
    backbone is no encoder."""
    if not registry.strategy(cell).pretrained:
        raise BenchError(
            f"strategy '{cell.strategy}' starts from random weights: it is a control, not a model to use",
            "export-random",
        )
    if registry.strategy(cell).needs:
        raise BenchError(
            f"cannot export {cell.strategy}: its weights are in four bits, and low-rank updates cannot be merged "
            "into them; export lora, which learns the same updates",
            "export-four-bits",
        )
    if kind_of(cell.backbone) != "encoder":
        what = "word vectors have" if kind_of(cell.backbone) == "vectors" else "counts of words have"
        raise BenchError(
            f"cannot export {cell.strategy} on {cell.backbone}: {what} no transformers class",
            "export-no-form",
        )


def check_form(cell: Cell, registry: Registry) -> None:
    """BenchError where no standard class has the form of the model: its family, the task's head or the recipe."""
    reason = why_not(
        architecture(cell.backbone, registry.sources), registry.task(cell.task).head, cell.recipe
    )
    if reason:
        raise BenchError(f"cannot export {cell.strategy} on {cell.backbone}: {reason}", "export-no-form")


def check_fits(cell: Cell, registry: Registry) -> None:
    """BenchError, before anything is trained, where there would be no model to hand over: as `check_exportable`
    and `check_form`, and where the strategy does not fit the encoder, or texts are longer than its table of
    positions."""
    check_exportable(cell, registry)
    check_form(cell, registry)
    check_positions(cell.backbone, cell.recipe.max_length, registry.sources)
    registry.phases(cell)
