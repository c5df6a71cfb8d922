"""Data sets of the Hugging Face hub, or of a folder with the same layout:

<folder>/<data set>/{train,validation,test}.parquet, and optionally labels.json:
{"<data set>": {"names": [label names in the order of their ids]}}
"""

from __future__ import annotations

import json
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPException
from pathlib import Path
from typing import Any

from bench.contracts import BenchError
from bench.data.class_names import stored_names

Rows = list[dict[str, Any]]
SPLITS = ("train", "validation", "test")
ANSWER_SECONDS = 5.0
LABELS = "label"
"""The column of a row's class, in nearly every data set of the hub."""

_WITHOUT = ContextVar("_WITHOUT", default=False)


class SplitRows(dict[str, Rows]):
    """Rows by split; BenchError for an unknown split, naming the known ones."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.names: dict[str, Sequence[str]] = {}  # label names by column, where they are stated

    def __missing__(self, split: str) -> Rows:
        raise BenchError(
            f"'{self.name}' has no split '{split}' (it has: {', '.join(self) or 'none'})", code="no-split"
        )


def local_files(folder: Path, name: str) -> dict[str, Path]:
    """The Parquet files of `<folder>/<name>` by split, as far as they are there. BenchError where there is no such
    folder."""
    if not folder.is_dir():
        raise BenchError(
            f"data.local={folder} is not a folder: give the one that holds {name}/train.parquet",
            code="no-folder",
        )
    more = sorted(path.stem for path in (folder / name).glob("*.parquet"))  # such as `validation_matched`
    files = {split: folder / name / f"{split}.parquet" for split in dict.fromkeys((*SPLITS, *more))}
    return {split: path for split, path in files.items() if path.is_file()}


def local_rows(
    folder: Path, name: str, labels: Sequence[str] | None, column: str = LABELS
) -> SplitRows | None:
    """The splits of `<folder>/<name>` that are there, or None if it has none. BenchError for a damaged file,
    or where the label names of `column`, in a file itself or in labels.json, are not `labels`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = SplitRows(name)
    for split, path in local_files(folder, name).items():
        try:
            table = pq.read_table(path)
            found[split] = table.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise BenchError(
                f"{path} cannot be read as Parquet ({_first_line(error)}): replace it", code="not-parquet"
            ) from error
        _check_names(f"{name}/{path.name}", labels, stored_names(table.schema.metadata or {}).get(column))
    try:
        stated = json.loads((folder / "labels.json").read_text(encoding="utf-8"))[name]["names"]
    except (OSError, ValueError, KeyError, TypeError):
        stated = None
    _check_names(name, labels, stated)
    return found or None


@contextmanager
def without_hub() -> Iterator[None]:
    """In the block `hub_rows` reads what `datasets` has kept, and asks the hub for nothing."""
    before = _WITHOUT.set(True)
    try:
        yield
    finally:
        _WITHOUT.reset(before)


def hub_rows(
    path: str,
    config: str | None,
    revision: str | None,
    labels: Sequence[str] | None,
    column: str = LABELS,
) -> SplitRows:
    """All splits of a hub data set. BenchError within seconds where the hub cannot be reached and
    `datasets` has no copy of its own, or where the label names of `column` are not `labels`."""
    reachable = not _WITHOUT.get() and hub_answers()
    try:
        with _offline(not reachable):
            import datasets

            loaded = datasets.load_dataset(path, config, revision=revision)
    except Exception as error:  # datasets and its HTTP stack raise dozens of types
        reason = _first_line(error) if reachable else f"no answer from {_endpoint()}"
        raise BenchError(
            f"cannot load '{path}' from the Hugging Face hub ({reason}): check the network, give a local "
            f"copy with --set data.local=DIR, or run a task that needs only a package registry (`list tasks`)",
            code="cannot-reach-hub",
        ) from error
    found = SplitRows(path)
    for split, table in loaded.items():
        found.names = _names(table.features)
        _check_names(path, labels, found.names.get(column))
        found[str(split)] = [dict(row) for row in table]
    return found


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co")


def hub_answers() -> bool:
    """Whether the hub answers within a few seconds: its own client would retry for minutes to find out.

    A refusal counts as an answer, a server error does not. A thread bounds the time over all addresses."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return False
    answers: list[bool] = []
    probe = threading.Thread(target=lambda: answers.append(_answers(_endpoint())), daemon=True)
    probe.start()
    probe.join(ANSWER_SECONDS)
    return any(answers)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=ANSWER_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # the hub's client may know other certificates
    except (OSError, ValueError, HTTPException):
        return False


@contextmanager
def _offline(offline: bool) -> Iterator[None]:
    """Make `datasets` read its own cache at once. It reads these settings when they are used."""
    import datasets.config
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if offline:
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


def _names(features: Any) -> dict[str, Sequence[str]]:
    """The names of every column of class labels, be they of rows or of tokens."""
    found = {
        column: getattr(getattr(feature, "feature", feature), "names", None)
        for column, feature in features.items()
    }
    return {column: names for column, names in found.items() if names}


def _check_names(name: str, expected: Sequence[str] | None, stated: Sequence[str] | None) -> None:
    if expected and stated and list(expected) != list(stated):
        raise BenchError(
            f"'{name}' has the labels {list(stated)}, but {list(expected)} were expected in that order",
            code="other-labels",
        )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
