"""What the engine's documents say of a container, in our words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.candidate import unchanged
from chalicelib.domain.container import Candidate, Container, EnvEntry, Identity, Result, UpdateKind
from chalicelib.domain.gate import STANDARD, applies
from chalicelib.domain.security import Scan, Security
from chalicelib.domain.vulnerability import Summary
from chalicelib.ports.registry import RegistryName
from local_runtime.executor.watching.inventory import describe, runtime_facts, with_findings

WEB = Identity("local", "local", "web")
ID, IMAGE = "c" * 64, "sha256:" + "1" * 64
DIGEST = "sha256:" + "d" * 64
KIND = UpdateKind("tag", "1.2.3", "1.3.0", "minor")
FOUND = {
    "result": Result(tag="1.3.0"),
    "update": KIND,
    "candidate": Candidate(KIND, datetime(2026, 11, 23, tzinfo=UTC)),
    "link": "https://example.test/1.2.3",
}


def inspected(configured: str = "registry.test/app:1.2.3", **parts: Any) -> dict[str, Any]:
    """An inspect document; `Config`, `State` and the like replace what they name."""
    document: dict[str, Any] = {
        "Id": ID,
        "Name": "/web",
        "Image": IMAGE,
        "Config": {"Image": configured, "Env": [], "Labels": {}},
        "State": {"Status": "running", "Running": True, "StartedAt": "2026-11-23T10:00:00.123456789Z"},
        "HostConfig": {},
        "Mounts": [],
        "NetworkSettings": {"Ports": {}},
    }
    for name, part in parts.items():
        document[name] = {**document[name], **part} if isinstance(part, dict) else part
    return document


def image(**parts: Any) -> dict[str, Any]:
    return {
        "Id": IMAGE,
        "RepoTags": ["registry.test/app:1.2.3"],
        "RepoDigests": [f"registry.test/app@{DIGEST}"],
        "Architecture": "arm64",
        "Variant": "v8",
        "Os": "linux",
        "Created": "2026-01-02T03:04:05.678901234Z",
    } | parts


def described(document: dict[str, Any] | None = None, its_image: dict[str, Any] | None = None) -> Container:
    return describe(
        document or inspected(),
        its_image or image(),
        WEB,
        name_of=lambda reference: RegistryName(f"custom.{reference.host}", f"https://{reference.host}/v2"),
        transform=lambda _formula: unchanged,
    )


def test_a_container_is_described_by_itself_and_its_image() -> None:
    found = described()
    assert (found.identity, found.id, found.display_name, found.status, found.health) == (
        WEB,
        ID,
        "web",
        "running",
        None,
    )
    assert found.image.reference == "registry.test/app:1.2.3"
    assert (found.image.registry_name, found.image.registry_url) == ("custom.registry.test", "https://registry.test/v2")
    assert (found.image.tag.value, found.image.tag.semver, found.image.tag.precision) == ("1.2.3", True, "specific")
    platform = found.image.platform
    assert (platform.architecture, platform.os, platform.variant) == ("arm64", "linux", "v8")
    assert found.image.digest.repo == f"registry.test/app@{DIGEST}"
    assert found.image.created == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert found.details.started_at == datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)
    assert (found.result, found.error, found.candidate) == (None, None, None)


def test_a_container_without_labels_environment_or_mounts_is_described() -> None:
    bare = inspected(Config={"Labels": None, "Env": None}, Mounts=None, NetworkSettings=None)
    found = described(bare)
    assert (dict(found.labels), found.details.env, found.details.volumes, found.details.ports) == ({}, (), (), ())


@pytest.mark.parametrize("tty", [True, False])
def test_a_terminal_makes_no_difference(tty: bool) -> None:
    assert described(inspected(Config={"Tty": tty})) == described()


def test_a_container_that_never_started_has_no_start() -> None:
    never = inspected(State={"Status": "created", "Running": False, "StartedAt": "0001-01-01T00:00:00Z"})
    assert (described(never).status, described(never).details.started_at) == ("created", None)


@pytest.mark.parametrize(
    ("state", "health"),
    [({}, None), ({"Health": {"Status": "none"}}, None), ({"Health": {"Status": "unhealthy"}}, "unhealthy")],
)
def test_health_is_told_where_it_is_checked(state: dict[str, Any], health: str | None) -> None:
    assert described(inspected(State=state)).health == health


def test_an_image_known_by_its_digest_alone_is_told_so() -> None:
    found = described(inspected(f"registry.test/app@{DIGEST}"), image(RepoTags=[]))
    assert (found.image.name, found.image.tag.semver) == ("app", False)
    assert DIGEST in found.image.reference


@pytest.mark.parametrize("tags", [None, [], ["<none>:<none>"]])
def test_an_image_that_lost_its_tag_keeps_the_name_it_was_run_by(tags: list[str] | None) -> None:
    found = described(inspected(), image(RepoTags=tags, RepoDigests=None))
    assert (found.image.reference, found.image.digest.repo) == ("registry.test/app:1.2.3", None)


def test_an_image_run_by_its_id_is_called_by_its_tag() -> None:
    assert described(inspected(IMAGE)).image.reference == "registry.test/app:1.2.3"


def test_ports_are_told_as_they_are_reached() -> None:
    ports = {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
        "443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8443"}],
        "53/udp": None,
    }
    found = described(inspected(NetworkSettings={"Ports": ports}))
    assert found.details.ports == ("8080->80/tcp", "127.0.0.1:8443->443/tcp", "53/udp")


def test_mounts_are_told_by_volume_or_folder() -> None:
    mounts = [
        {
            "Type": "volume",
            "Name": "data",
            "Source": "/var/lib/docker/volumes/data",
            "Destination": "/data",
            "RW": True,
        },
        {"Type": "bind", "Source": "/etc/app", "Destination": "/config", "RW": False},
    ]
    assert described(inspected(Mounts=mounts)).details.volumes == ("data:/data", "/etc/app:/config:ro")


def test_secrets_are_not_even_read() -> None:
    url = "DATABASE_URL=postgres://app:s3cret@db/app"
    found = described(inspected(Config={"Env": ["TZ=Europe/Berlin", "DB_PASSWORD=s3cret=x", "EMPTY", url]}))
    assert found.details.env == (
        EnvEntry("TZ", "Europe/Berlin", False),
        EnvEntry("DB_PASSWORD", "***", True),
        EnvEntry("EMPTY", "", False),
        EnvEntry("DATABASE_URL", "postgres://***@db/app", False),
    )


def test_a_new_look_keeps_what_a_check_found() -> None:
    checked = replace(described(), **FOUND)
    seen = runtime_facts(checked, described(inspected(State={"Status": "exited", "Running": False})))
    assert (seen.status, seen.result, seen.candidate, seen.link) == (
        "exited",
        *(FOUND[one] for one in ("result", "candidate", "link")),
    )


def test_a_new_image_voids_what_a_check_found() -> None:
    checked = replace(described(), **FOUND)
    moved = described(inspected("registry.test/app:1.3.0"), image(Id="sha256:" + "2" * 64))
    seen = runtime_facts(checked, moved)
    assert (seen.result, seen.candidate, seen.update.kind) == (None, None, "unknown")


def test_a_slow_check_does_not_bring_back_what_was_true_when_it_began() -> None:
    checked = replace(described(), **FOUND)
    stopped = replace(described(inspected(State={"Status": "exited", "Running": False})), former_ids=("b" * 64,))
    stored = with_findings(stopped, checked)
    assert (stored.status, stored.former_ids, stored.candidate) == ("exited", ("b" * 64,), FOUND["candidate"])


def test_a_slow_check_says_nothing_of_an_image_that_came_meanwhile() -> None:
    checked = replace(described(), **FOUND)
    moved = described(inspected("registry.test/app:1.3.0"), image(Id="sha256:" + "2" * 64))
    assert with_findings(moved, checked).candidate is None


def test_what_an_image_asks_of_slipway_is_told_from_its_operators_words() -> None:
    """An image must not switch off the gate before its own updates, nor have them done unasked."""
    by_image = {"dd.security.gate": "off", "dd.action.auto": "true", "dd.watch": "true", "maker": "x"}
    by_operator = {"dd.watch": "false", "dd.tag.include": "^1"}
    found = described(inspected(Config={"Labels": by_image | by_operator}), image(Config={"Labels": by_image}))
    assert found.labels == by_image | by_operator
    assert found.own_labels == {"maker": "x"} | by_operator
    assert not applies(STANDARD, {"dd.security.gate": "off"})
    assert applies(STANDARD, found.own_labels)


def test_a_gate_that_the_image_switches_off_still_blocks_what_is_unsafe() -> None:
    labels = {"dd.security.gate": "off"}
    document = inspected(Config={"Labels": labels})
    at = datetime(2026, 11, 23, tzinfo=UTC)
    scan = Scan("trivy", "registry.test/app:1.3.0", DIGEST, at, ("CRITICAL",), Summary(critical=1))
    unsafe = Security(update_scan=scan)
    for its_image, blocked in ((image(), False), (image(Config={"Labels": labels}), True)):
        now = replace(described(document, its_image), security=unsafe)
        assert (with_findings(now, now).security.blocked is not None) is blocked
