"""Lists and objects that a cell of a table holds as text: in JSON's, Python's, numpy's or pandas' notation.

numpy writes a list of texts without commas, which Python reads as one text; so the tokens decide, not `eval`."""

from __future__ import annotations

import ast
import io
import itertools
import json
import re
import tokenize
import warnings
from typing import Any

SHORTENED = "..."
"""numpy's abbreviation for the middle of a long list."""

WRAPPERS = re.compile(r"\b(?:np\.|numpy\.)?(?:array|str_|int64|int32|list|tuple)\(")
BLANKS = re.compile(r"[ \t\r\n]+")
IGNORED = {tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.INDENT, tokenize.DEDENT}
_ERRORS = (ValueError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError)


def parse_words(text: str) -> Any:
    """As `parse`, and a list of words without quotes, as YAML writes it."""
    found = parse(text)
    return _bare(text.strip()) if found is None else found


def parse(text: str) -> Any:
    """The list or mapping in a text; None if there is none or the list was shortened."""
    text = text.strip()
    if text[:1] not in "[{(" and not WRAPPERS.match(text):
        return None
    try:
        found = json.loads(text)
        return found if isinstance(found, (list, dict)) else None
    except (ValueError, RecursionError):
        pass
    with warnings.catch_warnings():  # of escapes that Python does not know
        warnings.simplefilter("ignore")
        return _python(text)


def _python(text: str) -> Any:
    """The value of Python's, numpy's or pandas' notation, or None."""
    try:
        tokens = [
            token
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type not in IGNORED
        ]
    except _ERRORS:
        return None
    if any(token.string == SHORTENED for token in tokens):
        return None
    if _lacks_commas(tokens):
        return _of_tokens(tokens)
    try:
        found = _value(ast.parse(text, mode="eval").body)
    except _ERRORS:
        return None
    return list(found) if isinstance(found, tuple) else found


def words_of(text: str) -> list[str]:
    """A text cut at blanks, tabs and line ends: a no-break space is part of a word."""
    return [word for word in BLANKS.split(text) if word]


def _lacks_commas(tokens: list[tokenize.TokenInfo]) -> bool:
    """Whether two values stand side by side, as numpy prints them."""
    values = (tokenize.STRING, tokenize.NUMBER)
    return any(
        a.type in values and (b.type in values or b.string == "-") for a, b in itertools.pairwise(tokens)
    )


def _of_tokens(tokens: list[tokenize.TokenInfo]) -> list[Any] | None:
    """The values of one flat list without commas."""
    found: list[Any] = []
    sign = ""
    for token in tokens:
        if token.type in (tokenize.STRING, tokenize.NUMBER):
            try:
                found.append(ast.literal_eval(sign + token.string))
            except _ERRORS:
                return None
            sign = ""
        elif token.string == "-":
            sign = "-"
        elif token.string not in "[]" or sign:
            return None
    return found


def _value(node: ast.expr) -> Any:
    """A literal, with `array(…)` and its like as what is in it, and `nan` as nothing. ValueError."""
    if isinstance(node, ast.Call) and node.args and not isinstance(node.args[0], ast.Starred):
        return _value(node.args[0])
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        keys = [ast.literal_eval(key) if key else None for key in node.keys]
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, ast.Name):
        if node.id in ("nan", "NaN", "null"):
            return None
        raise ValueError(node.id)
    return ast.literal_eval(node)


def _bare(text: str) -> list[str] | None:
    """`[O, B-PER, O]` or `[O B-PER O]`: a list of words without quotes."""
    inner = text[1:-1].strip()
    if text[:1] != "[" or text[-1:] != "]" or re.search(r"[\[\]{}'\"]", inner) or SHORTENED in inner:
        return None
    return [word.strip() for word in inner.split(",")] if "," in inner else words_of(inner)
