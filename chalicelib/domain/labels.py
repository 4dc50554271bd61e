"""What operators ask of us through container labels: `dd.*`, with the older `wud.*` as fallback."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from chalicelib.domain.container import Wishes
from chalicelib.domain.errors import Invalid
from chalicelib.domain.policy import LONGEST_DAYS, MODES, NO_POLICY, Policy
from chalicelib.domain.reference import Reference

DEFAULT_ICON = "mdi:docker"
COMPOSE_PROJECT = "com.docker.compose.project"
STACK = "com.docker.stack.namespace"
SWARM_SERVICE = "com.docker.swarm.service.id"
SWARM_TASK = "com.docker.swarm.task.id"

_OURS = ("dd.", "wud.")
_DAYS = re.compile(r"^[0-9]{1,3}$")
_RECREATED = re.compile(r"^[0-9a-f]{12}_(?P<name>.+)$")


def label(labels: Mapping[str, str], name: str) -> str | None:
    """The value of `dd.{name}`, else of `wud.{name}`; empty counts as absent."""
    return labels.get(f"dd.{name}") or labels.get(f"wud.{name}") or None


def flag(labels: Mapping[str, str], name: str) -> bool | None:
    """`true` in any case is true, everything else false, absent is no wish."""
    value = label(labels, name)
    return None if value is None else value.strip().lower() == "true"


def inherited(labels: Mapping[str, str], of_image: Mapping[str, str]) -> tuple[str, ...]:
    """The names of our own labels that say what the image says: they are its maker's word, not the operator's."""
    return tuple(name for name in sorted(labels) if name.startswith(_OURS) and of_image.get(name) == labels[name])


def wishes(labels: Mapping[str, str], path: str = "") -> Wishes:
    """All that the labels ask about a container whose image has this path in its registry."""
    return Wishes(
        watch=flag(labels, "watch"),
        watch_digest=flag(labels, "watch.digest"),
        include_tags=label(labels, "tag.include"),
        exclude_tags=label(labels, "tag.exclude"),
        transform_tags=label(labels, "tag.transform"),
        tag_family=label(labels, "tag.family"),
        link_template=label(labels, "link.template"),
        lookup_image=lookup_image(labels, path),
        group=label(labels, "group") or labels.get(COMPOSE_PROJECT) or labels.get(STACK),
        trigger_include=label(labels, "trigger.include"),
        trigger_exclude=label(labels, "trigger.exclude"),
        source_repo=label(labels, "source.repo"),
    )


def lookup_image(labels: Mapping[str, str], path: str) -> str | None:
    """What is asked for tags in place of the image itself: another image, or the same `path` on another registry."""
    image, url = label(labels, "registry.lookup.image"), label(labels, "registry.lookup.url")
    if url is None:
        return image
    try:
        host = urlsplit(url if "://" in url else f"//{url}").netloc.rpartition("@")[2]
    except ValueError:
        # No address at all: the check says so of this container.
        return url
    if not host:
        return image
    return f"{host}/{_path(image) if image else path}"


def inspected_tag(labels: Mapping[str, str], inspect: Mapping[str, Any]) -> str | None:
    """What stands at the place in the inspect document where a label says the running version is told."""
    place = label(labels, "inspect.tag.path")
    return _at(inspect, place.strip("/")) if place else None


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


def _path(image: str) -> str:
    """An image's name without its host and tag."""
    try:
        return Reference.parse(image).path
    except Invalid:
        return image


def _at(value: object, place: str) -> str | None:
    """The text at `a/b/c`; a name that holds slashes itself is found too."""
    if not place:
        return value.strip() or None if isinstance(value, str) else None
    if not isinstance(value, Mapping):
        return None
    parts = place.split("/")
    for length in range(len(parts), 0, -1):
        name = "/".join(parts[:length])
        if name in value:
            return _at(value[name], "/".join(parts[length:]))
    return None
