"""Guards: who may ask, how often, from where, and how sure they must be."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from chalicelib.domain.account import Account
from chalicelib.domain.errors import Forbidden, Unauthenticated
from chalicelib.domain.token import Token, digest
from handlers.dispatch import dispatch, table
from handlers.guards import allowed, network
from handlers.http import Caller, Request, Response
from tests.builders.requests import ADA, request
from tests.builders.routes import PATHS, echo, route
from tests.fakes.accounts import FakeAccounts
from tests.fakes.services import NOON, FakeServices, settings_with

THING = "/api/v1/things/7"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def answered(asked: Request, services: FakeServices | None = None) -> Response:
    return dispatch(asked, services or FakeServices(), PATHS)


def caller(response: Response) -> str:
    assert isinstance(response.body, bytes)
    return str(json.loads(response.body)["caller"])


def log_in(services: FakeServices, **headers: str) -> str:
    """Log in; the Cookie header to send from then on."""
    response = dispatch(request("POST", "/auth/login", **headers), services, table())
    assert response.status == 200
    return str(response.header("Set-Cookie")).split(";")[0]


class TestAuthentication:
    """Basic, session, anonymous; closed otherwise."""

    def test_the_right_password_lets_in(self) -> None:
        assert caller(answered(request("GET", THING, authorization=ADA))) == "ada"
        assert caller(answered(request("GET", THING, authorization=ADA.replace("Basic", "bAsIc")))) == "ada"

    @pytest.mark.parametrize(
        "shown",
        [
            "",
            basic("ada", "wrong"),
            basic("bob", "difference engine"),
            basic("", ""),
            basic("ADA", "difference engine"),
        ],
    )
    def test_anything_else_does_not(self, shown: str) -> None:
        assert answered(request("GET", THING, authorization=shown)).status == 401

    @pytest.mark.parametrize("shown", ["Bearer abc", "Digest x", "Basic", "basic ", "Negotiate YQ=="])
    def test_a_scheme_we_do_not_take_lets_nobody_in(self, shown: str) -> None:
        assert answered(request("GET", THING, authorization=shown)).status in (400, 401)

    @pytest.mark.parametrize("shown", ["Basic %%%", "Basic " + base64.b64encode(b"no colon").decode(), "Basic /w=="])
    def test_credentials_that_cannot_be_read_are_a_bad_request(self, shown: str) -> None:
        assert answered(request("GET", THING, authorization=shown)).status == 400

    def test_a_password_may_hold_colons_and_any_letter(self) -> None:
        services = FakeServices(accounts=FakeAccounts(Account("zoë", "plain:a:b:ü", NOON)))
        assert caller(answered(request("GET", THING, authorization=basic("zoë", "a:b:ü")), services)) == "zoë"

    def test_without_any_account_nobody_gets_in(self) -> None:
        services = FakeServices(accounts=FakeAccounts())
        assert answered(request("GET", THING, authorization=""), services).status == 401

    def test_everybody_gets_in_where_that_is_confirmed(self) -> None:
        services = FakeServices(settings_with(anonymous=True))
        assert caller(answered(request("GET", THING, authorization=""), services)) == "anonymous"
        assert caller(answered(request("GET", THING, authorization=ADA), services)) == "ada"

    def test_a_public_route_asks_nobody(self) -> None:
        assert answered(request("GET", "/api/v1/cookies", authorization="")).status == 200


class TestSessions:
    """The cookie `drydock.sid`."""

    def test_a_session_lets_in(self) -> None:
        services = FakeServices()
        cookie = log_in(services)
        assert caller(answered(request("GET", THING, authorization="", cookie=f"a=b; {cookie}"), services)) == "ada"

    def test_it_can_be_opened_with_a_body_too(self) -> None:
        services = FakeServices()
        body = b'{"username": "ada", "password": "difference engine"}'
        response = dispatch(request("POST", "/auth/login", authorization="", body=body), services, table())
        assert (response.status, response.body) == (200, b'{"username":"ada"}')

    @pytest.mark.parametrize("body", [b"{}", b'{"username": "ada"}', b'{"username": "ada", "password": "x"}'])
    def test_it_is_not_opened_without_the_right_password(self, body: bytes) -> None:
        response = dispatch(request("POST", "/auth/login", authorization="", body=body), FakeServices(), table())
        assert (response.status, response.header("Set-Cookie")) == (401, None)

    def test_its_cookie_is_kept_from_scripts_and_other_sites(self) -> None:
        response = dispatch(request("POST", "/auth/login"), FakeServices(), table())
        cookie = str(response.header("Set-Cookie"))
        assert cookie.startswith("drydock.sid=")
        assert {"HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=604800"} <= set(cookie.split("; "))
        assert "Secure" not in cookie

    def test_its_cookie_is_secure_behind_tls(self) -> None:
        asked = request("POST", "/auth/login")
        secure = Request(method="POST", path=asked.path, headers=asked.headers, scheme="https")
        assert "Secure" in str(dispatch(secure, FakeServices(), table()).header("Set-Cookie"))

    @pytest.mark.parametrize(("remember", "lasts"), [("true", "Max-Age=2592000"), ("false", None)])
    def test_it_can_be_remembered_or_end_with_the_browser(self, remember: str, lasts: str | None) -> None:
        body = f'{{"remember": {remember}}}'.encode()
        response = dispatch(request("POST", "/auth/login", body=body), FakeServices(), table())
        ages = [part for part in str(response.header("Set-Cookie")).split("; ") if part.startswith("Max-Age")]
        assert ages == ([lasts] if lasts else [])

    def test_it_is_over_after_seven_days(self) -> None:
        services = FakeServices()
        cookie = log_in(services)
        services.clock.at += timedelta(days=7)
        assert answered(request("GET", THING, authorization="", cookie=cookie), services).status == 401

    def test_a_changed_or_foreign_cookie_lets_nobody_in(self) -> None:
        services = FakeServices()
        cookie = log_in(services)
        name, _, value = cookie.partition("=")
        for forged in (f"{name}={value[:-1]}x", f"{name}=", f"{name}=x.y", f"{name}=" + "é" * 5, f'{name}="\\'):
            assert answered(request("GET", THING, authorization="", cookie=forged), services).status == 401

    def test_it_ends_when_the_password_changes_or_the_account_goes(self) -> None:
        services = FakeServices()
        cookie = log_in(services)
        for accounts in (FakeAccounts(Account("ada", "plain:new", NOON)), FakeAccounts()):
            services.accounts = accounts
            assert answered(request("GET", THING, authorization="", cookie=cookie), services).status == 401

    def test_logging_out_takes_the_cookie_back(self) -> None:
        services = FakeServices()
        asked = request("POST", "/auth/logout", authorization="", cookie=log_in(services), origin="http://slipway.test")
        response = dispatch(asked, services, table())
        assert response.status == 200
        assert "drydock.sid=;" in str(response.header("Set-Cookie"))
        assert "Max-Age=0" in str(response.header("Set-Cookie"))


class TestOtherSites:
    """A page of another site must not act with the rights of whoever looks at it."""

    @pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://slipway.test:81", "https://slipway.test"])
    def test_a_cookie_does_not_act_for_another_origin(self, origin: str) -> None:
        assert answered(request("POST", "/api/v1/act", cookie="a=b", origin=origin)).status == 403

    def test_a_cookie_acts_for_our_own_pages(self) -> None:
        assert answered(request("POST", "/api/v1/act", cookie="a=b", origin="http://slipway.test")).status == 200
        assert answered(request("POST", "/api/v1/act", cookie="a=b", referer="http://slipway.test/x?y")).status == 200

    def test_a_cookie_must_say_where_it_comes_from(self) -> None:
        assert answered(request("POST", "/api/v1/act", cookie="a=b")).status == 403
        assert answered(request("POST", "/api/v1/act", cookie="a=b", referer="http://[")).status == 403

    def test_what_the_browser_calls_cross_site_is_refused(self) -> None:
        sent = {"cookie": "a=b", "origin": "http://slipway.test", "sec_fetch_site": "cross-site"}
        assert answered(request("POST", "/api/v1/act", **sent)).status == 403

    def test_reading_and_requests_without_a_cookie_are_free(self) -> None:
        assert answered(request("GET", THING, cookie="a=b", origin="https://evil.test")).status == 200
        assert answered(request("POST", "/api/v1/act")).status == 200

    @pytest.mark.parametrize(
        "sent", [{"origin": "https://evil.test"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}]
    )
    def test_a_password_that_the_browser_remembers_does_not_act_for_another_site(self, sent: dict[str, str]) -> None:
        assert answered(request("POST", "/api/v1/act", **sent)).status == 403

    def test_a_token_that_a_page_sends_itself_acts_wherever_the_page_is_from(self) -> None:
        services = FakeServices()
        services.tokens.add(Token(digest("slw_x"), "card", "ada", "basic", ("act",), "slw_…", NOON))
        sent = {"authorization": "Bearer slw_x", "origin": "https://cards.test", "sec_fetch_site": "cross-site"}
        assert answered(request("POST", "/api/v1/act", **sent), services).status == 200

    def test_an_open_server_does_not_act_for_other_sites_either(self) -> None:
        services = FakeServices(settings_with(anonymous=True))
        for sent, status in (
            ({}, 200),
            ({"origin": "http://slipway.test"}, 200),
            ({"origin": "https://evil.test"}, 403),
            ({"sec_fetch_site": "cross-site"}, 403),
        ):
            assert answered(request("POST", "/api/v1/act", authorization="", **sent), services).status == status

    def test_an_open_server_acts_for_the_origins_it_is_told_to(self) -> None:
        services = FakeServices(settings_with(anonymous=True, cors_enabled=True, cors_origin="https://cards.test"))
        for origin, status in (("https://cards.test", 200), ("https://evil.test", 403)):
            asked = request("POST", "/api/v1/act", authorization="", origin=origin)
            assert answered(asked, services).status == status

    def test_a_password_of_the_browsers_is_lent_to_no_page_just_because_all_may_read(self) -> None:
        services = FakeServices(settings_with(cors_enabled=True))
        for origin, status in (("https://evil.test", 403), ("http://slipway.test", 200)):
            assert answered(request("POST", "/api/v1/act", origin=origin), services).status == status
        named = FakeServices(settings_with(cors_enabled=True, cors_origin="https://cards.test"))
        assert answered(request("POST", "/api/v1/act", origin="https://cards.test"), named).status == 200


class TestConfirmation:
    """`X-DD-Confirm-Action`."""

    @pytest.mark.parametrize("given", ["thing-delete", " THING-delete ", "thing-delete, other"])
    def test_the_token_confirms(self, given: str) -> None:
        assert answered(request("DELETE", THING, x_dd_confirm_action=given)).status == 204

    @pytest.mark.parametrize("given", ["", "true", "thing", "other, thing-delete"])
    def test_anything_else_is_asked_for_it(self, given: str) -> None:
        response = answered(request("DELETE", THING, x_dd_confirm_action=given))
        assert response.status == 428
        assert b"X-DD-Confirm-Action: thing-delete" in response.body  # type: ignore[operator]

    def test_it_is_asked_for_before_the_feature_and_after_the_login(self) -> None:
        services = FakeServices(settings_with(features=frozenset()))
        assert answered(request("DELETE", THING), services).status == 428
        assert answered(request("DELETE", THING, x_dd_confirm_action="thing-delete"), services).status == 403
        assert answered(request("DELETE", THING, authorization=""), services).status == 401


def test_a_feature_that_is_off_is_forbidden_and_names_its_setting() -> None:
    response = answered(request("POST", "/api/v1/act"), FakeServices(settings_with(features=frozenset({"delete"}))))
    assert response.status == 403
    assert b"DD_SERVER_FEATURE_CONTAINERACTIONS" in response.body  # type: ignore[operator]


def test_wuds_paths_are_gone_when_they_are_off() -> None:
    assert answered(request("GET", "/api/things"), FakeServices(settings_with(compat_wud=False))).status == 404


def test_a_token_must_cover_what_the_route_needs() -> None:
    reader = Request("GET", THING, caller=Caller("ada", "token", frozenset({"read"})))
    allowed(reader, route("GET", THING, echo).needs)
    with pytest.raises(Forbidden, match="act"):
        allowed(reader, route("POST", THING, echo).needs)
    with pytest.raises(Forbidden, match="admin"):
        allowed(reader, route("GET", THING, echo, scope="admin").needs)
    allowed(Request("GET", THING, caller=Caller("ada", "basic")), "admin")


def test_who_has_not_been_identified_is_allowed_nothing() -> None:
    with pytest.raises(Unauthenticated):
        allowed(Request("GET", THING), "read")


class TestRateLimits:
    """Fixed windows by caller."""

    def test_the_headers_tell_what_is_left(self) -> None:
        services = FakeServices(settings_with(rate_limit_max=10))
        response = answered(request("GET", THING), services)
        services.clock.at += timedelta(seconds=100)
        later = answered(request("GET", THING), services)
        named = [f"RateLimit-{name}" for name in ("Policy", "Limit", "Remaining", "Reset")]
        assert [response.header(name) for name in named] == ["10;w=900", "10", "9", "900"]
        assert [later.header(name) for name in named] == ["10;w=900", "10", "8", "800"]

    def test_beyond_the_limit_one_has_to_wait_for_the_window_to_end(self) -> None:
        services = FakeServices(settings_with(rate_limit_max=2))
        statuses = [answered(request("GET", THING), services).status for _ in range(3)]
        refused = answered(request("GET", THING), services)
        assert [*statuses, refused.status] == [200, 200, 429, 429]
        assert (refused.header("Retry-After"), refused.header("RateLimit-Remaining")) == ("900", "0")
        services.clock.at += timedelta(minutes=15)
        assert answered(request("GET", THING), services).status == 200

    def test_it_is_counted_before_anybody_is_asked_who_they_are(self) -> None:
        services = FakeServices(settings_with(rate_limit_max=1))
        statuses = [answered(request("GET", THING, authorization=""), services).status for _ in range(2)]
        assert statuses == [401, 429]

    def test_unknown_paths_count_too(self) -> None:
        services = FakeServices(settings_with(rate_limit_max=1))
        assert [answered(request("GET", "/api/v1/nowhere"), services).status for _ in range(2)] == [404, 429]

    def test_everybody_has_a_count_of_their_own(self) -> None:
        services = FakeServices(settings_with(rate_limit_max=1))
        assert answered(request("GET", THING, client="192.0.2.1"), services).status == 200
        assert answered(request("GET", THING, client="192.0.2.2"), services).status == 200
        assert answered(request("GET", THING, client="192.0.2.1"), services).status == 429

    def test_a_route_with_a_limit_of_its_own_shows_that_one(self) -> None:
        services = FakeServices()
        answers = [answered(request("POST", "/api/v1/reveal"), services) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert [answer.header("RateLimit-Policy") for answer in answers] == ["2;w=60"] * 3
        assert sum(name == "RateLimit-Policy" for name, _ in answers[0].headers) == 1

    def test_by_identity_a_session_is_counted_wherever_it_comes_from(self) -> None:
        services = FakeServices(settings_with(rate_limit_max=1, rate_limit_by_identity=True))
        cookie = log_in(services)
        sent = {"authorization": "", "cookie": cookie}
        assert answered(request("GET", THING, client="192.0.2.1", **sent), services).status == 200
        assert answered(request("GET", THING, client="192.0.2.2", **sent), services).status == 429
        assert answered(request("GET", THING, client="192.0.2.1"), services).status == 200

    @pytest.mark.parametrize(
        ("method", "target", "status"),
        [("GET", "/api/v1/nowhere", 404), ("PATCH", THING, 405), ("GET", f"{THING}?", 401), ("POST", THING, 400)],
    )
    def test_what_is_refused_tells_of_the_limit_too(self, method: str, target: str, status: int) -> None:
        sent = {"authorization": ""} if status == 401 else {}
        response = answered(request(method, target, **sent), FakeServices(settings_with(rate_limit_max=9)))
        assert response.status == status
        assert [response.header(f"RateLimit-{name}") for name in ("Limit", "Remaining")] == ["9", "8"]

    def test_logging_in_has_a_limit_of_its_own(self) -> None:
        response = dispatch(request("POST", "/auth/login"), FakeServices(), table())
        assert response.header("RateLimit-Policy") == "100;w=900"

    @pytest.mark.parametrize(("method", "path"), [("GET", "/auth/user"), ("POST", "/auth/remember")])
    def test_asking_who_is_logged_in_leaves_the_limit_of_logging_in_alone(self, method: str, path: str) -> None:
        services = FakeServices()
        for _ in range(101):
            response = dispatch(request(method, path), services, table())
        assert response.status != 429
        assert response.header("RateLimit-Policy") == f"{services.settings.rate_limit_max};w=900"
        assert dispatch(request("POST", "/auth/login"), services, table()).header("RateLimit-Remaining") == "99"

    def test_health_is_not_limited(self) -> None:
        assert dispatch(request("GET", "/health"), FakeServices(), table()).header("RateLimit-Policy") is None


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2ff:3::4", "2001:db8:1:200::/56"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:40123", "192.0.2.1"),
        ("[2001:db8:1:2ff:3::4]:40123", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_ipv6_customer_is_one_caller(address: str, counted: str) -> None:
    assert network(address) == counted
