"""Access over HTTP: tokens and what they allow, locks, and what login pages ask."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain import token as tokens
from chalicelib.domain.lockout import LockoutRule
from chalicelib.wire import schemas
from handlers.dispatch import dispatch, table
from handlers.http import Response
from tests.builders.requests import request
from tests.builders.routes import PATHS
from tests.fakes.accounts import FakeAccounts, FakeAttempts, FakePasswords
from tests.fakes.services import NOON, FakeServices, settings_with


def asked(services: FakeServices, method: str, path: str, body: object = None, **more: Any) -> Response:
    sent = json.dumps(body).encode() if body is not None else b""
    return dispatch(request(method, path, body=sent, **more), services, table())


def content(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


def made(services: FakeServices, *scopes: str, **more: Any) -> Any:
    response = asked(services, "POST", "/api/v1/tokens", {"name": "card", "scopes": list(scopes), **more})
    assert response.status == 201
    schemas.check("NewToken", content(response))
    assert response.header("Location") == f"/api/v1/tokens/{content(response)['id']}"
    return content(response)


def bearer(text: str) -> str:
    return f"Bearer {text}"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class TestTokens:
    """Made, shown once, listed, used, revoked."""

    def test_the_text_is_shown_once_and_kept_as_its_digest(self) -> None:
        services = FakeServices()
        text = made(services, "read")["token"]
        assert text.startswith("slw_")
        assert len(text) == 47
        (kept,) = services.tokens.all()
        assert kept.digest == tokens.digest(text)
        assert text not in repr(kept)
        listed = content(asked(services, "GET", "/api/v1/tokens"))
        schemas.check("TokenList", listed)
        assert text not in json.dumps(listed)
        assert listed["data"][0]["token"] == text[:8] + "…"
        assert (listed["total"], listed["data"][0]["owner"]) == (1, "ada")

    def test_it_lets_its_owner_in_with_its_scopes(self) -> None:
        services = FakeServices()
        text = made(services, "read")["token"]
        assert content(asked(services, "GET", "/auth/user", authorization=bearer(text))) == {"username": "ada"}
        assert asked(services, "GET", "/api/v1/tokens", authorization=bearer(text)).status == 403

    @pytest.mark.parametrize(
        ("scope", "statuses"),
        [("read", (200, 403, 403)), ("watch", (200, 403, 403)), ("act", (200, 200, 403)), ("admin", (200, 200, 200))],
    )
    def test_each_scope_allows_what_those_before_it_allow(self, scope: str, statuses: tuple[int, ...]) -> None:
        services = FakeServices()
        shown = bearer(made(services, scope)["token"])
        read = dispatch(request("GET", "/api/v1/things/7", authorization=shown), services, PATHS).status
        act = dispatch(request("POST", "/api/v1/act", authorization=shown), services, PATHS).status
        admin = asked(services, "GET", "/api/v1/tokens", authorization=shown).status
        assert (read, act, admin) == statuses

    def test_the_scopes_are_a_ladder(self) -> None:
        assert [sorted(tokens.allowed([scope])) for scope in tokens.SCOPES] == [
            ["read"],
            ["read", "watch"],
            ["act", "read", "watch"],
            ["act", "admin", "read", "watch"],
        ]
        assert tokens.allowed(["watch", "read", "unknown"]) == {"read", "watch"}
        assert tokens.allowed([]) == frozenset()

    def test_it_cannot_make_another(self) -> None:
        services = FakeServices()
        shown = bearer(made(services, "admin")["token"])
        wish = {"name": "x", "scopes": ["read"]}
        assert asked(services, "POST", "/api/v1/tokens", wish, authorization=shown).status == 403
        assert len(services.tokens.all()) == 1

    def test_a_revoked_one_opens_nothing(self) -> None:
        services = FakeServices()
        token = made(services, "admin")
        assert asked(services, "DELETE", f"/api/v1/tokens/{token['id']}").status == 204
        assert asked(services, "GET", "/auth/user", authorization=bearer(token["token"])).status == 401
        assert asked(services, "DELETE", f"/api/v1/tokens/{token['id']}").status == 404

    def test_one_whose_time_is_up_opens_nothing_and_is_not_listed(self) -> None:
        services = FakeServices()
        text = made(services, "read", expiresInDays=2)["token"]
        services.clock.at += timedelta(days=2)
        assert asked(services, "GET", "/auth/user", authorization=bearer(text)).status == 401
        assert content(asked(services, "GET", "/api/v1/tokens"))["total"] == 0

    def test_it_ends_with_the_account_of_its_owner(self) -> None:
        services = FakeServices()
        text = made(services, "read")["token"]
        services.accounts = FakeAccounts()
        assert asked(services, "GET", "/auth/user", authorization=bearer(text)).status == 401

    def test_one_that_was_made_while_the_door_was_open_ends_with_that(self) -> None:
        services = FakeServices(settings_with(anonymous=True))
        text = content(asked(services, "POST", "/api/v1/tokens", {"name": "x", "scopes": ["admin"]}, authorization=""))[
            "token"
        ]
        assert asked(services, "GET", "/api/v1/tokens", authorization=bearer(text)).status == 200
        services.settings = settings_with()
        assert asked(services, "GET", "/api/v1/tokens", authorization=bearer(text)).status == 401

    def test_a_token_counts_more_than_a_session_for_it_says_what_it_allows(self) -> None:
        services = FakeServices()
        cookie = str(asked(services, "POST", "/auth/login").header("Set-Cookie")).split(";")[0]
        text = made(services, "read")["token"]
        assert asked(services, "GET", "/api/v1/tokens", authorization=bearer(text), cookie=cookie).status == 403

    def test_its_last_use_is_known_to_the_hour(self) -> None:
        services = FakeServices()
        text = made(services, "read")["token"]
        services.clock.at = NOON + timedelta(minutes=50)
        asked(services, "GET", "/auth/user", authorization=bearer(text))
        assert services.tokens.all()[0].last_used_at == NOON
        services.clock.at = NOON + timedelta(minutes=59)
        asked(services, "GET", "/auth/user", authorization=bearer(text))
        assert services.tokens.all()[0].last_used_at == NOON

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": "x"},
            {"name": "x", "scopes": []},
            {"name": "", "scopes": ["read"]},
            {"name": " ", "scopes": ["read"]},
            {"name": "a\nb", "scopes": ["read"]},
            {"name": "x" * 65, "scopes": ["read"]},
            {"name": "x", "scopes": ["root"]},
            {"name": "x", "scopes": "read"},
            {"name": "x", "scopes": ["read"], "expiresInDays": 0},
            {"name": "x", "scopes": ["read"], "owner": "root"},
        ],
    )
    def test_a_wrong_wish_is_refused_and_nothing_is_kept(self, body: object) -> None:
        services = FakeServices()
        assert asked(services, "POST", "/api/v1/tokens", body).status == 400
        assert services.tokens.all() == []

    def test_there_is_an_end_to_how_many(self) -> None:
        services = FakeServices()
        for _ in range(tokens.MOST_TOKENS):
            made(services, "read", expiresInDays=1)
        wish = {"name": "x", "scopes": ["read"]}
        assert asked(services, "POST", "/api/v1/tokens", wish).status == 409
        services.clock.at += timedelta(days=1)
        assert asked(services, "POST", "/api/v1/tokens", wish).status == 201
        assert len(services.tokens.all()) == 1


class AllAtOnce(FakePasswords, FakeAttempts):
    """As many guesses as there are threads, checked at once; the right one is told when the others were counted."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._together = threading.Barrier(threads)
        self._counted = threading.Semaphore(0)
        self._failures_to_come = 2 * (threads - 1)
        self._alone = threading.Lock()

    def verify(self, password_hash: str, password: str) -> bool:
        right = super().verify(password_hash, password)
        self._together.wait(30)
        return right and all(self._counted.acquire(timeout=30) for _ in range(self._failures_to_come))

    def fail(self, subject: str, rule: LockoutRule, now: datetime) -> datetime | None:
        with self._alone:
            until = super().fail(subject, rule, now)
        self._counted.release()
        return until


class TestLocks:
    """Too many wrong passwords."""

    def test_the_sixth_try_is_refused_even_with_the_right_password(self) -> None:
        services = FakeServices()
        wrong = [asked(services, "POST", "/auth/login", authorization=basic("ada", "x")).status for _ in range(5)]
        assert wrong == [401] * 5
        locked = asked(services, "POST", "/auth/login")
        assert (locked.status, locked.header("Retry-After")) == (423, "900")
        services.clock.at += timedelta(minutes=15)
        assert asked(services, "POST", "/auth/login").status == 200

    def test_a_password_in_the_body_counts_as_well(self) -> None:
        services = FakeServices()
        for _ in range(5):
            asked(services, "POST", "/auth/login", {"username": "ada", "password": "x"}, authorization="")
        assert asked(services, "POST", "/auth/login").status == 423

    def test_guessing_on_any_other_path_locks_too(self) -> None:
        services = FakeServices()
        wrong = [asked(services, "GET", "/auth/user", authorization=basic("ada", str(n))).status for n in range(6)]
        assert wrong == [401] * 5 + [423]

    def test_of_many_guesses_at_once_no_more_count_than_one_after_the_other(self) -> None:
        """The right one is among forty that all came in while the door was open, and its check ends last."""
        guesses = AllAtOnce(40)
        services = FakeServices(passwords=guesses, attempts=guesses)
        shown = [basic("ada", "difference engine"), *(basic("ada", str(number)) for number in range(39))]
        with ThreadPoolExecutor(40) as threads:
            found = list(threads.map(lambda one: asked(services, "GET", "/auth/user", authorization=one), shown))
        assert sorted(response.status for response in found) == [401] * 39 + [423]
        assert found[0].status == 423

    def test_success_forgets_failures(self) -> None:
        services = FakeServices()
        for _ in range(3):
            for _ in range(4):
                asked(services, "POST", "/auth/login", authorization=basic("ada", "x"))
            assert asked(services, "POST", "/auth/login").status == 200

    def test_a_session_and_a_token_stay_open_while_the_password_is_locked(self) -> None:
        services = FakeServices()
        cookie = str(asked(services, "POST", "/auth/login").header("Set-Cookie")).split(";")[0]
        text = made(services, "read")["token"]
        for _ in range(5):
            asked(services, "POST", "/auth/login", authorization=basic("ada", "x"))
        assert asked(services, "GET", "/auth/user", authorization="", cookie=cookie).status == 200
        assert asked(services, "GET", "/auth/user", authorization=bearer(text)).status == 200

    def test_an_address_that_tries_many_names_is_locked_out_of_all(self) -> None:
        services = FakeServices()
        for number in range(25):
            assert asked(services, "POST", "/auth/login", authorization=basic(f"n{number}", "x")).status == 401
        assert asked(services, "POST", "/auth/login").status == 423
        assert asked(services, "POST", "/auth/login", client="198.51.100.1").status == 200

    def test_log_ins_are_in_the_audit_log_without_passwords(self) -> None:
        services = FakeServices()
        asked(services, "POST", "/auth/login", authorization=basic("ada", "a wrong secret"))
        asked(services, "POST", "/auth/login")
        rows = [(row.action, row.status, row.details) for row in services.audit.entries]
        assert rows == [("auth-login", "error", "user 'ada'"), ("auth-login", "success", "user 'ada'")]


class TestLoginPages:
    """What they may ask before anybody has logged in."""

    @pytest.mark.parametrize("path", ["/auth/status", "/api/v1/auth/status", "/api/auth/status"])
    @pytest.mark.parametrize("anonymous", [False, True])
    def test_the_ways_to_log_in(self, path: str, anonymous: bool) -> None:
        services = FakeServices(settings_with(anonymous=anonymous))
        found = content(asked(services, "GET", path, authorization=""))
        schemas.check("AuthStatus", found)
        assert found["providers"][0] == {"type": "basic", "name": "Login"}
        assert ({"type": "anonymous", "name": "anonymous"} in found["providers"]) == anonymous

    def test_their_older_name(self) -> None:
        found = content(asked(FakeServices(), "GET", "/auth/strategies", authorization=""))
        assert found == {"strategies": [{"type": "basic", "name": "Login"}], "warnings": []}

    @pytest.mark.parametrize(("remember", "age"), [(True, "Max-Age=2592000"), (False, None)])
    def test_a_session_can_be_remembered_or_not(self, remember: bool, age: str | None) -> None:
        services = FakeServices()
        cookie = str(asked(services, "POST", "/auth/login").header("Set-Cookie")).split(";")[0]
        origin = {"cookie": cookie, "origin": "http://slipway.test", "authorization": ""}
        response = asked(services, "POST", "/auth/remember", {"remember": remember}, **origin)
        assert (response.status, content(response)) == (200, {"ok": True})
        attributes = str(response.header("Set-Cookie")).split("; ")
        assert [part for part in attributes if part.startswith("Max-Age")] == ([age] if age else [])
        again = asked(services, "GET", "/auth/user", authorization="", cookie=attributes[0])
        assert content(again) == {"username": "ada"}

    def test_a_session_that_is_over_is_not_prolonged_by_whoever_else_may_come_in(self) -> None:
        services = FakeServices()
        cookie = str(asked(services, "POST", "/auth/login").header("Set-Cookie")).split(";")[0]
        sent = {"cookie": cookie, "origin": "http://slipway.test"}
        assert asked(services, "POST", "/auth/logout", authorization="", **sent).status == 200
        response = asked(services, "POST", "/auth/remember", {"remember": True}, **sent)
        assert (response.status, response.header("Set-Cookie")) == (400, None)

    def test_without_a_session_there_is_nothing_to_remember(self) -> None:
        assert asked(FakeServices(), "POST", "/auth/remember", {"remember": True}).status == 400
        assert asked(FakeServices(), "POST", "/auth/remember", {}).status == 400
