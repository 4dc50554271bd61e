"""What holds a candidate back, asked for in layers: an operator's own word first, then labels, then the watcher."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

DEFAULT_MIN_AGE_DAYS = 7
LONGEST_DAYS = 365
MODES = ("all", "mature")


@dataclass(frozen=True, slots=True)
class Policy:
    """One layer's wishes. An absent member leaves the matter to the layer below; an empty list says: nothing."""

    skip_tags: tuple[str, ...] | None = None
    skip_digests: tuple[str, ...] | None = None
    snooze_until: datetime | None = None
    maturity_mode: str | None = None
    maturity_min_age_days: int | None = None

    @property
    def empty(self) -> bool:
        """Whether it says nothing at all."""
        return self == NO_POLICY

    @property
    def mark(self) -> str | None:
        """Differs for every two policies that differ; absent for one that says nothing."""
        return None if self.empty else hashlib.sha256(repr(self).encode()).hexdigest()[:16]


NO_POLICY = Policy()
LAYERED = ("skip_tags", "skip_digests", "maturity_mode", "maturity_min_age_days")
"""The members every layer may say; a snooze is the operator's alone."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Those of one container: `override` was set through the API, `label` on the container, `env` on its watcher."""

    override: Policy = NO_POLICY
    label: Policy = NO_POLICY
    env: Policy = NO_POLICY

    @property
    def empty(self) -> bool:
        """Whether no layer says anything."""
        return self == NO_LAYERS

    @property
    def declared(self) -> Policy:
        """What holds without the operator's override."""
        return self._merged("label", "env")

    @property
    def effective(self) -> Policy:
        """What holds: of each member the first layer that says something. An empty list ends as nothing."""
        merged = self._merged("override", "label", "env")
        return replace(merged, skip_tags=merged.skip_tags or None, skip_digests=merged.skip_digests or None)

    @property
    def sources(self) -> Mapping[str, str]:
        """Of each member that some layer says: `override`, `label` or `env`."""
        found = {name: self._source(name) for name in LAYERED}
        return {name: source for name, source in found.items() if source is not None}

    def _source(self, member: str) -> str | None:
        layers = ("override", "label", "env")
        return next((layer for layer in layers if getattr(getattr(self, layer), member) is not None), None)

    def _merged(self, *layers: str) -> Policy:
        said = [getattr(self, layer) for layer in layers]
        members = {
            member.name: next((v for one in said if (v := getattr(one, member.name)) is not None), None)
            for member in fields(Policy)
        }
        return Policy(**members)


NO_LAYERS = Layers()


@dataclass(frozen=True, slots=True)
class PolicyRequest:
    """An asked change, its members as they were sent: what they may be depends on the action."""

    action: object = None
    kind: object = None
    value: object = None
    days: object = None
    snooze_until: object = None
    mode: object = None
    min_age_days: object = field(default=...)
    """The ellipsis stands for: not sent."""
