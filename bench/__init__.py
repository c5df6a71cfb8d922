"""transferbench: which transfer strategy should I use for this task, on this encoder, with this budget?

From a notebook or a script:

    from bench import Table, export, load, recommend, run

    results = run("quick", tasks=["movie-sentiment"], strategies=["frozen", "full"], seeds=2)
    results.frame()  # a row a cell: scores, seconds, memory, parameters, as pandas
    results.curve()  # a row an evaluation
    results.predictions()  # a row a test example and cell
    Table(results)  # intervals and ties, as HTML in a notebook; print(...) gives Markdown
    Table(results).frame()  # its numbers
    load("quick").frame()  # any earlier run

    run(data=frame, text="review", label="stars")  # a pandas frame or the path of a file
    recommend(frame, text="review", label="stars", budget="5m").choice  # which strategy to use
    export("model", frame, text="review", label="stars", strategy="lp-ft")  # train it and save it
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api import Recommendation, Results, Table, export, load, recommend, run

__version__ = "0.1.0"
__all__ = ["Recommendation", "Results", "Table", "export", "load", "recommend", "run"]
PACKAGES = ("export", "recommend")
"""Functions of `bench.api` whose names packages have too: the packages can be called, as these functions."""


def __getattr__(name: str) -> Any:
    """The names of `bench.api`, when they are asked for: the command line starts without them."""
    if name in PACKAGES:
        return importlib.import_module(f"bench.{name}")
    if name in __all__:
        from bench import api

        return getattr(api, name)
    raise AttributeError(f"module 'bench' has no attribute '{name}'")


class _CallablePackage(ModuleType):
    """A package that is called as the function of `bench.api` with its name."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from bench import api

        return getattr(api, self.__name__.rpartition(".")[2])(*arguments, **named)


def make_callable(package: str) -> None:
    """Let the package of this full name be called as the function of `bench.api` with its last part. Importing it
    puts it in the function's place, whatever `bench` itself says."""
    sys.modules[package].__class__ = _CallablePackage
