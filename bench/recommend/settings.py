"""What --set may change where a strategy is recommended or exported: the recipe, and where data come from."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from bench.contracts import BenchError
from bench.suite import RECIPE_KEYS

SIZES = ("train", "shots")
"""Keys of a recipe that choose training rows: here they are all that there are, or those of a round."""


def check(settings: Sequence[str], task: str) -> None:
    """BenchError for a setting that would change nothing here. A recipe checks its own keys and values."""
    for setting in settings:
        path = setting.partition("=")[0].split(".")
        known = (
            "=" not in setting  # refused as a form
            or (path[0] == "recipe" and len(path) == 2 and path[1] not in SIZES)
            or path == ["data", "local"]
            or (path[0] == "tasks" and len(path) == 3 and path[1] == task and path[2] not in SIZES)
        )
        if not known:
            keys = [key for key in RECIPE_KEYS if key not in SIZES]
            near = difflib.get_close_matches(path[-1], keys, n=1)
            hint = f" (did you mean recipe.{near[0]}?)" if near else ""
            raise BenchError(
                f"--set {setting[:200]}: `recommend` and `export` have no such setting{hint}; they take "
                "recipe.KEY=VALUE, such as recipe.epochs=2",
                "unknown-setting",
            )
