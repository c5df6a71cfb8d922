"""Digests of columns: what committed baselines hold stays readable, and equal predictions are equal."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from bench.analysis.regression.digests import column_digest, digest


@pytest.mark.parametrize(
    ("values", "content"),
    [
        (np.array([0.0, 0.5]), np.array([0.0, 0.5], "<f4").tobytes()),
        (np.array([3, 1]), np.array([3.0, 1.0], "<f4").tobytes()),
        (np.array(["a", "b"], object), b"2\0a\0b"),
        (np.array(["ü"]), b"1\0" + "ü".encode()),
        (np.array(["a\0b", "c"], object), b"3:a\0b1:c"),
        (np.array([], object), b""),
    ],
)
def test_a_digest_is_half_of_the_sha_256_of_a_column(values: np.ndarray, content: bytes) -> None:
    assert digest(values) == column_digest({"a": values}, "a") == sha256(content).digest()[:16]


def test_zero_has_one_digest_and_small_numbers_have_their_own() -> None:
    assert digest(np.array([-0.0, 1.0])) == digest(np.array([0.0, 1.0]))
    assert digest(np.array([1e-9])) != digest(np.array([2e-9]))
