"""Tables of rows: CSV, TSV, JSON lines, Parquet, a data set in the hub's layout, or a hub name.

A table is read in parts, so a file larger than memory is no problem; values come as they are stored."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError
from bench.user_data.text_files import encoding_of, lines_of, whole_text

if TYPE_CHECKING:
    from bench.data.sources import Sources

CHUNK = 5_000  # rows read at once
PEEK = 1_000  # rows from which columns are guessed
DELIMITERS = (",", ";", "\t", "|")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows with named columns, to be read as often as wanted.

    names: label names by column, where a column holds their numbers. notes: what a reader should be told."""

    where: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterable[Row]]
    names: Mapping[str, Sequence[str]]
    notes: tuple[str, ...] = ()

    def peek(self) -> list[Row]:
        """The first rows."""
        return list(itertools.islice(self.rows(), PEEK))


def read_delimited(path: Path) -> Table:
    """CSV or TSV with a header. The delimiter is a tab in .tsv and .tab, else the one that splits the header
    into most columns. Every value is text: `NA`, `null` and `1.0` stay what they are. BenchError for a
    malformed row."""
    encoding = encoding_of(path)
    header = next(iter(lines_of(path, encoding)), "")
    if not header.strip():
        raise BenchError(f"{path.name} is empty: its first line must name the columns")
    tabbed = path.suffix.lower() in (".tsv", ".tab")
    delimiter = "\t" if tabbed else max(DELIMITERS, key=header.count)
    notes = () if tabbed or delimiter == "," else (f"columns are separated by {delimiter!r}",)
    part = next(iter(_chunks(path, encoding, delimiter)), None)
    columns = tuple(map(str, part.columns)) if part is not None else ()

    def rows() -> Iterator[Row]:
        for chunk in _chunks(path, encoding, delimiter):
            names = list(map(str, chunk.columns))
            for values in zip(*(chunk[name] for name in chunk.columns), strict=True):
                yield dict(zip(names, values, strict=True))

    return Table(path.name, columns, rows, {}, (*notes, *_encoding_note(encoding)))


def _chunks(path: Path, encoding: str, delimiter: str) -> Iterator[Any]:
    import pandas as pd

    options: Any = {
        "sep": delimiter,
        "dtype": str,
        "keep_default_na": False,
        "na_filter": False,
        "index_col": False,
        "encoding": encoding,
        "encoding_errors": "replace" if encoding == "cp1252" else "strict",
        "chunksize": CHUNK,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            with pd.read_csv(path, **options) as chunks:
                yield from chunks
    except (
        ValueError,
        OverflowError,
        pd.errors.ParserWarning,
    ) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")[:150]
        raise BenchError(
            f"{path.name} is not well-formed ({reason}): a text with the separator or a line break needs quotes"
        ) from error


def read_json_lines(path: Path) -> Table:
    """One JSON object a line. Columns are those of the first rows. BenchError names the line that is none."""
    encoding = encoding_of(path)

    def rows() -> Iterator[Row]:
        for number, line in enumerate(lines_of(path, encoding), 1):
            if line.strip():
                yield _object(line, f"{path.name}, line {number}")

    return _of_objects(path.name, rows, _encoding_note(encoding))


def read_json_records(path: Path) -> Table:
    """A JSON list of objects. BenchError where it is none."""
    encoding = encoding_of(path)
    value = parse_json(whole_text(path, encoding), path.name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BenchError(f"{path.name} is neither a list of objects nor SQuAD's layout: give one of them")
    return _of_objects(path.name, lambda: value, _encoding_note(encoding))


def parse_json(text: str, where: str) -> Any:
    """The JSON value; BenchError where the text is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{where} is not valid JSON ({str(error)[:100]})") from error


def _object(line: str, where: str) -> Row:
    value = parse_json(line, where)
    if not isinstance(value, dict):
        raise BenchError(
            f'{where} is not a JSON object: each line must be one, like {{"text": …, "label": …}}'
        )
    return value


def _of_objects(where: str, rows: Callable[[], Iterable[Row]], notes: tuple[str, ...]) -> Table:
    first = list(itertools.islice(rows(), PEEK))
    columns = tuple(dict.fromkeys(key for row in first for key in row))
    return Table(where, columns, rows, {}, notes)


def read_parquet(path: Path) -> Table:
    """A Parquet file; the label names that `datasets` left in it are used. BenchError where it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.ParquetFile(path).schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise BenchError(
            f"{path.name} cannot be read as Parquet ({str(error).splitlines()[0][:100]})"
        ) from error

    def rows() -> Iterator[Row]:
        try:
            for batch in pq.ParquetFile(path).iter_batches(CHUNK):
                yield from batch.to_pylist()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise BenchError(f"{path.name} is damaged ({str(error).splitlines()[0][:100]})") from error

    return Table(path.name, tuple(schema.names), rows, _stored_names(schema.metadata or {}))


def _stored_names(metadata: Mapping[bytes, bytes]) -> dict[str, Sequence[str]]:
    """The class names by column that `datasets` writes into a Parquet file's schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        entries = {name: value.get("feature", value) for name, value in features.items()}
        return {name: value["names"] for name, value in entries.items() if "names" in value}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def hub_tables(path: str, sources: Sources) -> dict[str, Table]:
    """The splits of a hub data set, or of a folder that `datasets` can read, by name. BenchError."""
    from bench.data.hub import local_rows

    folder = Path(path).resolve()
    found = local_rows(folder.parent, folder.name, None) if folder.is_dir() else None
    names: Mapping[str, Sequence[str]] = _folder_names(folder)
    if found is None:
        found = sources.hub(path)
        names = found.names
    return {split: _of_rows(f"{path} ({split})", rows, names) for split, rows in found.items()}


def _of_rows(where: str, rows: Sequence[Row], names: Mapping[str, Sequence[str]]) -> Table:
    return Table(where, tuple(rows[0]) if rows else (), lambda: rows, names)


def _folder_names(folder: Path) -> dict[str, Sequence[str]]:
    """The label names of labels.json beside the folder, for the columns that the hub uses."""
    try:
        names = json.loads((folder.parent / "labels.json").read_text())[folder.name]["names"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {"label": names, "ner_tags": names}


def _encoding_note(encoding: str) -> tuple[str, ...]:
    if encoding == "cp1252":
        return ("the file is not UTF-8: it is read as Windows-1252, the superset of Latin-1",)
    return ("the file is UTF-16",) if encoding == "utf-16" else ()
