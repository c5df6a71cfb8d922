"""A point of the learning curve. It needs nothing but Python, so that the engine runs where pydantic is absent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """The losses and the score after a step.

    epoch: passes over the training split. seconds: of training and evaluation so far. phase: 1-based.
    score: the headline metric."""

    step: int
    epoch: float
    seconds: float
    phase: int
    train_loss: float
    loss: float
    score: float
