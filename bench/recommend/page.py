"""The answer on a page: one sentence, what it rests on, what it costs, a plot, what was not tried, how to
run it again."""

from __future__ import annotations

from bench.recommend.budget import written
from bench.recommend.findings import Findings
from bench.recommend.verdict import as_good, certainty, listed, scored_on_test_rows, sentence
from bench.recommend.weaknesses import Weakness
from bench.text import clipped, counted, duration

__all__ = ["Findings", "details", "plot", "sentence", "tried"]

KINDS = {"ner": ("tag", "tags"), "multilabel": ("label", "labels")}
"""What the labels of an adapter's tasks are called, where they are no classes."""


def details(found: Findings) -> list[str]:
    """What follows the answer, a line each."""
    now = found.round
    rows = next((record.data.sizes for record in now.records if record.data), {})
    size = rows.get("train", found.outcome.sizes[-1])
    of_all = f" of {found.training_rows:,}" if size < found.outcome.rows else ""
    lines = [
        *_asked(found),
        f"Rests on: {size:,}{of_all} training rows, {_seeds(now.seeds)}, compared on "
        f"{counted(rows.get('test', 0), 'row')} that no run was trained or stopped on.",
        *certainty(found),
        *as_good(found),
        *_floor(found),
    ]
    if now.degenerate:
        return lines
    if found.final is None:
        lines.append(
            f"Test rows: not scored, as {found.unscored}; the scores above chose the strategy and flatter it."
        )
    else:
        lines.append(
            f"Test rows: {scored_on_test_rows(found)} on {counted(found.test_rows, 'row')} that no choice "
            f"has seen ({_seeds(found.final.seeds)}, trained on all training rows)."
        )
    if found.weak:
        lines.append(f"Weak on: {'; '.join(map(_weakness, found.weak))}.")
    if found.confused:
        lines.append(_confusion(found))
    lines.append(
        f"Cost to train: {duration(now.seconds[found.choice])} for a model on {counted(size, 'row')} here, from "
        "cold."
    )
    lines.append(_cost_to_use(found))
    if found.growth.gain is None:
        lines.append(f"More data: not known what it would bring: {found.growth.why_not}.")
    else:
        rows = found.growth.rows
        lines.append(
            f"More data: {2 * rows:,} training rows instead of {rows:,} would add about "
            f"{100 * found.growth.gain:.1f} points ({100 * found.growth.low:.1f} to "
            f"{100 * found.growth.high:.1f}), if the curve goes on as it did."
        )
    return [*lines, f"More time: {_more_time(found)}."]


def _more_time(found: Findings) -> str:
    """What a larger budget would bring."""
    if found.outcome.stopped:
        return f"{found.outcome.stopped}; a larger --budget would go on from here"
    if found.unjudged:
        return f"a larger --budget would compare {listed(found.unjudged)} to the end, too"
    return "all rows were used, so a larger --budget brings nothing; more rows or another encoder may"


def _asked(found: Findings) -> list[str]:
    """The question in the user's words."""
    record = next((record for record in found.round.records if record.data and record.machine), None)
    if record is None or record.data is None or record.machine is None:
        return []
    labels = len(record.data.labels)
    kind = KINDS.get(record.adapter, ("class", "classes"))
    kinds = f", {counted(labels, *kind)}" if labels and record.adapter != "regression" else ""
    where = "this CPU" if record.machine.device == "cpu" else record.machine.device
    return [
        f"Asked: {counted(found.training_rows, 'training row')}{kinds}, {where}, {written(found.budget)} to find "
        "out."
    ]


def _cost_to_use(found: Findings) -> str:
    """What answers cost once the model is trained."""
    record = found.serving
    if record is None or record.serving is None:
        return f"Cost to use: not measured, as {found.unscored}."
    used = record.serving.merged or record.serving.plain
    merged = ", its updates merged into the weights" if record.serving.merged else ""
    shared = (
        f"; tasks share one pass of the encoder, and each more takes {1000 * record.serving.head:.2f} ms"
        if record.serving.head is not None
        else ""
    )
    return (
        f"Cost to use: {1000 * used.p50:.1f} ms for one text at a time (95% within {1000 * used.p95:.1f} ms), and "
        f"{used.best:,.0f} texts a second {used.batch} at once{merged}; {_megabytes(record.parameters)} MB in all, "
        f"of which one more task adds {_megabytes(record.trainable)} MB{shared}."
    )


def _megabytes(values: int) -> str:
    """Of fp32 values, as they are stored."""
    size = 4 * values / 1e6
    return f"{size:.0f}" if size >= 10 else f"{size:.2g}"


def _floor(found: Findings) -> list[str]:
    """What the encoder brings at all."""
    key = (
        next((key for key in found.floor.gains if key.strategy == found.choice), None)
        if found.floor
        else None
    )
    return [found.floor.sentence(key, found.choice)] if found.floor and key else []


def _weakness(weak: Weakness) -> str:
    instead = f", mostly taken for '{clipped(weak.taken_for)}'" if weak.taken_for else ""
    return f"'{clipped(weak.label)}' ({100 * weak.recall:.0f}% of {counted(weak.rows, 'row')} found{instead})"


def _confusion(found: Findings) -> str:
    seeds = found.confused[0].seeds
    pairs = [
        f"'{clipped(pair.label)}' for '{clipped(pair.taken_for)}' in {pair.answers:,} of {pair.of:,}"
        for pair in found.confused
    ]
    tested = found.final is not None or found.serving is not None
    rows = "test rows" if tested else "rows that chose the strategy"
    over = "" if seeds == 1 else f", counted over {seeds} seeds"
    return f"Confuses most: {'; '.join(pairs)} ({rows}{over})."


def tried(found: Findings) -> list[str]:
    """What was and was not tried, and how to do it again."""
    sizes = ", ".join(f"{size:,}" for size in found.outcome.sizes)
    measured = [name for name in found.strategies if name in found.measured]
    missed = [name for name in found.strategies if name not in (*found.measured, *found.failed)]
    untried = [name for name in found.all_strategies if name not in (*found.strategies, *found.unfit)]
    return [
        f"Tried: {listed(measured)} on {found.backbone}, at {sizes} training rows, "
        f"in {found.outcome.seconds:,.0f} s.",
        *(f"Left out: {reason}." for reason in found.unfit.values()),
        *([f"Not reached in the time: {listed(missed)}."] if missed else []),
        *([f"Failed: {_failed(found)}; the logs in the run folder say why."] if found.failed else []),
        *(f"Given up on the way: {name}: {reason}." for name, reason in found.outcome.behind.items()),
        f"Not tried: {listed(untried)}; other encoders (-b); other learning rates.",
        f"Again: {found.command}",
        f"Records and predictions: {found.folder}/",
    ]


def _failed(found: Findings) -> str:
    return listed(f"{name} on {counted(rows, 'row')}" for name, rows in found.failed.items())


def plot(found: Findings, width: int = 72) -> str:
    """Score against seconds in text, a letter a strategy."""
    import plotext

    now = found.round
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(width, 15)
    plotext.xlabel("seconds a model, from cold")
    plotext.ylabel(f"{now.metric}, %")
    names = sorted(now.means, key=lambda name: now.seconds[name])
    letters = [chr(ord("A") + number) for number in range(len(names))]
    for letter, name in zip(letters, names, strict=True):
        plotext.scatter([now.seconds[name]], [100 * now.means[name]], marker=letter)
    text = plotext.uncolorize(plotext.build())
    key = "   ".join(f"{letter} {name}" for letter, name in zip(letters, names, strict=True))
    return f"{text.rstrip()}\n{key}"


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
