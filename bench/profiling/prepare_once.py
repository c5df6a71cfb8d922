"""Prepares a cell in a process of its own, and prints what each part took, as JSON.

It is run by its path with the `bench` of any checkout, so it keeps to names that older ones have, too. What
one lacks is timed with the rest. The libraries are imported and the encoder is loaded once before the clocks
start, as a run does before its first cell."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = {"rows": ("prepare",), "hashes": ("rows_digest", "rows_fingerprint"), "encoder": ("load",)}
"""The names in `bench.engine.group` that each part calls."""


class Clock:
    """CPU seconds of all threads of the process, by part. What a part calls is of that part alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = False

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose calls are counted."""

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            if self._inside:
                return function(*arguments, **options)
            self._inside, began = True, time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                spent = time.process_time() - began
                self._inside = False
                self.seconds[part] = self.seconds.get(part, 0.0) + spent

        return call


def main(given: dict[str, Any]) -> dict[str, Any]:
    """given: task, strategy, options, backbone, device, threads, recipe (the fields that are not at their default),
    local and plugins (paths). Returns seconds by part, `whole`, and `wall`, which is no CPU time."""
    import bench
    from bench.contracts import Cell, Recipe
    from bench.data.sources import Sources
    from bench.engine import group as shared
    from bench.engine.cell import build
    from bench.engine.machine import choose_device
    from bench.executors.launch import imports_of
    from bench.models.loading import load
    from bench.registry import Registry, discover

    names = {field.name for field in dataclasses.fields(Recipe)}
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given["recipe"].items()
    }
    if unknown := sorted(fields.keys() - names):
        raise SystemExit(f"this checkout does not know recipe.{unknown[0]}")
    local = Path(given["local"]) if given["local"] else None
    registry = Registry(discover(list(map(Path, given["plugins"]))), Sources(local=local))
    named = (given["task"], given["strategy"], given["backbone"])
    options = tuple((name, value) for name, value in given["options"])
    cell = Cell("profile", *named, 0, Recipe(**fields), options)
    device = choose_device(given["device"], given["threads"])
    context = shared.RunContext(registry, device)
    for name in imports_of([cell], registry):
        importlib.import_module(name)
    load(given["backbone"], registry.sources)
    clock = Clock()
    for part, called in PARTS.items():
        for name in called:
            if hasattr(shared, name):
                setattr(shared, name, clock.timed(part, getattr(shared, name)))
    task: Any = type(registry.task(given["task"]))
    task.encode = clock.timed("tokens", task.encode)
    wall, began = device.clock(), time.process_time()
    group = shared.prepare_group(cell, context)
    clock.timed("model", build)(cell, group, context)
    whole, wall = time.process_time() - began, device.clock() - wall
    where = os.fspath(Path(str(bench.__file__)).resolve().parent.parent)
    return {**clock.seconds, "whole": whole, "wall": wall, "checkout": where}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
