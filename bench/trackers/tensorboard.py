"""Cells as TensorBoard event files, a folder a cell: curves by step, scores and seconds as single points, and the
request as text. Written by TensorBoard's own library, which needs neither TensorFlow nor torch."""

# pyright: reportAttributeAccessIssue=false
# (its protocol buffers make their classes at run time)

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from bench.runs.folder import Store
from bench.runs.record import Record
from bench.trackers.contract import curves, metrics, parameters

MARK = "key"  # a file in a cell's folder: the digest of the record that it was written from


class TensorBoard:
    """A log folder as a tracker (bench.trackers.contract.Tracker)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys = {path.read_text() for path in folder.rglob(MARK)}

    def has(self, key: str) -> bool:
        return key in self._keys

    def log(self, record: Record, key: str, store: Store) -> None:
        """Written to a temporary folder and moved into place; it replaces an earlier record's events."""
        target = self._folder / record.cell.id
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".") as name:
            written = Path(name) / "cell"
            _write(record, written)
            (written / MARK).write_text(key)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(written, target)
        self._keys.add(key)


def opened(store: Store) -> TensorBoard:
    """A folder of the run's own."""
    return TensorBoard(store.path / "tensorboard")


def _write(record: Record, folder: Path) -> None:
    writer = EventFileWriter(str(folder))
    began = 0.0
    for name, value in metrics(record).items():
        writer.add_event(_event(began, 0, Summary.Value(tag=name.replace(".", "/"), simple_value=value)))
    for name, points in curves(record).items():
        for step, value in points:
            scalar = Summary.Value(tag=name.replace(".", "/"), simple_value=value)
            writer.add_event(_event(began, step, scalar))
    rows = "\n".join(f"| {name} | {value} |" for name, value in parameters(record).items())
    writer.add_event(_event(began, 0, _text("request", f"| parameter | value |\n|---|---|\n{rows}")))
    writer.close()


def _event(wall_time: float, step: int, value: Summary.Value) -> Event:
    return Event(wall_time=wall_time, step=step, summary=Summary(value=[value]))


def _text(tag: str, markdown: str) -> Summary.Value:
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    tensor = TensorProto(dtype=DT_STRING, string_val=[markdown.encode()])
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
