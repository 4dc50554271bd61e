"""Which containers need which others: by a label, else as compose noted; and in what waves they may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from chalicelib.domain.compose import SERVICE
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.labels import COMPOSE_PROJECT, label

DEPENDS_ON = "com.docker.compose.depends_on"
"""What compose notes of `depends_on`: `db:service_started:false,cache:service_healthy:true`."""

Needs = Mapping[Identity, Set[Identity]]
"""For each container those it depends on directly; only containers that are there, of one watcher."""


def needs(containers: Sequence[Container]) -> Needs:
    """What each of one watcher's containers depends on."""
    by_name = {one.name: one.identity for one in containers}
    services: dict[tuple[str, str], set[Identity]] = {}
    for one in containers:
        project, service = one.labels.get(COMPOSE_PROJECT), one.labels.get(SERVICE)
        if project and service:
            services.setdefault((project, service), set()).add(one.identity)
    found = {}
    for one in containers:
        said = label(one.labels, "depends_on")
        if said is not None:
            wanted = {by_name[word.strip()] for word in said.split(",") if word.strip() in by_name}
        else:
            project = one.labels.get(COMPOSE_PROJECT, "")
            entries = one.labels.get(DEPENDS_ON, "").split(",")
            wanted = set().union(*(services.get((project, entry.split(":")[0].strip()), ()) for entry in entries))
        found[one.identity] = wanted - {one.identity}
    return found


def restarts_with(container: Container) -> bool:
    """Whether it wants to be restarted when one it depends on was updated."""
    return (label(container.labels, "depends_on.action") or "").strip().lower() == "restart"


def all_needs(identity: Identity, direct: Needs) -> set[Identity]:
    """Everything it depends on, directly or through others; itself as well when it stands in a circle."""
    found: set[Identity] = set()
    waiting = list(direct.get(identity, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += direct.get(one, ())
    return found


def dependents(identity: Identity, direct: Needs) -> set[Identity]:
    """All that depend on it, directly or through others."""
    return {one for one in direct if one != identity and identity in all_needs(one, direct)}


def waves(identities: Iterable[Identity], direct: Needs) -> list[list[Identity]]:
    """These in the order in which they may change: each after all it needs, by name within a wave.

    Those that need one another in a circle, and what is left behind it, make up one last wave.
    """
    left = set(identities)
    above = {one: all_needs(one, direct) & left - {one} for one in left}
    found = []
    while left:
        free = {one for one in left if not above[one] & left} or left
        found.append(sorted(free))
        left = left - free
    return found


def before(identity: Identity, direct: Needs) -> set[Identity]:
    """All it has to wait for: what it needs, without those that need it as well."""
    return {one for one in all_needs(identity, direct) if identity not in all_needs(one, direct)}
