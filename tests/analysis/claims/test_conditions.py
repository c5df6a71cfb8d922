"""Each condition of a claim decides by itself: a run that meets it, and one that misses it by little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bench.analysis.claims.conditions import Sides, converged, losers, steps, unfair, unmet
from bench.analysis.claims.declared import Declared, Tried
from bench.analysis.claims.evidence import Evidence
from bench.analysis.claims.findings import TaskFinding
from bench.analysis.claims.published import CostClaim, DifferenceClaim, GrowthClaim, Needs, RateClaim
from bench.analysis.claims.verify import verify_runs
from bench.analysis.groups import Group, Key
from bench.analysis.loading import Run
from bench.contracts import Cell, Recipe
from bench.registry import Registry, discover
from bench.runs.record import Point, Record, Seconds, Trial
from tests.analysis.claims.made import DECLARED, Made
from tests.analysis.conftest import make_record
from tests.analysis.numeric import numeric_run

CLAIM = DifferenceClaim(
    name="c", source="", says="", kind="difference", first="full", second="frozen", above=0.0
)


def missed(needs: Needs, records: list[Record], claim: DifferenceClaim = CLAIM) -> str:
    group = Group(Key("reviews", "full", "minilm"), tuple(records))
    evidence = Evidence.of(Run("a run", records, {}.__getitem__), DECLARED)
    return unmet(claim.model_copy(update={"needs": needs}), Sides(group, group), evidence)


def records(**changes: object) -> list[Record]:
    return [make_record(seed=seed, **changes) for seed in range(3)]


@pytest.mark.parametrize(
    ("met", "not_met", "reason"),
    [
        (Needs(seeds=3), Needs(seeds=4), "3 seeds, the claim needs 4"),
        (Needs(train=500), Needs(train=501), "500 training examples, the claim needs 501"),
        (
            Needs(most_train=500),
            Needs(most_train=499),
            "500 training examples, the claim is about at most 499",
        ),
        (Needs(steps=10), Needs(steps=11), "10 steps, the claim needs 11"),
        (Needs(rows=200), Needs(rows=201), "200 test examples, the score was published on 201"),
        (Needs(layers=1.0), Needs(layers=0.9), "6 of 6 layers learn, the claim is about at most 90%"),
    ],
)
def test_a_condition_is_met_exactly_or_missed_by_one(met: Needs, not_met: Needs, reason: str) -> None:
    assert missed(met, records()) == ""
    assert missed(not_met, records()) == reason


def test_all_that_is_missing_is_said() -> None:
    assert missed(Needs(train=501, steps=11), records()) == (
        "500 training examples, the claim needs 501; 10 steps, the claim needs 11"
    )


def test_other_test_sets_are_found_by_name() -> None:
    scores = {name: {"accuracy": 0.8, "f1": 0.8} for name in ("test", "tweets")}
    assert missed(Needs(domains=("tweets",)), records(scores=scores)) == ""
    assert missed(Needs(domains=("tweets", "poems")), records(scores=scores)) == "no scores on poems"


@pytest.mark.parametrize(
    ("drop", "reason"), [(0.06, ""), (0.03, "the shift costs full 3"), (0.0, "the shift costs full 0")]
)
def test_a_shift_must_cost_something(drop: float, reason: str) -> None:
    """The made runs lose twice the drop that they are asked for."""
    made = Made(Needs(drop=drop / 2, seeds=3))
    made.add("full", "minilm", "reviews", 0.7)
    run = made.run()
    group = Group(Key("reviews", "full", "minilm"), tuple(run.records))
    claim = CLAIM.model_copy(update={"needs": Needs(drop=0.05)})
    found = unmet(claim, Sides(group, group), Evidence.of(run))
    assert found.startswith(reason)
    assert bool(found) == bool(reason)
    assert not reason or found.endswith(" points, the claim needs 5")


def test_a_run_without_other_domains_has_no_drop() -> None:
    assert missed(Needs(drop=0.05), records()) == "no test sets of other domains"


def test_growth_needs_sizes_far_enough_apart() -> None:
    claim = GrowthClaim(
        name="g",
        source="",
        says="",
        kind="growth",
        first="full",
        second="frozen",
        above=0.0,
        needs=Needs(growth=4),
    )
    for sizes, tested in (((200, 800), True), ((250, 800), False)):
        made = Made(Needs())
        for size, gain in zip(sizes, (0.0, 0.1), strict=True):
            made.add("full", "minilm", f"a@{size}", 0.7 + gain)
            made.add("frozen", "minilm", f"a@{size}", 0.7)
        (finding,) = verify_runs([claim], [made.run()])
        (task,) = finding.tasks
        assert (task.verdict == "confirmed") == tested
        assert tested or task.reason == "3.2 times as much training at most, the claim needs 4 times"


# -- The loser's chance --------------------------------------------------------------------------------------------


def group_of(name: str, **changes: object) -> Group:
    return Group(Key("reviews", name, "minilm"), tuple(records(strategy=name, **changes)))


def curve(*losses: float) -> tuple[Point, ...]:
    return tuple(
        Point(step=10 * place, epoch=place, seconds=place, phase=1, train_loss=1, loss=loss, score=0.5)
        for place, loss in enumerate(losses, 1)
    )


@pytest.mark.parametrize(
    ("above", "below", "value", "lost"),
    [
        (0.0, None, 0.1, ["frozen"]),
        (0.0, None, -0.1, ["full"]),
        (None, 0.0, -0.1, ["full"]),
        (None, 0.0, 0.1, ["frozen"]),
        (-0.02, 0.02, 0.1, ["full", "frozen"]),
    ],
)
def test_the_loser_follows_from_the_value(
    above: float | None, below: float | None, value: float, lost: list[str]
) -> None:
    claim = CLAIM.model_copy(update={"above": above, "below": below})
    found = losers(claim, Sides(group_of("full"), group_of("frozen")), value)
    assert [group.key.strategy for group in found] == lost


def test_the_winner_need_not_be_tuned() -> None:
    needs, trials = Needs(rates=2), tuple(Trial(scale=s, loss=s, kept=s == 1) for s in (1.0, 2.0))
    evidence = Evidence.of(Run("a run", [], {}.__getitem__))
    assert unfair(needs, [group_of("frozen", trials=trials)], evidence) == ""
    assert unfair(needs, [group_of("frozen", trials=trials[:1])], evidence) == (
        "frozen tried 1 learning rate on validation data, the claim needs 2"
    )


def test_a_loss_that_still_falls_has_not_converged() -> None:
    assert converged(make_record(curve=curve(1.0, 0.4, 0.5)))
    assert not converged(make_record(curve=curve(1.0, 0.5, 0.4)))
    assert not converged(make_record(curve=curve(0.4)))
    assert not converged(make_record(curve=()))


def test_most_seeds_must_have_converged() -> None:
    evidence, needs = Evidence.of(Run("a run", [], {}.__getitem__)), Needs(converged=True)
    done, moving = curve(1.0, 0.4, 0.5), curve(1.0, 0.5, 0.4)
    for curves, reason in (
        ((done, done, moving), ""),
        ((done, moving, moving), "full had not converged in 2 of 3 seeds"),
        (((), (), ()), "no learning curve shows that full converged"),
    ):
        group = Group(
            Key("reviews", "full", "minilm"),
            tuple(make_record(seed=seed, curve=item) for seed, item in enumerate(curves)),
        )
        assert unfair(needs, [group], evidence) == reason


def test_a_solved_head_needs_no_rate_and_no_patience() -> None:
    evidence = Evidence.of(Run("a run", [], {}.__getitem__), DECLARED)
    needs = Needs(rates=3, converged=True)
    assert unfair(needs, [group_of("probe", curve=())], evidence) == ""
    assert "tried 0 learning rates" in unfair(needs, [group_of("frozen", curve=())], evidence)
    assert "tried 0 learning rates" in unfair(needs, [group_of("gone", curve=())], evidence)


def test_a_head_that_is_solved_after_training_has_a_rate_and_needs_no_patience() -> None:
    evidence = Evidence.of(Run("a run", [], {}.__getitem__), DECLARED)
    found = unfair(Needs(rates=3, converged=True), [group_of("setfit", curve=())], evidence)
    assert found == "setfit tried 0 learning rates on validation data, the claim needs 3"


def test_steps_without_a_curve_follow_from_rows_batches_and_epochs() -> None:
    record = make_record(curve=(), recipe=Recipe(batch_size=32, epochs=3))
    assert steps(record) == 16 * 3  # 500 rows


# -- What strategies declare ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "options", "layers"),
    [
        ("full", (), 6),
        ("frozen", (), 0),
        ("top-layers", (), 2),
        ("top-layers", (("layers", 4),), 4),
        ("lora", (), 6),
        ("gradual", (), 6),
    ],
)
def test_the_layers_that_learn_are_counted(strategy: str, options: tuple, layers: int) -> None:
    cell = Cell("quick", "movie-sentiment", strategy, "minilm", 0, Recipe(), options)
    assert DECLARED.layers(cell) == (layers, 6)


def test_what_is_not_installed_is_not_known() -> None:
    cell = Cell("quick", "movie-sentiment", "gone", "minilm", 0, Recipe())
    assert DECLARED.layers(cell) is None
    assert DECLARED.rate(cell) is None
    record = make_record().model_copy(update={"cell": cell})
    assert (
        missed(Needs(layers=0.5), [record])
        == "1 seed, the claim needs 2; the layers in which full learns are not known"
    )


def test_the_rate_is_that_of_the_encoder() -> None:
    declared = Declared(Registry(discover()))
    cell = Cell("quick", "movie-sentiment", "lora", "minilm", 0, Recipe(), (("rate", 3e-4),))
    assert declared.rate(cell) == 3e-4
    assert declared.rate(replace(cell, strategy="frozen", options=())) is None


RATE = RateClaim(name="r", source="", says="", kind="rate", first="lora", second="full", above=5, below=20)


def test_a_best_rate_at_the_end_of_its_grid_is_not_the_best() -> None:
    made = Made(Needs(rates=4))
    made.add("lora", "minilm", "reviews", 0.6, scale=2.0)
    made.add("full", "minilm", "reviews", 0.6)
    (finding,) = verify_runs([RATE], [made.run()], DECLARED)
    assert finding.tasks[0].estimate is not None
    assert finding.tasks[0].estimate.value == pytest.approx(10)
    first = tuple(Trial(scale=s, loss=s, kept=s == 1) for s in (1.0, 2.0, 4.0, 8.0))
    ends = [record.model_copy(update={"trials": first}) for record in made.records]
    (finding,) = verify_runs([RATE], [Run("ends", ends, {}.__getitem__)], DECLARED)
    assert (
        finding.tasks[0].reason == "the best rate of lora and full is the smallest or largest that was tried"
    )


# -- Rates that a suite chose before -------------------------------------------------------------------------------


def of_suite(scales: dict[str, float]) -> tuple[Declared, list[Group]]:
    """A suite that chose these scales of four by strategy, and its cells, which tried none themselves."""

    def chosen(cell: Cell) -> Tried:
        return Tried(scales[cell.strategy], (0.5, 1.0, 2.0, 4.0))

    cells = [group_of(name, trials=(), recipe=Recipe(rate_scale=scale)) for name, scale in scales.items()]
    return Declared(Registry(discover()), chosen), cells


def test_rates_that_a_suite_chose_before_count_as_tried() -> None:
    declared, groups = of_suite({"lora": 2.0, "full": 1.0})
    evidence = Evidence.of(Run("a run", [], {}.__getitem__), declared)
    assert unfair(Needs(rates=4), groups, evidence) == ""
    assert "lora tried 4 learning rates" in unfair(Needs(rates=5), groups, evidence)


@pytest.mark.parametrize(
    ("scale", "edge"), [(2.0, ""), (4.0, "the best rate of lora is the smallest or largest")]
)
def test_the_best_rates_of_a_suite_are_compared_within_its_grid(scale: float, edge: str) -> None:
    declared, groups = of_suite({"lora": scale, "full": 1.0})
    both = [record for group in groups for record in group.records]
    (finding,) = verify_runs([RATE], [Run("a run", both, {}.__getitem__)], declared)
    (task,) = finding.tasks
    assert edge in task.reason
    if not edge:
        assert task.estimate is not None
        assert task.estimate.value == pytest.approx(5 * 2.0)


def test_a_claim_on_an_error_has_no_bound_in_its_units() -> None:
    """A bound of 5 points would be compared with degrees, or euros."""
    run = numeric_run({"full": 0.5, "frozen": 1.0})
    claim = CLAIM.model_copy(update={"metric": "mae"})
    (found,) = verify_runs([claim], [run])
    assert found.verdict == "not testable"
    assert "mae is an error in the units of the labels" in found.tasks[0].reason


def test_a_time_that_was_measured_once_decides_no_claim() -> None:
    """Heads that train together have one training time, whose copies have no spread: an interval without width."""
    timed = {
        name: [
            make_record(strategy=name, seed=seed, seconds=Seconds(train=spent, cold=spent))
            for seed in range(3)
        ]
        for name, spent in (("frozen", 2.0), ("full", 8.0))
    }
    apart = [
        record.model_copy(
            update={"seconds": Seconds(train=8.0 + record.cell.seed, cold=8.0 + record.cell.seed)}
        )
        for record in timed["full"]
    ]
    claim = CostClaim(name="c", source="", says="", kind="cost", first="frozen", second="full", below=0.9)
    run = Run("a run", [*timed["frozen"], *apart], {}.__getitem__)
    (found,) = verify_runs([claim], [run])
    assert found.verdict == "not testable"
    assert "the time of frozen was measured once" in found.tasks[0].reason


# -- What was measured once, or chosen once ------------------------------------------------------------------------


def timed(name: str, seconds: list[Seconds]) -> list[Record]:
    return [make_record(strategy=name, seed=seed, seconds=spent) for seed, spent in enumerate(seconds)]


COST = CostClaim(name="c", source="", says="", kind="cost", first="frozen", second="full", below=0.9)
OTHER = timed("full", [Seconds(train=20.0 + 2 * seed, cold=21.0 + 2 * seed) for seed in range(3)])


def cost(first: list[Record]) -> TaskFinding:
    (found,) = verify_runs([COST], [Run("a run", [*first, *OTHER], {}.__getitem__)])
    (task,) = found.tasks
    return task


def test_a_prefix_that_was_copied_to_all_seeds_is_one_measurement() -> None:
    """It takes most of the time that is saved; scoring the test rows, measured again, takes most of the cell."""
    task = cost(
        timed("frozen", [Seconds(prefix=8, train=1 + seed / 100, cold=30 + seed) for seed in range(3)])
    )
    assert (task.verdict, task.estimate) == ("not testable", None)
    assert "the time of frozen was measured once" in task.reason


def test_a_joint_training_is_one_measurement_whatever_else_was_measured_again() -> None:
    """Rows were prepared anew for each seed, and that took longer than the training that all seeds share."""
    task = cost(
        timed("frozen", [Seconds(prepare=9 + 2 * seed, train=2, cold=11 + 2 * seed) for seed in range(3)])
    )
    assert (task.verdict, task.estimate) == ("not testable", None)
    assert "the time of frozen was measured once" in task.reason


def test_the_smaller_part_may_have_been_measured_once_and_widens_the_interval() -> None:
    """By hand: the pooled variance of the logarithms of the steps, weighted by the parts' shares of the time."""
    own, other = [6.0, 6.3, 5.8], [20.0, 22.0, 24.0]
    task = cost(timed("frozen", [Seconds(prefix=4, train=train, cold=train + 5) for train in own]))
    logs = [np.log(own), np.log(other)]
    variance = sum(float(((item - item.mean()) ** 2).sum()) for item in logs) / 4
    share = 4 / (4 + np.mean(own))
    weight = share**2 + (1 - share) ** 2 / 3 + 1 / 3
    half = stats.t.ppf(0.975, 4) * np.sqrt(variance * weight)
    value = np.log((4 + np.mean(own)) / np.mean(other))
    assert task.estimate is not None
    assert task.verdict == "confirmed"
    assert (task.estimate.value, task.estimate.low, task.estimate.high) == pytest.approx(
        tuple(np.exp([value, value - half, value + half]))
    )


@pytest.mark.parametrize(("seeds", "tested"), [(1, False), (2, False), (3, True)])
def test_a_rate_that_was_chosen_once_is_one_choice_however_many_seeds_carry_it(
    seeds: int, tested: bool
) -> None:
    declared, groups = of_suite({"lora": 2.0, "full": 1.0})
    before = declared.chosen
    declared = replace(declared, chosen=lambda cell: replace(before(cell), seeds=seeds))
    claim = RATE.model_copy(update={"needs": Needs(seeds=3, rates=3), "tasks": ("reviews",)})
    run = Run("a run", [record for group in groups for record in group.records], {}.__getitem__)
    (finding,) = verify_runs([claim], [run], declared)
    (task,) = finding.tasks
    assert (task.verdict == "confirmed") is tested
    if not tested:
        assert finding.verdict == "not testable"
        of = f"on {seeds} seed{'s' * (seeds > 1)} of a development draw"
        assert task.reason == (
            f"the rate of lora was chosen once, {of} and the rate of full was chosen once, {of}; the claim needs 3"
        )


def test_rates_that_each_seed_chose_are_as_many_choices() -> None:
    made = Made(Needs(rates=4, seeds=3))
    made.add("lora", "minilm", "reviews", 0.6, scale=2.0)
    made.add("full", "minilm", "reviews", 0.6)
    claim = RATE.model_copy(update={"needs": Needs(seeds=3, rates=4), "tasks": ("reviews",)})
    (finding,) = verify_runs([claim], [made.run()], DECLARED)
    assert finding.tasks[0].verdict == "confirmed"


# -- On both sides of a bound, continued ---------------------------------------------------------------------------


def own(strategy: str, options: tuple[tuple[str, object], ...], needs: Needs) -> str:
    """What three seeds of a strategy with these options miss."""
    made = [
        record.model_copy(update={"cell": replace(record.cell, options=options)})
        for record in records(strategy=strategy)
    ]
    group = Group(Key("reviews", strategy, "minilm"), tuple(made))
    evidence = Evidence.of(Run("a run", made, {}.__getitem__), DECLARED)
    return unmet(CLAIM.model_copy(update={"needs": needs}), Sides(group, group), evidence)


@pytest.mark.parametrize(
    ("layers", "reason"), [(3, ""), (4, "4 of 6 layers learn, the claim is about at most 50%")]
)
def test_a_share_of_layers_may_be_reached(layers: int, reason: str) -> None:
    assert own("top-layers", (("layers", layers),), Needs(layers=0.5)) == reason


@pytest.mark.parametrize(
    ("passes", "masked", "reason"),
    [
        (1, 48, ""),
        (1, 49, "48 steps on masked words, the claim needs 49"),
        (2, 96, ""),
        (2, 97, "96 steps on masked words, the claim needs 97"),
    ],
)
def test_steps_on_masked_words_are_a_multiple_of_the_tasks(passes: int, masked: int, reason: str) -> None:
    """500 rows in batches of 32, three epochs: 48 steps."""
    assert own("tapt", (("passes", passes),), Needs(masked=masked)) == reason


def test_what_did_not_grow_needs_no_growth() -> None:
    assert missed(Needs(growth=4), records()) == ""


@pytest.mark.parametrize(
    ("rows", "epochs", "reason"),
    [
        ((500, 500), (3.0, 6.0), ""),
        ((250, 500), (3.0, 3.0), ""),
        ((500, 500), (3.0, 5.7), "1.9 times as much training at most, the claim needs 2 times"),
        ((400, 500), (3.0, 3.0), "1.25 times as much training at most, the claim needs 2 times"),
    ],
)
def test_training_grows_by_rows_or_by_epochs(
    rows: tuple[int, int], epochs: tuple[float, float], reason: str
) -> None:
    groups = []
    for count, length in zip(rows, epochs, strict=True):
        grown = [
            record.model_copy(
                update={"data": record.data.model_copy(update={"sizes": {"train": count, "test": 200}})}
            )
            for record in records(recipe=Recipe(epochs=length))
            if record.data is not None
        ]
        groups.append(Group(Key("reviews", "full", "minilm"), tuple(grown)))
    less, more = groups
    claim = CLAIM.model_copy(update={"needs": Needs(growth=2)})
    evidence = Evidence.of(Run("a run", [], {}.__getitem__))
    assert unmet(claim, Sides(more, more, (less, less)), evidence) == reason


@pytest.mark.parametrize(
    ("moving", "reason"), [(1, ""), (2, ""), (3, "full had not converged in 3 of 4 seeds")]
)
def test_half_of_the_seeds_may_still_move(moving: int, reason: str) -> None:
    curves = [curve(1.0, 0.5, 0.4) if seed < moving else curve(1.0, 0.4, 0.5) for seed in range(4)]
    group = Group(
        Key("reviews", "full", "minilm"),
        tuple(make_record(seed=seed, curve=item) for seed, item in enumerate(curves)),
    )
    assert unfair(Needs(converged=True), [group], Evidence.of(Run("a run", [], {}.__getitem__))) == reason


def test_a_large_drop_that_may_be_noise_is_no_cost_of_the_shift() -> None:
    """Two seeds that lose 60 and nothing: 30 points on average, and none of them for sure."""
    made = Made(Needs(seeds=2, drop=0.0))
    made.add("full", "minilm", "reviews", 0.7)
    for seed, share in ((0, 0.1), (1, 0.7)):
        cell = made.records[seed].cell.id
        rows = dict(made.files[cell])  # type: ignore[arg-type]
        right = np.where(
            rows["split"] == "test", np.arange(1600) % 800 < 560, np.arange(1600) % 800 < 800 * share
        )
        made.files[cell] = {**rows, "correct": right.astype(float)}
    run = made.run()
    group = Group(Key("reviews", "full", "minilm"), tuple(run.records))
    claim = CLAIM.model_copy(update={"needs": Needs(drop=0.05)})
    found = unmet(claim, Sides(group, group), Evidence.of(run))
    assert found.startswith("the shift costs full 30.0 ± ")
    assert found.endswith(" points, the claim needs 5")
