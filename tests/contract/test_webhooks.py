"""Webhooks over the whole API: who is heard, what is started, and what is said."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.audit import SERVER
from chalicelib.domain.command import CommandKind
from chalicelib.domain.container import Container
from chalicelib.domain.operation import Phase
from tests.builders.api import DOCKER_TRIGGER, Answer, Api, api_over
from tests.builders.containers import container, with_update

SECRET, TOKEN = "a secret", "a token"
REGISTRY, ALL = "/api/v1/webhooks/registry", "/api/v1/webhook/watch"
PUSHED = {"push_data": {"tag": "1.1"}, "repository": {"repo_name": "acme/web"}}


@pytest.fixture
def hooked(api_store: str) -> Iterator[Api]:
    """An API that listens to webhooks."""
    with api_over(
        api_store,
        DD_SERVER_WEBHOOK_ENABLED="true",
        DD_SERVER_WEBHOOK_SECRET=SECRET,
        DD_SERVER_WEBHOOK_TOKEN=TOKEN,
    ) as composed:
        yield composed


def running(name: str, reference: str, **changes: Any) -> Container:
    made = container(name, **changes)
    return replace(made, image=replace(made.image, reference=reference))


def tell(api: Api, body: object, signature: str | None = None, **headers: str) -> Answer:
    """A registry's word, signed well unless a signature is given."""
    sent = json.dumps(body).encode()
    right = "sha256=" + hmac.new(SECRET.encode(), sent, hashlib.sha256).hexdigest()
    headers = headers or {"x_hub_signature_256": right if signature is None else signature}
    return api.call("POST", REGISTRY, sent, **({"authorization": ""} | headers))


def order(api: Api, path: str, token: str = TOKEN, **headers: str) -> Answer:
    return api.call("POST", path, authorization=f"Bearer {token}", **headers)


def checked(api: Api) -> list[object]:
    """The containers each check that reached the host was about."""
    return [one.arguments.get("keys") for one in api.host.performed if one.kind is CommandKind.WATCH]


def rows(api: Api, agent: str = "local") -> list[tuple[str, str, str]]:
    found = [(row.action, row.status, row.identity.name) for row in api.services.audit.newest([agent], 20)]
    return [row for row in found if row[0].startswith("webhook-")]


def test_a_signed_push_starts_a_check_of_the_containers_of_that_image(hooked: Api) -> None:
    hooked.add(
        running("web", "acme/web:1.0"),
        running("same-repository", "acme/web:stable"),
        running("other", "acme/web2:1.0"),
        running("elsewhere", "ghcr.io/acme/web:1.0"),
    )
    answer = tell(hooked, PUSHED).must_be(202)
    assert (answer["provider"], answer["images"], answer["containers"]) == ("hub", ["acme/web:1.1"], 2)
    assert checked(hooked) == [["local/same-repository", "local/web"]]


def test_a_container_that_looks_its_tags_up_elsewhere_hears_of_pushes_there(hooked: Api) -> None:
    one = running("web", "mirror.example/web:1.0")
    hooked.add(replace(one, image=replace(one.image, lookup_image="docker.io/acme/web")))
    assert tell(hooked, PUSHED).must_be(202)["containers"] == 1


def test_a_push_that_concerns_nobody_starts_nothing(hooked: Api) -> None:
    hooked.add(running("web", "redis:7"))
    assert tell(hooked, PUSHED).must_be(202)["containers"] == 0
    assert checked(hooked) == []


def test_a_container_can_keep_webhooks_away(hooked: Api) -> None:
    hooked.add(running("web", "acme/web:1.0", labels={"dd.webhook.enabled": "false"}))
    assert tell(hooked, PUSHED).must_be(202)["containers"] == 0
    order(hooked, f"{ALL}/web").must_be(403, "Error")
    order(hooked, "/api/v1/webhook/update/web").must_be(403, "Error")
    assert checked(hooked) == []


@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=" + "0" * 64, "nonsense"])
def test_a_word_without_the_right_signature_is_not_heard(hooked: Api, signature: str) -> None:
    hooked.add(running("web", "acme/web:1.0"))
    answer = tell(hooked, PUSHED, signature)
    answer.must_be(401, "Error")
    assert answer.headers["www-authenticate"].startswith("Bearer") and checked(hooked) == []


def test_a_registry_that_cannot_sign_shows_the_secret(hooked: Api) -> None:
    tell(hooked, PUSHED, authorization=f"Bearer {SECRET}").must_be(202)
    tell(hooked, PUSHED, authorization=f"Bearer {TOKEN}").must_be(401, "Error")
    wrong = {"authorization": f"Bearer {SECRET}", "x_dd_signature": "sha256=0"}
    tell(hooked, PUSHED, **wrong).must_be(401, "Error")


def test_a_registry_that_can_only_be_given_an_address_shows_the_secret_as_a_password(hooked: Api) -> None:
    def basic(text: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    tell(hooked, PUSHED, **basic(f"registry:{SECRET}")).must_be(202)
    for wrong in (f"registry:{TOKEN}", f"{SECRET}:", SECRET, "registry:"):
        tell(hooked, PUSHED, **basic(wrong)).must_be(401, "Error")
    tell(hooked, PUSHED, authorization="Basic ???").must_be(401, "Error")


def test_a_secret_in_the_query_opens_nothing(hooked: Api) -> None:
    sent = json.dumps(PUSHED).encode()
    for name in ("secret", "token", "access_token"):
        hooked.call("POST", f"{REGISTRY}?{name}={SECRET}", sent, authorization="").must_be(401, "Error")


def test_the_same_news_again_starts_nothing(hooked: Api) -> None:
    hooked.add(running("web", "acme/web:1.0"))
    now = int(hooked.services.clock.now().timestamp())
    for at, checks in ((now, 1), (now, 1), (now + 1, 2), (now - 3700, 2)):
        news = {"push_data": {"tag": "1.1", "pushed_at": at}, "repository": {"repo_name": "acme/web"}}
        tell(hooked, news).must_be(202)
        assert len(checked(hooked)) == checks
    for checks in (3, 4):
        # No time is told, so this may well have happened twice.
        tell(hooked, PUSHED).must_be(202)
        assert len(checked(hooked)) == checks


def test_what_no_registry_says_is_a_400(hooked: Api) -> None:
    tell(hooked, {"zen": "Half measures"}).must_be(400, "Error")
    tell(hooked, ["push"]).must_be(400, "Error")


def test_an_account_does_not_open_a_webhook(hooked: Api) -> None:
    hooked.call("POST", ALL).must_be(401, "Error")
    hooked.call("POST", REGISTRY, PUSHED).must_be(401, "Error")


def test_webhooks_are_closed_unless_they_are_opened(api: Api) -> None:
    for path in (ALL, f"{ALL}/web", "/api/v1/webhook/update/web"):
        order(api, path).must_be(403, "Error")
    tell(api, PUSHED).must_be(403, "Error")


def test_without_a_secret_or_a_token_they_stay_closed(api_store: str) -> None:
    with api_over(api_store, DD_SERVER_WEBHOOK_ENABLED="true") as open_to_nobody:
        tell(open_to_nobody, PUSHED).must_be(403, "Error")
        order(open_to_nobody, ALL, "").must_be(403, "Error")


def test_a_token_checks_everything(hooked: Api) -> None:
    hooked.add(running("web", "acme/web:1.0"), running("db", "postgres:16"))
    assert order(hooked, ALL).must_be(200)["result"] == {"checked": 2}
    assert checked(hooked) == [None]
    assert rows(hooked, SERVER) == [("webhook-watch", "success", "*")]
    order(hooked, ALL, "another token").must_be(401, "Error")


def test_a_token_checks_every_container_of_a_name(hooked: Api) -> None:
    hooked.report(DOCKER_TRIGGER, agent="nas")
    hooked.add(running("web", "acme/web:1.0"), running("web", "acme/web:1.0", agent="nas"))
    assert order(hooked, f"{ALL}/web").must_be(200)["result"] == {"checked": 2}
    assert rows(hooked) == [("webhook-watch-container", "success", "web")]
    order(hooked, f"{ALL}/nobody").must_be(404, "Error")


def test_a_failed_check_is_told_and_noted(hooked: Api) -> None:
    hooked.add(running("web", "acme/web:1.0"))
    hooked.report(DOCKER_TRIGGER, seen=False)
    order(hooked, ALL).must_be(500, "Error")
    assert rows(hooked, SERVER) == [("webhook-watch", "error", "*")]


def test_a_check_that_takes_longer_is_a_202(hooked: Api) -> None:
    hooked.add(running("web", "acme/web:1.0"))
    hooked.host.silent = True
    answer = order(hooked, f"{ALL}/web", prefer="respond-async")
    answer.must_be(202)
    assert answer.headers["location"].startswith("/api/v1/commands/local/")


def test_a_token_updates_the_container_of_a_name(hooked: Api) -> None:
    hooked.add(with_update(container("web")))
    operation = order(hooked, "/api/v1/webhook/update/web").must_be(200)["result"]["operationId"]
    ledger = hooked.services.operations.history(container("web").identity)
    assert [(one.id, one.phase) for one in ledger] == [(operation, Phase.SUCCEEDED)]
    assert ("webhook-update", "success", "web") in rows(hooked)


def test_an_update_by_a_name_that_means_several_containers_is_refused(hooked: Api) -> None:
    hooked.add(with_update(container("web")), with_update(container("web", watcher="nas")))
    order(hooked, "/api/v1/webhook/update/web").must_be(409, "Error")
    order(hooked, "/api/v1/webhook/update/nobody").must_be(404, "Error")
    assert hooked.host.performed == []


def test_an_update_to_nothing_is_a_400_and_noted(hooked: Api) -> None:
    hooked.add(running("web", "acme/web:1.0"))
    order(hooked, "/api/v1/webhook/update/web").must_be(400, "Error")
    assert ("webhook-update", "error", "web") in rows(hooked)


def test_each_endpoint_can_have_its_own_token(api_store: str) -> None:
    own = {f"DD_SERVER_WEBHOOK_TOKENS_{name}": name.lower() for name in ("WATCHALL", "WATCH", "UPDATE")}
    with api_over(api_store, DD_SERVER_WEBHOOK_ENABLED="true", **own) as api:
        api.add(running("web", "acme/web:1.0"))
        order(api, ALL, "watchall").must_be(200)
        order(api, ALL, "update").must_be(401, "Error")
        order(api, f"{ALL}/web", "watch").must_be(200)


def test_guessing_a_token_ends_after_thirty_tries(hooked: Api) -> None:
    statuses = [order(hooked, ALL, f"guess-{number}").status for number in range(32)]
    assert statuses == [401] * 30 + [429] * 2
