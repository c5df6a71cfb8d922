"""The figure of mean ranks for papers, on a matplotlib axes: Demšar's diagram with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.analysis.ranking import Ranking


def draw(panel: Any, names: Sequence[str], found: Ranking, colour: Callable[[str], str]) -> None:
    """One row a strategy, the best at the top; bars at the right join what cannot be told apart. names: of the
    rows. colour: of a strategy."""
    last = len(found.rows)
    for place, item in enumerate(found.rows):
        shade = colour(item.row[0])
        panel.plot([item.rank.low, item.rank.high], [place, place], color=shade, linewidth=4, alpha=0.3)
        panel.plot([item.rank.value], [place], color=shade, marker="o", markersize=4.5, linestyle="none")
    for place, (first, end) in enumerate(found.groups()):
        panel.plot([last + 0.3 + 0.2 * place] * 2, [first, end], color="#101218", linewidth=2.2)
    panel.set_yticks(range(last), names)
    panel.set_ylim(last - 0.5, -0.5)
    panel.set_xticks(range(1, last + 1))
    panel.set_xlabel("mean rank, 1 is best")
