"""The architectures that can be cut into blocks: one value each, in the files of this folder or in modules that an
installed package names as `transferbench.families`. A new one edits no other file. Imports no torch."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from types import ModuleType

from bench.models.families.contract import Family, Form

__all__ = ["Family", "Form", "families", "family_knowing", "family_of"]


@functools.cache
def families() -> dict[str, Family]:
    """Every family by its `model_type`, the project's own first."""
    found: dict[str, Family] = {}
    for module in _modules():
        for value in vars(module).values():
            for family in value if isinstance(value, tuple) else (value,):
                if isinstance(family, Family):
                    found.setdefault(family.name, family)
    return found


def family_of(kind: object) -> Family | None:
    """The family of a configuration's `model_type`; None where it is not listed."""
    return families().get(str(kind))


def family_knowing(name: str) -> Family | None:
    """The family that a well-known name of the hub belongs to."""
    return next((family for family in families().values() if name in family.known), None)


def _modules() -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{info.name}")
    for entry in entry_points(group="transferbench.families"):
        yield importlib.import_module(entry.module)
