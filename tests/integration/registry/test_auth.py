"""How a registry is told who we are: the 401 dance, and the places it may not lead to."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.reference import Reference, Repository
from chalicelib.ports.registry import (
    RegistryDenied,
    RegistryGarbled,
    RegistryUntrusted,
)
from tests.builders.registry_client import ADA, TAGS, Client, tags, web
from tests.builders.scripted_registry import Asked, Script, Scripted, ScriptedRegistry
from tests.docker.registry import PASSWORD, USER, image_registry


def bearer(place: ScriptedRegistry, *, accept: str | None = None, expires: int = 300) -> Script:
    """A registry that wants a token, and hands it out to whoever may have it (`accept`: one Authorization header)."""
    challenge = f'Bearer realm="{place.url}/token",service="scripted",scope="repository:web:pull,push"'

    def answer(asked: Asked) -> Scripted:
        if asked.path.startswith("/token"):
            if accept is not None and asked.authorization != accept:
                return Scripted(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}')
            return Scripted(body=json.dumps({"token": f"secret-{len(place.asked)}", "expires_in": expires}).encode())
        if not (asked.authorization or "").startswith("Bearer secret-"):
            return Scripted(401, headers={"WWW-Authenticate": challenge})
        return Scripted(body=TAGS, headers={"Docker-Content-Digest": "sha256:" + "1" * 64})

    return answer


def test_a_token_is_fetched_when_asked_for_and_used_again(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place)
    cycle = client.open().cycle()
    assert list(cycle.tags(web(place))) == ["1.0.0", "1.1.0"]
    assert cycle.head(Reference(place.address, "web", "1.0.0")) == "sha256:" + "1" * 64
    assert place.paths == [
        "/v2/web/tags/list?n=1000",
        "/token?service=scripted&scope=repository%3Aweb%3Apull",
        "/v2/web/tags/list?n=1000",
        "/v2/web/manifests/1.0.0",
    ]


def test_a_token_that_expired_is_fetched_anew(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place, expires=30)
    registries = client.open()
    tags(registries, place)
    client.clock.sleep(31)
    tags(registries, place)
    assert sum(path.startswith("/token") for path in place.paths) == 2


def test_a_token_is_kept_for_five_minutes_at_most(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place, expires=86400)
    registries = client.open()
    tags(registries, place)
    client.clock.sleep(301)
    tags(registries, place)
    assert sum(path.startswith("/token") for path in place.paths) == 2


def test_a_token_that_is_refused_early_is_fetched_anew_once(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place)
    registries = client.open()
    tags(registries, place)
    challenge = {"WWW-Authenticate": f'Bearer realm="{place.url}/token"'}
    fresh = bearer(place)
    place.answer = lambda asked: Scripted(401, headers=challenge) if asked.path.startswith("/v2") else fresh(asked)
    with pytest.raises(RegistryDenied):
        tags(registries, place)
    assert sum(path.startswith("/token") for path in place.paths) == 2


def test_credentials_go_to_the_realm_and_nowhere_else(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place, accept=ADA)
    registries = client.open({"gitlab": {"own": {"url": place.url, "login": "ada", "password": "lovelace"}}})
    assert tags(registries, place) == ["1.0.0", "1.1.0"]
    assert [asked.path.partition("?")[0] for asked in place.asked if asked.authorization == ADA] == ["/token"]


def test_wrong_credentials_are_an_error_and_never_become_anonymous(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place, accept=ADA)
    with pytest.raises(RegistryDenied, match="the credentials of ada"):
        tags(client.with_account(place, password="wrong"), place)
    assert all(asked.authorization for asked in place.asked)


def test_basic_credentials_are_sent_to_a_real_registry() -> None:
    client = Client()
    with image_registry(password=True) as real:
        real.push_image("web", "1.0.0")
        repository = Repository(real.address, "web")
        own = {"url": f"http://{real.address}", "login": USER, "password": PASSWORD}
        assert list(client.open({"custom": {"own": own}}).cycle().tags(repository)) == ["1.0.0"]
        with pytest.raises(RegistryDenied, match="tester"):
            client.open({"custom": {"own": own | {"password": "wrong"}}}).cycle().tags(repository)
        with pytest.raises(RegistryDenied, match="anonymous"):
            client.open().cycle().tags(repository)
    for registries in client.opened:
        registries.close()


def test_an_identity_token_is_exchanged_for_an_access_token(
    place: ScriptedRegistry, client: Client, tmp_path: Path
) -> None:
    honest = bearer(place)
    place.answer = honest
    (tmp_path / "config.json").write_text(json.dumps({"auths": {place.address: {"identitytoken": "refresh me"}}}))
    registries = Registries({}, client.clock, docker_config=tmp_path / "config.json")
    client.opened.append(registries)
    assert tags(registries, place) == ["1.0.0", "1.1.0"]
    (exchange,) = [asked for asked in place.asked if asked.path == "/token"]
    assert exchange.method == "POST" and exchange.authorization is None
    assert parse_qs(exchange.body.decode()) == {
        "grant_type": ["refresh_token"],
        "client_id": ["slipway"],
        "refresh_token": ["refresh me"],
        "service": ["scripted"],
        "scope": ["repository:web:pull"],
    }


def test_ten_threads_share_one_token(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place)
    cycle = client.open().cycle()
    with ThreadPoolExecutor(10) as workers:
        references = [Reference(place.address, "web", f"1.{number}") for number in range(30)]
        assert set(workers.map(cycle.head, references)) == {"sha256:" + "1" * 64}
    assert sum(path.startswith("/token") for path in place.paths) == 1


REALMS = {
    "plain http elsewhere": 'Bearer realm="http://auth.example/token"',
    "another host": 'Bearer realm="https://evil.example/token"',
    "no address": 'Bearer realm="token"',
    "a file": 'Bearer realm="file:///etc/passwd"',
    "a user in it": 'Bearer realm="https://ada@evil.example/token"',
    "a metadata service": 'Bearer realm="http://169.254.169.254/latest"',
}


@pytest.mark.parametrize("challenge", REALMS.values(), ids=REALMS.keys())
@pytest.mark.parametrize("known", [True, False], ids=["with credentials", "anonymous"])
def test_a_hostile_realm_is_not_followed(place: ScriptedRegistry, client: Client, challenge: str, known: bool) -> None:
    place.answer = lambda asked: Scripted(401, headers={"WWW-Authenticate": challenge})
    with pytest.raises(RegistryUntrusted):
        tags(client.with_account(place) if known else client.open(), place)


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"token": ""}', b'{"token": "a b"}', b'{"token": 5}', b"{}"])
def test_a_token_that_is_none_is_an_error(place: ScriptedRegistry, client: Client, body: bytes) -> None:
    honest = bearer(place)
    place.answer = lambda asked: Scripted(body=body) if asked.path.startswith("/token") else honest(asked)
    with pytest.raises(RegistryGarbled):
        tags(client.open(), place)
