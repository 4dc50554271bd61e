"""Manifests and configs: redirects, forged content, old formats."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.domain.container import Platform
from chalicelib.domain.reference import Reference
from chalicelib.ports.registry import (
    RegistryGarbled,
    RegistryUntrusted,
)
from chalicelib.usecases.detect import detect
from tests.builders.detection import a_container
from tests.builders.registry_client import ADA, Client, tags
from tests.builders.scripted_registry import Asked, Script, Scripted, ScriptedRegistry

AMD64 = Platform("amd64", "linux")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client, status: int
) -> None:
    place.answer = lambda asked: Scripted(status, headers={"Location": f"{other.url}{asked.path}"})
    for registries in (client.with_account(place), client.open()):
        with pytest.raises(RegistryUntrusted, match="redirects"):
            tags(registries, place)
    assert other.asked == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest", "https://10.0.0.1/x", "file:///etc/passwd", ""])
def test_a_redirect_into_a_network_is_not_followed(place: ScriptedRegistry, client: Client, target: str) -> None:
    place.answer = lambda asked: Scripted(307, headers={"Location": target})
    with pytest.raises(RegistryUntrusted):
        tags(client.open(), place)


def image_script(place: ScriptedRegistry, config: bytes, blob: Script) -> tuple[Script, str]:
    digest = "sha256:" + hashlib.sha256(config).hexdigest()
    manifest = json.dumps({"schemaVersion": 2, "config": {"digest": digest}, "layers": []}).encode()

    def answer(asked: Asked) -> Scripted:
        if "/blobs/" in asked.path:
            return blob(asked)
        return Scripted(body=manifest)

    return answer, digest


CONFIG = b'{"created": "2025-01-02T03:04:05.123456789Z"}'


def test_a_config_may_lie_on_another_host_which_gets_no_credentials(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client
) -> None:
    place.answer, digest = image_script(
        place, CONFIG, lambda asked: Scripted(307, headers={"Location": f"{other.url}/storage?signed=1"})
    )
    other.answer = lambda asked: Scripted(body=CONFIG)
    found = client.with_account(place).cycle().manifest(Reference(place.address, "web", "1"), AMD64)
    assert found.config_digest == digest
    assert found.created == datetime(2025, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert [asked.authorization for asked in other.asked] == [None]
    assert all(asked.authorization == ADA for asked in place.asked)


def test_a_config_that_cannot_be_followed_leaves_the_date_out(place: ScriptedRegistry, client: Client) -> None:
    place.answer, digest = image_script(
        place, CONFIG, lambda asked: Scripted(307, headers={"Location": "http://169.254.169.254/"})
    )
    found = client.open().cycle().manifest(Reference(place.address, "web", "1"), AMD64)
    assert (found.config_digest, found.created) == (digest, None)


def test_a_config_of_another_digest_is_an_error(place: ScriptedRegistry, client: Client) -> None:
    place.answer, _ = image_script(place, CONFIG, lambda asked: Scripted(body=b"forged"))
    with pytest.raises(RegistryGarbled, match="other content"):
        client.open().cycle().manifest(Reference(place.address, "web", "1"), AMD64)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"config": {}}', b'{"config": {"digest": "../../x"}}', b'{"schemaVersion": 2}']
)
def test_a_manifest_that_is_none_is_an_error(place: ScriptedRegistry, client: Client, body: bytes) -> None:
    place.answer = lambda asked: Scripted(body=body)
    with pytest.raises(RegistryGarbled):
        client.open().cycle().manifest(Reference(place.address, "web", "1"), AMD64)


def test_a_manifest_of_another_digest_than_asked_for_is_an_error(place: ScriptedRegistry, client: Client) -> None:
    place.answer, _ = image_script(place, CONFIG, lambda asked: Scripted(body=CONFIG))
    with pytest.raises(RegistryGarbled, match="another digest"):
        client.open().cycle().resolve(Reference(place.address, "web", None, "sha256:" + "1" * 64), AMD64)


def test_the_oldest_manifests_are_understood(place: ScriptedRegistry, client: Client) -> None:
    image_id, digest = "sha256:" + "7" * 64, "sha256:" + "8" * 64
    history = {"config": {"Image": image_id}, "created": "2016-01-01T00:00:00Z"}
    document = {"schemaVersion": 1, "history": [{"v1Compatibility": json.dumps(history)}]}
    place.answer = lambda asked: Scripted(body=json.dumps(document).encode(), headers={"Docker-Content-Digest": digest})
    found = client.open().cycle().manifest(Reference(place.address, "web", "1"), AMD64)
    assert (found.digest, found.platform_digest, found.config_digest) == (digest, digest, image_id)
    assert found.created == datetime(2016, 1, 1, tzinfo=UTC)


def test_a_registry_without_head_is_asked_for_the_content(place: ScriptedRegistry, client: Client) -> None:
    whole, _ = image_script(place, CONFIG, lambda asked: Scripted(body=CONFIG))
    place.answer = lambda asked: Scripted(405) if asked.method == "HEAD" else whole(asked)
    container = a_container(f"{place.address}/web:stable", image_id="sha256:" + "0" * 64)
    checked = detect(container, client.open().cycle(), compile=Re2Patterns(), now=client.clock.now())
    assert [asked.method for asked in place.asked][:2] == ["HEAD", "GET"]
    assert checked.image.digest.watch
