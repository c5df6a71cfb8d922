"""The sentence, the page, its table, the README of an export and `table --kind pairs` never disagree, on random
runs."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import t

from bench.analysis.loading import Predictions, Run, arrays
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.ties import equal
from bench.analysis.tables import pairs, terminal
from bench.analysis.tables.model import Block
from bench.contracts import BenchError
from bench.recommend import last_round, page
from bench.recommend.choice import Choice, choose
from bench.recommend.evidence import Standing, standing
from bench.recommend.more_rows import Error
from bench.recommend.verdict import reasons
from bench.runs.record import Record
from tests.analysis.conftest import METRICS, make_predictions, make_record
from tests.recommend.test_evidence import EXAMPLES, SIZES, VIEW, paced, rounds
from tests.recommend.test_page import findings

COST = {"frozen": 1.0, "top-layers": 3.0, "lora": 6.0, "full": 10.0}
MARGIN = 0.06
DRAWS = 30


def rescored(record: Record, files: Mapping[str, Predictions]) -> Record:
    """The record with the scores of its predictions."""
    rows = arrays(files[record.cell.id])
    scores = {item.name: ratios(item, rows).score() for item in METRICS}
    return record.model_copy(update={"scores": {"test": scores}})


def random_run(draw: int) -> Run:
    """Random strategies, sizes, seeds and scores. Some strategies lack a seed, some predict the same, and some runs
    are scored by F1, to which McNemar's test does not apply."""
    rng = np.random.default_rng(draw)
    names = ["frozen", "top-layers", "lora", "full"][: int(rng.integers(2, 5))]
    sizes = int(rng.integers(1, 4))
    level, width = 0.7 + 0.1 * rng.random(), rng.choice([0.0, 0.02, 0.2])
    truth = {name: (level + width * rng.random(sizes)).tolist() for name in names}
    run = rounds(truth, seeds=int(rng.integers(1, 4)), spread=float(rng.choice([0, 0.002, 0.02])), draw=draw)
    if rng.random() < 0.3:  # a strategy that the time did not allow all seeds of
        run = replace(run, records=[r for r in run.records if r.cell.strategy != names[0] or not r.cell.seed])
    if rng.random() < 0.4:  # two strategies that predict the same
        twins = {record.cell.id.replace(f"/{names[1]}/", f"/{names[0]}/") for record in run.records}
        files = {record.cell.id: run.predictions(record.cell.id) for record in run.records}
        same = {name: name.replace(f"/{names[0]}/", f"/{names[1]}/") for name in twins & files.keys()}
        files |= {name: files[other] for name, other in same.items()}
        run = replace(run, records=[rescored(r, files) for r in run.records], predictions=files.__getitem__)
    if rng.random() < 0.3:
        run = replace(run, records=[record.model_copy(update={"headline": "f1"}) for record in run.records])
    costs = dict(zip(COST, rng.permutation(list(COST.values())).tolist(), strict=True))
    return paced(run, COST if rng.random() < 0.5 else costs)


def blocks_of(run: Run) -> tuple[Block, ...]:
    """The table of pairs; nothing where none can be tested."""
    try:
        return pairs.build(run.records, run.predictions).blocks
    except BenchError as error:
        if error.code != "nothing-to-compare":
            raise
        return ()


def verdicts(run: Run) -> dict[tuple[str, str, str], str]:
    """What the table of pairs says, by task, first and second strategy."""
    return {
        (block.title, row.labels[0].split()[0], row.labels[1].split()[0]): str(row.entries[-1].value)
        for block in blocks_of(run)
        for row in block.rows
    }


def standings(run: Run) -> list[Standing]:
    tasks = dict.fromkeys(record.cell.task for record in run.records)
    return [standing(run, task) for task in tasks]


@pytest.mark.parametrize("draw", range(DRAWS))
def test_the_table_of_pairs_and_every_line_of_the_answer_agree(draw: int) -> None:
    run = random_run(draw)
    said = verdicts(run)
    for now in standings(run):
        task = now.records[0].cell.task
        found = {name: said.get((task, now.best, name), "") for name in now.means if name != now.best}
        better = {name for name, verdict in found.items() if verdict == "first is better"}
        unknown = {name for name, verdict in found.items() if verdict == "not told apart"}
        apart = {name for name, verdict in found.items() if not verdict}
        assert better | unknown | apart == set(found)
        for goal in ("accuracy", "cost"):
            made = findings(now, goal=goal, margin=MARGIN)
            text = "\n".join([page.sentence(made), *page.details(made)])
            assert named(text, r"Ahead: \S+ scores higher than (.*) beyond chance") == better
            assert named(text, r"Not known: whether \S+ is better than (.*?); the") == unknown
            assert named(text, r"Not compared: \S+ with (.*), since they share") == apart
            assert "tied" not in text
            assert page.sentence(made).startswith(f"Use {made.choice} for ")
            for line in text.split("\n"):
                if line.startswith(("Use ", "Ahead:", "Not known:", "One seed:", "Cheaper:")):
                    assert line in reasons(made)
            if goal == "accuracy":
                assert made.choice not in better
            lower = named(page.sentence(made), r"the cheaper ones \((.*)\) score lower")
            assert lower <= better
            assert not named(page.sentence(made), r"the cheaper ones \((.*)\) are not known") & (
                better if goal == "accuracy" else set()
            )
        if now.best == max(now.means, key=now.means.__getitem__):
            marks = marks_of(now, run)
            highest = {name for name in now.means if equal(now.means[name], now.means[now.best])}
            assert {name for name, mark in marks.items() if mark == "best"} == highest
            assert {name for name, mark in marks.items() if mark == "tied"} == unknown - highest
            assert {name for name, mark in marks.items() if not mark} == (better | apart) - highest


def marks_of(now: Standing, run: Run) -> dict[str, str]:
    """The marks of the table beside the answer."""
    (block,) = last_round.table(now, run.predictions, [now.metric]).blocks
    return {row.labels[0]: row.entries[0].mark for row in block.rows}


def differing_in_the_last_of_three() -> Run:
    """Two strategies with one seed. They predict the same but for nine rows of the last round, of which `full` has
    eight right: McNemar's p is 0.039, and 0.117 over three rounds."""
    right = np.arange(200) % 5 > 0
    better = right.copy()
    better[np.flatnonzero(~right)[:8]], better[np.flatnonzero(right)[0]] = True, False
    records, files = [], {}
    for size in SIZES[:3]:
        for name in ("frozen", "full"):
            rows = make_predictions((better if (name, size) == ("full", SIZES[2]) else right).astype(float))
            scores = {item.name: ratios(item, rows).score() for item in METRICS}
            records.append(make_record(f"{VIEW}@{size}", name, scores={"test": scores}))
            files[records[-1].cell.id] = rows
    return Run("reviews", records, files.__getitem__)


def test_the_printed_table_says_what_the_sentences_say_over_all_rounds() -> None:
    run = differing_in_the_last_of_three()
    now = standing(run, f"{VIEW}@{SIZES[2]}")
    assert any(
        "Not known: whether full is better than frozen" in line for line in page.details(findings(now))
    )
    screen = Console(file=io.StringIO(), width=160)
    screen.print(terminal.show(last_round.table(now, run.predictions, ["accuracy", "seconds"])))
    printed = screen.file.getvalue()
    assert re.search(r"^full +minilm +\*83\.5 ", printed, re.MULTILINE)
    assert re.search(r"^frozen +minilm +=80\.0 ", printed, re.MULTILINE)
    assert "5% over all pairs of strategies in all rounds" in " ".join(printed.split())


def test_a_metric_that_chooses_nothing_has_no_marks() -> None:
    run = differing_in_the_last_of_three()
    now = standing(run, f"{VIEW}@{SIZES[2]}")
    table = last_round.table(now, run.predictions, ["accuracy", "f1"])
    marks = {row.labels[0]: [entry.mark for entry in row.entries] for row in table.blocks[0].rows}
    assert marks == {"frozen": ["tied", ""], "full": ["best", ""]}
    assert table.notes[-1].startswith("Marks are of accuracy alone")


def named(text: str, pattern: str) -> set[str]:
    """The strategies in a list of a line; none where there is no such line."""
    match = re.search(pattern, text)
    return set(re.split(", | and ", match[1])) if match else set()


@pytest.mark.parametrize("draw", range(DRAWS))
@pytest.mark.parametrize("goal", ["accuracy", "cost"])
def test_the_cheapest_is_named_by_evidence_alone(goal: str, draw: int) -> None:
    """By numbers of the table of pairs: what is named in place of the best has at least two seeds, and the 90%
    interval of its loss excludes the margin."""
    run = random_run(draw)
    table = {
        (block.title, row.labels[1].split()[0]): row.entries[1]
        for block in blocks_of(run)
        for row in block.rows
    }
    for now in standings(run):
        task, choice = now.records[0].cell.task, choose(now, goal, MARGIN)
        highest = [name for name in now.means if equal(now.means[name], now.means[now.best])]
        if choice.basis == "as good":
            loss = table[task, choice.strategy]
            assert isinstance(loss.value, float)
            assert isinstance(loss.spread, float)
            assert now.against_best[choice.strategy].difference.seeds > 1
            assert loss.value + loss.spread * 1.64 / 1.96 < MARGIN
            assert now.seconds[choice.strategy] < now.seconds[now.best]
        else:
            assert choice.strategy in highest
            assert now.seconds[choice.strategy] == min(now.seconds[name] for name in highest)
        for name in now.as_good(MARGIN):  # nothing cheaper has the evidence
            if goal == "cost" or name in now.undecided:
                assert now.seconds[choice.strategy] <= now.seconds[name]


def test_random_runs_reach_the_usual_bases() -> None:
    """Else the tests above would say little. Exactly equal scores have a test of their own."""
    found = [
        choose(now, goal, MARGIN).basis
        for draw in range(DRAWS)
        for now in standings(random_run(draw))
        for goal in ("accuracy", "cost")
    ]
    assert {"ahead", "as good", "not known"} <= set(found)


def shortened(seeds: int, lucky: float) -> Run:
    """`frozen` finished the first half of the seeds alone, where it leads; `full` is at `lucky` on the others."""
    run = rounds({"full": [lucky], "frozen": [0.845]}, seeds=seeds, spread=0)
    low = rounds({"full": [0.78]}, seeds=seeds, spread=0)
    early = {record.cell.id for record in low.records if record.cell.seed < seeds / 2}
    files = {
        record.cell.id: (low if record.cell.id in early else run).predictions(record.cell.id)
        for record in run.records
    }
    records = [
        record for record in run.records if record.cell.strategy == "full" or record.cell.seed < seeds / 2
    ]
    return paced(Run("reviews", records, files.__getitem__), COST)


def test_one_that_is_better_on_the_shared_seeds_is_not_called_behind() -> None:
    """A mean over more seeds may be higher where the seeds that both have are told apart the other way."""
    run, task = shortened(20, 0.92), f"{VIEW}@{SIZES[0]}"
    now = standing(run, task)
    assert verdicts(run) == {(task, "full", "frozen"): "second is better"}
    assert now.means["full"] > now.means["frozen"]
    assert (now.best, now.behind) == ("frozen", ["full"])
    assert choose(now, "accuracy", MARGIN) == Choice("frozen", "shared seeds")
    assert "on the seeds that they share" in page.sentence(findings(now))


def test_one_seed_of_two_compares_nothing() -> None:
    """How much the seeds of one vary is known, and a test on the seed that both have would leave it out."""
    run, task = shortened(2, 0.92), f"{VIEW}@{SIZES[0]}"
    now = standing(run, task)
    assert verdicts(run) == {}
    assert (now.best, now.behind, now.undecided) == ("full", [], ["frozen"])
    assert choose(now, "accuracy", MARGIN) == Choice("full", "not known")
    assert "Not compared: full with frozen, since they share no seed, or one of several" in "\n".join(
        page.details(findings(now))
    )


def with_costly_best(now: Standing) -> Standing:
    """The standing with the best as the most expensive."""
    return replace(now, seconds={name: 10.0 if name == now.best else 1.0 for name in now.means})


@pytest.mark.parametrize("rows", [24, 60])
def test_agreement_on_few_rows_is_no_evidence(rows: int) -> None:
    """Two strategies that answer alike on 24 rows may differ on one in ten others."""
    run = rounds({"full": [0.8], "frozen": [0.8]}, spread=0)
    some = run.predictions(run.records[0].cell.id)
    assert isinstance(some, dict)
    few = {name: values[:rows] for name, values in some.items()}
    now = standing(replace(run, predictions=lambda _: few), f"{VIEW}@{SIZES[0]}")
    now = with_costly_best(now)
    assert now.as_good(0.02) == []
    assert now.as_good(0.2) == list(now.against_best)


def test_agreement_on_many_rows_is_evidence() -> None:
    run = rounds({"full": [0.8], "frozen": [0.8]}, spread=0)
    same = run.predictions(run.records[0].cell.id)
    now = standing(replace(run, predictions=lambda _: same), f"{VIEW}@{SIZES[0]}")
    assert now.rows == EXAMPLES
    now = with_costly_best(now)
    assert now.as_good(0.02) == list(now.against_best)
    assert now.as_good(0.001) == []


def test_the_rows_that_would_be_needed_shrink_with_the_margin_and_suffice() -> None:
    now = standing(rounds({"full": [0.82], "frozen": [0.81]}, spread=0.002), f"{VIEW}@{SIZES[0]}")
    now = with_costly_best(now)
    (other,) = now.against_best
    wide, narrow = now.rows_needed(other, 0.05), now.rows_needed(other, 0.02)
    assert wide is not None
    assert narrow is not None
    assert EXAMPLES <= wide < narrow
    assert now.rows_needed(other, 1e-6) is None
    one = standing(rounds({"full": [0.82], "frozen": [0.81]}, seeds=1), f"{VIEW}@{SIZES[0]}")
    assert one.rows_needed(next(iter(one.against_best)), 0.05) is None


def of_groups(run: Run, count: int) -> Run:
    """Its test rows in so many groups."""

    def predictions(cell: str) -> Predictions:
        rows = run.predictions(cell)
        assert isinstance(rows, dict)
        return {**rows, "group": (np.arange(EXAMPLES) * count // EXAMPLES).astype(str).astype(object)}

    return replace(run, predictions=predictions)


def test_more_groups_make_their_variance_better_known() -> None:
    """Four groups that disagree say little of a difference, although seeds agree: more groups would show it."""
    run, easy = (rounds({"full": [0.82], "frozen": [0.82]}, spread=0.002, draw=draw) for draw in (2, 52))
    both = replace(
        run, predictions=lambda cell: (run if "/full/" in cell else easy).predictions(cell)
    )  # which rows are hard differs between the two
    now = with_costly_best(standing(of_groups(both, 4), f"{VIEW}@{SIZES[0]}"))
    (other,) = now.against_best
    assert (now.rows, now.grouped) == (4, True)
    wide, narrow = now.rows_needed(other, 0.05), now.rows_needed(other, 0.02)
    assert wide is not None
    assert narrow is not None
    assert 4 < wide < narrow
    assert now.rows_needed(other, 1e-6) is None


def test_on_the_groups_at_hand_the_error_is_that_of_the_comparison() -> None:
    """Its parts add up to it."""
    run = rounds({"full": [0.82], "frozen": [0.8]}, spread=0.01)
    now = standing(of_groups(run, 6), f"{VIEW}@{SIZES[0]}")
    (other,) = now.against_best
    error, noise = now.errors[other], now.against_best[other].difference.noise
    assert error.dof == pytest.approx(5, rel=0.01)
    for probability in (0.8, 0.95, 0.975):
        assert error.on(1) is noise
        assert error.on(1 + 1e-9).quantile(probability) == pytest.approx(
            noise.quantile(probability), rel=0.01
        )


def test_an_error_of_examples_alone_is_students_t_with_more_degrees_of_freedom() -> None:
    error = Error(Noise.student(0.01, 1.0), 0.01, 1.0)
    assert error.on(4).quantile(0.975) == pytest.approx(t.ppf(0.975, 7) * 0.05, rel=0.01)


def test_of_independent_rows_the_part_over_them_alone_shrinks() -> None:
    error = Error(Noise.known(0.05), 0.03, interaction=0.01)
    assert error.on(10).variances == pytest.approx([0.014])
