"""The Pareto front and the places of names."""

from __future__ import annotations

from bench.report.front import options, places
from bench.report.reading import Reading


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


def test_names_of_near_points_do_not_overlap():
    points = [(100.0, 100.0), (110.0, 104.0), (118.0, 97.0)]
    found = places(points, ["one", "two", "three"], 400)
    boxes = []
    for (x, y), place, name in zip(points, found, ("one", "two", "three"), strict=True):
        start = x + place.dx - {"left": 0, "center": 3 * len(name), "right": 6 * len(name)}[place.align]
        boxes.append((start, y + place.dy - 10, start + 6 * len(name), y + place.dy + 2))
    for place, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[place + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_a_name_at_the_right_edge_stands_on_the_left():
    assert places([(395.0, 50.0)], ["a-long-name"], 400)[0].align != "left"
