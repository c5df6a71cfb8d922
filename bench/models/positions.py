"""Texts longer than an encoder's table of positions, refused before anything is trained."""

from __future__ import annotations

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.models.catalog import positions


def check_positions(backbone: str, max_length: int, sources: Sources) -> None:
    """BenchError where sequences of `max_length` tokens do not fit the encoder's table of positions."""
    most = positions(backbone, sources)
    if most and max_length > most:
        raise BenchError(
            f"max_length is {max_length}, and {backbone} has positions for {most} tokens: use at most {most}",
            code="too-long-for-positions",
        )
