"""What was chosen is held: a suite, its scales and the default rates that they multiply are those of the choice."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import pytest

from bench import suite as suites
from bench.cli.rates import check_chosen, say_departures
from bench.contracts import BenchError, Phase
from bench.planning.grids import Filters
from bench.planning.rates import choice_digest, default_rates, suite_digest
from bench.protocol import choice
from bench.registry import Plugins, Registry
from tests.protocol.suites import SUITE, fixed

FULL = Filters(tasks=("movie-sentiment",), strategies=("full",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A suite in which one rate is fixed."""
    path = tmp_path / "ranked.toml"
    path.write_text(SUITE)
    fixed(path, 2.0)
    return path


def learns_faster(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full fine-tuning at ten times its default rate."""
    phases = (Phase(1.0, (("*", 1e-3),), head=1e-3),)
    monkeypatch.setattr(plugins.strategies["full"], "phases", lambda self, depth: phases)


def check(path: Path, plugins: Plugins) -> None:
    """What `run` checks before it scores test rows."""
    suite = suites.load(str(path))
    check_chosen(suite, suites.cells(suite, plugins, FULL), Registry(plugins), str(path))


@pytest.mark.parametrize(
    ("written", "edited"),
    [
        ('"full" = 2.0', '"full" = 1.0'),
        ('"full" = 2.0', '"full" = 2.0\n"probe" = 0.3'),
        ('[rates.scales."movie-sentiment"', '[rates.scales."reuters-r8"'),
        ("[rates.defaults]\n", '[rates.defaults]\n"lora" = "0123456789abcdef"\n'),
    ],
)
def test_a_choice_that_was_edited_by_hand_is_refused(path: Path, written: str, edited: str) -> None:
    text = path.read_text()
    assert written in text
    path.write_text(text.replace(written, edited))
    with pytest.raises(BenchError) as error:
        suites.load(str(path))
    assert error.value.code == "rates-were-edited"


def test_a_choice_without_its_digest_is_refused(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("chosen =")]
    path.write_text("\n".join(lines))
    with pytest.raises(BenchError) as error:
        suites.load(str(path))
    assert error.value.code == "rates-were-edited"


def test_a_choice_of_an_earlier_version_has_no_digest_and_is_read(path: Path, plugins: Plugins) -> None:
    """It gets one at the next choice."""
    before, _, rest = path.read_text().partition("chosen =")
    path.write_text(before + rest[rest.index("[rates.scales") :])
    rates = suites.load(str(path)).rates
    assert rates is not None
    assert (rates.chosen, rates.defaults) == ("", {})
    check(path, plugins)
    fixed(path, 2.0)
    assert 'chosen = "' in path.read_text()


MORE = "[tasks.sst2]\ntrain = 50\n"


@pytest.mark.parametrize("rates", ["kept", "deleted"])
def test_a_section_below_the_rates_is_not_lost_at_the_next_choice(path: Path, rates: str) -> None:
    before, mark, section = path.read_text().partition(choice.MARK)
    path.write_text(f"{before}{mark}{section if rates == 'kept' else ''}\n{MORE}")
    text = path.read_text()
    with pytest.raises(BenchError, match="tasks would be lost") as error:
        choice.write(path, {("movie-sentiment", "minilm", "full"): 1.0}, {})
    assert error.value.code == "rates-out-of-place"
    assert path.read_text() == text


def test_rates_whose_comment_was_deleted_do_not_stand_twice(path: Path) -> None:
    text = path.read_text().replace(choice.MARK, "")
    path.write_text(text)
    with pytest.raises(BenchError, match="would stand twice") as error:
        fixed(path, 1.0, again=True)
    assert error.value.code == "rates-out-of-place"
    assert path.read_text() == text


@pytest.mark.parametrize("more", ["", f"\n{MORE}"])
def test_a_suite_whose_rates_were_deleted_is_written_as_a_new_one(path: Path, more: str) -> None:
    before, mark, _ = path.read_text().partition(choice.MARK)
    path.write_text(f"{before}{more}{mark}")
    fixed(path, 1.0)
    assert path.read_text().count("[rates]") == 1
    assert choice.flat(suites.load(str(path)).rates) == {("movie-sentiment", "minilm", "full"): 1.0}


def test_default_rates_that_were_changed_are_refused_before_test_rows_are_scored(
    path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(path, plugins)
    learns_faster(plugins, monkeypatch)
    with pytest.raises(BenchError, match="default rates of full") as error:
        check(path, plugins)
    assert error.value.code == "defaults-changed"


def test_they_are_no_reason_to_refuse_another_strategy(
    path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed(path, 1.0, place=("movie-sentiment", "minilm", "lora"))
    learns_faster(plugins, monkeypatch)
    suite = suites.load(str(path))
    lora = Filters(tasks=("movie-sentiment",), strategies=("lora",))
    check_chosen(suite, suites.cells(suite, plugins, lora), Registry(plugins), str(path))


def test_a_choice_at_other_default_rates_takes_the_place_of_all_of_the_strategys(
    path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed(path, 1.0, place=("reuters-r8", "minilm", "full"))
    learns_faster(plugins, monkeypatch)
    rates = suites.load(str(path)).rates
    strategies = {"full": plugins.strategy("full")}
    places = [(task, "minilm", "full") for task in ("movie-sentiment", "reuters-r8")]
    both = [choice.Choice(place, 1.0, {1.0: 0.1}) for place in places]
    for choices, again in ((both, False), (both[:1], True)):
        with pytest.raises(BenchError) as error:
            choice.multiplied(rates, choices, again, strategies)
        assert error.value.code == "defaults-changed"
    assert choice.multiplied(rates, both, True, strategies) == {"full": default_rates(strategies["full"])}


def test_the_digest_of_default_rates_follows_every_rate_and_nothing_else(plugins: Plugins) -> None:
    usual = default_rates(plugins.strategy("full"))
    assert usual == default_rates(plugins.strategy("full", [("anchor", 0.1)]))
    assert usual != default_rates(plugins.strategy("full", [("rate", 3e-4)]))
    assert usual != default_rates(plugins.strategy("full", [("head_rate", 3e-4)]))


@pytest.mark.parametrize(
    ("strategy", "options", "rate"),
    [
        ("top-layers", [("layers", 1), ("layers", 3), ("layers", 7)], 3e-4),
        ("gradual", [("stages", 3), ("stages", 9)], 3e-4),
        ("lp-ft", [("probe_share", 0.2)], 3e-4),
    ],
)
def test_how_much_learns_and_when_is_no_rate(
    strategy: str, options: list[tuple[str, object]], rate: float, plugins: Plugins
) -> None:
    """Even where fewer encoders have as many layers."""
    usual = default_rates(plugins.strategy(strategy))
    for option in options:
        assert default_rates(plugins.strategy(strategy, [option])) == usual, option
    assert default_rates(plugins.strategy(strategy, [("rate", rate)])) != usual


def test_nor_is_a_run_with_fewer_layers_refused(path: Path, plugins: Plugins) -> None:
    fixed(path, 1.0, place=("movie-sentiment", "minilm", "top-layers"))
    suite = suites.load(str(path), ["strategies.top-layers.layers=3"])
    cells = suites.cells(suite, plugins, Filters(("movie-sentiment",), ("top-layers",)))
    check_chosen(suite, cells, Registry(plugins), str(path))


def test_decays_of_rates_from_layer_to_layer_are_rates(plugins: Plugins) -> None:
    usual, steeper = (default_rates(plugins.strategy("gradual", [("decay", by)])) for by in (0.85, 0.5))
    assert usual != steeper


# --------------------------------------------------------------------------------------------------
# Settings of a request


@pytest.mark.parametrize(
    "setting", ["rates.scales.movie-sentiment.minilm.full=3", "rates.of=x", "rates={of='x', scales={}}"]
)
@pytest.mark.parametrize("suite", ["ranked", "quick"])
def test_no_setting_replaces_a_chosen_rate(path: Path, setting: str, suite: str) -> None:
    with pytest.raises(BenchError) as error:
        suites.load(str(path) if suite == "ranked" else suite, [setting])
    assert error.value.code == "rates-are-fixed"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "setting",
    [
        "recipe.epochs=1",
        "recipe.train=500",
        "recipe={epochs=1, test=9}",
        "tasks.reuters-r8.max_length=32",
        "strategies.full.rate=1e-3",
    ],
)
def test_a_setting_that_rates_were_not_chosen_for_is_said(
    path: Path, setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["data.local=somewhere", "seeds=5", "recipe.test=9", setting, "tasks.reuters-r8.test=9"]
    say_departures(str(path), settings, suites.load(str(path), settings))
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert f"without --set {shlex.quote(setting)}:" in said.err


def test_all_of_them_are(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["recipe.epochs=1", "seeds=5", "recipe.train=500"]
    say_departures(str(path), settings, suites.load(str(path), settings))
    assert "without --set recipe.epochs=1 --set recipe.train=500:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["data.local=somewhere"],
        ["name=mine"],
        ["seeds=5"],
        ["optional=['reuters-r8']"],
        ["recipe.test=9"],
        ["recipe.forgetting=true"],
        ["tasks.movie-sentiment.test=9"],
        ["data.local=a", "name=b"],
        ["grid=[]", "grid=[{strategies=['full'], backbones=['minilm'], seeds=9}]"],
        ["recipe.epochs=1", "recipe={train=2000, validation=80, tune=[5.0]}"],
    ],
)
def test_a_setting_that_no_choice_rests_on_is_not(
    path: Path, settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    say_departures(str(path), settings, suites.load(str(path), settings))
    assert capsys.readouterr().err == ""


def test_nor_one_of_a_suite_without_chosen_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ranked.toml"
    path.write_text(SUITE)
    say_departures(str(path), ["recipe.epochs=1"], suites.load(str(path), ["recipe.epochs=1"]))
    assert capsys.readouterr().err == ""


# --------------------------------------------------------------------------------------------------
# The built-in suites


@pytest.mark.parametrize("name", suites.names())
def test_the_rates_of_a_built_in_suite_are_held(name: str, plugins: Plugins) -> None:
    rates = suites.load(name).rates
    if rates is None:
        return
    values = tomllib.loads(suites.path_of(name).read_text(encoding="utf-8"))
    assert rates.of == suite_digest(values)
    assert rates.chosen == choice_digest(values["rates"])
    used = {strategy for _, _, strategy in choice.flat(rates)}
    options = suites.load(name).strategies
    assert rates.defaults == {
        strategy: default_rates(plugins.strategy(strategy, options.get(strategy, {}).items()))
        for strategy in used
    }
