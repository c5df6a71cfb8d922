"""Cuts, samples and checks splits. No random state: an order is the order of SHA-256 digests of ids, so a
split is the same on every machine and in every version of every library."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from bench.contracts import (
    BenchError,
    LabelsExample,
    NumberExample,
    QuestionExample,
    Recipe,
    Splits,
    Task,
    TextExample,
    WordsExample,
)
from bench.data.draws import check_size, few_of_each, shuffled
from bench.data.foreign import contained
from bench.data.recipe_rules import check_recipe
from bench.data.stored_rows import StoredRows
from bench.text import counted

if TYPE_CHECKING:
    from bench.data.sources import Sources

E = TypeVar("E", TextExample, LabelsExample, NumberExample, WordsExample, QuestionExample)


def all_splits(splits: Splits) -> dict[str, Sequence[Any]]:
    """Every split by name, shift sets as `shift/<name>`, in a fixed order."""
    shift = {f"shift/{name}": rows for name, rows in splits.shift.items()}
    return {"train": splits.train, "validation": splits.validation, "test": splits.test, **shift}


def fingerprint(examples: Iterable[Any]) -> str:
    """A short SHA-256 of all fields of all examples, in order; a second text counts where there is one."""
    total = hashlib.sha256()
    names: tuple[str, ...] = ()
    for example in examples:
        names = names or tuple(field.name for field in fields(example) if "later" not in field.metadata)
        values = [getattr(example, name) for name in names]
        if pair := getattr(example, "pair", ""):
            values.append(pair)
        total.update(json.dumps(values, ensure_ascii=False).encode())
        total.update(b"\n")
    return total.hexdigest()[:16]


def rows_digest(splits: Splits) -> str:
    """The digest of the rows of all splits, as a record has it."""
    return fingerprint(row for part in all_splits(splits).values() for row in part)


def split_sizes(splits: Splits) -> dict[str, int]:
    """How many rows each split has, as a record has it."""
    named = {"train": splits.train, "validation": splits.validation, **splits.scored()}
    return {name: len(rows) for name, rows in named.items()}


def content(example: Any) -> str:
    """The part of an example that a model reads; two examples with equal content are duplicates."""
    return "\n".join(parts(example))


def parts(example: Any) -> tuple[str, ...]:
    """The texts of an example that a model reads."""
    if isinstance(example, WordsExample):
        return (" ".join(example.words),)
    if isinstance(example, QuestionExample):
        return (example.question, example.context)
    return (example.text, example.pair) if example.pair else (example.text,)


# --------------------------------------------------------------------------------------------------
# Cutting and sampling


def split_by_group(
    examples: Sequence[E], fractions: Mapping[str, float], salt: str = ""
) -> dict[str, list[E]]:
    """Cuts `examples` into the named fractions (which sum to one) and never divides a group.

    A group is all examples of one `group`, or of equal content where that is empty, so that duplicates
    stay together. Groups are taken in hash order; those that bring a label not seen yet come first, so
    that the first fraction, which should be `train`, has every label. Rows keep their order.
    """
    groups: dict[str, list[E]] = defaultdict(list)
    for example in examples:
        groups[example.group or content(example)].append(example)
    order = _covering(sorted(groups, key=_hash_with(salt)), lambda group: _labels(groups[group]))
    names, ends, end = list(fractions), [], 0.0
    for fraction in fractions.values():
        end += fraction
        ends.append(end * len(examples))
    place: dict[str, str] = {}
    seen = 0
    for group in order:
        middle = seen + len(groups[group]) / 2
        place[group] = next((name for name, end in zip(names, ends, strict=True) if middle < end), names[-1])
        seen += len(groups[group])
    cut: dict[str, list[E]] = {name: [] for name in names}
    for example in examples:
        cut[place[example.group or content(example)]].append(example)
    return cut


def split_stratified(
    examples: Sequence[E], fractions: Mapping[str, float], salt: str = ""
) -> dict[str, list[E]]:
    """As `split_by_group`, label by label, so that every fraction has every label in proportion: a group counts for
    its majority label. Examples without a label of their own (words, questions) are one stratum."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        labels[example.group or content(example)][getattr(example, "label", "")] += 1
    stratum = {group: max(sorted(found), key=found.__getitem__) for group, found in labels.items()}
    strata: dict[str, list[E]] = defaultdict(list)
    for example in examples:
        strata[stratum[example.group or content(example)]].append(example)
    place: dict[str, str] = {}
    for rows in strata.values():
        for name, part in split_by_group(rows, fractions, salt).items():
            place.update(dict.fromkeys((example.group or content(example) for example in part), name))
    cut: dict[str, list[E]] = {name: [] for name in fractions}
    for example in examples:
        cut[place[example.group or content(example)]].append(example)
    return cut


def sampling_order(examples: Sequence[Any], covering: bool, salt: str = "") -> list[int]:
    """The places of all examples in the order in which samples take them: by the digests of their ids. covering:
    those that bring a label not seen yet come first."""
    hashed = _hash_with(salt)
    order = sorted(range(len(examples)), key=lambda place: hashed(examples[place].id))
    return _covering(order, lambda place: _labels([examples[place]])) if covering else order


def subset(examples: Sequence[E], size: int | None, salt: str = "") -> list[E]:
    """The first `size` examples in hash order of their ids: an unbiased sample, so class proportions hold
    approximately, and nested: a smaller one is contained in a larger one. None, or too large: all."""
    return _sample(examples, size, False, salt)


def training_subset(examples: Sequence[E], size: int | None, draw: int | None = None) -> list[E]:
    """As `subset`, but those that bring a label not seen yet come first: with at least as many examples
    as there are labels, every label occurs. Smaller samples are contained in larger ones of the same draw.
    draw: see `bench.data.draws`."""
    if draw is None or size is None or size >= len(examples):
        return _sample(examples, size, True, "")
    return _covering(shuffled(examples, draw), lambda example: _labels([example]))[:size]


def _sample(examples: Sequence[E], size: int | None, covering: bool, salt: str) -> list[E]:
    if size is None or size >= len(examples):
        return list(examples)
    return [examples[place] for place in sampling_order(examples, covering, salt)[:size]]


def cut_by_group(examples: Sequence[E], train: float, validation: float, salt: str) -> Splits:
    """For a corpus without splits: the stated fractions, the rest for testing, cut by `split_by_group` and
    without duplicates across splits."""
    fractions = {"train": train, "validation": validation, "test": 1 - train - validation}
    cut = split_by_group(examples, fractions, salt)
    return drop_duplicates(Splits(cut["train"], cut["validation"], cut["test"]))


def with_validation(train: Sequence[E], test: Sequence[E], fraction: float, salt: str) -> Splits:
    """For a corpus that comes as training and test set: `fraction` of the training set is cut off for
    validation, by group, after the training rows whose content is in the test set were dropped."""
    given = drop_duplicates(Splits(train, (), test))
    cut = split_by_group(given.train, {"train": 1 - fraction, "validation": fraction}, salt)
    return Splits(cut["train"], cut["validation"], test)


def drop_duplicates(splits: Splits) -> Splits:
    """Without the training and validation rows whose content is in the test set or a shift set, and the training
    rows whose content is in the validation set. Test and shift sets are not changed."""
    scored = {content(example) for rows in splits.scored().values() for example in rows}
    validation = [example for example in splits.validation if content(example) not in scored]
    held_out = scored | {content(example) for example in validation}
    train = [example for example in splits.train if content(example) not in held_out]
    return replace(splits, train=train, validation=validation)


def _hash_with(salt: str) -> Callable[[str], bytes]:
    return lambda text: hashlib.sha256(f"{salt}\0{text}".encode()).digest()


def _labels(examples: Iterable[Any]) -> set[str]:
    found: set[str] = set()
    for example in examples:
        if isinstance(example, TextExample):
            found.add(example.label)
        elif isinstance(example, LabelsExample):
            found.update(example.labels)
        elif isinstance(example, WordsExample):
            found.update(example.tags)
    return found


T = TypeVar("T")


def _covering(ordered: Iterable[T], labels: Callable[[T], set[str]]) -> list[T]:
    """The items that bring a label not seen before, then the others, each in its original order."""
    seen: set[str] = set()
    first: list[T] = []
    others: list[T] = []
    for item in ordered:
        new = labels(item) - seen
        (first if new else others).append(item)
        seen |= new
    return first + others


# --------------------------------------------------------------------------------------------------
# Checking


def check_shape(task: Task, splits: Any) -> None:
    """BenchError where a task gives anything but Splits whose parts are lists of examples."""
    if not isinstance(splits, Splits):
        raise BenchError(
            f"task '{task.name}': splits() gave a {type(splits).__name__}; it must give Splits(train, "
            "validation, test)",
            code="no-splits",
        )
    for name, rows in all_splits(splits).items():
        if not isinstance(rows, Sequence) or isinstance(rows, str):
            raise BenchError(
                f"task '{task.name}', split '{name}' is a {type(rows).__name__}: give a list of examples",
                code="no-splits",
            )
        first = None if isinstance(rows, StoredRows) else next(iter(rows), None)
        if first is not None and not is_dataclass(first):
            raise BenchError(
                f"task '{task.name}', split '{name}': its first row is a {type(first).__name__}: give examples, "
                "such as TextExample(id, text, label)",
                code="no-splits",
            )


def check_examples(task: Task, splits: Splits) -> None:
    """BenchError where a split is empty, an id occurs twice in it, or an example is not sound."""
    for name, rows in all_splits(splits).items():
        if not rows:
            raise BenchError(
                f"task '{task.name}' has no examples in split '{name}': its source gave none",
                code="empty-split",
            )
        ids: set[str] = set()
        for example in rows:
            problem = _not_text(example) or task.check(example)
            if problem:
                raise _unsound(task, name, example, problem)
            if example.id in ids:
                raise BenchError(
                    f"task '{task.name}', split '{name}': two examples have the id '{example.id}'",
                    code="duplicate-id",
                )
            ids.add(example.id)


def _check_again(task: Task, splits: Splits) -> None:
    """BenchError where the task finds an example unsound: of rows that were checked when they were cached, all that
    may have changed is what the task demands."""
    for name, rows in all_splits(splits).items():
        for example in rows:
            if problem := task.check(example):
                raise _unsound(task, name, example, problem)


def _unsound(task: Task, split: str, example: Any, problem: str) -> BenchError:
    return BenchError(
        f"task '{task.name}', split '{split}', example '{example.id}': {problem}", code="unsound-example"
    )


def _not_text(example: Any) -> str | None:
    """A field of an example that is not text (in regression, a number), or cannot be written: a label that is a
    number, a lone surrogate."""
    for field in fields(example):
        value = getattr(example, field.name)
        if field.name == "number":
            if type(value) is not float or not math.isfinite(value):
                return f"number has {value!r}, which is not a finite number"
            continue
        texts = [text for text, _ in value] if field.name == "answers" else value
        for text in (texts,) if isinstance(texts, str) or not isinstance(texts, Iterable) else texts:
            if not isinstance(text, str):
                return f"{field.name} has {text!r}, which is not text"
            if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                return f"{field.name} has half of a character (a lone surrogate)"
    return None


def check_leaks(task: Task, splits: Splits) -> None:
    """BenchError where two splits have examples of one group. Two test sets may: neither is trained on."""
    owner: dict[str, str] = {}
    for name, rows in all_splits(splits).items():
        for group in {example.group for example in rows if example.group}:
            first = owner.setdefault(group, name)
            if first != name and first in ("train", "validation"):
                raise BenchError(
                    f"task '{task.name}' leaks: group '{group}' is in both '{first}' and '{name}'; split by group",
                    code="leak",
                )


def check_pairs(task: Task, splits: Splits) -> None:
    """BenchError where some rows have a second text and others have none."""
    first: dict[bool, str] = {}
    for name, rows in all_splits(splits).items():
        for example in rows:
            paired = bool(getattr(example, "pair", ""))
            if paired not in first:
                first[paired] = f"example '{example.id}' of split '{name}'"
    if len(first) > 1:
        raise BenchError(
            f"task '{task.name}': {first[True]} has a second text (pair), and {first[False]} has none: give every "
            "row one, or none",
            code="mixed-pairs",
        )


def check_labels(task: Task, splits: Splits) -> None:
    """BenchError where validation or test has a label that training does not."""
    known = _learnt(splits.train)
    for name, rows in all_splits(splits).items():
        missing = sorted(_labels(rows) - known)
        if missing:
            raise BenchError(
                f"task '{task.name}': none of {counted(len(splits.train), 'training example')} has label "
                f"'{missing[0]}' of split '{name}': raise recipe.train where it takes a part of them, else give "
                "training examples of it, or leave it out",
                code="unknown-label",
            )


def _learnt(train: Sequence[Any]) -> set[str]:
    """The labels that a model of these rows has: of tags O, and both of each entity type."""
    found = _labels(train)
    if not isinstance(next(iter(train), None), WordsExample):
        return found
    return {"O", *(f"{place}-{tag[2:]}" for tag in found - {"O"} for place in "BI")}


def prepare(task: Task, sources: Sources, recipe: Recipe, draw: int | None = None) -> Splits:
    """The rows of one cell, checked and cut to the recipe's sizes; shift sets only where the recipe asks for them.
    BenchError as the checks raise. In qa, contexts longer than `recipe.max_context` characters go before sampling.
    draw: the cell's (Cell.draw), where each seed has training rows of its own.

    Of rows that are cached, all are checked once, and from then on only those in use are read."""
    with contained(f"task '{task.name}': reading its rows"):
        full = task.splits(sources)
        check_shape(task, full)
        every = all_splits(full).values()
        stored = [rows for rows in every if isinstance(rows, StoredRows)]
        if len(stored) < len(every) or not all(rows.checked for rows in stored):
            check_examples(task, full)
            check_leaks(task, full)
            if len(stored) == len(every):
                stored[0].approve()
        shift = full.shift if recipe.shift else {}
        chosen = Splits(
            _chosen(task, "train", full.train, recipe, draw),
            _chosen(task, "validation", full.validation, recipe),
            _chosen(task, "test", full.test, recipe),
            {name: _chosen(task, name, rows, recipe) for name, rows in shift.items()},
        )
        if stored:
            _check_again(task, chosen)
    check_pairs(task, chosen)
    check_labels(task, chosen)
    check_recipe(task, chosen, recipe)
    return chosen


def _chosen(
    task: Task, split: str, rows: Sequence[Any], recipe: Recipe, draw: int | None = None
) -> list[Any]:
    """The rows of a split that the recipe asks for; of a draw, every row is read."""
    sizes = {"train": recipe.train, "validation": recipe.validation}
    size = sizes.get(split, recipe.test)
    if split == "train" and recipe.shots:
        return few_of_each(task.name, rows, recipe.shots, draw)
    if draw is not None:
        within = _within(rows, recipe.max_context)
        check_size(task.name, within, size)
        found = training_subset(within, size, draw)
    elif isinstance(rows, StoredRows):
        found = rows.first(size, recipe.max_context)
    else:
        take = training_subset if split == "train" else subset
        found = take(_within(rows, recipe.max_context), size)
    if not found:
        raise BenchError(
            f"task '{task.name}', split '{split}': no context is within recipe.max_context={recipe.max_context}; "
            "raise it",
            code="no-short-context",
        )
    return found


def _within(rows: Sequence[Any], longest: int | None) -> Sequence[Any]:
    """The rows without contexts of more than `longest` characters."""
    if longest is None or not isinstance(rows[0], QuestionExample):
        return rows
    return [example for example in rows if len(example.context) <= longest]


def identity(examples: Sequence[Any]) -> dict[str, list[str]]:
    """The columns of a prediction file that say which example a row is of: its id and, where examples have one, its
    document, by which intervals resample."""
    groups = [example.group for example in examples]
    return {"id": [example.id for example in examples], **({"group": groups} if any(groups) else {})}
