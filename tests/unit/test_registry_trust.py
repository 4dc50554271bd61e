"""Where a registry may send us, and with what: token realms and redirects of hosts on the internet."""

from __future__ import annotations

import time

import httpx
import orjson
import pytest

from chalicelib.adapters.registry.auth import Authenticator, Challenge, read_challenge
from chalicelib.adapters.registry.credentials import DEFAULT_TLS, Account, Instance, Tls
from chalicelib.adapters.registry.links import next_link
from chalicelib.adapters.registry.providers import BY_KIND, UNKNOWN
from chalicelib.adapters.registry.transport import Call, Reply, Transport, redirected
from chalicelib.ports.registry import RegistryError, RegistryUntrusted
from tests.fakes.services import StillClock

ADA = Account("ada", "lovelace")


class Recorder(Transport):
    """A transport that hands out a token and remembers who was asked."""

    def __init__(self, token: bytes = b'{"token": "t"}') -> None:
        super().__init__(StillClock())
        self.calls: list[Call] = []
        self._token = token

    def send(self, call: Call) -> Reply:
        self.calls.append(call)
        return Reply(200, httpx.Headers(), self._token, call.url)


def answer(base: str, realm: str, *, kind: str = "unknown", account: Account | None = None, **more: str) -> list[Call]:
    """The calls made for a challenge with this realm."""
    provider = BY_KIND.get(kind, UNKNOWN)
    instance = Instance(provider, "own", account, more.get("url"), auth_url=more.get("auth_url"))
    transport = Recorder()
    headers = httpx.Headers({"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'})
    authenticator = Authenticator(base, instance, DEFAULT_TLS, transport, StillClock())
    assert authenticator.answer(headers, "a/b", account, None) == "Bearer t"
    return transport.calls


@pytest.mark.parametrize(
    ("kind", "base", "realm"),
    [
        ("hub", "https://registry-1.docker.io", "https://auth.docker.io/token"),
        ("dhi", "https://dhi.io", "https://dhi.io/token"),
        ("ghcr", "https://ghcr.io", "https://ghcr.io/token"),
        ("lscr", "https://lscr.io", "https://ghcr.io/token"),
        ("quay", "https://quay.io", "https://quay.io/v2/auth"),
        ("gcr", "https://eu.gcr.io", "https://gcr.io/v2/token"),
        ("gar", "https://europe-west1-docker.pkg.dev", "https://europe-west1-docker.pkg.dev/v2/token"),
        ("acr", "https://mine.azurecr.io", "https://mine.azurecr.io/oauth2/token"),
        ("docr", "https://registry.digitalocean.com", "https://api.digitalocean.com/v2/registry/auth"),
        ("gitlab", "https://registry.gitlab.com", "https://gitlab.com/jwt/auth"),
        ("mau", "https://dock.mau.dev", "https://mau.dev/jwt/auth"),
        ("ibmcr", "https://us.icr.io", "https://icr.io/oauth/token"),
        ("alicr", "https://registry.cn-hangzhou.aliyuncs.com", "https://dockerauth.cn-hangzhou.aliyuncs.com/auth"),
        ("unknown", "https://registry.gitlab.example.com", "https://gitlab.example.com/jwt/auth"),
        ("unknown", "https://registry.example.com:5000", "https://registry.example.com:5001/auth"),
    ],
)
def test_credentials_go_to_the_realm_a_registry_is_known_to_use(kind: str, base: str, realm: str) -> None:
    (call,) = answer(base, realm, kind=kind, account=ADA)
    assert call.url.startswith(realm) and call.authorization is not None


@pytest.mark.parametrize(
    ("kind", "base", "realm"),
    [
        ("hub", "https://registry-1.docker.io", "https://evil.example/token"),
        ("hub", "https://registry-1.docker.io", "http://auth.docker.io/token"),
        ("hub", "https://registry-1.docker.io", "https://auth.docker.io.evil.example/token"),
        ("ghcr", "https://ghcr.io", "https://evil-ghcr.io/token"),
        ("ghcr", "https://ghcr.io", "https://127.0.0.1/token"),
        ("unknown", "https://docker.elastic.co", "https://docker-auth.elastic.co/auth"),
        ("unknown", "https://registry.example.com", "https://com/token"),
        ("unknown", "https://docker.n8n.io", "https://auth.docker.io/token"),
        ("unknown", "https://10.0.0.5:5000", "https://10.0.0.6/token"),
        ("custom", "http://registry.lan", "http://auth.lan/token"),
        ("unknown", "https://registry.example.com", "https://[registry.example.com/token"),
    ],
)
def test_credentials_go_nowhere_else(kind: str, base: str, realm: str) -> None:
    with pytest.raises(RegistryUntrusted):
        answer(base, realm, kind=kind, account=ADA)


def test_the_operator_may_name_another_realm() -> None:
    (call,) = answer(
        "https://registry.example.com", "https://login.example.net/t", account=ADA, auth_url="https://login.example.net"
    )
    assert call.authorization is not None


def test_without_credentials_a_sibling_may_hand_out_tokens() -> None:
    (call,) = answer("https://docker.elastic.co", "https://docker-auth.elastic.co/auth")
    assert call.authorization is None


def test_without_credentials_the_token_host_of_a_known_registry_may_serve_who_stands_in_front_of_it() -> None:
    (call,) = answer("https://docker.n8n.io", "https://auth.docker.io/token")
    assert call.authorization is None


@pytest.mark.parametrize("realm", ["https://evil.example/t", "https://elastic.co.evil.example/t", "https://co/t"])
def test_without_credentials_a_stranger_may_not(realm: str) -> None:
    with pytest.raises(RegistryUntrusted):
        answer("https://docker.elastic.co", realm)


def test_a_password_is_not_sent_over_plain_http_unless_the_operator_wrote_it() -> None:
    headers = httpx.Headers({"WWW-Authenticate": "Basic"})
    stranger = Authenticator("http://registry.lan", Instance(UNKNOWN, "x"), DEFAULT_TLS, Recorder(), StillClock())
    with pytest.raises(RegistryUntrusted):
        stranger.answer(headers, "a/b", ADA, None)
    own = Instance(BY_KIND["custom"], "own", ADA, "http://registry.lan")
    written = Authenticator("http://registry.lan", own, DEFAULT_TLS, Recorder(), StillClock())
    assert (written.answer(headers, "a/b", ADA, None) or "").startswith("Basic ")


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        (['Bearer realm="https://x/t",service="s"'], Challenge("https://x/t", "s")),
        (["bearer REALM=https://x/t"], Challenge("https://x/t", None)),
        (['Bearer realm="https://x/t?a=b,c",scope="repository:a:pull,push"'], Challenge("https://x/t?a=b,c", None)),
        (['Basic realm="x"', 'Bearer realm="https://x/t"'], Challenge("https://x/t", None)),
        (['Basic realm="x"'], Challenge(None)),
        (["Bearer realm=https://x/t,service="], Challenge("https://x/t", None)),
        (["Bearer realm="], None),
        (['Bearer realm="'], None),
        (["Bearer"], None),
        (["Negotiate"], None),
        ([], None),
    ],
)
def test_a_challenge_is_read(headers: list[str], challenge: Challenge | None) -> None:
    assert read_challenge(headers) == challenge


def redirect(source: str, target: str, *, credentials: bool = False, content: bool = False) -> Call:
    call = Call(
        "GET",
        source,
        authorization="Basic x",
        tls=Tls("ca.pem"),
        has_credentials=credentials,
        content_addressed=content,
    )
    return redirected(call, Reply(307, httpx.Headers({"Location": target}), b"", source))


def test_an_anonymous_question_may_be_answered_elsewhere_in_public() -> None:
    call = redirect("https://registry.k8s.io/v2/pause/manifests/3.9", "https://eu-docker.pkg.dev/v2/k8s/pause")
    assert call.url == "https://eu-docker.pkg.dev/v2/k8s/pause"
    assert call.authorization is None and call.tls == DEFAULT_TLS


def test_a_question_with_credentials_may_not() -> None:
    with pytest.raises(RegistryUntrusted):
        redirect("https://ghcr.io/v2/a/manifests/1", "https://cdn.example/a", credentials=True)


def test_content_that_is_checked_may_lie_elsewhere_and_gets_no_credentials() -> None:
    call = redirect("https://ghcr.io/v2/a/blobs/x", "https://cdn.example/a?signed", credentials=True, content=True)
    assert call.authorization is None and call.tls == DEFAULT_TLS


def test_a_redirect_on_the_same_host_keeps_its_trust_but_not_its_credentials() -> None:
    call = redirect("https://ghcr.io/v2/a/blobs/x", "/elsewhere", credentials=True)
    assert call.url == "https://ghcr.io/elsewhere"
    assert call.authorization is None and call.tls == Tls("ca.pem")


@pytest.mark.parametrize(
    "target",
    [
        "http://cdn.example/a",
        "https://127.0.0.1/a",
        "https://localhost/a",
        "https://10.0.0.1/a",
        "https://[::1]/a",
        "https://[fd00::1]/a",
        "https://169.254.169.254/latest",
        "https://2130706433/a",
        "https://0x7f000001/a",
        "https://127.1/a",
        "ftp://cdn.example/a",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("content", [True, False])
def test_nothing_public_leads_inside_or_in_the_clear(target: str, content: bool) -> None:
    with pytest.raises(RegistryUntrusted):
        redirect("https://ghcr.io/v2/a/blobs/x", target, content=content)


def test_a_password_in_a_url_is_in_no_error() -> None:
    with pytest.raises(RegistryUntrusted) as caught:
        redirect("https://ada:s3cret@ghcr.io/v2/a/manifests/1", "https://bob:hidden@cdn.example/a", credentials=True)
    assert str(caught.value) == "ghcr.io redirects to cdn.example, which is not followed"


@pytest.mark.parametrize(
    "url",
    [
        "https://[ghcr.io/v2/",
        "https://xn--/v2/",
        f"https://{'a' * 70}.example/v2/",
        "https://127.0.0.1:99999/v2/",
        "https://ada:s3cret@[ghcr.io/v2/",
    ],
)
def test_an_address_that_cannot_be_read_is_an_error_like_any_other(url: str) -> None:
    with pytest.raises(RegistryError) as caught:
        Transport(StillClock()).send(Call("GET", url))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("seconds", [-1e308, -99_999_999_999_999, 0.5, 1e308])
def test_a_token_lasts_as_long_as_it_says_within_reason(seconds: float) -> None:
    transport = Recorder(orjson.dumps({"token": "t", "expires_in": seconds}))
    authenticator = Authenticator("https://x.example", Instance(UNKNOWN, "x"), DEFAULT_TLS, transport, StillClock())
    headers = httpx.Headers({"WWW-Authenticate": 'Bearer realm="https://x.example/t"'})
    assert authenticator.answer(headers, "a/b", None, None) == "Bearer t"


def test_a_link_header_of_a_hundred_kilobytes_is_read_at_once() -> None:
    began = time.process_time()
    assert next_link(["<" * 100_000]) is None
    assert next_link([f'{"<" * 50_000}<a?n=1>; rel="next"']) == "a?n=1"
    assert time.process_time() - began < 2, "it used to take a minute"
