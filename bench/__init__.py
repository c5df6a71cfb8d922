"""transferbench: which transfer strategy should I use for this task, on this encoder, with this budget?

From a notebook or a script:

    from bench import Table, load, run

    results = run("quick", tasks=["movie-sentiment"], strategies=["frozen", "full"], seeds=2)
    results.frame()  # a row a cell: scores, seconds, memory, parameters, as pandas
    results.curve()  # a row an evaluation
    results.predictions()  # a row a test example and cell
    Table(results)  # intervals and ties, as HTML in a notebook; print(...) gives Markdown
    Table(results).frame()  # its numbers
    load("quick").frame()  # any earlier run
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api import Table, load, run

__version__ = "0.1.0"
__all__ = ["Table", "load", "run"]


def __getattr__(name: str) -> Any:
    """The names of `bench.api`, when they are asked for: the command line starts without them."""
    if name in __all__:
        from bench import api

        return getattr(api, name)
    raise AttributeError(f"module 'bench' has no attribute '{name}'")
