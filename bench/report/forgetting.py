"""How far training moved the encoders, where the run measured it (`recipe.forgetting = true`): a chart by layer,
and a table with the loss of the checkpoint's own language-modelling head."""

from __future__ import annotations

from collections.abc import Mapping

from bench.analysis.groups import Group, Key
from bench.analysis.tables.forgetting import COLUMNS, by_layer
from bench.analysis.tables.model import Block, Column, Row, Table
from bench.report.curves import colour_of_lines, dash_of_lines
from bench.report.encodings import shown
from bench.report.reading import Reading
from bench.report.vega import Chart, Spec, chart

EMBEDDINGS = "emb."
NOTE = (
    "Means over seeds. CKA: linear centred kernel alignment of an encoder's output before and after training, on "
    "48 sentences that belong to no task; 1 is unchanged, up to rotation and scale. LM loss: of the "
    "language-modelling head that the checkpoint was pretrained with, on the trained encoder, in nats a token of "
    "the same sentences; the rise is what training added. Cold seconds leave all of this out."
)


def by_layers(reading: Reading, task: str) -> Chart | None:
    """The similarity of every layer with the given one, a line a strategy; None where it was not measured."""
    groups = [group for group in reading.of_task(task) if by_layer(group)]
    if not groups:
        return None
    values = [
        {
            "strategy": group.key.strategy,
            "name": reading.label(group.key),
            "layer": str(number) if number else EMBEDDINGS,
            "cka": round(value, 4),
        }
        for group in groups
        for number, value in enumerate(by_layer(group))
    ]
    names = sorted(
        {value["layer"] for value in values}, key=lambda name: 0 if name == EMBEDDINGS else int(name)
    )
    low = min(value["cka"] for value in values)
    scale = {"domain": [max(0.0, round(low - 0.05, 2)), 1.0], "nice": False, "zero": False}
    colours = colour_of_lines(reading, groups)
    content: Spec = {
        "data": {"values": values},
        "encoding": {
            "x": {
                "field": "layer",
                "type": "ordinal",
                "title": "layer",
                "sort": names,
                "axis": {"labelAngle": 0, "grid": False},
            },
            "y": {
                "field": "cka",
                "type": "quantitative",
                "title": "CKA with the given encoder",
                "scale": scale,
            },
            "color": colours,
        },
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2.2},
                "encoding": {"strokeDash": dash_of_lines(reading, groups)},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1},
                "encoding": {
                    "tooltip": [shown("name", "strategy"), shown("layer", "layer"), shown("cka", "CKA")],
                },
            },
        ],
    }
    text = "Similarity of each layer's output with that of the given encoder, embeddings first. Means over seeds."
    return chart(task, text, 310, content)


def table(groups: Mapping[Key, Group]) -> Table | None:
    """A block for each task, without columns that are empty everywhere; None where nothing was measured."""
    measured = {
        key: group
        for key, group in groups.items()
        if any(record.forgetting or record.language_loss for record in group.done)
    }
    entries = {
        name: {key: entry(group) for key, group in measured.items()} for name, (*_, entry) in COLUMNS.items()
    }
    present = [
        name for name, found in entries.items() if any(e.value is not None or e.note for e in found.values())
    ]
    blocks: dict[str, list[Row]] = {}
    for key in measured:
        blocks.setdefault(key.task, []).append(Row(key[1:], tuple(entries[name][key] for name in present)))
    if not present:
        return None
    return Table(
        caption="How far training moved the encoder",
        headings=("strategy", "backbone"),
        columns=tuple(Column(name, *COLUMNS[name][:2]) for name in present),
        blocks=tuple(Block(task, tuple(rows)) for task, rows in blocks.items()),
        notes=(NOTE,),
        title="task",
    )
