"""Tables, comparisons, baselines and history as a user types them, on runs made by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.runs.folder import Store
from bench.runs.record import Point, Record
from tests.analysis.conftest import make_predictions, make_record

FORMATS = ("terminal", "md", "latex", "csv", "html", "json")
KINDS = ("scores", "pairs", "convergence", "shift")
EVIL = "a|b & c_d <script>alert(1)</script> \x1b[31mred"
FIXTURE = Path(__file__).parents[1] / "fixtures" / "baseline-v1.jsonl"

Answer = tuple[int, str, str]
RunContext = Callable[..., Answer]


def write_run(
    folder: Path, random: int = 0, drop: float = 0.0, seeds: int = 3, commit: str = "abc1234"
) -> Path:
    """Two strategies on two tasks, 500 test examples, and a test set of another domain; `drop` is of `full`."""
    store, rng = Store(folder), np.random.default_rng(random)
    records = []
    for place, task in enumerate(("reviews", "news")):
        difficulty = np.random.default_rng(place).random(500)
        for strategy, ability in (("frozen", 0.7), ("full", 0.85 - drop)):
            for seed in range(seeds):
                right = (0.9 * difficulty + 0.1 * rng.random(500) < ability - 0.03).astype(float)
                records.append((make_record_of(task, strategy, seed, right, commit), make_predictions(right)))
    store.begin("quick", [record.cell.id for record, _ in records])
    for record, rows in records:
        columns = {name: list(values) for name, values in rows.items() if name != "split"}
        store.save(record, {"test": columns, "tweets": columns})
    return folder


def make_record_of(task: str, strategy: str, seed: int, right: np.ndarray, commit: str) -> Record:
    score = float(right.mean())
    made = make_record(task, strategy, seed, accuracy=score)
    assert made.machine is not None
    curve = [
        Point(step=n, epoch=n, seconds=n, phase=1, train_loss=1, loss=1, score=score * n / 2) for n in (1, 2)
    ]
    changes = {
        "machine": made.machine.model_copy(update={"commit": commit}),
        "scores": {name: {"accuracy": score, "f1": score} for name in ("test", "tweets")},
        "curve": tuple(curve),
    }
    return made.model_copy(update=changes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    return {
        "base": write_run(folder / "base"),
        "again": write_run(folder / "again", random=1),
        "worse": write_run(folder / "worse", random=2, drop=0.1),
        "one-seed": write_run(folder / "one-seed", seeds=1),
    }


def refused(answer: Answer, *texts: str) -> None:
    """Exit code 2, nothing printed, and one line on the error stream that has the texts."""
    code, out, err = answer
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert all(text in err for text in texts), err


# --------------------------------------------------------------------------------------------------
# table


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", FORMATS)
def test_every_kind_in_every_format(bench, runs, kind, format):
    code, out, err = bench("table", runs["base"], "--kind", kind, "--format", format)
    assert (code, err) == (0, "")
    assert "reviews" in out
    assert "full" in out


@pytest.mark.parametrize("format", FORMATS)
def test_tasks_side_by_side_in_every_format(bench, runs, format):
    code, out, _ = bench("table", runs["base"], "--rows", "strategy,backbone", "--format", format)
    assert code == 0
    assert "average" in out


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (["--columns", "acuracy"], ["unknown column 'acuracy'; did you mean 'accuracy'?"]),
        (["--metric", "bleu"], ["unknown metric 'bleu' (metrics: accuracy, f1)"]),
        (["--rows", "seed"], ["cannot make rows of seed", "strategy,backbone"]),
    ],
)
def test_what_a_table_cannot_show_is_refused_in_one_line(bench, runs, options, texts):
    refused(bench("table", runs["base"], *options), *texts)


def test_ranks_over_two_tasks_are_refused(bench, runs):
    refused(bench("table", runs["base"], "--kind", "ranks"), "at least 3 tasks; this run has finished 2 (")


@pytest.mark.parametrize("format", ["terminal", "md", "latex", "csv", "html", "json"])
def test_ranks_over_tasks_in_every_format(bench, format):
    baseline = Path(__file__).parents[2] / "results" / "baselines" / "quick.jsonl"
    code, out, err = bench("table", baseline, "--kind", "ranks", "--format", format)
    assert (code, err) == (0, "")
    assert "top-layers" in out
    assert "rank" in out


@pytest.mark.parametrize("options", [["--kind", "pears"], ["--format", "pdf"]])
def test_a_wrong_choice_lists_the_valid_ones(bench, runs, options):
    refused(bench("table", runs["base"], *options), "is not one of", options[0])


@pytest.mark.parametrize("kind", ["pairs", "shift", "scores"])
def test_a_metric_that_the_records_lack_is_refused(bench, runs, kind):
    refused(bench("table", runs["base"], "--kind", kind, "--metric", "bleu"), "bleu")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, ["--columns", "accuracy"]) for kind in KINDS if kind != "scores"),
        ("pairs", ["--rows", "strategy,backbone"]),
        ("classes", ["--caption", "Mine"]),
        *((kind, ["--metric", "accuracy"]) for kind in ("classes", "rates", "convergence")),
    ],
)
def test_an_option_that_a_kind_does_not_read_is_refused(bench, runs, kind, options):
    refused(
        bench("table", runs["base"], "--kind", kind, *options), options[0], f"--kind {kind} does not read it"
    )


def test_a_table_of_nothing_is_refused(bench):
    refused(bench("table", "nowhere"), "nowhere is not a run folder")


@pytest.mark.parametrize("format", FORMATS)
def test_a_caption_is_escaped_in_every_format(bench, runs, format):
    _, out, _ = bench("table", runs["base"], "--caption", EVIL, "--format", format)
    escaped = {
        "terminal": "a|b & c_d <script>alert(1)</script>  [31mred",
        "md": r"a\|b &amp; c\_d &lt;script&gt;alert(1)&lt;/script&gt;  \[31mred",
        "latex": r"a\textbar{}b \& c\_d \textless{}script\textgreater{}",
        "csv": "",
        "html": "a|b &amp; c_d &lt;script&gt;alert(1)&lt;/script&gt;  [31mred",
        "json": r"a|b & c_d <script>alert(1)</script> \u001b[31mred",
    }
    assert "\x1b[31m" not in out
    assert escaped[format] in " ".join(out.split(" "))


@pytest.mark.parametrize("format", FORMATS)
def test_a_label_is_escaped_in_every_format(bench, tmp_path, format):
    record = make_record("reviews", "full", backbone="a|b & c_d <script> red")
    store = Store(tmp_path / "evil")
    store.begin("quick", [record.cell.id])
    rows = make_predictions(np.ones(20))
    store.save(record, {"test": {name: list(column) for name, column in rows.items() if name != "split"}})
    code, out, _ = bench("table", "evil", "--format", format)
    assert code == 0
    assert ("<script>" in out) == (format in ("terminal", "csv", "json"))


def test_a_record_whose_name_holds_a_terminal_escape_is_refused(bench, tmp_path):
    record = make_record("reviews", "full", backbone="a\x1b[31mred")
    Store(tmp_path / "evil").save(
        record, {"test": {"id": ["0"], "reference": ["a"], "prediction": ["a"], "correct": [1.0]}}
    )
    refused(bench("table", "evil"))


def test_many_records_are_tabulated_without_their_predictions(bench, runs, monkeypatch):
    monkeypatch.setattr("bench.analysis.opening.MANY", 5)
    _, quick, _ = bench("table", runs["base"], "-f", "md")
    _, whole, _ = bench("table", runs["base"], "-f", "md", "--intervals")
    assert "standard deviation over seeds, not an interval" in quick
    assert "checksums were not verified" in quick
    assert "half of a 95% interval" in whole


def test_a_damaged_record_among_many_is_refused(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.analysis.opening.MANY", 5)
    run = write_run(tmp_path / "cut")
    path = Store(run).record_files()[0]
    path.write_text(path.read_text()[:200])
    refused(bench("table", run), "is damaged")


@pytest.mark.parametrize("command", ["table", "compare"])
def test_neither_torch_nor_pandas_is_imported(runs, command):
    """Each takes longer than the whole command."""
    arguments = [command, *[str(runs["base"])] * (2 if command == "compare" else 1)]
    code = f"import sys; from bench.cli.app import app; app({arguments}, standalone_mode=False); "
    code += "print([name for name in ('torch', 'pandas') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_seeds_that_are_planned_and_not_there_are_counted(bench, tmp_path):
    """A run that is going on, or was stopped: the last seed of each cell has no record yet."""
    Store(write_run(tmp_path / "two", seeds=2)).begin(
        "quick", [f"news/full/minilm/seed{n}" for n in range(3)]
    )
    code, out, _ = bench("table", tmp_path / "two", "--columns", "seeds", "--format", "csv")
    assert code == 0
    notes = {tuple(line.split(",")[:2]): line.rpartition(",")[2] for line in out.splitlines()}
    assert (notes["news", "full"], notes["news", "frozen"]) == ("2/3", "")


def test_one_seed_is_said_below_the_table(bench, runs):
    assert "One seed has no interval" in bench("table", runs["one-seed"])[1]


# --------------------------------------------------------------------------------------------------
# compare


def test_other_seeds_of_the_same_code_exit_0(bench, runs):
    code, out, _ = bench("compare", runs["base"], runs["again"])
    assert code == 0
    assert "Nothing regressed" in out
    assert "detectable" in out


def test_a_drop_exits_1_and_names_the_cells(bench, runs):
    code, out, _ = bench("compare", runs["base"], runs["worse"], "--json")
    found = json.loads(out)
    assert (code, found["exit_code"]) == (1, 1)
    assert {tuple(cell["key"].values()) for cell in found["cells"] if cell["status"] == "regressed"} == {
        ("reviews", "full", "minilm"),
        ("news", "full", "minilm"),
    }


@pytest.mark.parametrize("gates", ["", ",", " "])
def test_no_gate_at_all_is_refused(bench, runs, gates):
    """As where a variable of CI is not set: it would pass whatever regressed."""
    code, _, err = bench("compare", runs["base"], runs["worse"], "--fail-on", gates)
    assert (code, err.count("\n")) == (2, 1)
    assert "--fail-on names no gate" in err


def test_the_form_for_a_pull_request(bench, runs):
    code, out, _ = bench("compare", runs["base"], runs["worse"], "--format", "md")
    assert code == 1
    assert out.startswith("**Does not hold: quality")
    assert "<details>" in out


@pytest.mark.parametrize("format", ["terminal", "md", "json"])
def test_every_form_says_that_checksums_were_not_verified(bench, runs, monkeypatch, format):
    monkeypatch.setattr("bench.analysis.opening.MANY", 5)
    _, out, _ = bench("compare", runs["base"], runs["again"], "--format", format)
    assert "checksums were not verified" in out


def test_gates_are_chosen(bench, runs):
    assert bench("compare", runs["base"], runs["worse"], "--fail-on", "time,missing")[0] == 0


def test_an_unknown_gate_is_refused(bench, runs):
    refused(
        bench("compare", runs["base"], runs["again"], "--fail-on", "speed"),
        "quality, time, memory, missing, changed",
    )


def test_other_data_cannot_be_compared(bench, runs, tmp_path):
    other = Store(write_run(tmp_path / "other"))
    for record in other.records():
        assert record.data is not None
        data = record.data.model_copy(update={"task_version": 2})
        table = other.predictions(record.cell.id).to_pydict()
        rows = [number for number, name in enumerate(table.pop("split")) if name == "test"]
        tests = {"test": {name: [column[n] for n in rows] for name, column in table.items()}}
        other.save(record.model_copy(update={"data": data}), tests)
    code, out, _ = bench("compare", runs["base"], other.path)
    assert code == 2
    assert "task version 1 then, 2 now" in out


# --------------------------------------------------------------------------------------------------
# Baselines


def test_a_baseline_stands_for_its_run(bench, runs):
    code, out, _ = bench("baseline", runs["base"])
    assert (code, out.split(":")[0]) == (0, "results/baselines/quick.jsonl")
    assert bench("compare", "results/baselines/quick.jsonl", runs["again"])[0] == 0
    assert bench("compare", "results/baselines/quick.jsonl", runs["worse"])[0] == 1


def test_a_part_of_a_suite_is_added_to_its_baseline(bench, runs):
    """Without --add, it takes the place of the baseline."""
    path = Path("results/baselines/quick.jsonl")
    shutil.copytree(runs["base"], "results/runs/part")
    part = Store(Path("results/runs/part"))
    for record in part.records():
        if record.cell.task != "news":
            part.record_path(record.cell.id).unlink()
    kept = part.records()
    bench("baseline", runs["base"])
    before = path.read_text()
    assert bench("baseline", part.path, "--add")[0] == 0
    assert path.read_text() == before
    code, out, _ = bench("baseline", part.path)
    assert code == 0
    assert f"{len(kept)} cells" in out
    assert 0 < len(path.read_text().splitlines()) == len(kept) < len(before.splitlines())


def test_no_baseline_is_written_whose_line_the_history_cannot_take(bench, runs, tmp_path):
    """The file may lie elsewhere, as with git-annex; what the link leads to stays as it is."""
    elsewhere = tmp_path / "annex.jsonl"
    elsewhere.write_text("")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "history.jsonl").symlink_to(elsewhere)
    refused(bench("baseline", runs["base"]), "history.jsonl (it is a symbolic link)")
    assert not (tmp_path / "results" / "baselines").exists()
    assert elsewhere.read_text() == ""


def test_a_baseline_at_a_git_revision(bench, runs, tmp_path):
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    bench("baseline", runs["base"])
    git("init", "--initial-branch", "main")
    git("add", "results/baselines")
    git("commit", "-m", "baseline")
    bench("baseline", runs["worse"])
    assert bench("compare", "main", runs["worse"])[0] == 1
    assert bench("compare", "results/baselines/quick.jsonl", runs["worse"])[0] == 0
    refused(bench("compare", "no-such-branch", runs["worse"]), "git has no results/baselines/quick.jsonl")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("{", "line 1 is damaged"),
        ("not json\n", "line 1 is damaged"),
        (
            '{"baseline_version": 99, "record": {}, "examples": {}}\n',
            "version 99; this program reads up to 1",
        ),
        (
            '{"baseline_version": 0, "record": {}, "examples": {}}\n',
            "version 0, which cannot be read any more",
        ),
        ('{"baseline_version": 1, "record": {"schema_version": 1}, "examples": {}}\n', "line 1"),
        ('{"baseline_version": 1, "record": {"schema_version": 99}, "examples": {}}\n', "schema 99"),
    ],
)
def test_a_baseline_that_cannot_be_read_is_refused_in_one_line(bench, runs, tmp_path, text, reason):
    (tmp_path / "old.jsonl").write_text(text)
    refused(bench("compare", "old.jsonl", runs["base"]), "old.jsonl", reason)


def test_damaged_examples_of_a_baseline_are_refused_in_one_line(bench, runs, tmp_path):
    bench("baseline", runs["base"])
    text = Path("results/baselines/quick.jsonl").read_text()
    (tmp_path / "cut.jsonl").write_text(text.replace('"data":"eN', '"data":"eM'))
    refused(bench("compare", "cut.jsonl", runs["base"]), "the examples are damaged")


def test_the_baseline_of_the_first_version_is_read_forever(bench, runs):
    """Written by `python -m bench baseline` of schema 1; never rewrite it: add one for a new schema."""
    code, out, _ = bench("compare", FIXTURE, runs["base"], "--json")
    found = json.loads(out)
    assert (code, found["counts"]["identical"]) == (0, 4)
    assert bench("compare", FIXTURE, runs["worse"])[0] == 1


# --------------------------------------------------------------------------------------------------
# History


def test_a_completed_run_is_a_line_of_the_history(bench, tmp_path):
    from bench.cli.output import note_completed

    folder = write_run(tmp_path / "results/runs/quick")
    note_completed(folder, "2026-01-01T00:00:00Z")
    code, out, _ = bench("history", "quick", "-f", "csv")
    assert code == 0
    assert len(out.splitlines()) == 5


def test_only_a_baseline_writes_the_committed_history(bench, tmp_path):
    from bench.cli.output import note_completed

    committed = tmp_path / "results/history.jsonl"
    folder = write_run(tmp_path / "results/runs/quick")
    note_completed(folder, "2026-01-01T00:00:00Z")
    assert not committed.exists()
    for _ in range(2):
        bench("baseline", folder)
    assert committed.read_text() == (tmp_path / "results/runs/history.jsonl").read_text()
    counts = [line.split(",")[3] for line in bench("history", "quick", "-f", "csv")[1].splitlines()[1:]]
    assert counts == ["1"] * 4


def test_a_run_in_which_nothing_new_ran_is_not(bench, tmp_path):
    from bench.cli.output import note_completed

    note_completed(write_run(tmp_path / "results/runs/quick"), "2026-01-02T00:00:00Z")
    refused(bench("history"), "results/runs/history.jsonl does not exist")


def test_a_run_with_a_cell_missing_is_not(tmp_path):
    from bench.cli.output import note_completed

    folder = write_run(tmp_path / "results/runs/quick")
    Store(folder).begin("quick", ["reviews/lora/minilm/seed0"])
    note_completed(folder, "2026-01-01T00:00:00Z")
    assert not (tmp_path / "results/runs/history.jsonl").exists()


def test_a_run_elsewhere_is_not(tmp_path):
    from bench.cli.output import note_completed

    note_completed(write_run(tmp_path / "mine"), "2026-01-01T00:00:00Z")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_history_that_cannot_be_written_is_a_warning(tmp_path, capsys):
    from bench.cli.output import note_completed

    (tmp_path / "results/runs/history.jsonl").mkdir(parents=True)
    note_completed(write_run(tmp_path / "results/runs/quick"), "2026-01-01T00:00:00Z")
    warning = capsys.readouterr().err
    assert warning.startswith("warning: ")
    assert len(warning.splitlines()) == 1


def test_the_trend_has_a_sparkline_and_names_the_commit_of_a_step(bench, tmp_path):
    from bench.cli.output import note_completed

    for number in range(12):
        run = write_run(
            tmp_path / f"results/runs/r{number}", number, 0.08 * (number >= 7), commit=f"c{number}"
        )
        note_completed(run, "2026-01-01T00:00:00Z")
    code, out, _ = bench("history", "quick", "--task", "news", "--strategy", "full")
    assert code == 0
    assert "points at c7" in out
    assert "█" in out
    assert "frozen" not in out
    refused(bench("history", "quick", "--task", "weather"), "tasks: reviews, news; strategies: frozen, full")


@pytest.mark.parametrize("text", ["{\n", '{"history_version": 99}\n'])
def test_a_history_that_cannot_be_read_is_refused_in_one_line(bench, tmp_path, text):
    (tmp_path / "h.jsonl").write_text(text)
    refused(bench("history", "--file", "h.jsonl"), "h.jsonl, line 1")


def test_a_table_goes_between_the_marks_of_a_file(bench, runs, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- table -->\nstale\n<!-- /table -->\nafter\n")
    assert bench("table", runs["base"], "--into", page)[0] == 0
    text = page.read_text()
    assert text.startswith("before\n<!-- table -->\n")
    assert text.endswith("<!-- /table -->\nafter\n")
    assert "reviews" in text
    assert "stale" not in text


def test_a_table_has_all_its_notes_or_none(bench, runs, tmp_path):
    """The details are folded away without either; a file has them as the output has."""
    page = tmp_path / "README.md"
    shown = {}
    for option in ("--notes", "--no-notes"):
        page.write_text("<!-- table -->\n<!-- /table -->\n")
        assert bench("table", runs["base"], option, "--into", page)[0] == 0
        shown[option] = bench("table", runs["base"], option, "--format", "md")[1]
        assert page.read_text() == f"<!-- table -->\n{shown[option]}<!-- /table -->\n"
    folded = bench("table", runs["base"], "--format", "md")[1]
    none, every = shown["--no-notes"], shown["--notes"]
    assert folded.startswith(none)
    assert every.startswith(none)
    assert none.splitlines()[-1].startswith("|")
    assert "± is half" in every


def test_a_file_without_marks_is_refused_in_one_line(bench, runs, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("before\n")
    code, _, errors = bench("table", runs["base"], "--into", page)
    assert code == 2
    assert "it has no lines <!-- table -->" in errors
    assert page.read_text() == "before\n"


CLAIM = """
[[claim]]
name = "mine"
kind = "difference"
source = "my paper"
says = "Full is better"
first = "full"
second = "frozen"
above = 0.0
"""


def test_verify_prints_why_a_run_cannot_test_a_claim(bench: RunContext, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    code, out, _ = bench("verify", tmp_path / "run")
    assert code == 0
    assert "fine-tuning-above-features" in out
    assert "training examples, the claim needs 2,000" in out
    assert "over tasks: not testable (no task meets the conditions)" in out


def test_verify_reads_your_own_claims(bench: RunContext, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "mine.toml").write_text(CLAIM)
    code, out, _ = bench("verify", tmp_path / "run", "--claims", tmp_path / "mine.toml")
    assert code == 0
    assert "mine: Full is better" in out
    assert ": confirmed: +1" in out
    assert "over tasks: undecided" in out


def test_verify_prints_json(bench: RunContext, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    _, out, _ = bench("verify", tmp_path / "run", "--json")
    findings = {finding["claim"]: finding for finding in json.loads(out)}
    assert findings["fine-tuning-above-features"]["needs"]["train"] == 2000
    assert findings["fine-tuning-above-features"]["tasks"][0]["estimate"]["value"] > 0.1
    assert findings["bert-base-squad"]["verdict"] == "not testable"


def test_verify_prints_a_table(bench: RunContext, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    _, out, _ = bench("verify", tmp_path / "run", "--format", "md")
    assert out.startswith("**Published claims, tested by ")
    assert "| over tasks" in out
    assert "Not testable here: BERT-base, fine-tuned, reaches an F1 of 88.5" in out
