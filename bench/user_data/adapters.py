"""Chooses the adapter for rows: by the columns that the user names, else by obvious names and contents."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence, Set
from typing import Any

from bench.contracts import BenchError
from bench.data.squad_layout import STARTS
from bench.user_data.column_names import by_name, header_hint, names_of, resolve
from bench.user_data.columns import OPTIONAL, ROLES, is_single, refuse_divided
from bench.user_data.conll import PLACED
from bench.user_data.labels import DISTINCT, as_number
from bench.user_data.literals import SHORTENED, words_of
from bench.user_data.nested import keys
from bench.user_data.number_format import PLURAL, list_of_flags, list_of_ids, number_format, plain_number
from bench.user_data.questions import answers_of
from bench.user_data.tables import MISSING, RawTable
from bench.user_data.values import as_text, listed, listed_words, written_labels, written_list

CODES = 10  # different numbers with fractions above which they are no codes of classes
WHOLE = 0.99  # step from which numbers are no scale with fractions
ROUNDED = 0.02  # by which steps of means may differ, such as 0.33 and 0.34
JUDGED = (
    *("label", "labels", "correct", "is_correct", "gold", "gold_label", "target", "relevance", "relevant"),
    *("is_answer", "isanswer", "is_right", "is_true", "answer_label", "correct_answer", "correct_option"),
    *("answer_index", "answer_idx", "judgment"),
)
"""Columns beside answers that say whether they are right, or the number of the right one."""

JUDGEMENTS = {
    *("0", "1", "0.0", "1.0", "-1", "true", "false", "t", "f", "yes", "no", "y", "n"),
    *("right", "wrong", "correct", "incorrect", "positive", "negative"),
}
"""What they hold, in lower case, where they hold no number of an answer."""


def guess_adapter(table: RawTable, given: Mapping[str, str]) -> tuple[str, str]:
    """The adapter whose columns were named or are there by name, questions and words before texts, and why.
    BenchError where there is none."""
    for adapter in ("qa", "ner", "classification"):
        if ROLES[adapter].keys() <= given.keys():
            named = " and ".join(f"--{role}" for role in given if role in ROLES[adapter])
            return _checked(adapter, table, given, f"as {named} say")
    names = {column.lower() for column in table.columns}
    holds_words = "text" in given and isinstance(next(iter(table.peek()), {}).get(given["text"]), list)
    untagged: Mapping[str, str | None] = {}
    for adapter in ("qa", "ner", "classification"):
        named = {"words": given["text"], **given} if adapter == "ner" and holds_words else given
        chosen = {
            role: named.get(role) or by_name(table.columns, ROLES[adapter][role]) for role in ROLES[adapter]
        }
        needed = [role for role in ROLES[adapter] if role not in ("words", "text")]
        if adapter == "ner" and table.tagged:
            return adapter, f"by the {_noun(adapter, dict(zip(ROLES[adapter], table.tagged, strict=True)))}"
        if not all(given.get(role) or names & set(ROLES[adapter][role]) for role in needed):
            continue
        if adapter == "ner" and not _are_tagged(table, chosen, "sentence" in given):
            untagged = chosen
            continue
        return _checked(adapter, table, given, f"by the {_noun(adapter, chosen)}")
    words, tags = untagged.get("words"), untagged.get("tags")
    if words and tags:
        if several := _labels_of_texts(table, given, words, tags):
            return "multilabel", f"by the column '{tags}', which holds lists of labels ({several})"
        if is_single(table, words):
            refuse_divided(table)
        raise _not_tagged(table, words, tags)
    for adapter in ("regression", "multilabel"):
        label = given.get("label") or by_name(table.columns, ROLES[adapter]["label"])
        found = label and _checked(
            "classification", table, {**given, "label": label}, f"by the column '{label}'", "label" in given
        )
        if found and found[0] == adapter:
            return found
    where = "; two columns have one name" if table.repeated else ""
    flags = _indicators(table)
    if len(flags) > 1:
        where += f"; columns of 0 and 1 ({', '.join(flags[:5])}) may be labels: name each with --label"
    if len(table.columns) == 1 and isinstance(next(iter(table.peek()), {}).get(table.columns[0], ""), str):
        where += " alone; columns are separated by commas, semicolons, tabs or '|'"
    nested = _nested(table)
    if nested:
        where += f"; {names_of(nested)} {'hold' if len(nested) > 1 else 'holds'} objects: "
        inside = [path for column in nested for path in keys(table.peek(), column)]
        where += (
            f"name a value in them by its path ({', '.join(inside[:8])})"
            if inside
            else "write a row for each text or question, in columns of their own"
        )
    raise BenchError(
        f"{table.where} has the columns {names_of(table.columns)}{where}: choose with --adapter "
        "(classification, sentiment, regression, multilabel, ner, qa or unanswerable) and which columns to use, "
        "such as "
        "--text and --label"
        f"{header_hint(table)}",
        code="unclear-adapter",
    )


def _indicators(table: RawTable) -> list[str]:
    """The columns that hold 0 and 1 alone."""
    rows = table.peek()
    values = {column: {as_text(row.get(column)).lower() for row in rows} for column in table.columns}
    pairs = ({"0", "1"}, {"0.0", "1.0"}, {"true", "false"})
    return [column for column, found in values.items() if found in pairs]


def _nested(table: RawTable) -> list[str]:
    """The columns that hold objects, or lists of them."""

    def is_nested(value: Any) -> bool:
        items = value if isinstance(value, (list, tuple)) else (value,)
        return any(isinstance(item, Mapping) for item in items)

    return [column for column in table.columns if any(is_nested(row.get(column)) for row in table.peek())]


def _noun(adapter: str, chosen: Mapping[str, str | None]) -> str:
    return "columns " + ", ".join(f"'{column}'" for column in chosen.values() if column)


def _checked(
    adapter: str, table: RawTable, given: Mapping[str, str], why: str, explicit: bool | None = None
) -> tuple[str, str]:
    """The adapter, told apart by content: ner where texts are lists too, multilabel where labels are lists,
    regression where they are numbers with fractions, sentiment where they are polarities."""
    explicit = "label" in given if explicit is None else explicit
    if adapter == "qa":
        roles = {
            role: given.get(role) or by_name(table.columns, names) for role, names in ROLES["qa"].items()
        }
        column = roles["answer"]
        refuse_judged(table, {**given, **roles})
        without = any(_is_empty(row.get(column or "")) for row in table.peek())
        if without:
            return "unanswerable", f"{why}, and '{column}' holds empty lists of answers"
    if adapter != "classification":
        return adapter, why
    label = resolve(
        table, given.get("label") or by_name(table.columns, ROLES[adapter]["label"]) or "", "label"
    )
    if {"text", "label"} <= given.keys():
        roles = {"words": resolve(table, given["text"], "text"), "tags": label}
        if _are_lists(table, roles["tags"]) and _are_tagged(table, roles):
            return "ner", f"{why}, and both hold lists"
    several = _several(table, label)
    if several:
        return "multilabel", f"{why}, and '{label}' holds lists of labels ({several})"
    _refuse_ids(table, label)
    _refuse_flags(table, label)
    numbers = _fractions(table, label, explicit=explicit)
    if numbers:
        return (
            "regression",
            f"{why}, and '{label}' holds numbers with fractions ({numbers}); for classes say --adapter "
            f"classification, "
            "for negative and positive --adapter sentiment",
        )
    texts = {value.strip() for row in table.peek() if isinstance(value := row.get(label), str)}
    _refuse_tags(table, label, texts - {""})
    polar = texts <= {"negative", "neutral", "positive", ""} and texts >= {"negative", "positive"}
    return ("sentiment" if polar else "classification"), why


def refuse_judged(table: RawTable, read: Mapping[str, str | None]) -> None:
    """BenchError where a column that is not read says of each answer whether it is right, or of several which one.
    read: columns by role. Other numbers are judgements only where rows share a question, or hold lists of answers;
    where places are given, answers are parts of their contexts."""
    rows = [row for row in table.peek() if as_text(row.get(read["answer"] or "")) not in ("", "[]")]
    asked = {tuple(as_text(row.get(read[role] or "")) for role in ("question", "context")) for row in rows}
    several = any(len(written_list(row.get(read["answer"] or "")) or ()) > 1 for row in rows)
    shared = several or len(asked) < len(rows) / 2
    placed = bool(read.get("start") or by_name(table.columns, STARTS))
    for column in table.columns:
        if column in read.values() or column.lower() not in JUDGED:
            continue
        values = {as_text(row.get(column)).lower() for row in rows} - {""}
        says = values <= JUDGEMENTS if not shared else all(v in JUDGEMENTS or v.isdecimal() for v in values)
        if len(values) > 1 and says and (shared or not placed):
            raise BenchError(
                f"{table.where}: '{column}' ({', '.join(sorted(values)[:4])}) seems to say which answers are "
                "right: keep the rows that are; or use --adapter classification, the answer as --text, the "
                "question as --pair; if all are right say --adapter qa",
                code="judged-answers",
            )


def _refuse_ids(table: RawTable, label: str) -> None:
    """BenchError where labels are lists of ids, such as `2,27`, which are no numbers with decimal commas."""
    if table.delimiter == ";" and label.lower() not in PLURAL:  # programs write decimal commas there
        return
    several = list_of_ids([as_text(row.get(label)) for row in table.peek()], label)
    if several:
        raise BenchError(
            f"{table.where}: '{label}' holds cells such as '{several[:30]}': for several labels a text say "
            "--label-separator ','; for numbers with decimal commas say --adapter regression",
            code="unclear-numbers",
        )


def _refuse_flags(table: RawTable, label: str) -> None:
    """BenchError where labels are texts of a 0 or 1 for each label, such as `0,1,0`."""
    flags, sign = list_of_flags(as_text(row.get(label)) for row in table.peek())
    if flags:
        raise BenchError(
            f"{table.where}: '{label}' holds cells such as '{flags[:30]}', a 0 or 1 for each label: say "
            f"--label-separator '{sign}', and name all in their order, such as --label-names food,price; if each "
            "cell is a class say --adapter classification",
            code="indicators-without-names",
        )


def _refuse_tags(table: RawTable, label: str, values: Set[str]) -> None:
    """BenchError where labels are tags of words: a row of a table is then a word, and no text of its own."""
    placed = {value for value in values if PLACED.fullmatch(value)}
    if placed and values - placed == {"O"}:
        raise BenchError(
            f"{table.where}: '{label}' holds tags of words (O, {', '.join(sorted(placed)[:2])}), a word a row: "
            "name the column that numbers the sentences with --sentence; where blank lines divide them, separate "
            "words and tags by tabs; if they label texts, say --adapter classification",
            code="one-word-sentences",
        )


def _is_empty(value: Any) -> bool:
    """Whether a cell says that there is no answer: an empty list, as a value or written out; not a missing cell."""
    written = isinstance(value, str) and value.lstrip()[:1] in ("[", "{")
    return (written or isinstance(value, (list, Mapping))) and answers_of(value, None) == []


def _several(table: RawTable, column: str) -> str:
    """A list of several labels in the column, in words; '' where no row has one."""
    for row in table.peek():
        found = written_labels(row.get(column))
        if found is not None and len(found) > 1 and not any(isinstance(item, Mapping) for item in found):
            return ", ".join(map(str, found))[:60]
    return ""


def _fractions(table: RawTable, column: str, explicit: bool) -> str:
    """Some of the column's numbers with fractions, where all are numbers; '' where none has one, and where the user
    named the column and they may be codes of classes."""
    cells = [row.get(column) for row in table.peek()]
    texts = [text for cell in cells if (text := as_text(cell)) and text.casefold() not in MISSING]
    written = number_format([cell for cell in cells if isinstance(cell, str)])
    often = sum("," in text for text in texts) > len(texts) / 2
    if written == "points" or (written == "comma" and (often or table.delimiter != ",")):
        texts = [plain_number(text, written) for text in texts]
    numbers = {text: number for text in texts if (number := as_number(text)) is not None}
    if len(numbers) < len(set(texts)):
        return ""
    codes = explicit and len(numbers) <= DISTINCT * len(texts) and _are_codes(sorted(set(numbers.values())))
    return "" if codes else ", ".join([text for text, number in numbers.items() if number % 1][:3])


def _are_codes(numbers: Sequence[float]) -> bool:
    """Whether different numbers in their order may be codes of classes: few, and no scale in equal steps, of which
    some may be missing."""
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    scale = len(steps) > 1 and min(steps) < WHOLE and max(steps) <= 2 * min(steps) + ROUNDED
    return len(numbers) <= CODES and not scale


def _are_lists(table: RawTable, column: str) -> bool:
    return all(len(listed(row.get(column)) or ()) > 0 for row in table.peek()) and any(
        len(listed(row.get(column)) or ()) > 1 for row in table.peek()
    )


def _are_tagged(table: RawTable, chosen: Mapping[str, str | None], numbered: bool = False) -> bool:
    """Whether nearly all rows have as many tags as words: lists, texts of which most have several words, or words
    beside a column that numbers the sentences. numbered: the user names that column."""
    words, tags = chosen.get("words"), chosen.get("tags")
    if not words or not tags:
        return False
    rows = [row for row in table.peek() if row.get(tags) is not None]
    sizes = [_sizes(row.get(words), row.get(tags)) for row in rows]
    fit = sum(a == b for a, b in sizes) >= 0.8 * len(rows)
    several = sum(a > 1 for a, _ in sizes)
    lists = sum(written_list(row.get(words)) is not None for row in rows) > len(rows) / 2
    others = [column for column in table.columns if column not in (words, tags)]
    numbered = numbered or bool(by_name(others, OPTIONAL["ner"]["sentence"]))
    return bool(rows) and fit and (numbered or several > (0 if lists else len(rows) / 2))


def _sizes(words: Any, tags: Any) -> tuple[int, int]:
    """How many words and tags two cells hold."""
    count = len(listed(tags) or ())
    return len(listed_words(words, count) or ()), count


def _labels_of_texts(table: RawTable, given: Mapping[str, str], words: str, tags: str) -> str:
    """A list of several labels in a column that is named like tags, in words: beside texts lists that are far
    shorter, with no label twice and no tag of a word. '' for any other columns."""
    named = words.lower() in ROLES["multilabel"]["text"] and tags.lower() in ROLES["multilabel"]["label"]
    rows = [row for row in table.peek() if row.get(tags) is not None]
    texts = [text for row in rows if isinstance(text := row.get(words), str) and written_list(text) is None]
    lists = [written_list(row.get(tags)) for row in rows]
    if not named or given.keys() & {"words", "tags", "sentence"} or None in lists or len(texts) < len(rows):
        return ""
    found = [[as_text(label) for label in labels or ()] for labels in lists]
    short = sum(2 * len(labels) <= len(words_of(text)) for labels, text in zip(found, texts, strict=True))
    placed = any(label == "O" or PLACED.fullmatch(label) for labels in found for label in labels)
    twice = any(len(set(labels)) < len(labels) for labels in found)
    return "" if placed or twice or short <= len(rows) / 2 else _several(table, tags)


def _not_tagged(table: RawTable, words: str, tags: str) -> BenchError:
    """Why columns that are named like words and tags hold none."""
    rows = table.peek()
    sizes = [_sizes(row.get(words), row.get(tags)) for row in rows]
    values = [value for row in rows for value in (row.get(words), row.get(tags))]
    if any(isinstance(value, str) and "[" in value and SHORTENED in value for value in values):
        reason = "numpy shortened the lists with '...': write them whole"
    elif any(isinstance(item, Mapping) for row in rows for item in listed(row.get(tags)) or ()):
        reason = (
            "the tags are objects, and no spans with a start, an end and a label; give a tag a word, as B-PER"
        )
    elif sizes.count((1, 1)) > len(sizes) / 2:
        reason = "one word a row, and no column numbers the sentences: name it with --sentence"
    else:
        odd = next(((a, b) for a, b in sizes if a != b), (0, 0))
        reason = f"a row has {odd[0]} words and {odd[1]} tags: give one tag a word"
    return BenchError(
        f"{table.where}: '{words}' and '{tags}' are named like words and tags ({reason}); for other data say "
        "--adapter, such as --adapter classification for a label of each text, or multilabel for several",
        code="not-tagged-words",
    )
