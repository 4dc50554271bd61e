"""Containers to fill a store with: believable, each different, none of them on any host."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chalicelib.domain.container import (
    Candidate,
    Container,
    Details,
    Digest,
    EnvEntry,
    Identity,
    Image,
    Platform,
    Result,
    Tag,
    UpdateKind,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def container(name: str = "web", *, agent: str = "local", watcher: str = "local", **changes: object) -> Container:
    """A running container without an update."""
    built = Container(
        identity=Identity(agent, watcher, name),
        id=_hex(f"{agent}/{watcher}/{name}"),
        display_name=name,
        display_icon="mdi:docker",
        status="running",
        image=Image(
            id=f"sha256:{_hex('image ' + name)}",
            registry_name="hub.public",
            registry_url="https://registry-1.docker.io/v2",
            name=f"library/{name}",
            tag=Tag("1.2.3", True, "specific"),
            digest=Digest(
                False, None, f"{name}@sha256:{_hex('repo ' + name)}", (f"{name}@sha256:{_hex('repo ' + name)}",)
            ),
            platform=Platform("amd64", "linux"),
            created=NOW - timedelta(days=90),
            reference=f"{name}:1.2.3",
        ),
        labels={"com.docker.compose.project": "demo", "org.opencontainers.image.title": name},
        details=Details(
            ports=("8080->80/tcp",),
            volumes=(f"{name}-data:/data",),
            env=(EnvEntry("TZ", "Europe/Berlin", False), EnvEntry("DATABASE_PASSWORD", "s3cret", True)),
            started_at=NOW - timedelta(hours=3),
        ),
        result=Result(tag="1.2.3"),
    )
    return replace(built, **changes)  # type: ignore[arg-type]


def with_update(
    one: Container, tag: str = "1.3.0", diff: str = "minor", age: timedelta = timedelta(days=2)
) -> Container:
    """The same with a newer tag on offer, first seen that long before NOW."""
    kind = UpdateKind("tag", one.image.tag.value, tag, diff)
    return replace(one, result=Result(tag=tag), update=kind, candidate=Candidate(kind, NOW - age))


def fleet_of(size: int) -> list[Container]:
    """That many containers; every third has an update, every fifth has stopped."""
    fleet = []
    for number in range(size):
        one = container(f"service-{number:04}", status="exited" if number % 5 == 4 else "running")
        fleet.append(with_update(one, age=timedelta(hours=number % 400)) if number % 3 == 0 else one)
    return fleet


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
