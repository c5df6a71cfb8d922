"""The findings on published claims, as values and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.claims.published import Published
from bench.analysis.tables.model import Block, Column, Entry, Row, Table

Unit = Literal["score", "points", "times"]
Verdict = Literal["confirmed", "contradicted", "not testable here"]
UNDECIDED = (
    "A claim is confirmed where the 95% interval lies inside its bounds, contradicted where it lies outside, and "
    "undecided where it contains a bound, because the run has too few seeds or examples. Each claim is tested "
    "alone. × is a ratio of training times; other differences are in points."
)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval, and the values behind it by task and backbone."""

    value: float
    low: float
    high: float
    parts: dict[str, float]


@dataclass(frozen=True)
class ClaimFinding:
    """The verdict of one run on one claim. unit: of the estimate's numbers. reason: why it is not testable."""

    claim: Published
    run: str
    verdict: Verdict
    unit: Unit
    estimate: Estimate | None = None
    above: float | None = None
    below: float | None = None
    reason: str = ""


def report(findings: Sequence[ClaimFinding]) -> str:
    """Every claim with the verdict of each run; a run that cannot test it is named only where no run can."""
    claims = {finding.claim.name: finding.claim for finding in findings}
    parts, counts = [], {"confirmed": 0, "contradicted": 0}
    for name, claim in claims.items():
        own = [finding for finding in findings if finding.claim.name == name]
        shown = [finding for finding in own if finding.estimate is not None] or own[:1]
        lines = [f"{name}: {claim.says}", f"  ({claim.source})"]
        lines += [f"  {finding.run}: {finding.verdict}{evidence(finding)}" for finding in shown]
        for verdict in counts:
            counts[verdict] += any(finding.verdict == verdict for finding in shown)
        parts.append("\n".join(lines))
    tested = sum(any(f.estimate for f in findings if f.claim.name == name) for name in claims)
    parts.append(
        f"{len(claims)} claims, {tested} with evidence: {counts['confirmed']} confirmed, "
        f"{counts['contradicted']} contradicted by a run. Intervals are 95%; each claim is tested alone."
    )
    return "\n\n".join(parts)


def evidence(finding: ClaimFinding) -> str:
    """The numbers behind a verdict, or the reason why there are none."""
    found = finding.estimate
    if found is None:
        return f" ({finding.reason})"
    text = (
        f": {number(finding, found.value)} (95%: {_interval(finding, found)}; claimed {_claimed(finding)}): "
        f"{_parts(finding, found)}"
    )
    return text + (f" ({finding.reason})" if finding.reason else "")


def number(finding: ClaimFinding, value: float) -> str:
    """A value in the finding's unit: a ratio, a score in percent, or a difference in points."""
    if finding.unit == "times":
        return f"×{value:.2f}"
    return f"{100 * value:.1f}" if finding.unit == "score" else f"{100 * value:+.1f}"


def _interval(finding: ClaimFinding, found: Estimate) -> str:
    return f"{number(finding, found.low)} to {number(finding, found.high)}"


def _claimed(finding: ClaimFinding) -> str:
    bounds = (("above", finding.above), ("below", finding.below))
    return " and ".join(f"{word} {number(finding, x)}" for word, x in bounds if x is not None)


def _parts(finding: ClaimFinding, found: Estimate) -> str:
    return "; ".join(f"{name} {number(finding, value)}" for name, value in found.parts.items())


COLUMNS = tuple(
    Column(name, name, "text") for name in ("verdict", "found", "95%", "claimed", "by task", "source")
)


def table(findings: Sequence[ClaimFinding]) -> Table:
    """The claims with evidence, one row for each run that has some; the notes name the others and the reason."""
    rows = []
    for finding in findings:
        if (found := finding.estimate) is not None:
            texts = (
                finding.verdict if finding.verdict != "not testable here" else "undecided",
                number(finding, found.value),
                _interval(finding, found),
                _claimed(finding),
                _parts(finding, found),
                finding.claim.source,
            )
            rows.append(Row((finding.claim.says, finding.run), tuple(map(Entry, texts))))
    shown = {finding.claim.name for finding in findings if finding.estimate is not None}
    rest = {f.claim.name: f"{f.claim.says} ({f.reason})" for f in findings if f.claim.name not in shown}
    notes = (UNDECIDED, *([f"Not testable here: {'; '.join(rest.values())}."] if rest else []))
    return Table("Published claims", ("claim", "run"), COLUMNS, (Block("", tuple(rows)),), notes)


def as_dict(finding: ClaimFinding) -> dict[str, object]:
    """A finding as plain values, for JSON."""
    found = finding.estimate
    numbers = (
        {"value": found.value, "low": found.low, "high": found.high, "parts": found.parts} if found else None
    )
    return {
        "claim": finding.claim.name,
        "says": finding.claim.says,
        "source": finding.claim.source,
        "run": finding.run,
        "verdict": finding.verdict,
        "unit": finding.unit,
        "estimate": numbers,
        "above": finding.above,
        "below": finding.below,
        "reason": finding.reason,
    }
