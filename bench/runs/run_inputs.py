"""The inputs of a run beside its suite, in given.json: data files, plug-in files and a local folder.

Records do not hold them, and a run cannot be repeated without them."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.contracts import BenchError
from bench.runs import atomic_files
from bench.runs.leases import exclusive

NAME = "given.json"


class RunInputs(BaseModel):
    """tasks: by name, the keys of a suite's `[tasks.NAME]` that describe data files. plugins: paths of plug-in
    files. local: the folder that replaces the hub, '' if there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tasks: dict[str, dict[str, str | bool | list[str]]] = {}
    plugins: tuple[str, ...] = ()
    local: str = ""


NOTHING = RunInputs()


def add(folder: Path, new: RunInputs) -> None:
    """Add to the inputs on disk; nothing is written if nothing is new."""
    with exclusive(folder / ".lock"):
        known = read(folder)
        plugins = tuple(dict.fromkeys([*known.plugins, *new.plugins]))
        found = RunInputs(tasks={**known.tasks, **new.tasks}, plugins=plugins, local=new.local or known.local)
        if found != known:
            atomic_files.write(folder / NAME, found.model_dump_json(indent=1).encode())


def read(folder: Path) -> RunInputs:
    """The inputs on disk; empty if there is no file. BenchError if the file is damaged."""
    path = folder / NAME
    if path.is_symlink() or not path.is_file():
        return NOTHING
    try:
        return RunInputs.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        message = f"{path} cannot be read ({reason}): remove it; the next run of the suite makes it again"
        raise BenchError(message, code="cannot-read") from error
