"""A development run as its suite sees it now: which records count, and of what every seed is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bench import suite as suites
from bench.contracts import BenchError, Cell
from bench.data.splits import prepare
from bench.planning.grids import Filters
from bench.protocol import draw
from bench.protocol.choice import Place, place_of
from bench.registry import Registry, discover
from bench.runs.record import Record
from bench.suite import Suite


@dataclass(frozen=True)
class DevelopmentRun:
    """Of the records that the suite would make again now: `whole` are those of which every seed is done. partly,
    missing: what has some seeds and none, as `task/encoder/strategy`. registry: with the draws among its tasks."""

    registry: Registry
    whole: list[Record]
    partly: list[str]
    missing: list[str]

    def rows(self, record: Record) -> int:
        """The validation rows that the record's cell would have now."""
        cell = record.cell
        task = self.registry.task(cell.task)
        return len(prepare(task, self.registry.sources, cell.recipe, cell.draw).validation)


def cells(registry: Registry, suite: Suite, filters: Filters) -> tuple[Registry, Suite, list[Cell]]:
    """The suite that tries every rate on the development draws, its tasks among the plug-ins, and its cells."""
    plugins = discover([*registry.given, *draw.draws(suite, filters.tasks)])
    trying = draw.development_suite(suite)
    found = suites.cells(trying, plugins, draw.development_filters(filters))
    return replace(registry, plugins=plugins), trying, draw.with_rates(found, plugins)


def sorted_out(registry: Registry, suite: Suite, records: Sequence[Record]) -> DevelopmentRun:
    """The records of a suite's development run by how far it got. What a request named beyond the suite's own grid
    counts too."""
    _, trying, own = cells(registry, suite, Filters())
    others = dict.fromkeys(place_of(record.cell) for record in records if record.cell.suite == trying.name)
    for cell in own:
        others.pop(place_of(cell), None)
    others = {place: None for place in others if place[0].partition("@")[0] in registry.plugins.tasks}
    tasks = tuple(dict.fromkeys(task for task, _, _ in others))
    plugins = discover([*registry.given, *draw.draws(suite, tasks)])
    registry = replace(registry, plugins=plugins)
    wanted = [*own, *_beyond(registry, trying, others)]
    fingerprints = {cell.id: registry.fingerprint(cell) for cell in wanted if not registry.incompatible(cell)}
    done = {
        record.cell.id: record
        for record in records
        if record.status == "done" and record.fingerprint == fingerprints.get(record.cell.id)
    }
    lacking = dict.fromkeys(
        place_of(cell) for cell in wanted if cell.id in fingerprints and cell.id not in done
    )
    begun = {place_of(record.cell) for record in done.values()}
    return DevelopmentRun(
        registry,
        [record for record in done.values() if place_of(record.cell) not in lacking],
        ["/".join(place) for place in lacking if place in begun],
        ["/".join(place) for place in lacking if place not in begun],
    )


def _beyond(registry: Registry, trying: Suite, places: Iterable[Place]) -> list[Cell]:
    """The cells of places that the suite's own grid lacks; none of a strategy or encoder that is not known here."""
    found: list[Cell] = []
    for task, backbone, strategy in places:
        filters = draw.development_filters(Filters((task,), (strategy,), (backbone,)))
        with suppress(BenchError):
            found += draw.with_rates(suites.cells(trying, registry.plugins, filters), registry.plugins)
    return found
