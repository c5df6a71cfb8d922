"""How the rows of a task's files are read, learnt from the rows of its training file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.contracts import BenchError
from bench.data.squad_layout import is_wrong
from bench.text import counted
from bench.user_data.columns import QUESTIONS
from bench.user_data.conll import Sentence
from bench.user_data.examples import Numbered, tags_of
from bench.user_data.indicators import Held
from bench.user_data.labels import DISTINCT, as_number, joined_by, labelling, quoted, single_label
from bench.user_data.literals import parse
from bench.user_data.nested import keys
from bench.user_data.number_format import FORMATS, are_whole, number_format
from bench.user_data.questions import answers_of
from bench.user_data.rules import FLAGS, ReadingRules
from bench.user_data.tables import MISSING, PEEK
from bench.user_data.tagging import learn_tags
from bench.user_data.values import AROUND, as_label, as_text, choices, listed
from bench.user_data.word_columns import language_mark, refuse_no_words

NO_NUMBERS = (*MISSING, "inf", "-inf", "infinity", "-infinity")
PLAIN = {"multilabel": ("text", "pair"), "qa": (), "unanswerable": (), "ner": ()}
"""The roles whose columns must hold plain values, of adapters for which they are not a text, a pair and a
label. Rows of questions are judged one by one."""

ODD = 0.05  # share of labels that may be no numbers where numbers are predicted: their rows are left out
TRUTH_VALUES = ("yes", "no", "true", "false")
OPTION = re.compile(r"\(?[A-Ha-h]\)?")
NEARLY_ALL = 0.9  # share of answers that are truth values from which they are classes


def learn(plain: ReadingRules, rows: Numbered, where: str) -> ReadingRules:
    """How to read the files of a task, from the rows of its training file. BenchError."""
    refuse_nested(plain, rows, where)
    if plain.adapter == "regression":
        return _numbers(plain, rows)
    if plain.adapter == "multilabel":
        plain = _label_sets(plain, rows, where)
        refuse_unnamed(plain, rows, where)
        return plain
    refuse_unnamed(plain, rows, where)
    if plain.adapter in ("classification", "sentiment"):
        values = [label for _, row in rows if (label := plain.label(row))]
        if plain.adapter == "sentiment" or are_whole(values):
            plain = _with_number_format(plain, rows)
            values = [label for _, row in rows if (label := plain.label(row))]
        labels = labelling(values, plain.adapter, plain.columns["label"], plain.explicit)
        said = (
            *_said_of_labels(plain, rows),
            labels.note,
            FORMATS.get(plain.numbers, ""),
            joined_by(values, plain.columns["label"]),
            quoted(values),
        )
        return replace(plain, labels=replace(labels, note="; ".join(filter(None, said))))
    if plain.adapter in QUESTIONS:
        _refuse_truth_values(plain, rows[:PEEK], where)
        plain = _with_wrong_answers(plain, rows)
    if plain.adapter == "unanswerable":
        _refuse_unanswered(plain, rows, where)
    if plain.adapter == "ner":
        tagging = learn_tags([tags_of(plain, item) for _, item in rows], where)
        refuse_no_words(plain, rows[:PEEK], where)
        mark = language_mark(plain, rows)
        if mark:
            said = f"every word begins with '{mark}', which names the language: words are read without it"
            tagging = replace(tagging, notes=(*tagging.notes, said))
        return replace(plain, tagging=tagging, mark=mark)
    return plain


def _with_wrong_answers(plain: ReadingRules, rows: Numbered) -> ReadingRules:
    """With a note on answers that say of themselves that they are wrong, which are left out."""
    cells = (plain.value(row, "answer") for _, row in rows)
    items = (item for cell in cells if isinstance(cell, list) for item in cell if isinstance(item, Mapping))
    count = sum(map(is_wrong, items))
    if not count:
        return plain
    note = f"{counted(count, 'answer is', 'answers are')} left out, because they say that they are wrong"
    return replace(plain, labels=replace(plain.labels, note=note))


def _refuse_unanswered(plain: ReadingRules, rows: Numbered, where: str) -> None:
    """BenchError where no question has an answer: a model that never answers would be right everywhere."""
    if not any(answers_of(plain.value(row, "answer"), plain.value(row, "start")) for _, row in rows):
        raise BenchError(
            f"{where}: no question has an answer, so there is nothing to learn: give questions with answers, too "
            "(in SQuAD's layout under 'answers')",
            code="constant-label",
        )


def _refuse_truth_values(plain: ReadingRules, rows: Numbered, where: str) -> None:
    """BenchError where nearly all answers are yes or no, true or false, or letters of options, and none of them
    stands where its place is given: what is found of them in the contexts is found by chance."""
    answered = truths = options = letters = 0
    for _, row in rows:
        found = answers_of(plain.value(row, "answer"), plain.value(row, "start")) or ()
        unplaced = [text for text, place in found if not _stands(text, place, plain.value(row, "context"))]
        answered += bool(found)
        if found and len(unplaced) == len(found):
            truths += all(text.strip(" .!").casefold() in TRUTH_VALUES for text in unplaced)
            options += all(_is_option(text.strip(" ."), plain.value(row, "context")) for text in unplaced)
            letters += all(OPTION.fullmatch(text.strip(" .")) for text in unplaced)
    if answered and truths >= NEARLY_ALL * answered:
        raise BenchError(
            f"{where}: nearly all answers are yes or no, or true or false, and no parts of their contexts: "
            "use --adapter classification, the question as --text, the context as --pair, the answer as --label",
            code="unusable-rows",
        )
    if answered and letters >= NEARLY_ALL * answered and options >= letters / 2:
        raise BenchError(
            f"{where}: nearly all answers are letters of options, such as A and B, and no parts of their contexts: "
            "write the text of the right option in place of its letter",
            code="unusable-rows",
        )


def _is_option(text: str, context: Any) -> bool:
    """Whether an answer is the letter of an option, and no word of its context, as a grade or a blood type is."""
    return bool(OPTION.fullmatch(text)) and not re.search(rf"\b{text.strip('()')}\b", str(context))


def _stands(text: str, start: Any, context: Any) -> bool:
    """Whether an answer stands in its context where its place is given."""
    return isinstance(start, int) and start >= 0 and str(context).startswith(text, start)


def _said_of_labels(plain: ReadingRules, rows: Numbered) -> list[str]:
    """What was done to the cells of labels, in words."""
    cells = [plain.value(row, "label") for _, row in rows]
    said = []
    if any(single_label(cell) is not cell and cell != [] for cell in cells):
        said.append("labels are lists of one: each is read as the label in it")
    changed = sum(as_label(single_label(cell)) != as_text(single_label(cell)) for cell in cells)
    if changed:
        said.append(
            f"{counted(changed, 'label has', 'labels have')} invisible characters around it or accents in two parts"
            ": read without"
        )
    return said


def _with_number_format(plain: ReadingRules, rows: Numbered) -> ReadingRules:
    """With the way in which numbers are written. BenchError where commas may mean two things."""
    values = [plain.label(row) for _, row in rows if isinstance(plain.value(row, "label"), str)]
    written = number_format(values)
    if written == "unclear":
        example = next((value for value in values if "," in value), "")
        example = example or next(value for value in values if "." in value)
        ways = f"{example.replace(',', '.')} or {example.replace(',', '').replace('.', '')}"
        raise BenchError(
            f"column '{plain.columns['label']}': '{example}' may be {ways}: write numbers with a decimal point, "
            "and nothing between thousands",
            code="unclear-numbers",
        )
    return replace(plain, numbers=written)


def refuse_other_format(rules: ReadingRules, rows: Numbered, where: str) -> None:
    """BenchError where a held-out file writes numbers otherwise than the training file."""
    if rules.adapter not in ("regression", "sentiment") or rules.numbers:
        return
    column = rules.columns.get("label", "")
    values = [value for _, row in rows if isinstance(value := row.get(column), str)]
    if number_format(values):
        odd = next((value for value in values if "," in value), "")
        odd = odd or next(value for value in values if "." in value)
        raise BenchError(
            f"{where}: column '{column}' writes numbers otherwise than the training file, such as '{odd[:30]}': "
            "write them in one way in both, with a decimal point",
            code="unclear-numbers",
        )


def _numbers(plain: ReadingRules, rows: Numbered) -> ReadingRules:
    """BenchError where all rows have the same number, or most have none."""
    plain = _with_number_format(plain, rows)
    labels = [label for _, row in rows if (label := plain.label(row))]
    found = [number for label in labels if (number := as_number(label)) is not None]
    others = [label for label in labels if as_number(label) is None and label.casefold() not in NO_NUMBERS]
    if found and len(others) > ODD * len(labels):
        raise BenchError(
            f"column '{plain.columns['label']}': {len(others):,} of {counted(len(labels), 'label')} are no "
            f"numbers, such as '{others[0][:30]}': write digits and a decimal point alone, and leave a missing "
            "number empty",
            code="not-numbers",
        )
    if len(set(found)) < 2:
        odd = next(iter(labels), "")
        if odd and not found:
            raise BenchError(
                f"column '{plain.columns['label']}': no label is a number, such as '{odd[:30]}': write digits and "
                "a decimal point alone, or choose another column with --label",
                code="not-numbers",
            )
        only = f"every row has the number {found[0]:g}" if found else "it has no numbers"
        raise BenchError(
            f"column '{plain.columns['label']}': {only}, so there is nothing to learn: choose another column with "
            "--label",
            code="constant-label",
        )
    note = f"numbers from {min(found):g} to {max(found):g} in '{plain.columns['label']}'"
    note = "; ".join(filter(None, (note, FORMATS.get(plain.numbers, ""))))
    return replace(plain, labels=replace(plain.labels, note=note))


def _label_sets(plain: ReadingRules, rows: Numbered, where: str) -> ReadingRules:
    """BenchError where all rows have the same labels, or labels are nearly as many as rows."""
    _refuse_shares(plain, rows, where)
    plain = _with_whole_labels(_with_indicators(plain, rows, where), rows)
    sets = [found for _, row in rows if (found := plain.label_set(row)) is not None]
    different = {frozenset(found) for found in sets}
    column = plain.columns["label"]
    if len(different) < 2:
        only = ", ".join(sorted(next(iter(different), frozenset()))) or "no label"
        raise BenchError(
            f"column '{column}': every row has the same labels ({only[:60]}), so there is nothing to learn: "
            f"give rows "
            "with others",
            code="constant-label",
        )
    names = {label for found in sets for label in found}
    several = sum(len(found) > 1 for found in sets)
    if len(names) > max(DISTINCT * len(sets), 2):
        raise BenchError(
            f"column '{column}' has {len(names):,} different labels in {counted(len(sets), 'row')}: it does not "
            f"hold "
            "labels; choose another column with --label, or say what separates them with --label-separator",
            code="no-labels",
        )
    indicators = any(isinstance(plain.value(row, "label"), Held) for _, row in rows)
    if not several and not indicators:
        way = f"'{plain.separator}' separates none: say" if plain.separator else "say"
        raise BenchError(
            f"{where}: no row has several labels in '{column}' (such as '{min(names)[:40]}'): {way} what separates "
            "them with --label-separator, or use --adapter classification",
            code="single-labels",
        )
    none = sum(not found for found in sets)
    note = f"{counted(several, 'row has', 'rows have')} several labels in '{column}', {none:,} none"
    return replace(plain, labels=replace(plain.labels, note=note))


def _with_whole_labels(plain: ReadingRules, rows: Numbered) -> ReadingRules:
    """With 1.0 as the label 1, where all labels are whole numbers."""
    names = {label for _, row in rows for label in plain.label_set(row) or ()}
    numbers = [as_number(name) for name in names]
    whole = all(number is not None and number.is_integer() for number in numbers)
    return replace(plain, labels=replace(plain.labels, whole=whole))


def _refuse_shares(plain: ReadingRules, rows: Numbered, where: str) -> None:
    """BenchError where lists hold a share for each label, as several annotators or a model give them."""
    for _, row in rows:
        items = plain.label_items(row)
        if any(isinstance(item, float) and math.isfinite(item) and item % 1 for item in items):
            raise BenchError(
                f"{where}: '{plain.columns['label']}' holds lists of numbers with fractions "
                f"({str(items)[:40]}), and no labels: write the label that has the largest share, or a list of 0 "
                "and 1 for each label",
                code="shares-of-labels",
            )


def _with_indicators(plain: ReadingRules, rows: Numbered, where: str) -> ReadingRules:
    """Where lists hold a 0 or 1 for each label, not labels: with the names of these. BenchError where the names are
    missing or too few."""
    labelled = [plain.label_items(row) for _, row in rows if not plain.is_unlabelled(row)]
    lists = [items for items in labelled if len(items) > 1]
    widths = {len(items) for items in lists}
    values = [[str(item).strip() for item in items] for items in lists]
    flags = all(set(items) <= FLAGS for items in values)
    repeated = any(len(set(items)) < len(items) for items in values) or len(lists) == len(labelled)
    if len(widths) != 1 or not flags or not repeated:
        return plain
    column, width = plain.columns["label"], widths.pop()
    names = plain.names.get(column, ())
    if len(names) != width or len(lists) < len(labelled):
        raise BenchError(
            f"{where}: '{column}' holds lists of {width} zeros and ones, one for each label, and "
            f"{counted(len(names), 'name is', 'names are')} given: name all in their order, such as --label-names "
            "food,price, and give every row such a list",
            code="indicators-without-names",
        )
    return replace(plain, indicators=True)


def _written(value: Any) -> Any:
    """What a cell holds that is written out as an object or a list; any other value as it is."""
    found = parse(value) if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") else None
    return value if found is None else found


def _in_list_of_one(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _items(reading: ReadingRules, row: Mapping[str, Any] | Sentence, role: str) -> Sequence[Any]:
    """The tags, the labels or the one label of a row."""
    if isinstance(row, Sentence):
        return row.tags
    if role == "tags":
        return listed(reading.value(row, role)) or ()
    return reading.label_items(row) if reading.adapter == "multilabel" else (reading.value(row, role),)


def refuse_unnamed(reading: ReadingRules, rows: Numbered, where: str) -> None:
    """BenchError where a label or tag is a number beyond the names that there are, or none is a number or a name. A
    label below 0 stands for none."""
    role = "tags" if reading.adapter == "ner" else "label"
    names = reading.names.get(reading.columns.get(role, ""))
    if not names or reading.indicators:  # a 0 or 1 for each name, and no number of one
        return
    seen = used = False
    for _, row in rows:
        for found in _items(reading, row, role):
            if not as_text(found):
                continue
            seen = True
            item = found.strip(AROUND) if isinstance(found, str) else found
            number = as_number(item) if isinstance(item, str) else item
            used |= isinstance(number, (int, float)) or item in names
            if not isinstance(number, (int, float)) or item in names or (role == "label" and number < 0):
                continue
            if not 0 <= number < len(names) or number != int(number):
                hint = " (-100 marks pieces of words: give one tag a word)" if number == -100 else ""
                raise BenchError(
                    f"{where}: {role.removesuffix('s')} {item} has no name{hint}: there are "
                    f"{counted(len(names), 'name')}, for 0 to {len(names) - 1}; name all with --label-names",
                    code="label-without-name",
                )
    if seen and not used:
        raise BenchError(
            f"{where}: names of labels are given ({', '.join(names)[:60]}), and no label is a number or one of "
            "them: leave out --label-names",
            code="label-without-name",
        )


def refuse_nested(reading: ReadingRules, rows: Numbered, where: str) -> None:
    """BenchError where texts or labels are lists or objects."""
    for role in PLAIN.get(reading.adapter, ("text", "pair", "label")):
        cells = (reading.value(row, role) for _, row in rows) if role in reading.columns else ()
        value = next((cell for cell in cells if _is_nested(cell, role)), None)
        if value is not None:
            kind = {bytes: "bytes", list: "lists", tuple: "lists"}.get(type(value), "objects")
            column = reading.columns[role]
            noun = "second text" if role == "pair" else role
            way = "; for tagged words say --adapter ner" if kind == "lists" and role == "text" else ""
            inside = keys([{column: value}], column) if isinstance(value, Mapping) else []
            way = f"; a value in them is named by its path, such as --{role} {inside[0]}" if inside else way
            raise BenchError(
                f"{where}: column '{column}' holds {kind} ({str(value)[:40]}), not a {noun}: choose "
                f"another column with --{role}, or write the {noun} into a column of its own{way}",
                code="nested-column",
            )


def _is_nested(value: Any, role: str) -> bool:
    if role == "label":
        found = _in_list_of_one(_written(value))
        return isinstance(found, bytes) or (
            isinstance(found, Mapping) and bool(found) and choices(found) is None
        )
    return isinstance(value, (list, tuple, Mapping, bytes))
