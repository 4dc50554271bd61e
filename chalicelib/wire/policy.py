"""The update policy object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.policy import Policy
from chalicelib.wire import moment


def write(policy: Policy) -> dict[str, Any]:
    """The policy with the members that ask for something."""
    body = {
        "skipTags": list(policy.skip_tags) or None,
        "skipDigests": list(policy.skip_digests) or None,
        "snoozeUntil": moment.write_optional(policy.snooze_until),
        "maturityMode": policy.maturity_mode,
        "maturityMinAgeDays": policy.maturity_min_age_days,
    }
    return {name: value for name, value in body.items() if value is not None}


def read(body: Mapping[str, Any]) -> Policy:
    """The policy a stored object spells."""
    return Policy(
        skip_tags=tuple(body.get("skipTags", ())),
        skip_digests=tuple(body.get("skipDigests", ())),
        snooze_until=moment.read_optional(body.get("snoozeUntil")),
        maturity_mode=body.get("maturityMode"),
        maturity_min_age_days=body.get("maturityMinAgeDays"),
    )
