"""What trained models cost to use, as a table of the page: only what the run measured (`recipe.serving = true`)."""

from __future__ import annotations

from collections.abc import Mapping

from bench.analysis.groups import Group, Key
from bench.analysis.tables.model import Block, Column, Row, Table
from bench.analysis.tables.serving import COLUMNS, TASKS

NOTE = (
    "Medians over seeds, measured after training with all blocks of the encoder. Cold seconds leave this out. "
    "Latency is at batch 1. “merged”: with low-rank updates folded into the weights. "
    f"“{TASKS} tasks”: one text through {TASKS} tasks, which share a pass where no task changes the encoder. "
    "“a task adds” and “size”: the parameters, in fp32."
)


def table(groups: Mapping[Key, Group]) -> Table | None:
    """A block for each task, without columns that are empty everywhere; None where nothing was measured."""
    measured = {key: group for key, group in groups.items() if any(record.serving for record in group.done)}
    if not measured:
        return None
    entries = {
        name: {key: entry(group) for key, group in measured.items()}
        for name, (_, _, entry) in COLUMNS.items()
    }
    shown = [name for name, found in entries.items() if any(e.value is not None for e in found.values())]
    blocks: dict[str, list[Row]] = {}
    for key in measured:
        blocks.setdefault(key.task, []).append(Row(key[1:], tuple(entries[name][key] for name in shown)))
    return Table(
        caption="What a trained model costs to use",
        headings=("strategy", "backbone"),
        columns=tuple(Column(name, *COLUMNS[name][:2]) for name in shown),
        blocks=tuple(Block(task, tuple(rows)) for task, rows in blocks.items()),
        notes=(NOTE,),
        title="task",
    )
