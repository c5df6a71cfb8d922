"""What a recipe asks of a task's rows that only some rows have: single texts, or a label each. Looked at before
anything is trained."""

from __future__ import annotations

from bench.contracts import BenchError, Recipe, Splits, Task


def check_recipe(task: Task, splits: Splits, recipe: Recipe) -> None:
    """BenchError where the recipe reads, weights or keeps what the rows of this task do not have."""
    changed = {"windows": recipe.windows != "none", "truncation": recipe.truncation != "head"}
    key = next((name for name, is_set in changed.items() if is_set), "")
    if key and task.head != "pooled":
        raise _refused(task, key, "is for tasks of whole texts", "not-whole-texts")
    if key and any(getattr(row, "pair", "") for row in splits.train):
        raise _refused(task, key, "is for single texts, and these rows are pairs", "pairs")
    single, several = (hasattr(splits.train[0], name) for name in ("label", "labels"))
    if recipe.class_weights != "none" and not single:
        raise _refused(task, "class_weights", "needs texts with one label each", "no-classes")
    if recipe.calibrate and not single:
        raise _refused(task, "calibrate", "needs texts with one label each", "no-logits")
    if recipe.logits and not single and not several:
        raise _refused(task, "logits", "needs texts with labels", "no-logits")


def _refused(task: Task, key: str, reason: str, code: str) -> BenchError:
    return BenchError(
        f"task '{task.name}': recipe.{key} {reason}: leave it out, or set it for other tasks alone "
        f"(tasks.NAME.{key})",
        code=code,
    )
