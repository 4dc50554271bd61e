"""What came of earlier attempts to move a container to a candidate, and whether anything has changed since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chalicelib.domain.container import Candidate, Container
from chalicelib.domain.operation import CANCELLED, RECREATION, ROLLBACK, UPDATE, Operation, Phase
from chalicelib.domain.policy import NO_POLICY, Policy

AFTER_FAILURE = timedelta(hours=6)
"""What failed before anything was changed may have failed for a reason that passes."""


def tried(
    container: Container,
    candidate: Candidate,
    history: Sequence[Operation],
    now: datetime,
    policy: Policy = NO_POLICY,
) -> bool:
    """Whether this container was moved to this candidate before, in vain, and nothing has changed since.

    `history` is newest first, `policy` what holds now. Another candidate, the same tag pushed anew, another policy, or
    a container that somebody made anew (with other labels, say) are changes. That Slipway itself made it anew on the
    same image is none.
    """
    same = lineage(container.id, history)
    for one in history:
        if not one.ended:
            continue
        if one.kind == UPDATE and one.container_id in same and one.created_at >= candidate.detected_at:
            if _moved_to(one, candidate, policy) and _in_vain(one, now):
                return True
        elif one.kind == ROLLBACK and one.phase is Phase.SUCCEEDED and one.new_container_id in same:  # noqa: SIM102
            if _left(one, candidate, history, policy):
                return True
    return False


def lineage(container_id: str, history: Sequence[Operation]) -> set[str]:
    """The ids this very container has had: Slipway makes one anew when a namespace it lives in is gone."""
    ids = {container_id}
    for one in history:
        if one.kind == RECREATION and one.phase is Phase.SUCCEEDED and one.new_container_id in ids:
            ids.add(one.container_id)
    return ids


def _in_vain(operation: Operation, now: datetime) -> bool:
    if operation.phase in (Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED):
        return True
    if operation.reason_code == CANCELLED:
        return True
    # A dry run, and a move that ended on the very same image, leave the candidate standing as a failure does.
    in_vain = operation.phase is Phase.FAILED or operation.new_container_id == operation.container_id
    return in_vain and now - operation.updated_at < AFTER_FAILURE


def _moved_to(operation: Operation, candidate: Candidate, policy: Policy) -> bool:
    if operation.to_version != candidate.kind.remote_value or operation.policy_mark != policy.mark:
        return False
    return None in (operation.candidate_digest, candidate.digest) or operation.candidate_digest == candidate.digest


def _left(rollback: Operation, candidate: Candidate, history: Sequence[Operation], policy: Policy) -> bool:
    """Whether a rollback led away from that candidate, which had been moved to with success."""
    before = lineage(rollback.container_id, history)
    moves = [one for one in history if one.kind == UPDATE and one.phase is Phase.SUCCEEDED]
    led = [one for one in moves if one.new_container_id in before]
    if not led:
        return rollback.from_version == candidate.kind.remote_value
    return any(_moved_to(one, candidate, policy) for one in led)
