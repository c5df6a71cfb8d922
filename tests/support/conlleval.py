"""The counting rules of conlleval.pl, written out from the script: an oracle that shares no code with seqeval.

The script (Sabine Buchholz and Erik Tjong Kim Sang, for the shared task of CoNLL-2000,
www.cnts.ua.ac.be/conll2000/chunking/conlleval.txt) reads one token at a time. It asks of the reference and of the
prediction whether a chunk ends before the token and whether one starts at it. It counts a chunk as right where both
start together with one type, stay together, and end together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Counts:
    """Chunks of the reference, of the prediction, and of both; tokens, and those with the right tag."""

    gold: int = 0
    predicted: int = 0
    right: int = 0
    tokens: int = 0
    right_tags: int = 0

    @property
    def precision(self) -> float:
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def _ends(before: str, tag: str, type_before: str, kind: str) -> bool:
    """endOfChunk of the script, for the letters of IOB."""
    if (before, tag) in (("B", "B"), ("B", "O"), ("I", "B"), ("I", "O")):
        return True
    return before != "O" and type_before != kind


def _starts(before: str, tag: str, type_before: str, kind: str) -> bool:
    """startOfChunk of the script, for the letters of IOB."""
    if (before, tag) in (("B", "B"), ("I", "B"), ("O", "B"), ("O", "I")):
        return True
    return tag != "O" and type_before != kind


def count(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Counts:
    """The counts over sentences, which a line without tags separates, as in the script's input."""
    found = Counts()
    inside = False
    last = last_guess = ("O", "")
    for sentence, guesses in zip(gold, predicted, strict=True):
        for tag, guess in [*zip(sentence, guesses, strict=True), (None, None)]:
            now, now_guess = _split(tag), _split(guess)
            end = _ends(last[0], now[0], last[1], now[1])
            end_guess = _ends(last_guess[0], now_guess[0], last_guess[1], now_guess[1])
            start = _starts(last[0], now[0], last[1], now[1])
            start_guess = _starts(last_guess[0], now_guess[0], last_guess[1], now_guess[1])
            if inside:
                if end and end_guess and last[1] == last_guess[1]:
                    inside = False
                    found.right += 1
                elif end != end_guess or now[1] != now_guess[1]:
                    inside = False
            if start and start_guess and now[1] == now_guess[1]:
                inside = True
            found.gold += start
            found.predicted += start_guess
            if tag is not None:
                found.tokens += 1
                found.right_tags += now == now_guess
            last, last_guess = now, now_guess
    return found


def _split(tag: str | None) -> tuple[str, str]:
    """The letter and the type; a line between sentences is outside."""
    letter, _, kind = (tag or "O").partition("-")
    return letter, kind
