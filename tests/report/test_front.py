"""The Pareto front and the places of names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.analysis.tables.model import Entry
from bench.report import charts, figures
from bench.report.encodings import ends, padded, percent
from bench.report.front import FAR, NEAR, Place, _box, options, places
from bench.report.pareto import domains
from bench.report.reading import Reading, read
from tests.analysis.numeric import numeric_run
from tests.support import report_runs


def test_the_front_has_whatever_no_other_beats_in_both(reading: Reading):
    found = options(reading, "reviews")
    front = [item for item in found if item.front]
    assert front[0] is found[0]
    for item in found:
        beaten = any(
            other.seconds <= item.seconds and other.score >= item.score
            for other in found
            if other is not item
        )
        assert item.front is not beaten


CROWDED = [(100.0, 100.0), (110.0, 104.0), (118.0, 97.0), (104.0, 110.0), (112.0, 92.0), (108.0, 99.0)]


@pytest.mark.parametrize("count", [3, 6])
def test_names_of_near_points_do_not_overlap(count: int):
    points, names = CROWDED[:count], ["frozen", "gradual", "full", "lp-ft", "bitfit", "scratch"][:count]
    found = places(points, names, (400, 230))
    boxes = []
    for (x, y), place, name in zip(points, found, names, strict=True):
        start = x + place.dx - {"left": 0, "center": 3 * len(name), "right": 6 * len(name)}[place.align]
        boxes.append((start, y + place.dy - 10, start + 6 * len(name), y + place.dy + 2))
    for place, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[place + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_a_name_at_the_right_edge_stands_on_the_left():
    assert places([(395.0, 50.0)], ["a-long-name"], (400, 230))[0].align != "left"


def test_a_name_at_the_bottom_does_not_run_into_the_axis():
    found = places([(50.0, 229.0), (90.0, 229.0)], ["frozen", "bitfit"], (400, 230))
    assert all(place.dy <= 4 for place in found)


def test_only_a_name_away_from_its_point_has_a_line():
    assert not places([(50.0, 50.0)], ["full"], (400, 230))[0].far
    assert any(place.far for place in places(CROWDED, ["a-strategy"] * 6, (400, 230)))


def _plainly(points: list[tuple[float, float]], names: list[str], size: tuple[float, float]) -> list[Place]:
    """As `places`, box by box."""
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    chosen = []
    for number, ((x, y), name) in enumerate(zip(points, names, strict=True)):
        others = taken[:number] + taken[number + 1 :]

        def cost(place: Place, x=x, y=y, name=name, others=others) -> float:
            box = _box(x, y, place, name)
            outside = sum(max(0.0, -box[side]) + max(0.0, box[side + 2] - size[side]) for side in (0, 1))
            shared = sum(
                max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
                * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
                for other in others
            )
            return shared + 20 * outside

        place = min((*NEAR, *FAR), key=cost)
        chosen.append(place)
        taken.append(_box(x, y, place, name))
    return chosen


@pytest.mark.parametrize("count", [0, 1, 2, 12, 90])
def test_names_are_placed_all_at_once_as_they_are_box_by_box(count: int):
    rng = np.random.default_rng(count)
    points = [(float(x), float(y)) for x, y in rng.random((count, 2)) * (400, 230)]
    points[: count // 4] = points[: count // 4][:1] * (count // 4)  # several in one place
    names = ["x" * int(length) for length in rng.integers(1, 25, count)]
    assert places(points, names, (400, 230)) == _plainly(points, names, (400, 230))


def test_the_ends_of_an_interval_are_those_of_the_table(monkeypatch: pytest.MonkeyPatch):
    """All right: the exact interval has one side, and nothing beyond it."""
    monkeypatch.setitem(report_runs.SKILL, "full", 2.0)
    known = read(report_runs.make_run())
    (found,) = (item for item in options(known, "reviews") if item.key.strategy == "full")
    bounds = known.entry(found.key, "accuracy").bounds
    assert bounds is not None
    assert (found.low, found.high) == bounds
    assert found.high == found.score == 1.0
    mean = charts._mean(known, known.groups[found.key])
    assert (mean["low"], mean["high"]) == (percent(bounds[0]), 100.0)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry(0.7, 0.2), (0.5, 0.9)),
        (Entry(0.9, 0.2), (0.7, 1.0)),
        (Entry(0.9), (0.9, 0.9)),
        (Entry(0.9, 0.4, bounds=(0.5, 0.95)), (0.5, 0.95)),
    ],
)
def test_the_ends_of_every_kind_of_interval(entry: Entry, expected: tuple[float, float]):
    assert isinstance(entry.value, float)
    assert ends(entry.value, entry) == pytest.approx(expected)


def test_a_correlation_below_zero_has_its_interval_and_its_place(tmp_path: Path):
    """Cut to what a share may be, the whole interval lay above the mean, which no figure can draw."""
    known = read(numeric_run({"bad": -0.5, "full": 0.5}))
    (found,) = (item for item in options(known, "similarity") if item.key.strategy == "bad")
    assert -1 <= found.low < found.score < found.high < 0
    seconds, scores = domains(options(known, "similarity"))
    assert seconds[0] < found.seconds
    assert scores[0] < 100 * found.low
    figures.save(known, "pareto", tmp_path / "figure.svg")
    mean = charts._mean(known, known.groups[found.key])
    assert mean["low"] < mean["score"] < mean["high"] < 0


@pytest.mark.parametrize(
    ("edges", "expected"), [((50, 70), (48.8, 71.2)), ((0.5, 99.5), (0, 100)), ((-99.5, 2), (-100, 8.09))]
)
def test_an_axis_ends_where_scores_do(edges: tuple[float, float], expected: tuple[float, float]):
    assert padded(*edges) == pytest.approx(expected)
