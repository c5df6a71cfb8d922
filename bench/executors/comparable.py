"""Which records of a run folder tell how long its cells take where they run now."""

from __future__ import annotations

from bench.executors.contract import Options
from bench.runs.provenance import processor
from bench.runs.record import Record


def comparable(record: Record, options: Options) -> bool:
    """Whether the record is of this machine and of a device that these options use; of a cluster, of any node."""
    if options.executor == "ray":
        return True
    if record.machine is None or record.machine.processor != processor():
        return False
    both = "cpu" in options.devices and len(options.devices) > 1
    return both or (record.machine.device != "cpu") == options.on_gpu
