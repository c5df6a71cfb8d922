"""Garbage collection is paused, and comes back."""

from __future__ import annotations

import gc

from bench.runs import collection


def test_nothing_is_collected_in_the_block_and_everything_after_it() -> None:
    assert gc.isenabled()
    with collection.paused():
        assert not gc.isenabled()
        with collection.paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
