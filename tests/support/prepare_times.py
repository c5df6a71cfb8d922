"""What `prepare` of each task of `quick` takes, in this checkout and in others, in turns, side by side:

python -m tests.support.prepare_times ../before . --repeats 3
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

TASKS = ("movie-sentiment", "reuters-r8", "financial-ner", "squad")

ONE = """
import importlib, sys
from bench.data.sources import Sources
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import choose_device
from bench.executors.launch import imports_of
from bench.registry import Registry, discover
from bench.suite import Filters, cells, load

registry = Registry(discover(), Sources())
suite = load("quick")
context = RunContext(registry, choose_device("cpu"))
for number, task in enumerate([sys.argv[1], *sys.argv[1:]]):
    filters = Filters(tasks=(task,), strategies=("full",), backbones=("minilm",), seeds=1)
    chosen = cells(suite, registry.plugins, filters)
    for name in imports_of(chosen, registry):
        importlib.import_module(name)
    seconds = prepare_group(chosen[0], context).seconds
    if number:  # the first one pays what a process pays once
        print(task, seconds)
"""


def measured(checkout: Path) -> dict[str, float]:
    """Seconds of each task, in a process of its own that imports this checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve())}
    command = [sys.executable, "-c", ONE, *TASKS]
    lines = subprocess.run(command, env=environment, cwd=checkout, check=True, capture_output=True, text=True)
    return {task: float(seconds) for task, seconds in map(str.split, lines.stdout.splitlines())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    found = [[measured(checkout) for checkout in given.checkouts] for _ in range(given.repeats)]
    print(f"{'seconds of prepare':<20}", *(f"{checkout!s:>16}" for checkout in given.checkouts))
    for task in TASKS:
        each = [median(turn[place][task] for turn in found) for place in range(len(given.checkouts))]
        shares = [f"{seconds:.2f} ({seconds / each[0]:.2f})" for seconds in each]
        print(f"{task:<20}", *(f"{share:>16}" for share in shares))


if __name__ == "__main__":
    main()
