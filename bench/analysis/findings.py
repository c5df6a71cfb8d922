"""What a run says of a published claim, as values and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.claims import Published

Unit = Literal["score", "points", "times"]
Verdict = Literal["confirmed", "contradicted", "not testable here"]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval, and the values behind it by task and backbone."""

    value: float
    low: float
    high: float
    parts: dict[str, float]


@dataclass(frozen=True)
class Finding:
    """What one run says of one claim. unit: of the estimate's numbers. reason: why it is not testable."""

    claim: Published
    run: str
    verdict: Verdict
    unit: Unit
    estimate: Estimate | None = None
    above: float | None = None
    below: float | None = None
    reason: str = ""


def report(findings: Sequence[Finding]) -> str:
    """Every claim with what each run says of it; a run that cannot test it is named only where none can."""
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
        f"{counts['contradicted']} contradicted by a run. Intervals are 95%, each claim alone."
    )
    return "\n\n".join(parts)


def evidence(finding: Finding) -> str:
    """The numbers behind a verdict, or the reason why there are none."""
    found = finding.estimate
    if found is None:
        return f" ({finding.reason})"

    def number(value: float) -> str:
        if finding.unit == "times":
            return f"×{value:.2f}"
        return f"{100 * value:.1f}" if finding.unit == "score" else f"{100 * value:+.1f}"

    bounds = [
        f"{word} {number(x)}"
        for word, x in (("above", finding.above), ("below", finding.below))
        if x is not None
    ]
    parts = "; ".join(f"{name} {number(value)}" for name, value in found.parts.items())
    text = (
        f": {number(found.value)} (95%: {number(found.low)} to {number(found.high)}; "
        f"claimed {' and '.join(bounds)}): {parts}"
    )
    return text + (f" ({finding.reason})" if finding.reason else "")


def as_dict(finding: Finding) -> dict[str, object]:
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
