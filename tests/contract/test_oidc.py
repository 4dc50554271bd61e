"""Logging in through an identity provider: every step over HTTP, against one that signs and checks for real."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.adapters.oidc import OidcProvider
from chalicelib.bootstrap import Services
from chalicelib.config import load
from chalicelib.domain.errors import Unavailable
from handlers.dispatch import dispatch, table
from handlers.http import Response
from tests.builders.requests import request
from tests.fakes.identity_provider import CLIENT, SECRET, FakeProvider, new_key, running_provider
from tests.fakes.services import FakeServices, settings_with

BEGIN, BACK = "/auth/oidc/home/redirect", "/auth/oidc/home/cb"


class Away(OidcProvider):
    """A provider that is asked in vain."""

    asked = 0

    def _ask(self, method: str, url: str, **more: Any) -> Any:
        self.asked += 1
        raise Unavailable("the identity provider does not answer")


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def services(provider: FakeProvider) -> Iterator[FakeServices]:
    ours = OidcProvider("home", CLIENT, SECRET, provider.discovery, logout_url="https://id.test/bye")
    yield FakeServices(providers={"home": ours})
    ours._http.close()


def asked(services: FakeServices, path: str, method: str = "GET", **headers: str) -> Response:
    return dispatch(request(method, path, **{"authorization": "", **headers}), services, table())


def content(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


def begun(services: FakeServices) -> tuple[str, str]:
    """The provider's address and the cookie."""
    response = asked(services, BEGIN)
    assert response.status == 200
    return content(response)["url"], str(response.header("Set-Cookie")).split(";")[0]


def finished(services: FakeServices, provider: FakeProvider) -> Response:
    url, cookie = begun(services)
    return asked(services, f"{BACK}?{urlencode(provider.log_in(url))}", cookie=cookie)


def test_a_log_in_ends_with_a_session_of_whoever_the_provider_vouches_for(
    services: FakeServices, provider: FakeProvider
) -> None:
    response = finished(services, provider)
    assert (response.status, response.header("Location")) == (302, "/")
    assert "no-store" in str(response.header("Cache-Control")), "no cache may hand on a session"
    cookies = [value for name, value in response.headers if name == "Set-Cookie"]
    session = cookies[0].split(";")[0]
    assert "HttpOnly" in cookies[0]
    assert cookies[1].startswith("slipway.oidc=;")
    assert content(asked(services, "/auth/user", cookie=session)) == {"username": "ada@example.com"}
    assert [(row.status, row.details) for row in services.audit.entries] == [("success", "user 'ada@example.com'")]


def test_logging_out_says_where_the_providers_session_ends(services: FakeServices, provider: FakeProvider) -> None:
    session = str(finished(services, provider).header("Set-Cookie")).split(";")[0]
    response = asked(services, "/auth/logout", "POST", cookie=session, origin="http://slipway.test")
    assert content(response) == {"logoutUrl": "https://id.test/bye"}


def test_somebody_from_the_provider_can_make_a_token(services: FakeServices, provider: FakeProvider) -> None:
    session = str(finished(services, provider).header("Set-Cookie")).split(";")[0]
    body = json.dumps({"name": "x", "scopes": ["read"]}).encode()
    made = dispatch(
        request("POST", "/api/v1/tokens", body=body, authorization="", cookie=session, origin="http://slipway.test"),
        services,
        table(),
    )
    shown = f"Bearer {content(made)['token']}"
    assert content(asked(services, "/auth/user", authorization=shown)) == {"username": "ada@example.com"}


def test_who_came_in_by_a_provider_is_out_when_there_is_none_any_more(
    services: FakeServices, provider: FakeProvider
) -> None:
    session = str(finished(services, provider).header("Set-Cookie")).split(";")[0]
    body = json.dumps({"name": "x", "scopes": ["admin"]}).encode()
    sent = {"authorization": "", "cookie": session, "origin": "http://slipway.test"}
    made = dispatch(request("POST", "/api/v1/tokens", body=body, **sent), services, table())
    shown = f"Bearer {content(made)['token']}"
    services.providers.clear()
    assert asked(services, "/auth/user", cookie=session).status == 401
    assert asked(services, "/auth/user", authorization=shown).status == 401


def test_login_pages_learn_of_the_provider(services: FakeServices) -> None:
    ways = content(asked(services, "/auth/status"))["providers"]
    assert ways[1] == {"type": "oidc", "name": "home", "redirect": False, "logoutUrl": "https://id.test/bye"}


def test_another_browser_cannot_finish_what_this_one_began(services: FakeServices, provider: FakeProvider) -> None:
    url, _ = begun(services)
    _, other = begun(services)
    back = f"{BACK}?{urlencode(provider.log_in(url))}"
    for cookie in ("", other, "slipway.oidc=", "slipway.oidc=x"):
        assert asked(services, back, cookie=cookie).status == 401
    assert provider.asked.get("/token") is None


def test_a_code_works_once(services: FakeServices, provider: FakeProvider) -> None:
    url, cookie = begun(services)
    back = f"{BACK}?{urlencode(provider.log_in(url))}"
    assert asked(services, back, cookie=cookie).status == 302
    assert asked(services, back, cookie=cookie).status == 401
    assert services.audit.entries[-1].status == "error"


def test_a_refusal_of_the_provider_is_no_log_in(services: FakeServices, provider: FakeProvider) -> None:
    url, cookie = begun(services)
    state = provider.log_in(url)["state"]
    assert asked(services, f"{BACK}?error=access_denied&state={state}", cookie=cookie).status == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"iss": "https://evil.test"},
        {"exp": int(time.time()) - 3600},
        {"sub": None},
        {"email": "a\nb"},
    ],
)
def test_a_token_that_is_not_meant_for_this_log_in_is_refused(
    services: FakeServices, provider: FakeProvider, claims: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = provider.token
    monkeypatch.setattr(provider, "token", lambda **more: usual(**{**more, **claims}))
    assert finished(services, provider).status == 401


def test_a_token_another_key_has_signed_is_refused(
    services: FakeServices, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, forger = provider.token, new_key("one")
    monkeypatch.setattr(provider, "token", lambda **more: usual(forger, **more))
    assert finished(services, provider).status == 401


def test_an_id_token_is_good_as_a_bearer_token_while_it_lasts(services: FakeServices, provider: FakeProvider) -> None:
    good = asked(services, "/auth/user", authorization=f"Bearer {provider.token()}")
    assert content(good) == {"username": "ada@example.com"}
    wrong = (
        provider.token(aud="another-client"),
        provider.token(iss="https://evil.test"),
        provider.token(exp=int(time.time()) - 3600),
        provider.token(new_key("one")),
        provider.token() + "x",
        "a.b.c",
        "..",
        "eyJhbGciOiJub25lIn0.e30.",
    )
    for token in wrong:
        assert asked(services, "/auth/user", authorization=f"Bearer {token}").status == 401, token


def test_new_keys_of_the_provider_are_found_and_forgers_do_not_make_us_ask_for_them(
    services: FakeServices, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = f"Bearer {provider.token()}"
    assert asked(services, "/auth/user", authorization=bearer).status == 200
    forged = f"Bearer {provider.token(new_key('two'))}"
    for _ in range(5):
        assert asked(services, "/auth/user", authorization=forged).status == 401
    assert provider.asked["/jwks"] == 1
    provider.key = new_key("three")
    monkeypatch.setattr("chalicelib.adapters.oidc.KEYS_AGAIN_SECONDS", 0.0)
    assert asked(services, "/auth/user", authorization=f"Bearer {provider.token()}").status == 200


def test_a_provider_that_is_away_is_503_and_an_unknown_one_404(provider: FakeProvider) -> None:
    away = OidcProvider("home", CLIENT, SECRET, "http://127.0.0.1:9/none", timeout=2)
    services = FakeServices(providers={"home": away})
    assert asked(services, BEGIN).status == 503
    assert asked(services, "/auth/oidc/other/redirect").status == 404
    away._http.close()


def test_strangers_do_not_make_us_wait_for_a_provider_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Away("home", CLIENT, SECRET, "http://127.0.0.1:9/none")
    services = FakeServices(providers={"home": away})
    with ThreadPoolExecutor(8) as threads:
        statuses = list(
            threads.map(lambda _: asked(services, "/auth/user", authorization="Bearer a.b.c").status, "x" * 8)
        )
    assert statuses == [503] * 8
    assert away.asked == 1
    monkeypatch.setattr("chalicelib.adapters.oidc.SILENCE_SECONDS", 0.0)
    assert asked(services, BEGIN).status == 503
    assert away.asked == 2
    away._http.close()


def test_people_come_back_to_the_public_address(provider: FakeProvider) -> None:
    ours = OidcProvider("home", CLIENT, SECRET, provider.discovery)
    services = FakeServices(settings_with(public_url="https://slipway.example.com/"), providers={"home": ours})
    url, _ = begun(services)
    assert "redirect_uri=https%3A%2F%2Fslipway.example.com%2Fauth%2Foidc%2Fhome%2Fcb" in url
    ours._http.close()


def test_settings_make_providers_and_half_of_them_none() -> None:
    whole = {"CLIENTID": "slipway", "CLIENTSECRET": "s", "DISCOVERY": "https://id.test/.well-known/x"}
    home = {f"DD_AUTH_OIDC_HOME_{name}": value for name, value in whole.items()}
    settings = load(home | {"DD_AUTH_OIDC_X_CLIENTID": "a"})
    assert [one.name for one in settings.oidc] == ["home"]
    assert any("DD_AUTH_OIDC_X_CLIENTSECRET" in problem for problem in settings.problems)
    assert list(Services(settings).providers) == ["home"]
    plain = load({name: value.replace("https", "http") for name, value in home.items()})
    assert plain.oidc == ()
