"""What operators ask of us through container labels: `dd.*`, with the older `wud.*` as fallback."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chalicelib.domain.container import Wishes
from chalicelib.domain.policy import LONGEST_DAYS, MODES, NO_POLICY, Policy

DEFAULT_ICON = "mdi:docker"
COMPOSE_PROJECT = "com.docker.compose.project"
STACK = "com.docker.stack.namespace"

_DAYS = re.compile(r"^[0-9]{1,3}$")
_RECREATED = re.compile(r"^[0-9a-f]{12}_(?P<name>.+)$")


def label(labels: Mapping[str, str], name: str) -> str | None:
    """The value of `dd.{name}`, else of `wud.{name}`; empty counts as absent."""
    return labels.get(f"dd.{name}") or labels.get(f"wud.{name}") or None


def flag(labels: Mapping[str, str], name: str) -> bool | None:
    """`true` in any case is true, everything else false, absent is no wish."""
    value = label(labels, name)
    return None if value is None else value.strip().lower() == "true"


def wishes(labels: Mapping[str, str]) -> Wishes:
    """All that the labels ask."""
    return Wishes(
        watch=flag(labels, "watch"),
        watch_digest=flag(labels, "watch.digest"),
        include_tags=label(labels, "tag.include"),
        exclude_tags=label(labels, "tag.exclude"),
        transform_tags=label(labels, "tag.transform"),
        tag_family=label(labels, "tag.family"),
        link_template=label(labels, "link.template"),
        lookup_image=label(labels, "registry.lookup.image"),
        group=label(labels, "group") or labels.get(COMPOSE_PROJECT) or labels.get(STACK),
        trigger_include=label(labels, "trigger.include"),
        trigger_exclude=label(labels, "trigger.exclude"),
        source_repo=label(labels, "source.repo"),
    )


def policy(labels: Mapping[str, str]) -> Policy:
    """The update policy the labels `dd.updatePolicy.*` declare; a value that cannot be meant is left out."""
    mode = (label(labels, "updatePolicy.maturityMode") or "").strip().lower()
    days = (label(labels, "updatePolicy.maturityMinAgeDays") or "").strip()
    declared = Policy(
        skip_tags=_listed(labels, "updatePolicy.skipTags"),
        skip_digests=_listed(labels, "updatePolicy.skipDigests"),
        maturity_mode=mode if mode in MODES else None,
        maturity_min_age_days=int(days) if _DAYS.match(days) and 1 <= int(days) <= LONGEST_DAYS else None,
    )
    return NO_POLICY if declared.empty else declared


def _listed(labels: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    """The words of a comma list, each once; nothing when there is none."""
    words = dict.fromkeys(word.strip() for word in (label(labels, name) or "").split(","))
    return tuple(word for word in words if word) or None


def canonical_name(name: str) -> str:
    """The name a container goes by once compose has finished recreating it: `{12 hex}_{name}` becomes `name`."""
    found = _RECREATED.match(name)
    return found["name"] if found else name
