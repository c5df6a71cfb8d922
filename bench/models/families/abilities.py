"""What each family can do, as rows of a table. Imports no torch."""

from __future__ import annotations

from bench.models.families import families
from bench.models.families.contract import Family

POOLED = {"mean": "mean of its tokens", "cls": "first token", "last": "last token"}


def abilities() -> list[dict[str, str]]:
    """A row a family: what it is, how it reads a text, what is exported as a standard class, a well-known name."""
    return [
        {
            "family": family.name,
            "kind": f"{family.kind} of an encoder-decoder" if family.part else family.kind,
            "layers": "shared, in groups" if family.shares_layers else "separate",
            "a text is read at its": POOLED[family.pooling],
            "positions": "relative or rotary" if family.positions is None else "a table",
            "exported as": _exported(family),
            "for example": next(iter(family.known)),
        }
        for family in families().values()
    ]


def markdown() -> str:
    """The same as a Markdown table."""
    rows = abilities()
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
    lines += [
        " | ".join(f"`{v}`" if k in ("family", "for example") else v for k, v in r.items()) for r in rows
    ]
    return "\n".join(f"| {line} |" for line in lines)


def _exported(family: Family) -> str:
    """The heads that have a standard class; a mean or last token is exported beside the plain model."""
    form = family.form
    found = ["text (first token)" if form and form.dense else "text (with its pooling)"]
    found += [
        name for name, place in (("words", form and form.token), ("questions", form and form.span)) if place
    ]
    return ", ".join(found) + (f"; as `{family.twin}`" if family.twin else "")
