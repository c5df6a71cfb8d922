"""From files to the splits of a task: read, convert, refuse leaks, cut."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError, Splits
from bench.data.splits import content, drop_duplicates, split_by_group, split_stratified
from bench.text import counted
from bench.user_data.adapters import guess_adapter, refuse_judged
from bench.user_data.column_names import header_hint, names_of, resolve
from bench.user_data.columns import QUESTIONS, READ, ROLES, Columns, choose, refuse_short
from bench.user_data.contexts import apart_if_few, divided, joined
from bench.user_data.examples import Converted, Numbered, convert
from bench.user_data.files import Source, gathered, open_sources
from bench.user_data.held_out import (
    left_out,
    refuse_without_groups,
    unknown_labels,
    unlabelled,
    without_labels,
)
from bench.user_data.indicators import Indicators, joined_labels, lacks_all, read_indicators
from bench.user_data.labels import bytes_written
from bench.user_data.leaks import plain, without_leaks
from bench.user_data.learning import learn, refuse_nested, refuse_other_format, refuse_unnamed
from bench.user_data.rules import ReadingRules
from bench.user_data.scales import numbers_of, other_scale, spelled_alike
from bench.user_data.tables import PEEK, RawTable
from bench.user_data.text_files import ROWS, sample

if TYPE_CHECKING:
    from bench.data.sources import Sources
    from bench.user_data.description import UserData

_SQUAD = {role: role for role in ("question", "context", "answer", "group")}
FIXED = {
    "qa": _SQUAD,
    "unanswerable": _SQUAD,
    "ner": {"tags": "tags"},
}
"""The columns of the formats that fix them."""

INPUTS = ("text", "pair", "words", "sentence", "question", "context")
"""The roles whose columns a held-out file has, too, where it has no labels."""

SALT = "own data"
CUT = {"train": 0.7, "validation": 0.1, "test": 0.2}
DOCUMENTS = 10  # below this many documents or articles of a file, sentences or contexts are cut instead
BY_NUMBER = "labels are named by the numbers of their columns: name them with --label-names"


def read_files(data: UserData, sources: Sources) -> tuple[str, Columns, Splits, list[str]]:
    """The adapter, its columns, the splits, and what was done, in words. BenchError."""
    files, given = open_sources(data, sources), data.columns
    data, files = _with_joined_labels(data, files)
    first = files["train"]
    notes = [f"{first.where}: {note}" for note in first.notes]
    adapter = _adapter(first, data, notes)
    first, columns = _columns(first, adapter, data, notes)
    files["train"] = first
    reading: ReadingRules | None = None
    trained: list[float] = []
    found: dict[str, Converted] = {}
    for split, source in files.items():
        if split != "train":
            source = _like(first, source, columns, _is_named(data, split))
            _refuse_judged(source, adapter, columns, data)
            notes += [f"{source.where}: {note}" for note in source.notes if note not in first.notes]
        rows, count = sample(_items(source, columns))
        if not count:
            raise BenchError(
                f"{source.where} has no rows: give rows below the names of the columns", code="no-rows"
            )
        if count > len(rows):
            notes.append(f"{source.where}: {counted(count, 'row')}; a fixed sample of {ROWS:,} is used")
        if reading is None:
            reading = _learn(_plain(source, adapter, columns, data), rows, source.where, notes)
            trained = numbers_of(reading, rows)
        rules = reading if split == "train" else _with_names(reading, source, data, found["train"])
        if split != "train" and without_labels(rules, rows):
            if _is_named(data, split):
                raise unlabelled(split, source.where, adapter)
            others = [] if data.label_columns else _other_columns(first, source)
            notes.append(left_out(split, source, rules, others, "validation" in found))
            if split == "test" and "validation" in found:
                found["test"] = found.pop("validation")
            continue
        if split != "train":
            notes += _checked(rules, rows, source, data, trained)
        found[split] = convert(rules, rows, split, source.where)
        notes += found[split].said()
    named = first.table and not first.table.with_first_line  # else numbers stay numbers
    chosen = tuple((r, c) for r, c in columns.items() if r != "document") if named else given
    if data.label_columns:  # described by the columns that are in the files
        chosen = tuple((role, column) for role, column in chosen if role != "label")
    if not dict(given).get("group"):  # one that is guessed is guessed again, and never named
        chosen = tuple((role, column) for role, column in chosen if role != "group")
    return adapter, chosen, _cut(found, data, adapter, notes), notes


def _is_named(data: UserData, split: str) -> bool:
    """Whether the user named the file of a held-out split."""
    return bool(data.validation if split == "validation" else data.test)


def _checked(
    rules: ReadingRules, rows: Numbered, source: Source, data: UserData, trained: Sequence[float]
) -> list[str]:
    """What is said of the rows of a held-out file beside those of training. BenchError where they cannot be held
    against what was learnt."""
    refuse_nested(rules, rows, source.where)
    refuse_unnamed(rules, rows, source.where)
    refuse_other_format(rules, rows, source.where)
    if dict(data.columns).get("group"):
        refuse_without_groups(rules, rows, source)
    note = other_scale(rules, trained, numbers_of(rules, rows), source.where)
    return [note] if note else []


def _with_names(reading: ReadingRules, source: Source, data: UserData, train: Converted) -> ReadingRules:
    """The rules with the names that a file itself has for its numbers: files may number the same classes
    differently. The names of the training file hold for a file without."""
    column = reading.columns.get("tags" if reading.adapter == "ner" else "label", "")
    own = source.names.get(column)
    named = column in reading.names or (own and _classes(train.examples) <= set(own))
    if not own or data.label_names or not named:
        return reading
    return replace(reading, names={**reading.names, column: own})


def _with_joined_labels(data: UserData, files: dict[str, Source]) -> tuple[UserData, dict[str, Source]]:
    """Several label columns as one, in every file that has them; a number is that of a column in the files."""
    if not data.label_columns:
        return data, files
    if data.adapter not in ("", "multilabel"):
        raise BenchError(
            f"several --label are for --adapter multilabel, not {data.adapter}: give one",
            code="several-columns",
        )
    first = _table(files["train"])
    trained = read_indicators(first, data.label_columns, data.label_names)
    wanted = data.label_columns if first.with_first_line else trained.columns
    found = {**files, "train": _joined(files["train"], trained, data)}
    for split in files:
        table = _table(files[split])
        if split != "train" and (_is_named(data, split) or not lacks_all(table, wanted)):
            indicators = read_indicators(table, wanted, data.label_names, trained.with_no)
            found[split] = _joined(files[split], indicators, data)
    columns = _beside(first, _table(found["train"]), trained.name, data)
    return replace(data, columns=columns, adapter="multilabel"), found


def _table(source: Source) -> RawTable:
    if source.table is None:
        raise BenchError(
            f"{source.where} has no columns to choose: leave out --label", code="no-columns-to-choose"
        )
    return source.table


def _joined(source: Source, indicators: Indicators, data: UserData) -> Source:
    table = joined_labels(_table(source), indicators)
    notes = (*source.notes, BY_NUMBER) if table.with_first_line and not data.label_names else source.notes
    return replace(source, table=table, items=table.rows, notes=notes)


def _beside(table: RawTable, joined: RawTable, name: str, data: UserData) -> Columns:
    """The columns of all roles in a table whose label columns were joined into one of this name: by number where no
    line names them. BenchError where another role has a label column."""
    found = [(role, resolve(table, column, role)) for role, column in data.columns]
    for role, column in found:
        if column not in joined.columns:
            raise BenchError(
                f"{table.where}: --label and --{role} are both '{column}': name two columns",
                code="same-column",
            )
    found.append(("label", name))
    if table.with_first_line:
        found = [(role, str(joined.columns.index(column) + 1)) for role, column in found]
    return tuple(found)


def _like(first: Source, other: Source, columns: Mapping[str, str], given: bool) -> Source:
    """The other file, with the columns of the training file, matched by position if neither names them. given: the
    user named the file, so no column may be missing. BenchError."""
    if other.kind != first.kind or (other.table is None) != (first.table is None):
        raise BenchError(
            f"{other.where} has another format than {first.where}: give files of one format",
            code="different-formats",
        )
    if first.table is None or other.table is None:
        return other
    if first.table.with_first_line and other.table.with_first_line:
        _check_widths(first.table, other.table, columns, given)
        names = dict(zip(other.table.columns, first.table.columns, strict=False))
        rows = other.table.with_first_line
        refuse_short(other.table, [theirs for theirs, ours in names.items() if ours in columns.values()])
        return replace(other, items=lambda: ({names.get(k, k): v for k, v in row.items()} for row in rows()))
    if bool(first.table.with_first_line) and not set(columns.values()) & set(other.table.columns):
        raise BenchError(
            f"{first.where} has no line that names the columns, and {other.where} seems to have one "
            f"({names_of(other.table.columns)[:80]}): give both files one, or neither",
            code="different-columns",
        )
    optional = ("group", "start", "document")
    missing = [c for role, c in columns.items() if role not in optional and c not in other.table.columns]
    inputs = ("sentence",) if _is_unread(first.table, other.table) else INPUTS
    lower = [*map(str.casefold, other.table.columns), *(columns.get(r, "").casefold() for r in inputs)]
    needed = missing if given else [column for column in missing if column.casefold() in lower]
    if needed:
        raise BenchError(
            f"{other.where} has no column '{needed[0]}', which {first.where} has: it has "
            f"{names_of(other.table.columns)}"
            + ("; no header line? give it the same one" if header_hint(other.table) else "")
            + ("" if given else f"; to leave it out, give {first.where} alone as --data"),
            code="different-columns",
        )
    refuse_short(other.table, columns.values())
    return other


def _other_columns(first: Source, other: Source) -> list[str]:
    """The columns of a held-out file that the training file lacks, where lines name them."""
    if first.table is None or other.table is None:
        return []
    if first.table.with_first_line or _is_unread(first.table, other.table):
        return []
    return [column for column in other.table.columns if column not in first.table.columns]


def _is_unread(first: RawTable, other: RawTable) -> bool:
    """Whether a held-out file is as a tool wrote it, with texts in `data`, because nobody has annotated it yet."""
    return "data" in other.columns and "data" not in first.columns


def _refuse_judged(source: Source, adapter: str, columns: Mapping[str, str], data: UserData) -> None:
    """BenchError where a held-out file alone says which answers are right."""
    if source.table is not None and adapter in QUESTIONS and not data.adapter:
        refuse_judged(source.table, {**dict.fromkeys(ROLES["qa"]), **columns})


def _check_widths(first: RawTable, other: RawTable, columns: Mapping[str, str], given: bool) -> None:
    """BenchError where columns without names are more or fewer than those of the training file: which is which is
    not known. A file that nobody named may end before the label."""
    numbers = [first.columns.index(column) for column in columns.values() if column in first.columns]
    wide, narrow = len(first.columns), len(other.columns)
    if wide != narrow and (given or narrow > max(numbers, default=0)):
        raise BenchError(
            f"no line names the columns, and {first.where} has {wide} of them, {other.where} {narrow}: give both "
            "the same columns, or a line that names them",
            code="different-columns",
        )


def _adapter(source: Source, data: UserData, notes: list[str]) -> str:
    """The adapter that is named, that the format is for, or that the columns make obvious. BenchError."""
    kinds = {"qa": QUESTIONS}.get(source.kind, (source.kind,))
    if source.kind and data.adapter not in ("", *kinds):
        raise BenchError(
            f"{source.where} is a file for adapter {source.kind}, not {data.adapter}", code="wrong-adapter"
        )
    if data.adapter:
        return data.adapter
    if source.table is None:
        layout = "SQuAD's layout" if source.kind == "qa" else "its columns of words and tags"
        adapter = source.kind
        without = sum(not row["answer"] for row in source.items()) if adapter == "qa" else 0
        if without:
            adapter, layout = (
                "unanswerable",
                f"{layout}, where {counted(without, 'question has', 'questions have')} no answer",
            )
        notes.append(f"adapter guessed: {adapter}, by {layout}")
        return adapter
    if data.label_separator:
        notes.append("adapter guessed: multilabel, because --label-separator is given")
        return "multilabel"
    adapter, why = guess_adapter(source.table, dict(data.columns))
    notes.append(f"adapter guessed: {adapter}, {why}")
    return adapter


def _plain(source: Source, adapter: str, columns: Mapping[str, str], data: UserData) -> ReadingRules:
    """The rules for reading rows before anything is learnt from them."""
    names = dict(source.names)
    role = "tags" if adapter == "ner" else "label"
    if data.label_names and role in columns:
        names[columns[role]] = data.label_names
    explicit = bool(data.adapter or dict(data.columns).get("label"))
    return ReadingRules(adapter, columns, names, explicit, separator=data.label_separator)


def _items(source: Source, columns: Mapping[str, str]) -> Iterable[Any]:
    items = source.items()
    return gathered(items, columns, source.where) if source.table and "sentence" in columns else items


def _learn(plain: ReadingRules, rows: Numbered, where: str, notes: list[str]) -> ReadingRules:
    if "sentence" in plain.columns and plain.adapter == "ner":
        notes.append(
            f"{where}: one word a row, gathered into {counted(len(rows), 'sentence')} by "
            f"'{plain.columns['sentence']}'"
        )
    reading = learn(plain, rows, where)
    reading = replace(reading, unknown=unknown_labels(reading, rows))
    texts = [reading.text(row, role) for role in READ if role in plain.columns for _, row in rows[:PEEK]]
    notes += [note for note in (reading.labels.note, *reading.tagging.notes, bytes_written(texts)) if note]
    return reading


def _columns(source: Source, adapter: str, data: UserData, notes: list[str]) -> tuple[Source, dict[str, str]]:
    if source.table is None:
        if data.columns and adapter != "ner":
            raise BenchError(
                f"{source.where} has no columns to choose: leave out --{data.columns[0][0]}",
                code="no-columns-to-choose",
            )
        return source, dict(FIXED[adapter])
    table, chosen, guessed = choose(source.table, adapter, dict(data.columns))
    notes += guessed
    columns = dict(chosen) | ({"document": table.document} if table.document and adapter == "ner" else {})
    return replace(source, table=table, items=table.rows), columns


def _cut(found: dict[str, Converted], data: UserData, adapter: str, notes: list[str]) -> Splits:
    rows = {split: part.examples for split, part in found.items()}
    _refuse_unknown(rows)
    rows = without_leaks(rows, data, notes)
    named = bool(dict(data.columns).get("group"))
    on_contexts = adapter in QUESTIONS
    if on_contexts and not named:
        rows = {split: joined(part) for split, part in rows.items()}
    if "test" in rows and "validation" in rows:
        return Splits(rows["train"], rows["validation"], rows["test"])
    if adapter == "ner" and not named:
        rows["train"] = _enough_documents(rows["train"], notes)
    elif on_contexts and not named:
        rows["train"] = apart_if_few(rows["train"], DOCUMENTS, notes)
    if "test" in rows or "validation" in rows:
        given = "test" if "test" in rows else "validation"
        other = "validation" if given == "test" else "test"
        cut, _ = _divided(rows["train"], {"train": 1 - CUT[other], other: CUT[other]})
        made = {**cut, given: rows[given]}
    else:
        made, how = _divided(rows["train"], CUT)
        notes.append(
            "one file: cut into 70% training, 10% validation and 20% test rows"
            + _cut_details(rows["train"], how)
        )
    if on_contexts and named:
        notes += divided(made["train"], [row for split in made.keys() - rows.keys() for row in made[split]])
    splits = Splits(made["train"], made["validation"], made["test"])
    apart = drop_duplicates(splits)
    gone = len(splits.train) + len(splits.validation) - len(apart.train) - len(apart.validation)
    if gone:
        notes.append(
            f"{counted(gone, 'row')} left out of training: their text is in another group of the held-out rows"
        )
    return apart


def _divided(rows: Sequence[Any], fractions: Mapping[str, float]) -> tuple[dict[str, list[Any]], str]:
    """As `_parts`, with rows that differ in case and blanks alone in one part."""
    found, how = _parts(_with_twins(rows), fractions)
    given = {row.id: row for row in rows}
    return {split: [given[row.id] for row in part] for split, part in found.items()}, how


def _with_twins(rows: Sequence[Any]) -> list[Any]:
    """The rows; those without a group whose texts differ in case and blanks alone get a common one."""
    found = ["" if row.group else plain(row) for row in rows]
    spellings: dict[str, set[str]] = defaultdict(set)
    for row, same in zip(rows, found, strict=True):
        if same:
            spellings[same].add(content(row))
    return [
        replace(row, group=same) if len(spellings[same]) > 1 else row
        for row, same in zip(rows, found, strict=True)
    ]


def _parts(rows: Sequence[Any], fractions: Mapping[str, float]) -> tuple[dict[str, list[Any]], str]:
    """The parts, and how they were cut: by label; where that leaves no validation rows, as with eight rows a label,
    they come out of the training rows of all labels; else without regard to labels. BenchError."""
    cut = split_stratified(rows, fractions, SALT)
    how = "stratified by label"
    if not cut.get("validation", True) and cut["train"]:
        share = fractions["validation"] / (fractions["train"] + fractions["validation"])
        cut |= split_by_group(cut["train"], {"train": 1 - share, "validation": share}, SALT)
        how = "test rows stratified by label"
    if not all(cut.values()):
        cut, how = split_by_group(rows, fractions, SALT), "too few rows to stratify by label"
    empty = next((split for split, part in cut.items() if not part), None)
    if empty:
        different = len(set(map(content, rows)))
        repeated = f", of {counted(different, 'text')} that stay together," if different < len(rows) else ""
        raise BenchError(
            f"{counted(len(rows), 'row')}{repeated} cannot give {empty} rows: give more rows, or more groups",
            code="too-few-rows",
        )
    return cut, how


def _cut_details(rows: Sequence[Any], how: str) -> str:
    kinds = [how] if hasattr(rows[0], "label") else []
    twins = sum(count - 1 for count in Counter(map(plain, rows)).values())
    if any(row.group for row in rows):
        kinds.append("a group stays in one part")
    if twins:
        kinds.append(
            f"{counted(twins, 'repeated row stays with its twin', 'repeated rows stay with their twins')}"
        )
    return f" ({', '.join(kinds)})" if kinds else ""


def _enough_documents(rows: list[Any], notes: list[str]) -> list[Any]:
    documents = {row.group for row in rows}
    if len(documents) >= DOCUMENTS or documents == {""}:
        return rows
    notes.append(
        f"only {counted(len(documents), 'document')}: sentences of one document may be in different parts"
    )
    return [replace(row, group="") for row in rows]


def _refuse_unknown(rows: Mapping[str, Sequence[Any]]) -> None:
    known = _learnt(rows["train"])
    for split in ("validation", "test"):
        strange = sorted(_learnt(rows.get(split, ())) - known)
        if strange:
            raise BenchError(
                f"the {split} file has class '{strange[0]}', which no training row has: "
                + (spelled_alike(strange[0], known) or "add rows of it to training, or remove it"),
                code="untrained-class",
            )


def _learnt(rows: Sequence[Any]) -> set[str]:
    """The classes; of tags their types, since a model that learns one of a type has them all."""
    types = hasattr(rows[0], "tags") if rows else False
    return {name[2:] for name in _classes(rows) if name != "O"} if types else _classes(rows)


def _classes(rows: Iterable[Any]) -> set[str]:
    found: set[str] = set()
    for row in rows:
        found |= (
            {row.label} if hasattr(row, "label") else set(getattr(row, "tags", getattr(row, "labels", ())))
        )
    return found
