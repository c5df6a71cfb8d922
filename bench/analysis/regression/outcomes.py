"""What a seed predicts, as digests: whether two runs predict the same on every test set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis.loading import Columns
from bench.analysis.regression.digests import column_digest
from bench.analysis.regression.packing import needed
from bench.contracts import Metric


@dataclass(frozen=True)
class Predicted:
    """The rows of a test set. left_out: the digests of the columns that a baseline does not hold; None where it has
    no digests either, as earlier versions made it."""

    columns: Columns
    left_out: Mapping[str, bytes] | None = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether they show what was predicted, and not its scores alone."""
        return self.left_out is not None or "prediction" in self.columns


class Outcomes(Mapping[str, bytes]):
    """A digest of every column of outcomes, made where it is asked for. The columns that the metric reads come
    first, the predicted before the given: two seeds that differ nearly always do so there, and the others need no
    look."""

    def __init__(self, tests: Mapping[str, Predicted], metric: Metric) -> None:
        read = needed((metric,))
        self.whole = all(found.whole for found in tests.values())
        self._places: dict[str, tuple[Predicted, str]] = {}
        for test, found in tests.items():
            names = {
                name: None
                for name in (*found.columns, *(found.left_out or ()))
                if name not in ("id", "split")
            }
            for name in sorted(names, key=lambda name: (name not in read, name == "reference")):
                self._places[name if test == "test" else f"{name} of {test}"] = (found, name)

    def __getitem__(self, name: str) -> bytes:
        found, column = self._places[name]
        if column in found.columns:
            return column_digest(found.columns, column)
        return (found.left_out or {})[column]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def same_outcomes(before: Sequence[Mapping[str, bytes]], after: Sequence[Mapping[str, bytes]]) -> bool:
    """Whether each seed has the same value in every column that both runs have of it."""
    for then, now in zip(before, after, strict=True):
        shared = [name for name in then if name in now]
        differ = then is not now and any(then[name] != now[name] for name in shared)
        if differ or not shared:
            return False
    return True
