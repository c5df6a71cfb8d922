"""A recipe that does not fit the rows of a task is refused while rows are checked, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError, Recipe
from bench.data.sources import Sources
from bench.data.splits import prepare
from bench.registry import discover

SUPPORT = Path(__file__).parents[1] / "support"
PLUGINS = discover([SUPPORT / name for name in ("toy_tasks.py", "toy_kinds.py", "toy_texts.py")])
KEYS: dict[str, Any] = {
    "windows": "mean",
    "truncation": "head+tail",
    "class_weights": "balanced",
    "logits": True,
    "calibrate": True,
    "shots": 4,
}
FITS = {
    "toy-kinds": set(KEYS),
    "toy-pairs": {"class_weights", "logits", "calibrate", "shots"},
    "toy-labels": {"windows", "truncation", "logits"},
    "toy-numbers": {"windows", "truncation"},
    "toy-ner": set(),
    "toy-qa": set(),
    "toy-unanswerable": set(),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("task", FITS)
def test_a_recipe_fits_the_rows_or_is_refused_with_the_way_out(task: str, key: str, tmp_path: Path) -> None:
    recipe = Recipe(**{key: KEYS[key]})
    if key in FITS[task]:
        assert prepare(
            PLUGINS.task(task), Sources(cache=tmp_path), recipe, 0 if key == "shots" else None
        ).train
        return
    with pytest.raises(BenchError, match=f"task '{task}': recipe.{key}") as error:
        prepare(PLUGINS.task(task), Sources(cache=tmp_path), recipe, 0 if key == "shots" else None)
    assert error.value.code in ("not-whole-texts", "pairs", "no-classes", "no-logits")
    assert "leave it out" in str(error.value) or "use recipe.train" in str(error.value)
