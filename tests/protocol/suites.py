"""A suite that ranks, and rates fixed in its file as `bench rates` does it."""

from __future__ import annotations

from pathlib import Path

from bench import suite as suites
from bench.protocol import choice
from bench.protocol.choice import Choice, Place
from bench.registry import discover

SUITE = """
seeds = 3
[recipe]
train = 2000
validation = 80
tune = [5.0]
[development]
scales = [0.5, 1.0, 2.0]
train = 100
[tasks.movie-sentiment]
validation = 90
max_length = 64
[tasks.reuters-r8]
train = 50
[[grid]]
strategies = ["full", "probe"]
backbones = ["minilm"]
seeds = 2
"""
SENTIMENT: Place = ("movie-sentiment", "minilm", "full")


def fixed(path: Path, scale: float, again: bool = False, place: Place = SENTIMENT) -> None:
    """Fix a scale in the suite's file."""
    suite = suites.load(str(path))
    choices = [Choice(place, scale, {scale: 0.1})]
    strategies = {place[2]: discover().strategy(place[2])}
    rates = choice.merged(suite.rates, choices, again)
    choice.write(path, rates, choice.multiplied(suite.rates, choices, again, strategies))
