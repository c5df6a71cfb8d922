"""Which means are equal. The means of 0.8, 0.8, 0.8 and of 0.7, 0.8, 0.9 differ in their last bit, and which of the
two is larger says nothing of strategies."""

from __future__ import annotations

import math

import numpy as np

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""Of the larger value, and of values near 0: far above rounding, and far below what one example changes."""


def equal(first: float, second: float) -> bool:
    """Whether two values differ by rounding at most."""
    return math.isclose(first, second, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def levels(values: np.ndarray) -> np.ndarray:
    """The place of each value among the distinct ones of the last axis: integers of the same shape, from 0. Values
    that differ by rounding share a place."""
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-1)
    size = np.maximum(np.abs(ordered[..., 1:]), np.abs(ordered[..., :-1]))
    rises = np.diff(ordered, axis=-1) > np.maximum(RELATIVE * size, ABSOLUTE)
    places = np.zeros(values.shape, dtype=int)
    np.cumsum(rises, axis=-1, out=places[..., 1:])
    found = np.empty_like(places)
    np.put_along_axis(found, order, places, axis=-1)
    return found
