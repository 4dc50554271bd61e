"""Which registry is in charge of an image: by whole host names, configured ones first."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.adapters.registry.providers import BY_KIND, PROVIDERS
from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.host_name import is_loopback
from chalicelib.domain.reference import Reference
from chalicelib.ports.registry import RegistryName
from tests.fakes.services import StillClock


def name_of(image: str, settings: dict[str, Any] | None = None) -> RegistryName:
    return Registries(settings or {}, StillClock()).name_of(Reference.parse(image))


def test_there_are_twenty_three_providers() -> None:
    assert len(PROVIDERS) == len(BY_KIND) == 23


@pytest.mark.parametrize(
    ("image", "name", "url"),
    [
        ("nginx", "hub.public", "https://registry-1.docker.io/v2"),
        ("docker.io/grafana/grafana", "hub.public", "https://registry-1.docker.io/v2"),
        ("mirror.docker.io/library/nginx", "hub.public", "https://registry-1.docker.io/v2"),
        ("ghcr.io/owner/app", "ghcr.public", "https://ghcr.io/v2"),
        ("lscr.io/linuxserver/sonarr", "lscr.public", "https://lscr.io/v2"),
        ("quay.io/prometheus/prometheus", "quay.public", "https://quay.io/v2"),
        ("gcr.io/distroless/static", "gcr.public", "https://gcr.io/v2"),
        ("eu.gcr.io/project/app", "gcr.public", "https://eu.gcr.io/v2"),
        ("europe-west1-docker.pkg.dev/project/repo/app", "gar.public", "https://europe-west1-docker.pkg.dev/v2"),
        ("public.ecr.aws/docker/library/redis", "ecr.public", "https://public.ecr.aws/v2"),
        (
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com/app",
            "ecr.public",
            "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com/v2",
        ),
        ("codeberg.org/forgejo/forgejo", "codeberg.public", "https://codeberg.org/v2"),
        ("dhi.io/nginx", "dhi.public", "https://dhi.io/v2"),
        ("registry.digitalocean.com/mine/app", "docr.public", "https://registry.digitalocean.com/v2"),
        (
            "registry-intl.cn-hangzhou.aliyuncs.com/a/b",
            "alicr.public",
            "https://registry-intl.cn-hangzhou.aliyuncs.com/v2",
        ),
        ("registry.cn-hangzhou.aliyuncs.com/a/b", "alicr.public", "https://registry.cn-hangzhou.aliyuncs.com/v2"),
        ("mine.cn-shanghai.cr.aliyuncs.com/a/b", "alicr.public", "https://mine.cn-shanghai.cr.aliyuncs.com/v2"),
        ("icr.io/appcafe/liberty", "ibmcr.public", "https://icr.io/v2"),
        ("us.icr.io/a/b", "ibmcr.public", "https://us.icr.io/v2"),
        ("fra.ocir.io/tenant/app", "ocir.public", "https://fra.ocir.io/v2"),
        ("dock.mau.dev/mautrix/whatsapp", "mau.public", "https://dock.mau.dev/v2"),
        ("oci.trueforge.org/tccr/app", "trueforge.public", "https://oci.trueforge.org/v2"),
        ("mine.azurecr.io/app", "unknown", "https://mine.azurecr.io/v2"),
        ("registry.gitlab.com/a/b", "unknown", "https://registry.gitlab.com/v2"),
        ("registry.example.com:5000/app", "unknown", "https://registry.example.com:5000/v2"),
        ("127.0.0.1:5000/web", "unknown", "http://127.0.0.1:5000/v2"),
        ("localhost/web", "unknown", "http://localhost/v2"),
    ],
)
def test_a_public_registry_is_known_by_its_host(image: str, name: str, url: str) -> None:
    assert name_of(image) == RegistryName(name, url)


@pytest.mark.parametrize(
    "host",
    [
        "evil-ghcr.io",
        "ghcr.io.example",
        "xghcr.io",
        "ghcr.io:8443",
        "notdocker.io",
        "docker.io.example",
        "evilgcr.io",
        "gcr.io.evil.com",
        "evilicr.io",
        "quay.io.example",
        "x-docker.pkg.dev.example",
        "sub.x-docker.pkg.dev",
        "dkr.ecr.eu-central-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.com",
        "registry.digitalocean.com.example",
        "azurecr.io",
        "evilocir.io",
        "public.ecr.aws.example",
    ],
)
def test_a_host_that_only_looks_alike_is_a_stranger(host: str) -> None:
    assert name_of(f"{host}/owner/app").name == "unknown"


SELF_HOSTED = ["artifactory", "custom", "forgejo", "gitea", "gitlab", "harbor", "nexus"]


@pytest.mark.parametrize("kind", SELF_HOSTED)
def test_a_self_hosted_registry_is_known_by_its_url(kind: str) -> None:
    settings = {kind: {"own": {"url": "https://registry.example.com:5000/"}}}
    assert name_of("registry.example.com:5000/app", settings) == RegistryName(
        f"{kind}.own", "https://registry.example.com:5000/v2"
    )
    assert name_of("registry.example.com:5001/app", settings).name == "unknown"
    assert name_of("a.registry.example.com:5000/app", settings).name == "unknown"


def test_every_other_provider_is_known_by_its_hosts() -> None:
    assert sorted(kind for kind, provider in BY_KIND.items() if provider.self_hosted) == SELF_HOSTED


def test_plain_http_is_used_where_the_operator_wrote_it() -> None:
    settings = {"custom": {"lan": {"url": "http://10.0.0.5:5000"}}}
    assert name_of("10.0.0.5:5000/app", settings) == RegistryName("custom.lan", "http://10.0.0.5:5000/v2")


def test_a_custom_registry_may_listen_on_another_port_than_the_image_says() -> None:
    settings = {"custom": {"lan": {"url": "https://registry.example.com:8443"}}}
    assert name_of("registry.example.com/app", settings).url == "https://registry.example.com:8443/v2"


def test_a_configured_registry_replaces_the_public_one() -> None:
    settings = {"ghcr": {"private": {"username": "ada", "token": "t"}}}
    assert name_of("ghcr.io/owner/app", settings).name == "ghcr.private"


def test_an_instance_with_credentials_comes_before_anonymous_ones_and_then_the_name_decides() -> None:
    settings = {"hub": {"anonymous": "", "zeta": {"login": "z", "token": "t"}, "beta": {"login": "b", "token": "t"}}}
    assert name_of("nginx", settings).name == "hub.beta"


def test_an_empty_setting_is_an_anonymous_instance() -> None:
    assert name_of("nginx", {"hub": {"mine": ""}}).name == "hub.mine"


def test_gitlab_has_a_host_by_default() -> None:
    assert name_of("registry.gitlab.com/a/b", {"gitlab": {"com": {"token": "t"}}}).name == "gitlab.com"


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.1:5000", True),
        ("localhost", True),
        ("localhost:5000", True),
        ("[::1]:5000", True),
        ("registry.localhost:5000", True),
        ("10.0.0.1:5000", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("ghcr.io", False),
    ],
)
def test_this_machine_is_told_from_others(host: str, here: bool) -> None:
    assert is_loopback(host) is here
