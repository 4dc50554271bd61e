"""A proxy in front of an engine that asks for a token of an identity provider: fetched once, renewed in time."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.config import load
from chalicelib.ports.engine import Engine, EngineUnavailable
from chalicelib.settings_watchers import WatcherSettings
from local_runtime.executor.station import connect
from tests.fakes.form_door import answering

VERSION = {"Version": "20.10", "ApiVersion": "1.41"}
SECRET = "a:secret"


@dataclass
class Place:
    """An identity provider that gives tokens for `seconds`, and an engine's proxy that takes `good` ones."""

    url: str = ""
    seconds: Any = 300
    methods: tuple[str, ...] = ("client_secret_basic",)
    good: set[str] = field(default_factory=set)
    given: list[dict[str, str]] = field(default_factory=list)
    described: int = 0
    answer: tuple[int, Any] | None = None

    def serve(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        """The answer to a request."""
        if path == "/.well-known/openid-configuration":
            self.described += 1
            return 200, {
                "token_endpoint": f"{self.url}/token",
                "token_endpoint_auth_methods_supported": list(self.methods),
            }
        if path == "/token":
            return self._give(form, authorization)
        if authorization.removeprefix("Bearer ") not in self.good:
            return 401, {"message": "who are you?"}
        return 200, VERSION if "version" in path else []

    def _give(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        if self.answer is not None:
            return self.answer
        shown = "Basic " + base64.b64encode(b"slipway:a:secret").decode()
        basic = authorization == shown and "client_secret" not in form
        posted = (form.get("client_id"), form.get("client_secret")) == ("slipway", SECRET) and not authorization
        if form.get("grant_type") != "client_credentials" or not (basic or posted):
            return 401, {"error": "invalid_client", "error_description": "not like that"}
        self.given.append(form)
        token = f"token-{len(self.given)}"
        self.good.add(token)
        told = {"access_token": token, "token_type": "Bearer"}
        return 200, told | ({"expires_in": self.seconds} if self.seconds is not None else {})


@pytest.fixture
def place() -> Iterator[Place]:
    with serving() as made:
        yield made


@contextmanager
def serving() -> Iterator[Place]:
    made = Place()
    with answering(lambda *request: made.serve(*request)) as made.url:
        yield made


def watcher(place: Place, **variables: str) -> WatcherSettings:
    """A watcher of that place, by its settings."""
    given = {
        "HOST": place.url,
        "AUTH_TYPE": "oidc",
        "AUTH_OIDC_CLIENTID": "slipway",
        "AUTH_OIDC_CLIENTSECRET": SECRET,
        "AUTH_OIDC_TOKENURL": f"{place.url}/token",
        "AUTH_INSECURE": "true",
    }
    found = load({f"DD_WATCHER_NAS_{name}": value for name, value in (given | variables).items() if value})
    assert found.problems == ()
    return found.watchers[0]


@contextmanager
def engine_at(place: Place, **variables: str) -> Iterator[Engine]:
    engine = connect(watcher(place, **variables))
    try:
        yield engine
    finally:
        engine.close()  # type: ignore[attr-defined]


def test_one_token_serves_every_call_of_every_thread(place: Place) -> None:
    asked = {"AUTH_OIDC_SCOPE": "engine", "AUTH_OIDC_AUDIENCE": "docker"}
    with engine_at(place, **asked) as engine, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: list(engine.containers()), range(30))) == [[]] * 30
    assert len(place.given) == 1
    assert (place.given[0]["scope"], place.given[0]["audience"]) == ("engine", "docker")


def test_a_token_is_renewed_before_it_runs_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("local_runtime.engine.token.time.monotonic", lambda: now[0])
    with engine_at(place) as engine:
        engine.containers()
        now[0] += 269
        engine.containers()
        assert len(place.given) == 1
        now[0] += 2
        engine.containers()
        assert len(place.given) == 2


@pytest.mark.parametrize("seconds", [None, "300", 1])
def test_a_token_that_tells_little_of_its_end_is_used_all_the_same(place: Place, seconds: object) -> None:
    place.seconds = seconds
    with engine_at(place) as engine:
        engine.containers()
    assert len(place.given) == 1


def test_a_token_that_was_revoked_is_replaced_once(place: Place) -> None:
    with engine_at(place) as engine:
        engine.containers()
        place.good.clear()
        assert list(engine.containers()) == []
        assert len(place.given) == 2


def test_a_proxy_that_takes_no_token_at_all_is_not_asked_for_ever(place: Place) -> None:
    with engine_at(place) as engine:
        engine.containers()
        place.good = frozenset()  # type: ignore[assignment]
        place.answer = (200, {"access_token": "worthless", "expires_in": 300})
        with pytest.raises(Exception, match="who are you"):
            engine.containers()


@pytest.mark.parametrize("methods", [("client_secret_post",), ("client_secret_post", "client_secret_basic")])
def test_the_provider_says_where_tokens_are_given_and_how(place: Place, methods: tuple[str, ...]) -> None:
    place.methods = methods
    with engine_at(place, AUTH_OIDC_TOKENURL="", AUTH_OIDC_DISCOVERY=place.url) as engine:
        engine.containers()
        engine.containers()
    assert (place.described, len(place.given)) == (1, 1)
    assert ("client_secret" in place.given[0]) == (methods == ("client_secret_post",))


@pytest.mark.parametrize(
    "answer",
    [(401, {"error": "invalid_client"}), (500, "oh"), (200, []), (200, {"token": "x"}), (302, {}), (200, None)],
)
def test_a_provider_in_trouble_is_trouble_of_that_engine_alone(place: Place, answer: tuple[int, Any]) -> None:
    place.answer = answer
    with engine_at(place) as engine:
        with pytest.raises(EngineUnavailable, match="gives no token for the engine") as caught:
            engine.containers()
        assert caught.value.transient and SECRET not in str(caught.value)
        place.answer = None
        assert list(engine.containers()) == []


@pytest.mark.parametrize("safe", ["HOST", "AUTH_OIDC_TOKENURL"])
def test_neither_secret_nor_token_travels_in_the_clear(place: Place, safe: str) -> None:
    found = watcher(place, AUTH_INSECURE="", **{safe: "https://nas.example"})
    assert found.problem is not None and "AUTH_INSECURE" in found.problem
    with pytest.raises(EngineUnavailable, match="AUTH_INSECURE"):
        connect(found).containers()
    assert place.given == []


def test_a_provider_cannot_send_the_secret_to_a_plain_door(place: Place) -> None:
    from chalicelib.domain.client_credentials import ClientCredentials
    from local_runtime.engine.token import Token

    token = Token(ClientCredentials("slipway", SECRET, discovery=place.url, insecure=True))
    place.url = "ftp://127.0.0.1"
    with pytest.raises(EngineUnavailable, match="The secret is not sent to ftp"):
        token.value()


def test_the_secret_is_not_in_what_is_printed_of_the_settings(place: Place) -> None:
    assert SECRET not in repr(watcher(place))


@pytest.mark.parametrize(
    "variables",
    [
        {"AUTH_OIDC_CLIENTSECRET": ""},
        {"AUTH_OIDC_TOKENURL": ""},
        {"AUTH_OIDC_GRANTTYPE": "password"},
        {"AUTH_OIDC_DEVICEURL": "https://idp.example/device"},
    ],
)
def test_what_cannot_become_a_token_is_refused_with_its_variable(place: Place, variables: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="DD_WATCHER_NAS_AUTH_OIDC_"):
        watcher(place, **variables)
