"""How learning rates move within a phase.

Rates rise in a straight line over the first `warmup` of a phase. They then fall to zero in a straight line
(`linear`) or as half a cosine (`cosine`: Loshchilov and Hutter 2017, arXiv 1608.03983), or stay (`constant`).
These are the schedules of transformers (`get_linear_schedule_with_warmup` and its siblings) without their first
step, whose rate is zero. `slanted-triangular` starts and ends at 1 / `schedule_ratio` of the largest rate (ULMFiT:
Howard and Ruder 2018, arXiv 1801.06146, section 3.2, whose `cut_frac` is `warmup`).
"""

from __future__ import annotations

import math

from bench.contracts import Recipe


def rate_factor(step: int, steps: int, recipe: Recipe) -> float:
    """What every learning rate is multiplied by at a step, counted from 0, of a phase of so many steps."""
    rising = recipe.warmup * steps
    if recipe.schedule == "slanted-triangular":
        # the paper rounds the cut down; where it is no whole step, rates would end below zero
        share = step / rising if step < rising else 1 - (step - rising) / (steps - rising)
        return (1 + share * (recipe.schedule_ratio - 1)) / recipe.schedule_ratio
    if step < rising:
        return (step + 1) / (rising + 1)
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "cosine":
        return (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2
    return (steps - step) / (steps - rising)
