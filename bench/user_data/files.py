"""Detects the format of a file by its content: rows with named columns, CoNLL columns, or SQuAD's layout.

A file name is only a hint: JSON lines may be called `.json`, a table with tabs `.csv`, CoNLL columns `.txt`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError
from bench.data.squad_layout import is_squad
from bench.user_data import folders, tables
from bench.user_data.annotations import plain_table
from bench.user_data.brat import brat_tables
from bench.user_data.class_folders import class_tables
from bench.user_data.column_names import by_name, is_number, resolve
from bench.user_data.columns import ALIASES, OPTIONAL, QUESTIONS, ROLES, is_single
from bench.user_data.conll_layout import is_divided, looks_tagged, open_conll
from bench.user_data.delimited import read_delimited
from bench.user_data.encodings import Encoding, encoding_of, start_of
from bench.user_data.nested import with_nested
from bench.user_data.paragraphs import holds_paragraphs, paragraph_rows
from bench.user_data.questions import squad_rows
from bench.user_data.quoting import DELIMITERS
from bench.user_data.spacy_json import is_spacy, spacy_table
from bench.user_data.split_column import divided
from bench.user_data.tables import RawTable, read_json, read_json_lines, repeats
from bench.user_data.text_files import lines_of

if TYPE_CHECKING:
    from bench.data.sources import Sources
    from bench.user_data.description import UserData

COLUMNS = (".conll", ".conll2003", ".conllu", ".conllup", ".iob", ".iob2", ".bio", ".bmes")
"""Suffixes of CoNLL files; other files are recognised by their lines."""

JSON = (".json", ".jsonl", ".ndjson")
JSON_START = re.compile(r"""\s*(\[\s*($|[\[{"\]])|\{\s*($|["'}]))""")
"""The start of lists and objects; `[text],[label]` and `[removed],good` are rows of a table."""

DELIMITED = (".csv", ".tsv", ".tab")
LABEL = re.compile(r"(?:^|(?<=[ \t]))__label__(\S+)[ \t]*")
"""A label as fastText has it: a word of its own, at the start or the end of a line."""
CELL = re.compile(r"""\s*"?__label__[^\s,;|"]+"?(?P<before>[ \t]*)(?P<sign>[,;|])""")
"""A label that is the first cell of a table: fastText itself has blanks or tabs after its labels."""

SIGN = re.compile(r"^\s*[,;|](?!\S)")
"""A separator that stands alone at the start of a text."""

MARKED = 20  # lines of which nearly all must have one
LABELLED = 0.8

OTHER_TOOLS = {
    ".ann": "the entities of brat alone: give the folder, with the .txt file beside it",
    ".spacy": 'spaCy\'s DocBin: write a JSON line for each text, {"text": …, "entities": [[start, end, label], …]}',
}
"""Files that hold no rows to read by themselves, by their suffix, and what to do with them."""


@dataclass(frozen=True)
class Source:
    """One file: what is in it. table: its named columns, None where the format fixes them. kind: the adapter that
    the format alone is for."""

    where: str
    items: Callable[[], Iterable[Any]]
    table: RawTable | None = None
    kind: str = ""
    notes: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)


def open_sources(data: UserData, sources: Sources) -> dict[str, Source]:
    """The files of a description by split, training first. BenchError."""
    path = Path(data.data)
    if path.is_file():
        found = {"train": open_file(path, data)}
    elif path.is_dir():
        found = _folder(path, data)
    elif path.is_absolute() or "/" not in data.data:
        hint = "" if path.suffix else " (a data set of the hub is written owner/name)"
        raise BenchError(f"--data {data.data}: there is no such file or folder{hint}", code="no-file")
    else:
        found = _hub(data.data, sources)
    for split, given in (("validation", data.validation), ("test", data.test)):
        if given:
            if not Path(given).is_file():
                raise BenchError(f"--{split} {given}: there is no such file", code="no-file")
            found[split] = open_file(Path(given), data)
    plain: dict[str, Source] = {}
    for split, source in found.items():
        train = plain.get("train")
        plain[split] = _as_plain_table(source, data, train.table.ends if train and train.table else "")
    column = dict(data.columns).get("split")
    return divided(plain, column, _together(plain["train"].table, data)) if column else plain


def _together(table: RawTable | None, data: UserData) -> tuple[str, ...]:
    """The columns that number the sentences of a table with a word a row, and their documents; () where it is
    another table."""
    given = dict(data.columns)
    if data.adapter == "ner":
        given = {ALIASES["ner"].get(role, role): column for role, column in given.items()}
    if table is None or data.adapter not in ("", "ner") or given.keys() & {"text", "label"}:
        return ()
    words, tags = (
        given.get(role) or by_name(table.columns, ROLES["ner"][role]) for role in ("words", "tags")
    )
    if not words or not tags:
        return ()
    named = given.get("sentence") or by_name(
        [column for column in table.columns if column not in (words, tags)], OPTIONAL["ner"]["sentence"]
    )
    if not named or not is_single(table, resolve(table, words, "words")):
        return ()
    groups = [resolve(table, given["group"], "group")] if "group" in given else []
    return (resolve(table, named, "sentence"), *groups)


def _as_plain_table(source: Source, data: UserData, ends: str) -> Source:
    """The source with what an annotation tool wrote as a plain table. ends: those of spans in the training file."""
    opened = source.table
    if opened is None:
        return source
    if holds_paragraphs(opened) and data.adapter in ("", *QUESTIONS):
        return replace(source, table=None, items=lambda: paragraph_rows(opened), kind="qa")
    given = [*dict(data.columns).values(), *data.label_columns]
    table = with_nested(_with_header(replace(opened, ends=ends), given), given)
    adapter = data.adapter or ("multilabel" if data.label_columns else "")
    table = plain_table(table, dict(data.columns), adapter)
    added = table.notes[len(opened.notes) :]
    return replace(source, table=table, items=table.rows, notes=(*source.notes, *added))


def _with_header(table: RawTable, given: Sequence[str]) -> RawTable:
    """The table; where the user names columns as the first line does, that line is no row, nor is one like it."""
    named = any(column in table.columns and not is_number(table, column) for column in given)
    if not named or table.with_first_line is None:
        return table
    return replace(table, with_first_line=None, notes=(*table.notes, *repeats(table)))


def _hub(name: str, sources: Sources) -> dict[str, Source]:
    parts = folders.hub_tables(name, sources)
    if "train" not in parts:
        raise BenchError(
            f"{name} has no split 'train' (it has: {', '.join(parts) or 'none'})", code="no-train-split"
        )
    order = [split for split in ("train", "validation", "test") if split in parts]
    found = {split: _of_table(parts[split]) for split in order}
    note = "no such file or folder is here: read from the hub"
    return {**found, "train": replace(found["train"], notes=(note, *found["train"].notes))}


def _folder(path: Path, data: UserData) -> dict[str, Source]:
    path = folders.inner(path)
    classes = brat_tables(path, data.encoding) or class_tables(path, data.encoding)
    if classes:
        return {split: _of_table(table) for split, table in classes.items()}
    names = folders.folder_names(path)
    found: dict[str, Source] = {}
    for split, files in folders.split_files(path).items():
        shards = [open_file(file, data) for file in files]
        parts = [shard.table for shard in shards if shard.table]
        if len(shards) > 1 and len(parts) < len(shards):
            raise BenchError(f"{path}: give {split} as one file", code="different-shards")
        source = _of_table(folders.joined(parts)) if len(parts) > 1 else shards[0]
        found[split] = replace(source, names={**source.names, **names})
    unread = folders.unread_files(path)
    if unread:
        note = f"files of the folder that are not read: {', '.join(unread[:8])}"
        found["train"] = replace(found["train"], notes=(*found["train"].notes, note))
    return found


def open_file(path: Path, data: UserData) -> Source:
    """A file, opened by what it holds. BenchError if the format is unknown."""
    start = start_of(path)
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if start.startswith(b"PAR1") or suffix == ".parquet":
        return _of_table(folders.read_parquet(path))
    if suffix in OTHER_TOOLS:
        raise BenchError(f"{path.name} is {OTHER_TOOLS[suffix]}", code="not-rows")
    encoding = encoding_of(path, data.encoding)
    lines = list(itertools.islice((line for line in lines_of(path, encoding) if line.strip()), MARKED))
    if not lines and suffix not in (*COLUMNS, *DELIMITED):  # those say what the first line must hold
        raise BenchError(f"{path.name} is empty: give a file with rows", code="empty-file")
    first = lines[0] if lines else ""
    if _are_labelled(lines) and first.strip()[:1] not in ("{", "["):
        return _of_table(_labelled_lines(path, encoding, _are_followed(lines)))
    if suffix in JSON or (JSON_START.match(first) and suffix not in COLUMNS):
        return _json(path, encoding, suffix)
    given = dict(data.columns)
    texts = data.adapter not in ("", "ner") and any(delimiter in first for delimiter in DELIMITERS)
    if (
        suffix in COLUMNS
        or (not texts and looks_tagged(path, encoding, given.values()))
        or (data.adapter == "ner" and "sentence" not in given and is_divided(path, encoding))
    ):
        return _columns(path, encoding, data)
    if suffix in DELIMITED or any(delimiter in first for delimiter in DELIMITERS):
        return _of_table(read_delimited(path, encoding))
    if data.adapter == "ner":
        return _columns(path, encoding, data)
    raise BenchError(
        f"{path.name} has no columns that are recognised: give CSV or TSV with a header, JSON or JSON lines, "
        "Parquet, SQuAD's JSON, or CoNLL columns with a blank line after each sentence",
        code="unknown-format",
    )


def _are_labelled(lines: list[str]) -> bool:
    """Whether nearly all lines have a label as fastText has it, and not as a cell of a table; a line without says
    that none fits."""
    labelled = [line for line in lines if LABEL.search(line)]
    cells = _are_followed(lines) and not _are_signs(lines)
    return bool(lines) and len(labelled) >= LABELLED * len(lines) and not cells


def _are_followed(lines: Sequence[str]) -> bool:
    """Whether separators follow most of the labels that lines have."""
    labelled = [line for line in lines if LABEL.search(line)]
    return sum(bool(CELL.match(line)) for line in labelled) > len(labelled) / 2


def _are_signs(lines: Sequence[str]) -> bool:
    """Whether the separators after labels are signs of the texts: a blank stands before each, as the scripts of
    fastText write every comma, lines have different numbers of them, and the first one names no columns."""
    found = [(cell, line) for line in lines if (cell := CELL.match(line))]
    apart = all(cell["before"] and '"' not in line for cell, line in found)
    counts = {(cell["sign"], line.count(cell["sign"])) for cell, line in found}
    return apart and len(counts) > 1 and bool(LABEL.search(lines[0]))


def _labelled_lines(path: Path, encoding: Encoding, signs: bool) -> RawTable:
    """Lines of fastText: the text, and labels, each with its mark. signs: one stands between label and text."""

    def rows() -> Iterator[tables.RawRow]:
        for line in lines_of(path, encoding):
            labels, text = LABEL.findall(line), LABEL.sub("", line)
            if line.strip():
                text = SIGN.sub("", text) if signs else text
                yield {"text": text, "label": labels[0] if len(labels) == 1 else labels}

    notes = (
        "lines hold their labels, as fastText has them",
        *(["the sign between a label and its text is left out"] if signs else []),
        *([encoding.note] if encoding.note else []),
    )
    return RawTable(path.name, ("text", "label"), rows, notes=notes)


def _json(path: Path, encoding: Encoding, suffix: str) -> Source:
    if tables.is_json_lines(path, encoding):
        return _of_table(read_json_lines(path, encoding))
    try:
        value, table = read_json(path, encoding)
    except BenchError:
        if suffix in (".jsonl", ".ndjson"):
            return _of_table(read_json_lines(path, encoding))
        raise
    if is_spacy(value):
        return _of_table(spacy_table(value, path.name, (encoding.note,) if encoding.note else ()))
    if is_squad(value):
        return Source(path.name, lambda: squad_rows(value, path.name), kind="qa")
    if table is None and suffix in (".jsonl", ".ndjson"):
        return _of_table(read_json_lines(path, encoding))
    if table is None:
        keys = ", ".join(f"'{key}'" for key in list(value)[:5]) if isinstance(value, dict) else ""
        raise BenchError(
            f"{path.name} is neither a list of objects nor SQuAD's layout{keys and f' (its keys are {keys})'}: "
            "give one of them, a file for each split",
            code="not-records",
        )
    return _of_table(table)


def _columns(path: Path, encoding: Encoding, data: UserData) -> Source:
    given = {{"text": "words", "label": "tags"}.get(role, role): column for role, column in data.columns}
    other = next((role for role in given if role not in ("words", "tags")), None)
    if other:
        raise BenchError(
            f"{path.name} has words and tags only: leave out --{other}", code="no-columns-to-choose"
        )
    columns, notes, _ = open_conll(path, encoding, given)
    return Source(path.name, columns.sentences, kind="ner", notes=tuple(notes))


def _of_table(table: RawTable) -> Source:
    return Source(table.where, table.rows, table, notes=table.notes, names=table.names)


def gathered(
    rows: Iterable[tables.RawRow], columns: Mapping[str, str], where: str
) -> Iterator[tables.RawRow]:
    """Rows of one word each as rows of one sentence each: consecutive rows with one value of `sentence`, or with
    none below it, belong together. BenchError where a sentence's rows are apart."""
    words, tags, sentence, group = (columns.get(role, "") for role in ("words", "tags", "sentence", "group"))
    seen: set[Any] = set()
    key: Any = None
    held: dict[str, Any] = {}
    for row in rows:
        number = row.get(sentence)
        if number not in (None, "") and (row.get(group), number) != key:
            if held:
                yield held
            key = row.get(group), number
            if key in seen:
                raise BenchError(
                    f"{where}: the rows of sentence '{number}' are apart: sort the rows by '{sentence}', or name "
                    "the column of the document with --group where sentences are numbered anew in each",
                    code="scattered-sentence",
                )
            seen.add(key)
            held = {words: [], tags: [], group: row.get(group)}
        if held:
            held[words].append(row.get(words))
            held[tags].append(row.get(tags))
    if held:
        yield held
