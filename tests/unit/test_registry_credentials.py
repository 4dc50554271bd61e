"""Credentials of registries: from settings, from Docker's config.json, from its helpers."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.registry.credentials import Account, DockerConfig, read_instances
from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.reference import Reference
from chalicelib.ports.engine import RegistryAuth
from tests.fakes.services import StillClock

AUTH = base64.b64encode(b"ada:love:lace").decode()


def account_of(kind: str, **settings: str) -> Account | None:
    (instance,) = [found for found in read_instances({kind: {"own": settings}}) if found.provider.kind == kind]
    return instance.account


@pytest.mark.parametrize(
    ("kind", "settings", "user", "secret"),
    [
        ("acr", {"clientid": "id", "clientsecret": "s"}, "id", "s"),
        ("alicr", {"login": "ada", "password": "s"}, "ada", "s"),
        ("artifactory", {"url": "https://x.example", "login": "ada", "password": "s"}, "ada", "s"),
        ("artifactory", {"url": "https://x.example", "auth": AUTH}, "ada", "love:lace"),
        ("codeberg", {"login": "ada", "password": "s"}, "ada", "s"),
        ("custom", {"url": "https://x.example", "auth": AUTH}, "ada", "love:lace"),
        ("dhi", {"login": "ada", "password": "s"}, "ada", "s"),
        ("docr", {"token": "s"}, "doctl", "s"),
        ("docr", {"login": "ada", "password": "s"}, "ada", "s"),
        ("forgejo", {"url": "https://x.example", "login": "ada", "password": "s"}, "ada", "s"),
        ("ghcr", {"username": "ada", "token": "s"}, "ada", "s"),
        ("gitea", {"url": "https://x.example", "login": "ada", "password": "s"}, "ada", "s"),
        ("harbor", {"url": "https://x.example", "login": "ada", "password": "s"}, "ada", "s"),
        ("hub", {"login": "ada", "password": "s"}, "ada", "s"),
        ("hub", {"login": "ada", "token": "s"}, "ada", "s"),
        ("hub", {"auth": AUTH}, "ada", "love:lace"),
        ("ibmcr", {"apikey": "s"}, "iamapikey", "s"),
        ("lscr", {"username": "ada", "token": "s"}, "ada", "s"),
        ("nexus", {"url": "https://x.example", "login": "ada", "password": "s"}, "ada", "s"),
        ("ocir", {"login": "tenant/ada", "password": "s"}, "tenant/ada", "s"),
        ("quay", {"namespace": "org", "account": "robot", "token": "s"}, "org+robot", "s"),
        ("trueforge", {"username": "ada", "token": "s"}, "ada", "s"),
    ],
)
def test_each_provider_has_its_own_words(kind: str, settings: dict[str, str], user: str, secret: str) -> None:
    assert account_of(kind, **settings) == Account(user, secret)


@pytest.mark.parametrize("kind", ["gcr", "gar"])
def test_google_takes_a_service_account(kind: str) -> None:
    found = account_of(kind, clientemail="a@b.example", privatekey="-----BEGIN\\nKEY-----")
    assert found is not None and found.user == "_json_key"
    assert json.loads(found.secret) == {"client_email": "a@b.example", "private_key": "-----BEGIN\nKEY-----"}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("hub", {"login": "ada"}),
        ("hub", {"auth": "not base64!"}),
        ("hub", {"auth": base64.b64encode(b"no colon").decode()}),
        ("harbor", {"login": "ada", "password": "s"}),
        ("custom", {"url": "ftp://x.example"}),
        ("custom", {"url": "https://ada:s3cret@x.example"}),
        ("quay", {"token": "s"}),
        ("gcr", {"privatekey": "s"}),
        ("acr", {"clientsecret": "s"}),
    ],
)
def test_a_registry_configured_wrongly_is_left_out_and_the_others_stay(
    kind: str, settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    found = read_instances({kind: {"own": settings}, "ghcr": {"fine": {"token": "s"}}})
    assert f"{kind}.own" not in [instance.id for instance in found]
    assert "ghcr.fine" in [instance.id for instance in found]
    assert f"'{kind}.own' is left out" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_provider_nobody_knows_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert all(instance.provider.kind != "nobody" for instance in read_instances({"nobody": {"x": ""}}))
    assert "nobody" in caplog.text


def test_secrets_do_not_show() -> None:
    instances = read_instances({"hub": {"own": {"login": "ada", "token": "hush"}}})
    assert "hush" not in repr(instances)


def docker_config(
    folder: Path, document: dict[str, Any], helpers: dict[tuple[str, str], str] | None = None
) -> DockerConfig:
    path = folder / "config.json"
    path.write_text(json.dumps(document))

    def run(name: str, server: str) -> str:
        try:
            return (helpers or {})[(name, server)]
        except KeyError:
            raise subprocess.CalledProcessError(1, name) from None

    return DockerConfig(path, run)


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("https://registry.example.com", "registry.example.com"),
        ("registry.example.com:5000", "registry.example.com:5000"),
    ],
)
def test_what_docker_login_stored_is_found(tmp_path: Path, key: str, host: str) -> None:
    found = docker_config(tmp_path, {"auths": {key: {"auth": AUTH}}})
    assert found.account(host) == Account("ada", "love:lace")
    assert found.account("other.example") is None


def test_an_identity_token_is_told_from_a_password(tmp_path: Path) -> None:
    stored = docker_config(tmp_path, {"auths": {"mine.azurecr.io": {"auth": AUTH, "identitytoken": "refresh"}}})
    assert stored.account("mine.azurecr.io") == Account("<token>", "refresh", identity=True)
    answer = json.dumps({"Username": "<token>", "Secret": "refresh"})
    helped = docker_config(tmp_path, {"credsStore": "vault"}, {("vault", "mine.azurecr.io"): answer})
    assert helped.account("mine.azurecr.io") == Account("<token>", "refresh", identity=True)
    pulled = Registries({}, StillClock(), docker_config=helped).pull_credentials(Reference.parse("mine.azurecr.io/a"))
    assert pulled == RegistryAuth(identity_token="refresh", server="mine.azurecr.io")


def test_a_helper_of_one_registry_comes_before_the_store_of_all(tmp_path: Path) -> None:
    def answer(user: str) -> str:
        return json.dumps({"ServerURL": "x", "Username": user, "Secret": "s"})

    found = docker_config(
        tmp_path,
        {"credHelpers": {"ghcr.io": "special"}, "credsStore": "vault"},
        {("special", "ghcr.io"): answer("special"), ("vault", "quay.io"): answer("all")},
    )
    assert found.account("ghcr.io") == Account("special", "s")
    assert found.account("quay.io") == Account("all", "s")
    assert found.account("lscr.io") is None


def test_a_helper_is_run_as_docker_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-tested"
    helper.write_text('#!/bin/sh\nread server\necho "{\\"Username\\": \\"$1\\", \\"Secret\\": \\"$server\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "tested"}))
    assert DockerConfig(tmp_path / "config.json").account("ghcr.io") == Account("get", "ghcr.io")


@pytest.mark.parametrize("name", ["../../bin/sh", "a b", "", 5, "-x"])
def test_a_helper_with_a_strange_name_is_not_run(tmp_path: Path, name: Any) -> None:
    def run(helper: str, server: str) -> str:
        pytest.fail(f"{helper} was run")

    (tmp_path / "config.json").write_text(json.dumps({"credsStore": name}))
    assert DockerConfig(tmp_path / "config.json", run).account("ghcr.io") is None


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"auths": null}', '{"auths": {"ghcr.io": {"auth": "!"}}}'])
def test_a_docker_config_that_is_none_gives_no_account(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert DockerConfig(tmp_path / "config.json").account("ghcr.io") is None
    assert DockerConfig(tmp_path / "missing.json").account("ghcr.io") is None


def test_the_engine_pulls_with_our_credentials_and_settings_come_first(tmp_path: Path) -> None:
    config = docker_config(tmp_path, {"auths": {"ghcr.io": {"auth": AUTH}, "quay.io": {"auth": AUTH}}})
    registries = Registries({"ghcr": {"own": {"username": "set", "token": "t"}}}, StillClock(), docker_config=config)
    assert registries.pull_credentials(Reference.parse("ghcr.io/a/b")) == RegistryAuth("set", "t", server="ghcr.io")
    assert registries.pull_credentials(Reference.parse("quay.io/a/b")) == RegistryAuth(
        "ada", "love:lace", server="quay.io"
    )
    assert registries.pull_credentials(Reference.parse("lscr.io/a/b")) is None


def test_a_docker_login_counts_within_minutes(tmp_path: Path) -> None:
    clock = StillClock()
    registries = Registries({}, clock, docker_config=tmp_path / "config.json")
    image = Reference.parse("ghcr.io/a/b")
    assert registries.pull_credentials(image) is None
    docker_config(tmp_path, {"auths": {"ghcr.io": {"auth": AUTH}}})
    clock.sleep(301)
    assert registries.pull_credentials(image) is not None
