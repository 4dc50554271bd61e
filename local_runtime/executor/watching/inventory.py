"""From the engine's documents to a container as we know it: a pure mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain import labels as label_rules
from chalicelib.domain.candidate import Transform, read_tag, watches_digest
from chalicelib.domain.container import Container, Details, Digest, EnvEntry, Identity, Image, Platform, Wishes
from chalicelib.domain.environment import MASK, is_sensitive, without_user_info
from chalicelib.domain.gate import STANDARD, GateRules, judged, same_offer
from chalicelib.domain.image_set import ImageSet, best_fit, with_defaults
from chalicelib.domain.reference import Reference, choose_reference, own_digest
from chalicelib.domain.security import NOTHING_KNOWN, Security
from chalicelib.ports.registry import RegistryName

Document = Mapping[str, Any]

_NO_DATE = "0001-01-01T00:00:00Z"
_HEALTH = frozenset({"starting", "healthy", "unhealthy"})


def describe(
    inspect: Document,
    image: Document,
    identity: Identity,
    *,
    labels: Mapping[str, str] | None = None,
    name_of: Callable[[Reference], RegistryName],
    transform: Callable[[str | None], Transform],
    image_sets: Sequence[ImageSet] = (),
    defaults: Mapping[str, str] | None = None,
) -> Container:
    """The container these two inspect documents describe, before anything is known of newer images.

    `labels` are its own with those of its service beneath them. `name_of` says which registry is in charge;
    `transform` compiles the operator's tag transform. Where its labels say nothing, the image set that fits its image
    best does, and below that the watcher's `defaults`.
    """
    config = inspect["Config"]
    labels = dict(labels if labels is not None else config.get("Labels") or {})
    reference = _reference(config["Image"], image)
    fitting = best_fit(image_sets, reference)
    asked = with_defaults(labels, fitting.wishes if fitting else {}, defaults or {})
    wishes = label_rules.wishes(asked, reference.path)
    version = label_rules.inspected_tag(asked, inspect)
    state = inspect["State"]
    return Container(
        identity=identity,
        id=inspect["Id"],
        display_name=label_rules.label(asked, "display.name") or identity.name,
        display_icon=label_rules.label(asked, "display.icon") or label_rules.DEFAULT_ICON,
        status=state.get("Status", "unknown"),
        health=health(state),
        wishes=wishes,
        labels=labels,
        inherited_labels=label_rules.inherited(labels, (image.get("Config") or {}).get("Labels") or {}),
        details=details(inspect),
        image=_image(reference, image, wishes, name_of, transform(wishes.transform_tags), version),
    )


def runtime_facts(container: Container, fresh: Container) -> Container:
    """`container` with everything the engine says now, and everything the last check found.

    Findings about another image are not carried over: they belong to what ran before.
    """
    kept = replace(
        fresh,
        former_ids=container.former_ids,
        applied_at=container.applied_at,
        security=inherited_security(container, fresh),
    )
    if not runs_the_same(container, fresh):
        return kept
    digest = replace(fresh.image.digest, value=container.image.digest.value)
    return replace(
        kept,
        image=replace(fresh.image, digest=digest),
        result=container.result,
        error=container.error,
        update=container.update,
        candidate=container.candidate,
        link=container.link,
        security=container.security,
    )


def with_findings(now: Container, checked: Container, gate: GateRules = STANDARD) -> Container:
    """What is stored of a container now, with what a check of it found; its runtime may have changed meanwhile.

    What was known of a candidate goes once there is another one; what is left is judged by today's rules.
    """
    found = runtime_facts(checked, now)
    security = now.security if same_offer(now.candidate, found.candidate) else now.security.without_candidate()
    return replace(
        found,
        former_ids=now.former_ids,
        applied_at=now.applied_at,
        security=judged(gate, now.own_labels, security),
    )


def inherited_security(former: Container | None, fresh: Container) -> Security:
    """What is known of the image a container runs now, from what was known of its images before."""
    if former is None:
        return NOTHING_KNOWN
    if runs_the_same(former, fresh):
        return former.security
    return former.security.moved_to(fresh.image.identifying_digest)


def health(state: Document) -> str | None:
    """The state of the health check, when there is one."""
    status = (state.get("Health") or {}).get("Status")
    return status if status in _HEALTH else None


def details(inspect: Document) -> Details:
    """Ports, mounts, environment and start time as people read them."""
    return Details(
        ports=tuple(_ports(inspect)),
        volumes=tuple(_volume(mount) for mount in inspect.get("Mounts") or ()),
        env=tuple(_env(entry) for entry in inspect["Config"].get("Env") or ()),
        started_at=moment(inspect["State"].get("StartedAt")),
    )


def runs_the_same(before: Container, now: Container) -> bool:
    """Whether both are made from one image under one name."""
    return before.image.reference == now.image.reference and before.image.id == now.image.id


def _reference(configured: str, image: Document) -> Reference:
    return choose_reference(configured, image.get("RepoTags") or (), image.get("RepoDigests") or (), image["Id"])


def _image(
    reference: Reference,
    image: Document,
    wishes: Wishes,
    name_of: Callable[[Reference], RegistryName],
    transform: Transform,
    version: str | None,
) -> Image:
    digests = tuple(image.get("RepoDigests") or ())
    registry = name_of(reference)
    told = read_tag(version, transform) if version else None
    # What the container tells of itself only counts when it is a version: everything else cannot be compared.
    tag = told if told is not None and told.semver else read_tag(reference.running_tag, transform)
    return Image(
        id=image["Id"],
        registry_name=registry.name,
        registry_url=registry.url,
        name=reference.path,
        tag=tag,
        digest=Digest(watches_digest(wishes.watch_digest, tag), None, own_digest(reference, digests), digests),
        platform=Platform(image.get("Architecture") or "unknown", image.get("Os") or "linux", image.get("Variant")),
        created=moment(image.get("Created")),
        lookup_image=wishes.lookup_image,
        reference=reference.familiar,
    )


def _ports(inspect: Document) -> list[str]:
    bound = (inspect.get("NetworkSettings") or {}).get("Ports") or {}
    found = []
    for inside, outside in bound.items():
        if not outside:
            found.append(inside)
        for binding in outside or ():
            host = binding.get("HostIp") or ""
            prefix = f"{host}:" if host and host not in ("0.0.0.0", "::") else ""
            text = f"{prefix}{binding.get('HostPort', '')}->{inside}"
            if text not in found:
                found.append(text)
    return found


def _volume(mount: Document) -> str:
    source = mount.get("Name") or mount.get("Source") or ""
    return f"{source}:{mount.get('Destination', '')}" + ("" if mount.get("RW", True) else ":ro")


def _env(entry: str) -> EnvEntry:
    """What is secret is not even read: it would differ from what is stored, which is without it, at every look."""
    key, _, value = entry.partition("=")
    return EnvEntry(key, MASK, True) if is_sensitive(key) else EnvEntry(key, without_user_info(value), False)


def moment(text: str | None) -> datetime | None:
    """A time stamp of the engine; nothing for none. They have nanoseconds, which Python cuts to microseconds."""
    if not text or text.startswith(_NO_DATE[:19]):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
