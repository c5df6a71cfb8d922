"""What the shell completes: names of suites, strategies, tasks, backbones, settings and runs. Imports no torch.

Each function gives the names that begin with what was typed, with a word of explanation where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from bench.contracts import BenchError

Entry = tuple[str, str]


def suites(incomplete: str) -> Iterator[Entry]:
    """Built-in suites, and suite files of this folder."""
    from bench import suite

    known = [(name, suite.load(name).description) for name in suite.names()]
    return _matching([*known, *((str(path), "") for path in Path().glob("*.toml"))], incomplete)


def strategies(incomplete: str) -> Iterator[Entry]:
    return _plugins("strategies", incomplete)


def tasks(incomplete: str) -> Iterator[Entry]:
    return _plugins("tasks", incomplete)


def backbones(incomplete: str) -> Iterator[Entry]:
    from bench.models.catalog import BACKBONES, COUNTS, TRAINED

    packaged = {name: entry.summary for name, entry in BACKBONES.items()}
    return _matching({**packaged, **TRAINED, **COUNTS}.items(), incomplete)


def settings(incomplete: str) -> Iterator[Entry]:
    """Keys of a suite's recipe, as `--set` wants them."""
    import dataclasses

    from bench.contracts import Recipe

    keys = [(f"recipe.{field.name}=", f"default {field.default}") for field in dataclasses.fields(Recipe)]
    return _matching(keys, incomplete)


def runs(incomplete: str) -> Iterator[Entry]:
    """The runs under results/runs by name; paths where one is typed."""
    from bench.runs.folder import known_runs

    paths = (
        sorted(f"{path}/" for path in Path().glob(f"{incomplete}*") if path.is_dir()) if incomplete else []
    )
    return _matching([*((name, "") for name in known_runs()), *((path, "") for path in paths)], incomplete)


def _plugins(kind: str, incomplete: str) -> Iterator[Entry]:
    from bench.registry import discover

    with suppress(BenchError):  # a broken plug-in is for the command itself to report
        found = getattr(discover(), kind)
        yield from _matching(((name, cls.summary) for name, cls in found.items()), incomplete)


def _matching(entries: Iterable[Entry], incomplete: str) -> Iterator[Entry]:
    return (entry for entry in entries if entry[0].startswith(incomplete))
