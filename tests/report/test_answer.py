"""The answer in words says what the table says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Columns, Run
from bench.report import html, page
from bench.report.answer import Answer, Choice, _caution, answers
from bench.report.overall import overall, standings
from bench.report.reading import Reading, read
from tests.analysis.conftest import make_record
from tests.report.test_times import time
from tests.support import report_runs
from tests.support.report_runs import Grid, make_run


def test_best_and_tied_are_the_marks_of_the_table(reading: Reading):
    for answer in answers(reading):
        assert answer.best is not None
        assert reading.entry(answer.best.key, answer.metric).mark == "best"
        assert {reading.entry(item.key, answer.metric).mark for item in answer.tied} <= {"tied", "best"}
        assert {reading.entry(item.key, answer.metric).mark for item in answer.behind} == {""}


def test_a_strategy_far_behind_is_named_with_its_p(reading: Reading):
    answer = answers(reading)[0]
    scratch = next(item for item in answer.behind if item.label == "scratch")
    assert scratch.p is not None
    assert scratch.p < 0.05


def test_what_is_tied_says_which_differences_would_be_missed(reading: Reading, hostile_html: str):
    tied = [item for answer in answers(reading) for item in answer.tied]
    assert tied
    assert all(item.detectable and 0.005 < item.detectable < 0.5 for item in tied)
    assert "points would be missed)" in hostile_html


def test_the_fastest_is_of_the_best_and_the_tied(reading: Reading):
    answer = answers(reading)[0]
    assert answer.best is not None
    assert answer.fastest in (answer.best, *answer.tied)
    assert answer.fastest is not None
    assert answer.fastest.label == "top-layers"
    assert answer.certainty == "tied"


def test_a_faster_one_that_was_measured_once_is_named_as_such(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
):
    """Else "the fastest" would be a strategy that takes longer than another in the same box."""
    quickest = answers(reading)[0].fastest
    assert quickest is not None
    measured = Group.measurements
    monkeypatch.setattr(
        Group, "measurements", lambda group: 1 if group.key == quickest.key else measured(group)
    )
    found = answers(reading)[0]
    assert found.once is not None
    assert found.once.key == quickest.key
    assert found.partly
    assert found.fastest is None  # one alone is left


def test_one_strategy_alone_is_untested():
    answer = answers(read(make_run(Grid(strategies=("full",)))))[0]
    assert answer.certainty == "untested"


def test_the_best_is_named_where_its_predictions_are_gone():
    """The table has it in bold. The tests that are left are against another, and are not shown as its own."""
    made = make_run(Grid(tasks=("reviews",), strategies=("frozen", "top-layers", "full", "scratch")))
    whole = answers(read(made))[0]
    assert whole.best is not None

    def kept(name: str) -> Columns:
        if f"/{whole.best.label}/" in name:
            raise FileNotFoundError(name)
        return made.predictions(name)

    found = answers(read(replace(made, predictions=kept)))[0]
    assert found.best is not None
    assert found.best.key == whole.best.key
    assert (found.certainty, found.tied, found.behind) == ("untested", (), ())
    assert len(found.untested) == 3
    assert all(choice.p is None and choice.detectable is None for choice in found.untested)


def test_a_winner_by_far_is_clear():
    answer = answers(read(make_run(Grid(strategies=("full", "scratch")))))[0]
    assert answer.certainty == "clear"
    assert [item.label for item in answer.behind] == ["scratch"]


def test_one_seed_is_a_caution():
    assert "One seed" in answers(read(make_run(Grid(seeds=1))))[0].caution


@pytest.mark.parametrize(
    ("low", "expected"),
    [(1, "1 of its 3 seeds scores within noise"), (2, "2 of its 3 seeds score within noise")],
)
def test_seeds_that_learned_nothing_are_a_caution(low: int, expected: str):
    records = [make_record(seed=seed, accuracy=0.4 if seed < low else 0.8) for seed in range(3)]
    assert _caution(next(iter(gather(records).values()))).startswith(expected)


def test_a_time_that_was_measured_once_gives_no_verdict():
    found = answers(read(make_run(Grid(seeds=1))))
    assert {answer.fastest for answer in found} == {None}
    assert "the time of full" not in overall(found)


def test_a_time_is_none_of_a_reference_that_was_measured_once(run: Run):
    """Its strategies have three seeds; the table gives no interval."""
    kept = [record for record in run.records if record.cell.strategy != "full" or record.cell.seed == 0]
    known = read(Run("part", kept, run.predictions))
    found = answers(known)
    assert known.entry(Key("reviews", "top-layers", "minilm"), "relative").spread is None
    assert {choice.relative for answer in found for choice in (answer.best, *answer.tied) if choice} <= {
        None,
        1.0,
    }
    assert "the time of full" not in overall(found)


def close(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two strategies whose times differ by less than seeds do."""
    monkeypatch.setitem(report_runs.COST, "top-layers", 10.0)
    monkeypatch.setitem(report_runs.COST, "full", 10.1)
    return make_run(Grid(strategies=("top-layers", "full", "scratch")))


def test_no_fastest_is_named_of_times_that_are_not_told_apart(monkeypatch: pytest.MonkeyPatch):
    found = answers(read(close(monkeypatch)))
    assert [answer.fastest for answer in found] == [None, None]
    assert [{item.label for item in answer.close} for answer in found] == [{"top-layers", "full"}] * 2
    text = overall(found)
    assert "The fastest" not in text
    assert "which of these is the fastest is not known." in text or "the time of full" not in text


def test_the_card_says_that_the_fastest_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    text = html.report(page.build(close(monkeypatch), tmp_path))
    assert "<dt>Fastest of these</dt><dd>not known: " in text


def test_times_on_other_machines_are_not_compared(run: Run):
    """Though one takes half of the other's seconds."""
    moved = [
        record.model_copy(update={"machine": record.machine.model_copy(update={"processor": "Another"})})
        if record.cell.strategy == "full" and record.machine
        else record
        for record in run.records
    ]
    answer = answers(read(Run("moved", moved, run.predictions)))[0]
    assert answer.fastest is None
    assert {item.label for item in answer.close} >= {"top-layers", "full"}


def test_one_seed_is_said_in_the_overall_answer_and_more_are_not(reading: Reading):
    assert "a first look, not evidence" in overall(answers(read(make_run(Grid(seeds=1)))))
    assert "a first look" not in overall(answers(reading))


def test_one_seed_of_the_best_alone_is_not_one_of_every_strategy(run: Run):
    kept = [record for record in run.records if record.cell.strategy == "frozen" or record.cell.seed == 0]
    assert "a first look" not in overall(answers(read(Run("part", kept, run.predictions))))


def test_the_overall_answer_says_where_nothing_was_learned():
    text = overall(answers(read(make_run(Grid(strategies=("scratch",))))))
    assert "On 2 of 2 tasks it is not shown that anything was learned." in text


def test_a_strategy_alone_on_a_task_does_not_lead_it(run: Run):
    kept = [r for r in run.records if r.cell.task == "news" or r.cell.strategy == "scratch"]
    text = overall(answers(read(Run("part", kept, run.predictions))))
    assert "scratch" not in text
    assert "On 1 of 2 tasks there is nothing to compare with." in text


def test_a_task_where_nothing_finished_has_no_answer(run: Run):
    failed = [record.model_copy(update={"status": "oom", "scores": {}}) for record in run.records]
    found = answers(read(Run("failed", failed, run.predictions)))
    assert {answer.certainty for answer in found} == {"nothing"}
    assert "no answer" in overall(found)


def test_standings_count_the_tasks_on_which_a_strategy_leads(reading: Reading):
    found = {item.label: item for item in standings(answers(reading))}
    assert found["full"].leads == found["full"].tasks == 2
    assert found["scratch"].leads == 0
    assert found["full"].relative == 1.0


def test_the_overall_answer_names_the_fastest_of_the_leading(reading: Reading):
    text = overall(answers(reading))
    assert text.startswith("On 2 of 2 tasks top-layers and full each scored best or could not be told apart")
    assert "The fastest of them, top-layers, took 0." in text


def led_by(*leaders: tuple[str, str, float, float]) -> str:
    """The answer over one task that these lead: strategy, encoder, seconds, and seconds over those of `full` with
    the same encoder."""
    best, *tied = (
        Choice(
            Key("t", strategy, backbone),
            f"{strategy} {backbone}",
            0.8,
            0.01,
            seconds,
            relative,
            time=time(seconds),
        )
        for strategy, backbone, seconds, relative in leaders
    )
    return overall([Answer("t", "accuracy", "tied", best, tuple(tied), seeds=3)])


def test_the_fastest_of_several_encoders_is_known_by_seconds_not_by_ratios():
    """`full` of the large encoder takes ten times that of the small one."""
    small, large = ("lp-ft", "small", 6.5, 0.65), ("lp-ft", "large", 60.0, 0.6)
    text = led_by(("full", "large", 100.0, 1.0), large, small, ("full", "small", 10.0, 1.0))
    assert text.endswith(" The fastest of them is lp-ft small.")
    assert led_by(large, ("full", "small", 10.0, 1.0)).endswith(" The fastest of them is full small.")
    assert led_by(small, ("full", "tiny", 6.6, 1.0)).endswith(
        " Which of lp-ft small, full tiny is the fastest is not known."
    )


def test_the_reference_is_not_compared_with_itself_under_the_name_of_its_encoder():
    text = led_by(("full", "small", 10.0, 1.0))
    assert "1.00×" not in text
    assert led_by(("lp-ft", "small", 6.5, 0.65)).endswith(" It took 0.65× the time of full.")


def test_the_answer_for_one_task_names_its_best(run: Run):
    kept = [record for record in run.records if record.cell.task == "news"]
    text = overall(answers(read(Run("part", kept, run.predictions))))
    assert " scored best; these could not be told apart from it: " in text.split(".")[0]


def test_the_sizes_of_a_task_are_not_counted_as_tasks():
    run = make_run(Grid(tasks=("reviews@100", "reviews@400", "news")))
    records = []
    for record in run.records:
        assert record.data is not None
        sizes = {**record.data.sizes, "train": int(record.cell.task.partition("@")[2] or 800)}
        records.append(record.model_copy(update={"data": record.data.model_copy(update={"sizes": sizes})}))
    reading = read(Run("sizes", records, run.predictions))
    text = page._overall(answers(reading), reading)
    assert " of 2 tasks " in text
    assert text.endswith("Of a task that ran at several sizes this is the largest.")
    plain = read(make_run())
    assert page._overall(answers(plain), plain) == overall(answers(plain))
