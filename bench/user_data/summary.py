"""A summary of the user's data before anything is trained on it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contracts import BenchError, Recipe, Splits
from bench.data.splits import all_splits, content
from bench.data.windows import MAX_ANSWER_TOKENS
from bench.models.catalog import kind_of, positions
from bench.models.pooling import own_pooling
from bench.registry import adapters
from bench.text import clipped, counted, first_of
from bench.user_data.columns import QUESTIONS
from bench.user_data.description import Read
from bench.user_data.leaks import plain
from bench.user_data.tables import FEW, MISSING
from bench.user_data.token_counts import estimated, token_counter

if TYPE_CHECKING:
    from bench.data.sources import Sources

SHOWN = 8  # classes that are listed
RARE = 5  # training rows below which a class is rare
LENGTHS = (32, 48, 64, 96, 128, 192, 256)
"""Candidates for the limit of a sequence."""
WINDOW = 96  # tokens of a question and its context, at least
COVERED = 0.95  # share of the training texts that must be within the limit
MANY = 0.01  # share of cut texts from which it is said how to read them
SHARED = 0.05  # share of held-out pairs from which texts that training has, too, are pointed out
SAMPLE = 2_000  # texts that are measured


@dataclass(frozen=True)
class Lengths:
    """Tokens of training texts: median, 95th of 100, longest; `limit` is proposed for recipe.max_length, and
    `truncated` is the share of texts beyond it. unit: what was counted."""

    median: int
    high: int
    longest: int
    limit: int
    truncated: float
    unit: str


def lengths(splits: Splits, backbone: str, sources: Sources) -> Lengths:
    """Measured with the backbone's own tokenizer if it is available, else estimated from words and characters."""
    texts = [_read_by_model(example) for example in splits.train[:SAMPLE]]
    count = token_counter(backbone, sources)
    unit = "tokens" if count else "tokens (estimated)"
    counts = np.array((count or estimated)(texts))
    high = int(np.quantile(counts, COVERED))
    limit = next((length for length in LENGTHS if length >= high), LENGTHS[-1])
    return Lengths(
        int(np.median(counts)), high, int(counts.max()), limit, float((counts > limit).mean()), unit
    )


def summarise(read: Read, measured: Lengths) -> list[str]:
    """The summary, a sentence a line: rows, classes, lengths, notes on reading, and what looks wrong."""
    splits = read.splits
    sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in all_splits(splits).items())
    return [
        f"{read.data.name}: {read.data.adapter}; rows: {sizes}",
        *_classes(splits),
        f"lengths: median {measured.median:,}, 95 of 100 within {measured.high:,}, longest {measured.longest:,} "
        f"{measured.unit}; {_truncation(read.data.adapter, splits, measured)}",
        *read.notes,
        *_repeated(splits),
        *_shared_halves(splits),
        *_contradictions(splits),
        *_doubtful(splits),
        *_missing(splits),
        *_too_long(splits),
    ]


def _truncation(adapter: str, splits: Splits, measured: Lengths) -> str:
    """Where sequences are cut, and what reads more of them; pairs and sentences have no other way."""
    if adapter in QUESTIONS:
        return f"windows of {max(measured.limit, WINDOW)} tokens, so nothing is cut off"
    whole = "; recipe.windows=mean reads them whole, recipe.truncation=head+tail both ends"
    single = adapter != "ner" and not any(example.pair for example in splits.train)
    way = whole if measured.truncated >= MANY and single else ""
    return f"cut at {measured.limit}: {_share(measured)} lose their end{way}"


def _share(measured: Lengths) -> str:
    """Of texts in 100; never 0 where some are cut."""
    share = 100 * measured.truncated
    return f"{share:.0f} of 100 texts" if share >= 0.5 or not share else "fewer than 1 of 100 texts"


def _classes(splits: Splits) -> list[str]:
    train = splits.train
    if hasattr(train[0], "label"):
        counts = Counter(row.label for row in train)
        total, what = len(train), counted(len(counts), "class", "classes")
    elif hasattr(train[0], "number"):
        numbers = np.array([row.number for row in train])
        return [
            f"numbers in training: {numbers.min():g} to {numbers.max():g}, mean {numbers.mean():.3g}, standard "
            f"deviation "
            f"{numbers.std():.3g}"
        ]
    elif hasattr(train[0], "labels"):
        counts = Counter(label for row in train for label in row.labels)
        total, what = len(train), counted(len(counts), "label")
    elif hasattr(train[0], "tags"):
        counts = Counter(tag[2:] for row in train for tag in row.tags if tag[0] == "B")
        total, what = sum(counts.values()), counted(len(counts), "entity type")
        if not counts:
            return ["entity types: none in training; there is nothing to find"]
    else:
        answers = [len(row.answers[0][0].split()) for row in train if row.answers]
        none = len(train) - len(answers)
        if not answers:
            return ["answers: none in training; there is nothing to find"]
        return [
            f"answers: {counted(int(np.median(answers)), 'word')} in the median, the longest {max(answers):,}"
            + (f"; {100 * none / len(train):.0f}% of the questions have none" if none else "")
        ]
    ordered = counts.most_common()
    listed = ", ".join(f"{clipped(name)} {100 * count / total:.0f}%" for name, count in ordered[:SHOWN])
    rest = ordered[SHOWN:]
    rarest = ", ".join(f"{clipped(name)} {count:,}" for name, count in rest[-3:])
    more = f" and {len(rest)} more, the rarest with so many: {rarest}" if rest else ""
    return [f"{what} in training: {listed}{more}"]


def _repeated(splits: Splits) -> list[str]:
    """Near duplicates: texts that differ in case, blanks and the form of accents only. Equal ones were dealt with
    on reading."""
    held_out = {plain(row) for row in (*splits.validation, *splits.test)}
    near = sum(plain(row) in held_out for row in splits.train)
    twins = sum(count - 1 for count in Counter(map(content, splits.train)).values())
    found = []
    if near:
        found.append(
            f"look: {counted(near, 'training text is', 'training texts are')} in the validation or test rows but "
            "for case, blanks and how accents are written: a mild leak"
        )
    if twins:
        found.append(f"look: {counted(twins, 'training row repeats', 'training rows repeat')} another one")
    return found


def _shared_halves(splits: Splits) -> list[str]:
    """Held-out pairs of which training has one text, too, beside another; a text that is one of few is no half."""
    held_out = [row for row in (*splits.validation, *splits.test) if getattr(row, "pair", "")]
    if not held_out:
        return []
    found = []
    for name, which in (("text", "first"), ("pair", "second")):
        known = {getattr(row, name, "") for row in splits.train}
        shared = sum(getattr(row, name) in known for row in held_out)
        if len(known) > FEW and shared > SHARED * len(held_out):
            found.append(
                f"look: {shared:,} of {counted(len(held_out), 'held-out pair')} share their {which} text with "
                "training pairs: if it tells the label, name its column with --group"
            )
    return found


def _contradictions(splits: Splits) -> list[str]:
    labels: dict[str, set[Any]] = defaultdict(set)
    for row in splits.train:
        labels[plain(row)].add(_said(row))
    torn = [text for text, found in labels.items() if len(found) > 1]
    if not torn:
        return []
    return [
        f"look: {counted(len(torn), 'text has', 'texts have')} rows with different labels, such as '{torn[0][:60]}'"
        ": label noise"
    ]


def _said(row: Any) -> Any:
    """What is said of a row: its label, labels, number or tags."""
    return next((getattr(row, n) for n in ("label", "labels", "number", "tags") if hasattr(row, n)), None)


def _doubtful(splits: Splits) -> list[str]:
    """Classes that are rare, never tested, look like a missing value, or differ in case and blanks only."""
    labelled = hasattr(splits.train[0], "label") or hasattr(splits.train[0], "labels")
    if not labelled and not hasattr(splits.train[0], "tags"):
        return []
    counts = Counter(_labels_of(splits.train))
    found = []
    rare = [f"'{clipped(name)}' {count}" for name, count in reversed(counts.most_common()) if count < RARE]
    if rare:
        unit = "training rows" if labelled else "entities in training"
        what = "class" if labelled else "entity type"
        found.append(
            f"look: {counted(len(rare), what, 'classes' if labelled else '')} with fewer than {RARE} {unit} "
            f"({first_of(rare, SHOWN)}): too few to learn or to judge"
        )
    untested = sorted(set(counts) - set(_labels_of(splits.test)))
    if untested:
        what = "row has class" if labelled else "sentence has an entity of type"
        found.append(
            f"look: no test {what} '{clipped(untested[0])}' ({counts[untested[0]]} in training): it is learnt, "
            "never tested"
        )
    missing = next((name for name in counts if name.casefold() in MISSING), None)
    if missing and labelled:
        found.append(
            f"look: class '{missing}' looks like a missing value ({counted(counts[missing], 'training row')}): "
            "leave those rows out if it is"
        )
    numbers = {int(name) for name in counts if re.fullmatch(r"-?\d{1,4}", name, re.ASCII)}
    if labelled and len(numbers) == len(counts) and min(numbers) == -1 and max(numbers) > 1:
        found.append(
            f"look: class '-1' ({counted(counts['-1'], 'training row')}) beside 0 to {max(numbers)} often marks a "
            "missing label: leave those rows out if it does"
        )
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(counts):
        alike[" ".join(name.casefold().split())].append(name)
    twins = next((names for names in alike.values() if len(names) > 1), None)
    if twins:
        found.append(
            f"look: classes '{clipped(twins[0])}' and '{clipped(twins[1])}' differ in case or blanks only"
        )
    return found


def _missing(splits: Splits) -> list[str]:
    """Texts that look like a missing value."""
    texts = (getattr(row, name, "") for row in splits.train for name in ("text", "pair", "question"))
    found = Counter(text for text in texts if text.casefold() in MISSING)
    if not found:
        return []
    (text, count), *_ = found.most_common()
    return [
        f"look: the text of {counted(count, 'training row')} is '{text}', which looks like a missing value: leave "
        "those rows out if it is"
    ]


def _too_long(splits: Splits) -> list[str]:
    """Questions whose answers all have more words than an answer may have tokens."""
    rows = [row for part in all_splits(splits).values() for row in part if getattr(row, "answers", ())]
    long = sum(min(len(text.split()) for text, _ in row.answers) > MAX_ANSWER_TOKENS for row in rows)
    if not long:
        return []
    share = f"{100 * long / len(rows):.0f}%" if long >= len(rows) / 200 else "fewer than 1%"
    return [
        f"look: {long:,} of {counted(len(rows), 'question')} with an answer ({share}) cannot be answered: the "
        f"answer has more than {MAX_ANSWER_TOKENS} words, and none of more than {MAX_ANSWER_TOKENS} tokens is "
        "predicted"
    ]


def _labels_of(rows: Sequence[Any]) -> list[str]:
    """The classes of rows, or the types of their entities, as often as they occur."""
    if hasattr(rows[0], "label"):
        return [row.label for row in rows]
    if hasattr(rows[0], "labels"):
        return [label for row in rows for label in row.labels]
    return [tag[2:] for row in rows for tag in row.tags if tag[0] == "B"]


def _read_by_model(example: Any) -> str:
    return " ".join(example.words) if hasattr(example, "words") else content(example)


def recipe_keys(adapter: str, rows: int, measured: Lengths) -> Mapping[str, Any]:
    """The recipe for this data: the same for every strategy, from what is known before training. Little data
    gets small batches and one more pass, so that there are steps enough (Mosbach et al. 2021, arXiv 2006.04884)."""
    few = rows < 500
    token_level = adapter in ("ner", *QUESTIONS)
    return {
        "epochs": 4 if few else 3,
        "batch_size": 8 if few or token_level else 16,
        "evaluations": 2,
        "max_length": max(measured.limit, WINDOW) if adapter in QUESTIONS else measured.limit,
        "stride": 32 if measured.limit > 64 else 8,
        "encoder_dropout": 0.0,
        "rate_scale": 2.0 if token_level else 1.0,
    }


def recipes(reads: Sequence[Read], backbone: str, sources: Sources) -> dict[str, Mapping[str, Any]]:
    """The recipe keys by task. Texts are pooled as each backbone was made to."""
    return {
        read.data.name: {
            **_fitted(read.data.adapter, read.splits, backbone, sources),
            **_pooling(read.data.adapter),
        }
        for read in reads
    }


def recipe_for(adapter: str, splits: Splits, backbone: str, sources: Sources) -> Recipe:
    """The recipe that `recipes` gives a task on one backbone."""
    recipe = Recipe(**_fitted(adapter, splits, backbone, sources))
    return replace(recipe, pooling=own_pooling(backbone).kind) if _pooling(adapter) else recipe


def _fitted(adapter: str, splits: Splits, backbone: str, sources: Sources) -> dict[str, Any]:
    """The recipe keys, with no more tokens than the backbone has positions for."""
    keys = dict(recipe_keys(adapter, len(splits.train), lengths(splits, backbone, sources)))
    with suppress(BenchError):  # a backbone that is not there is refused where it is loaded
        most = positions(backbone, sources)
        if most and most < keys["max_length"]:
            keys |= {"max_length": most, "stride": most // 4}
    return keys


def _pooling(adapter: str) -> dict[str, str]:
    """Tasks whose head reads a whole text pool; on tokens and spans the key would mean nothing."""
    return {} if adapters()[adapter].head != "pooled" else {"pooling": "own"}


def pooling_line(adapter: str, backbone: str) -> str:
    """How texts are pooled, for the summary; '' where nothing is."""
    if not _pooling(adapter) or kind_of(backbone) == "counts":
        return ""
    found = own_pooling(backbone)
    ways = {"mean": "the mean of its tokens", "cls": "its first token ([CLS])", "last": "its last token"}
    what = ways[found.kind]
    return f"pooling on {backbone}: a text is {what} ({found.why})"
