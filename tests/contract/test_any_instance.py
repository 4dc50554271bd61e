"""Any instance can answer any request: what one of them has let in, counted, locked or ended holds at the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chalicelib.adapters.dynamo.account import DynamoAccounts
from chalicelib.adapters.passwords_argon2 import Argon2Passwords
from chalicelib.bootstrap import Services
from chalicelib.domain.account import Account
from tests.builders.api import Answer, Api, api_over
from tests.builders.containers import NOW, container

PASSWORD = "difference engine"
WEB = container("web")
LIST = "/api/v1/containers"


@dataclass
class Instances:
    """Two processes that share nothing but the store."""

    one: Api
    other: Api

    def log_in(self, at: Api, password: str = PASSWORD) -> Answer:
        return at.call("POST", "/auth/login", {"username": "ada", "password": password}, authorization="")


@pytest.fixture
def instances(api_store: str) -> Iterator[Instances]:
    """Both with stored accounts, argon2id and the shared session secret."""
    with api_over(api_store) as first:
        second = Services(first.services.settings)
        for services in (first.services, second):
            _really(services, first.services)
        first.services.accounts.put_new(Account("ada", Argon2Passwords().hash(PASSWORD), NOW))
        first.add(WEB, web={"TZ": "UTC"})
        yield Instances(first, Api(second, first.host))


def _really(services: Services, first: Services) -> None:
    """Everything as in production but for the clock, the host and where accounts are declared."""
    put = vars(services)
    put["tables"], put["clock"], put["queue"] = first.tables, first.clock, first.queue
    put["accounts"], put["passwords"] = DynamoAccounts(), Argon2Passwords()
    put.pop("sessions", None)


def cookie_of(answer: Answer) -> str:
    answer.must_be(200)
    return answer.headers["set-cookie"].partition(";")[0]


def test_a_session_opened_at_one_is_good_at_the_other(instances: Instances) -> None:
    cookie = cookie_of(instances.log_in(instances.one))
    body = instances.other.get("/auth/user", authorization="", cookie=cookie).must_be(200)
    assert body == {"username": "ada"}


def test_a_token_made_at_one_is_listed_used_and_revoked_at_the_other(instances: Instances) -> None:
    wish = {"name": "scraper", "scopes": ["read"], "expiresInDays": 7}
    made = instances.one.call("POST", "/api/v1/tokens", wish).must_be(201)
    bearer = f"Bearer {made['token']}"
    listed = instances.other.get("/api/v1/tokens").must_be(200)["data"]
    assert [(one["id"], one["scopes"]) for one in listed] == [(made["id"], ["read"])]
    assert instances.other.get(LIST, authorization=bearer).must_be(200)["total"] == 1
    instances.other.call("POST", f"{LIST}/{WEB.id}/stop", authorization=bearer).must_be(403)
    assert instances.other.call("DELETE", f"/api/v1/tokens/{made['id']}").status == 204
    instances.other.get(LIST, authorization=bearer).must_be(401)
    instances.one.get(LIST, authorization=bearer).must_be(401)


def test_wrong_passwords_count_together_and_the_lock_holds_everywhere(instances: Instances) -> None:
    for at in (instances.one, instances.other, instances.one, instances.other, instances.one):
        instances.log_in(at, "guess").must_be(401)
    for at in (instances.one, instances.other):
        locked = instances.log_in(at)
        locked.must_be(423, "Error")
        assert 0 < int(locked.headers["retry-after"]) <= 900


def test_a_limit_is_counted_over_all_instances(instances: Instances) -> None:
    path = f"{LIST}/{WEB.id}/env/reveal"
    left = [int(at.call("POST", path).headers["ratelimit-remaining"]) for at in (instances.one, instances.other) * 5]
    assert left == list(range(9, -1, -1))
    refused = instances.other.call("POST", path)
    refused.must_be(429, "Error")
    assert (refused.headers["ratelimit-policy"], refused.headers["ratelimit-limit"]) == ("10;w=60", "10")
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_what_is_changed_at_one_is_seen_at_the_other_at_once(instances: Instances) -> None:
    for action in ("snooze", "clear"):
        path = f"{LIST}/{WEB.id}/update-policy"
        instances.one.call("PATCH", path, {"action": action}).must_be(200)
        shown = instances.other.get(f"{LIST}/{WEB.id}").must_be(200).get("updatePolicy", {})
        assert ("snoozeUntil" in shown) is (action == "snooze")


@pytest.mark.parametrize(("path", "most"), [("/auth/login", 64), (f"{LIST}/watch", 256)])
def test_a_body_beyond_its_limit_is_refused_before_anybody_is_asked_who_they_are(
    instances: Instances, path: str, most: int
) -> None:
    refused = instances.one.call("POST", path, b'"' + b"x" * (most * 1024) + b'"', authorization="")
    assert f"{most} kB" in refused.must_be(413, "Error")["error"]
    assert instances.one.call("POST", path, b'"' + b"x" * (most * 1024 - 2) + b'"', authorization="").status in (
        400,
        401,
    )


def test_without_any_account_nobody_comes_in_and_anonymous_only_when_it_is_confirmed(api_store: str) -> None:
    with api_over(api_store) as closed:
        vars(closed.services)["accounts"] = DynamoAccounts()
        closed.get(LIST).must_be(401)
        closed.get(LIST, authorization="").must_be(401)
    with api_over(api_store, DD_ANONYMOUS_AUTH_CONFIRM="true") as confirmed:
        confirmed.get(LIST, authorization="").must_be(200)
        assert confirmed.get("/auth/user", authorization="").must_be(200) == {"username": "anonymous"}


def test_a_copy_of_a_session_cookie_opens_nothing_anywhere_once_its_owner_has_logged_out(instances: Instances) -> None:
    copied, elsewhere = cookie_of(instances.log_in(instances.one)), cookie_of(instances.log_in(instances.other))
    shown = {"authorization": "", "cookie": copied, "origin": "http://slipway.test"}
    remembered = instances.one.call("POST", "/auth/remember", {"remember": True}, **shown)
    instances.one.call("POST", "/auth/logout", **shown).must_be(200)
    for instance in (instances.one, instances.other):
        for cookie in (copied, cookie_of(remembered)):
            instance.get("/auth/user", authorization="", cookie=cookie).must_be(401)
        instance.get("/auth/user", authorization="", cookie=elsewhere).must_be(200)
