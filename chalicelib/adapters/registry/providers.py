"""The registries we know by name, one row each: which hosts are theirs, how they authenticate, how fast we may ask."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chalicelib.domain.reference import HUB


@dataclass(frozen=True, slots=True)
class Pace:
    """A token bucket: `rate` requests a second after a burst."""

    rate: float
    burst: int


GENTLE = Pace(2, 10)
PUBLIC = Pace(5, 10)


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of registry. `hosts` are patterns for a whole host name; without any, the URL setting names the host.

    `user` is built from settings (`{namespace}+{account}`), `secrets` names the settings that may hold the password.
    `token_hosts` may give out tokens besides the registry itself. `basic` sends credentials without being asked first.
    """

    kind: str
    hosts: tuple[str, ...] = ()
    user: str = "{login}"
    default_user: str = ""
    secrets: tuple[str, ...] = ("password",)
    basic: bool = False
    public: bool = False
    api_host: str | None = None
    default_url: str | None = None
    token_hosts: tuple[str, ...] = ()
    pace: Pace | None = PUBLIC

    @property
    def self_hosted(self) -> bool:
        return not self.hosts

    def owns(self, host: str) -> bool:
        """Whether a host belongs to this provider, by its whole name."""
        return any(re.fullmatch(pattern, host) for pattern in self.hosts)


def _under(domain: str) -> str:
    """A domain and everything below it, on a dot boundary."""
    return rf"(?:[a-z0-9-]+\.)*{re.escape(domain)}"


def _below(domain: str) -> str:
    """Everything below a domain, but not the domain."""
    return rf"(?:[a-z0-9-]+\.)+{re.escape(domain)}"


def _own(kind: str, default_url: str | None = None) -> Provider:
    return Provider(kind, basic=True, pace=None, default_url=default_url)


JSON_KEY_USER = "_json_key"

PROVIDERS: tuple[Provider, ...] = (
    Provider("acr", (_below("azurecr.io"),), user="{clientid}", secrets=("clientsecret",), basic=True),
    Provider(
        "alicr",
        (
            r"registry(?:-intl)?(?:-vpc)?\.[a-z0-9-]+\.aliyuncs\.com",
            _below("cr.aliyuncs.com"),
            _below("cr.aliyuncs.com.cn"),
        ),
        basic=True,
        public=True,
        token_hosts=(r"dockerauth(?:-[a-z0-9-]+)?\.[a-z0-9-]+\.aliyuncs\.com", r"dockerauth\.aliyuncs\.com"),
    ),
    _own("artifactory"),
    Provider("codeberg", (r"codeberg\.org",), public=True),
    _own("custom"),
    Provider("dhi", (r"dhi\.io",), secrets=("password", "token"), public=True, token_hosts=(r"auth\.docker\.io",)),
    Provider(
        "docr",
        (r"registry\.digitalocean\.com",),
        default_user="doctl",
        secrets=("token", "password"),
        basic=True,
        public=True,
        token_hosts=(r"api\.digitalocean\.com",),
    ),
    Provider(
        "ecr",
        (r"[0-9]+\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?", r"public\.ecr\.aws"),
        user="AWS",
        secrets=("secretaccesskey",),
        public=True,
    ),
    _own("forgejo"),
    Provider("gar", (r"[a-z0-9-]+-docker\.pkg\.dev",), user=JSON_KEY_USER, secrets=("privatekey",), public=True),
    Provider(
        "gcr", (_under("gcr.io"),), user=JSON_KEY_USER, secrets=("privatekey",), public=True, token_hosts=(r"gcr\.io",)
    ),
    Provider(
        "ghcr", (r"ghcr\.io",), user="{username}", default_user="slipway", secrets=("token",), public=True, pace=GENTLE
    ),
    _own("gitea"),
    Provider(
        "gitlab",
        user="{login}",
        default_user="slipway",
        secrets=("token", "password"),
        pace=None,
        default_url="https://registry.gitlab.com",
        token_hosts=(r"gitlab\.com",),
    ),
    _own("harbor"),
    Provider(
        "hub",
        (_under(HUB),),
        secrets=("password", "token"),
        public=True,
        api_host="registry-1.docker.io",
        token_hosts=(r"auth\.docker\.io",),
        pace=GENTLE,
    ),
    Provider(
        "ibmcr",
        (_under("icr.io"),),
        user="iamapikey",
        secrets=("apikey",),
        public=True,
        token_hosts=(_under("icr.io"),),
    ),
    Provider(
        "lscr",
        (r"lscr\.io",),
        user="{username}",
        default_user="slipway",
        secrets=("token",),
        public=True,
        token_hosts=(r"ghcr\.io",),
        pace=GENTLE,
    ),
    Provider(
        "mau", (r"dock\.mau\.dev",), default_user="slipway", secrets=("token",), public=True, token_hosts=(r"mau\.dev",)
    ),
    _own("nexus"),
    Provider("ocir", (_below("ocir.io"),), public=True),
    Provider("quay", (r"quay\.io",), user="{namespace}+{account}", secrets=("token",), public=True),
    Provider(
        "trueforge",
        (r"oci\.trueforge\.org",),
        user="{username}",
        secrets=("token",),
        public=True,
        token_hosts=(r"quay\.io",),
    ),
)
BY_KIND = {provider.kind: provider for provider in PROVIDERS}
TOKEN_HOSTS = tuple(pattern for provider in PROVIDERS for pattern in provider.token_hosts)
"""Where the registries we know get their tokens."""

UNKNOWN = Provider("unknown", pace=None)
"""A registry nobody configured: asked anonymously, as the engine does when it pulls."""
