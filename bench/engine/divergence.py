"""Detects divergence: losses or gradients that are not finite, and models whose output has become constant.

Collapse of fine-tuned encoders to a constant output: Mosbach et al., arXiv 2006.04884."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

COLLAPSE = 8  # outputs; fewer may be the same by chance


class Diverged(Exception):
    """Training has diverged; the message says at which step and how it shows. seconds: what was spent on it.
    phase_steps: the steps taken in each phase for the task that was begun, in whole stretches."""

    seconds: float = 0.0
    phase_steps: tuple[int, ...] = ()


def check_finite(steps: Tensor, last: int) -> None:
    """Raise Diverged, naming the first step whose loss or gradient is not finite.

    steps: [steps, 2], loss and gradient norm of consecutive steps. last: the number of the last one."""
    for number, (loss, norm) in enumerate(steps.tolist(), last + 1 - len(steps)):
        if not math.isfinite(loss):
            raise Diverged(f"the training loss is {loss} at step {number}; try a smaller learning rate")
        if not math.isfinite(norm):
            raise Diverged(f"the gradient's norm is {norm} at step {number}; try a smaller learning rate")


def check_sound(logits: np.ndarray, loss: float, step: int) -> None:
    """Raise Diverged where the validation loss is not finite, or where the model has collapsed: it gives every
    example (or token) the same logits to the last bit, so that its output does not depend on its input."""
    if not math.isfinite(loss):
        raise Diverged(f"the validation loss is {loss} after step {step}; try a smaller learning rate")
    if len(logits) > COLLAPSE and (logits == logits[0]).all():
        raise Diverged(
            f"collapsed: after step {step} all {len(logits)} outputs are the same; try a smaller learning rate"
        )
