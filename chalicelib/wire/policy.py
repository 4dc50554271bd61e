"""The update policy object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.policy import NO_POLICY, Layers, Policy, PolicyRequest
from chalicelib.wire import moment

_SOURCES = {
    "skip_tags": "skipTags",
    "skip_digests": "skipDigests",
    "maturity_mode": "maturityMode",
    "maturity_min_age_days": "maturityMinAgeDays",
}


def write(policy: Policy) -> dict[str, Any]:
    """The policy with the members it says something about."""
    body = {
        "skipTags": None if policy.skip_tags is None else list(policy.skip_tags),
        "skipDigests": None if policy.skip_digests is None else list(policy.skip_digests),
        "snoozeUntil": moment.write_optional(policy.snooze_until),
        "maturityMode": policy.maturity_mode,
        "maturityMinAgeDays": policy.maturity_min_age_days,
    }
    return {name: value for name, value in body.items() if value is not None}


def read(body: Mapping[str, Any]) -> Policy:
    """The policy a stored object spells."""
    return Policy(
        skip_tags=_listed(body.get("skipTags")),
        skip_digests=_listed(body.get("skipDigests")),
        snooze_until=moment.read_optional(body.get("snoozeUntil")),
        maturity_mode=body.get("maturityMode"),
        maturity_min_age_days=body.get("maturityMinAgeDays"),
    )


def read_optional(body: Mapping[str, Any] | None) -> Policy:
    """As `read`, and no policy for nothing."""
    return read(body) if body else NO_POLICY


def write_layers(layers: Layers, effective: Policy) -> dict[str, Any]:
    """The members of a container that tell its policy: what holds, who says so, and what each layer says."""
    if layers.empty:
        return {}
    declared = {"env": write(layers.env), "label": write(layers.label)}
    body: dict[str, Any] = {
        "updatePolicy": write(effective),
        "updatePolicyDeclarative": {layer: said for layer, said in declared.items() if said},
        "updatePolicyOverrides": write(layers.override),
        "updatePolicySources": {_SOURCES[member]: source for member, source in layers.sources.items()},
    }
    return {name: value for name, value in body.items() if value}


def request(body: Mapping[str, Any]) -> PolicyRequest:
    """The change a body asks for, unchecked."""
    return PolicyRequest(
        action=body.get("action"),
        kind=body.get("kind"),
        value=body.get("value"),
        days=body.get("days"),
        snooze_until=body.get("snoozeUntil"),
        mode=body.get("mode"),
        min_age_days=body.get("minAgeDays", ...),
    )


def _listed(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
