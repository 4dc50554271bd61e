"""The gate before an update: whether a candidate may be moved to, judged by its signature and its scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from chalicelib.domain import labels as label_rules
from chalicelib.domain.container import Candidate
from chalicelib.domain.security import UNVERIFIED, VERIFIED, RelativeGate, Scan, Security, Signature

BLOCK, WARN = "block", "warn"
AVAILABILITY = (BLOCK, WARN)
REASON = "security_gate_blocked"
"""The reason of an operation that the gate ended."""

NO_WORSE, WORSE, NOT_COMPARABLE = "no-worse-than-current", "candidate-worse", "current-scan-unavailable"


@dataclass(frozen=True, slots=True)
class GateRules:
    """What the operator wants: `relative` lets pass what is no worse than what runs; `availability` is block or warn
    when a tool fails; `scans` is whether there is a scanner, by which anybody may have a candidate looked at again."""

    on: bool = True
    relative: bool = False
    availability: str = BLOCK
    scans: bool = True


STANDARD = GateRules()


def applies(rules: GateRules, labels: Mapping[str, str]) -> bool:
    """Whether this container's updates are gated: its label `dd.security.gate` (on, off) has the last word."""
    word = (label_rules.label(labels, "security.gate") or "").strip().lower()
    return {"on": True, "true": True, "off": False, "false": False}.get(word, rules.on)


def compared(candidate: Scan, current: Scan | None) -> Scan:
    """The candidate's scan with how it compares to the running image's."""
    if candidate.failed:
        return candidate
    if current is None or current.failed:
        return replace(candidate, relative=RelativeGate(False, NOT_COMPARABLE))
    worse = candidate.summary.worse_than(current.summary)
    return replace(candidate, relative=RelativeGate(not worse, WORSE if worse else NO_WORSE, current.summary))


def refusal(rules: GateRules, scan: Scan | None, signature: Signature | None) -> str | None:
    """Why the gate refuses a candidate, as a sentence; None when it may pass."""
    return _unsigned(rules, signature) or _unsafe(rules, scan)


def judged(rules: GateRules, labels: Mapping[str, str], security: Security) -> Security:
    """What is known, with why the gate would refuse the candidate.

    Only findings count here: a tool that failed once may do better when the candidate is wanted. Without a scanner
    nothing could lift what is remembered: signatures are then looked at whenever the candidate is wanted.
    """
    lenient = replace(rules, availability=WARN)
    gated = rules.scans and applies(rules, labels)
    blocked = refusal(lenient, security.update_scan, security.update_signature) if gated else None
    return replace(security, blocked=blocked)


def same_offer(before: Candidate | None, after: Candidate | None) -> bool:
    """Whether both are one candidate: a different one is known since another moment."""
    return (before.detected_at if before else None) == (after.detected_at if after else None)


def _unsigned(rules: GateRules, signature: Signature | None) -> str | None:
    if signature is None or signature.status == VERIFIED:
        return None
    if signature.status == UNVERIFIED:
        return f"The security gate blocks {signature.image}: it bears no valid signature."
    if rules.availability == WARN:
        return None
    return f"The security gate blocks {signature.image}: its signature could not be checked: {signature.error}"


def _unsafe(rules: GateRules, scan: Scan | None) -> str | None:
    if scan is None:
        return None
    if scan.failed:
        if rules.availability == WARN:
            return None
        return f"The security gate blocks {scan.image}: it could not be scanned: {scan.error}"
    if not scan.blocking_count:
        return None
    count = scan.blocking_count
    severities = ", ".join(scan.block_severities)
    found = f"{count} {'finding' if count == 1 else 'findings'} of a blocking severity ({severities})"
    if not rules.relative or scan.relative is None:
        return f"The security gate blocks {scan.image}: {found}."
    if scan.relative.passed:
        return None
    if scan.relative.reason == NOT_COMPARABLE:
        return f"The security gate blocks {scan.image}: {found}, and the running image has no scan to compare with."
    return f"The security gate blocks {scan.image}: {found}, and it is worse than the running image."
