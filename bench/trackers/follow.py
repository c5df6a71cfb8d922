"""A process that copies a run to a tracker while it grows: `python -m bench.trackers.follow RUN TRACKER`.

It looks at the run folder when it starts, at every line on its input, and once more when the input ends. It skips
records that the tracker already has, so it can be stopped and started again at any time."""

from __future__ import annotations

import hashlib
import signal
import sys
import time
from pathlib import Path

from bench.contracts import BenchError
from bench.runs.folder import Store
from bench.trackers.contract import Tracker, tracker

PAUSE = 1.0  # seconds between looks at the folder


class Copy:
    """Copies records from a run to a tracker, each once."""

    def __init__(self, store: Store, to: Tracker) -> None:
        self._store = store
        self._to = to
        self._seen: dict[Path, tuple[int, int]] = {}

    def update(self) -> int:
        """Log every record that the tracker lacks; returns their number."""
        logged = 0
        for path in self._store.record_files():
            stat = path.stat()
            stamp = stat.st_ino, stat.st_mtime_ns
            if self._seen.get(path) == stamp:
                continue
            record = self._store.verified(self._store.cell_of(path))
            key = hashlib.sha256(self._store.read(path)).hexdigest()[:32]
            if record and not self._to.has(key):
                self._to.log(record, key, self._store)
                logged += 1
            self._seen[path] = stamp
        return logged


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the run, which ends our input
    store = Store(Path(sys.argv[1]))
    try:
        copy = Copy(store, tracker(sys.argv[2], store))
        copy.update()
        for _ in sys.stdin:
            time.sleep(PAUSE)
            copy.update()
        copy.update()
    except BenchError as error:
        sys.exit(str(error))
    except Exception as error:  # the tracker's library may raise anything
        sys.exit(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")


if __name__ == "__main__":
    main()
