"""What the notes of a table say of its intervals and ties."""

from __future__ import annotations

import json
import re
from pathlib import Path

from bench.analysis.groups import Key, gather
from bench.analysis.statistics.error_bars import ErrorBar, Kind
from bench.analysis.statistics.intervals import EXACT, MEANING, POINTS, WIDE, Interval
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.paired import Comparison
from bench.analysis.statistics.scales import ERROR, SHARE, Scale
from bench.analysis.statistics.uncertainty_notes import (
    FIXED_ROWS,
    NO_INTERVAL,
    TWO_SEEDS,
    Part,
    by_document,
    missed,
    notes_on,
    on_intervals,
    on_marks,
    on_one_seed,
    on_ties,
)
from tests.analysis.conftest import make_record

COVERAGE = Path(__file__).parents[3] / "results" / "statistics" / "coverage.jsonl"
GROUPS = gather([make_record()])


def bar(kind: Kind, seeds: int = 3, half: float = 0.02, scale: Scale = SHARE) -> ErrorBar:
    return ErrorBar(kind, half, seeds, scale=scale)


def compared(
    detectable: float, seeds: int = 3, mcnemar: float | None = None, scale: Scale = SHARE, task: str = "t"
) -> Comparison:
    """A tie."""
    first, second = Key(task, "a", "m"), Key(task, "b", "m")
    difference = Interval(0.01, 0.02, Noise.known(1e-4), seeds)
    metric = "mae" if scale == ERROR else "accuracy"
    return Comparison(first, second, metric, difference, 0.4, 0.9, detectable, 0.1, mcnemar, scale)


def test_an_interval_is_explained_where_there_is_one() -> None:
    assert on_intervals([bar("symmetric")], GROUPS) == [MEANING, FIXED_ROWS]
    assert on_intervals([bar("exact", 1)], GROUPS) == [FIXED_ROWS]
    assert on_intervals([bar("single", 1), bar("seeds")], GROUPS) == []


def test_two_seeds_are_said_to_hold_less_often() -> None:
    assert on_intervals([bar("symmetric"), bar("wide", 2)], GROUPS) == [f"{MEANING} {TWO_SEEDS}", FIXED_ROWS]
    assert on_intervals([bar("symmetric"), bar("exact", 2), bar("seeds", 2)], GROUPS)[0] == MEANING


def test_how_often_two_seeds_hold_is_what_was_simulated() -> None:
    found = [json.loads(line) for line in COVERAGE.read_text(encoding="utf-8").splitlines()]
    shares = [
        (item["alone"], item["table"])
        for item in found
        if item["setting"]["seeds"] == 2
        and item["setting"]["score"] == "accuracy"
        and item["setting"]["deviation"] in (0.05, 0.1)
        and not item["setting"]["collapse"]
    ]
    assert len(shares) == 2
    said = [int(number) for number in re.findall(r"(\d+) to (\d+)%", TWO_SEEDS)[0]]
    assert said == sorted(round(100 * beside_calm) for _, beside_calm in shares)
    assert TWO_SEEDS.startswith("Beside cells that are calm, ")
    assert all(alone >= 0.95 for alone, _ in shares)  # so the condition is needed


def test_one_seed_has_what_test_examples_alone_do() -> None:
    (note,) = on_one_seed({"": [bar("single", 1, 0.024), bar("single", 1, 0.028), bar("symmetric")]})
    assert note == f"{NO_INTERVAL} The choice of test examples alone moves its score by ± 2.4 to 2.8 points."
    (named,) = on_one_seed({"source": [bar("single", 1, 0.024)], "drop": [bar("single", 1, 0.05)]}, "it")
    assert named.endswith(" moves it by ± 2.4 points (source), ± 5.0 points (drop).")
    assert on_one_seed({"": [bar("single", 1, 3.0, ERROR)]}) == [NO_INTERVAL]
    assert on_one_seed({"": [bar("symmetric"), bar("seeds")]}) == []


def test_marks_are_explained_where_they_are() -> None:
    assert on_marks([bar("symmetric"), bar("single", 1)]) == []
    assert on_marks([bar("seeds"), bar("wide"), bar("exact")]) == [EXACT, WIDE, POINTS]


def test_ties_over_seeds_name_their_noise() -> None:
    text = on_ties({"": [compared(0.021), compared(0.034)]})
    assert "(paired bootstrap on the same examples, log-odds, noise over seeds; 5% over all pairs" in text
    assert "differences below 2.1 to 3.4 points would be missed more than 20 times in 100." in text
    assert "models" not in text


def test_ties_on_one_seed_are_between_models() -> None:
    text = on_ties({"": [compared(0.05, 1, 0.3)]})
    assert "(McNemar's exact test on the same examples, without noise over seeds; 5% over" in text
    assert "On one seed this compares models, not strategies: another seed may reverse it." in text
    assert "6 to 8% of simulated tables" in text
    both = on_ties({"": [compared(0.05, 1, 0.3), compared(0.05, 1)]})
    assert "(McNemar's exact test or, where it does not apply, paired bootstrap on the same examples" in both
    none = on_ties({"": [compared(0.05, 1)]})
    assert "(paired bootstrap on the same examples, log-odds, without noise over seeds;" in none


def test_ties_of_errors_are_not_said_to_be_tested_as_log_odds() -> None:
    error = compared(0.02, scale=ERROR)
    alone, both = on_ties({"": [error]}), on_ties({"": [error, compared(0.02)]})
    assert "(paired bootstrap on the same examples, errors in their own units, noise over seeds;" in alone
    assert "(paired bootstrap on the same examples, log-odds, errors in their own units, noise over" in both


def test_a_table_may_have_both_kinds_of_ties() -> None:
    text = on_ties({"": [compared(0.05, 1, 0.3), compared(0.03)]})
    assert (
        "noise over seeds; of one seed McNemar's exact test on the same examples, without noise over" in text
    )
    assert "Of one seed this compares models" in text


def test_ties_of_several_test_sets_are_named() -> None:
    text = on_ties({"source": [compared(0.02)], "out of domain": [], "→ tweets": [compared(0.034)]})
    assert "differences below 2.0 points (source), 3.4 points (→ tweets) would be missed" in text
    assert "differences below a detectable one would be missed" in on_ties({"": []})


def test_the_differences_that_ties_may_hide() -> None:
    ties = [compared(0.021), compared(0.034), compared(12.34, scale=ERROR, task="u")]
    ties += [compared(size, scale=ERROR, task="v") for size in (1.0, 2.0)]
    assert missed(ties) == ["2.1 to 3.4 points", "12 of mae on u", "1 to 2 of mae on v"]
    assert missed(ties[:1]) == ["2.1 points"]
    assert missed([]) == []


def test_documents_are_named_where_they_were_resampled() -> None:
    (note,) = by_document({"squad": 13, "movies": 0, "long": 1200})
    assert note.endswith(": squad (13), long (1,200) documents.")
    assert by_document({"movies": 0}) == []


def test_ties_are_explained_where_there_may_be_some() -> None:
    """Not below one strategy, one that has not finished, or costs alone."""
    rivals = gather([make_record(), make_record(strategy="frozen")])
    unfinished = gather([make_record(), make_record(strategy="frozen", status="oom", scores={})])
    one = {"": Part([bar("symmetric")])}
    assert [
        any(note.startswith("Bold") for note in notes_on(one, g)) for g in (GROUPS, unfinished, rivals)
    ] == [
        False,
        False,
        True,
    ]
    assert notes_on({"": Part()}, rivals) == []


def test_the_notes_of_several_test_sets_are_united() -> None:
    parts = {
        "source": Part([bar("single", 1)], [compared(0.02, 1, 0.5)], {"t": 0}),
        "→ news": Part([bar("exact", 1)], [], {"t → news": 7}),
    }
    notes = notes_on(parts, GROUPS)
    assert notes[0] == FIXED_ROWS
    assert notes[1].startswith(NO_INTERVAL)
    assert notes[2] == EXACT
    assert notes[3].startswith("Bold")
    assert notes[4].endswith(": t → news (7) documents.")
    assert len(notes) == 5
