"""Running triggers by hand and looking at the outbox, through the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.notice import Event, Notice, NoticeState
from chalicelib.domain.operation import Phase
from chalicelib.domain.trigger import masked
from chalicelib.domain.trigger_settings import read
from tests.builders.api import DOCKER_TRIGGER, Api, api_over
from tests.builders.containers import NOW, container, with_update

WEB = with_update(container("web"))
REMOTE = with_update(container("far", agent="edge"))
LIST = "/api/v1/containers"
OUTBOX = "/api/v1/notifications/outbox"
TRIGGERS = read(
    {
        "DD_NOTIFICATION_NTFY_ONE_TOPIC": "news",
        "DD_NOTIFICATION_NTFY_ONE_AUTH_TOKEN": "tk_sEcReT",
        "DD_NOTIFICATION_SLACK_TEAM_TOKEN": "xoxb-sEcReT",
        "DD_NOTIFICATION_PUSHOVER_ME_USER": "uSeRsEcReT",
        "DD_NOTIFICATION_PUSHOVER_ME_TOKEN": "tOkEnsEcReT",
        "DD_NOTIFICATION_HTTP_HOOK_URL": "https://example.com/sEcReT",
        "DD_NOTIFICATION_HTTP_HOOK_AUTH_BEARER": "bEaReRsEcReT",
        "DD_NOTIFICATION_SMTP_MAIL_HOST": "mail.example.com",
        "DD_NOTIFICATION_SMTP_MAIL_FROM": "a@example.com",
        "DD_NOTIFICATION_SMTP_MAIL_TO": "b@example.com",
        "DD_NOTIFICATION_SMTP_MAIL_PASS": "sEcReT",
    }
).triggers


def facts(one: Any) -> Mapping[str, Any]:
    return {"id": one.id, "type": one.type, "name": one.name, "configuration": dict(masked(one))}


@pytest.fixture
def host(api: Api) -> Api:
    api.host.triggers = TRIGGERS
    api.report(DOCKER_TRIGGER, *map(facts, TRIGGERS))
    return api


def test_a_notification_is_sent_and_answers_with_nothing(host: Api) -> None:
    host.add(WEB)
    assert host.call("POST", f"{LIST}/{WEB.id}/triggers/ntfy/one").must_be(200) == {}
    ((name, message),) = host.host.sender.arrived
    assert (name, message.title) == ("ntfy.one", "New tag found for container web")


def test_a_docker_trigger_has_run_when_the_update_has_ended(host: Api) -> None:
    host.add(WEB)
    assert host.call("POST", f"{LIST}/{WEB.id}/triggers/docker/local").must_be(200) == {}
    (operation,) = host.services.operations.history(WEB.identity)
    assert (operation.phase, operation.trigger) == (Phase.SUCCEEDED, "docker.local")
    assert host.services.containers.get(WEB.identity).image.tag.value == "1.3.0"  # type: ignore[union-attr]


def test_an_update_that_takes_longer_answers_202_and_where_to_look(api_store: str) -> None:
    with api_over(api_store, DD_SERVER_COMMAND_WAIT_SECONDS="0") as api:
        api.host.silent = True
        api.add(WEB)
        answer = api.call("POST", f"{LIST}/{WEB.id}/triggers/docker/local")
        body = answer.must_be(202)
        assert answer.headers["location"].endswith(f"/update-operations/{body['operationId']}")


@pytest.mark.parametrize("path", ["ntfy/one/edge", "ntfy/two", "slack/one", "docker/other", "toString/one"])
def test_an_unknown_trigger_is_not_found(host: Api, path: str) -> None:
    host.add(WEB)
    assert host.call("POST", f"{LIST}/{WEB.id}/triggers/{path}").status == 404


def test_an_unknown_container_is_not_found(host: Api) -> None:
    assert host.call("POST", f"{LIST}/{'0' * 64}/triggers/ntfy/one").status == 404


def test_a_container_without_an_update_is_not_updated(host: Api) -> None:
    host.add(container("calm"))
    assert host.call("POST", f"{LIST}/{container('calm').id}/triggers/docker/local").status == 400


def test_a_trigger_that_fails_says_so_in_its_own_words(host: Api) -> None:
    host.add(WEB)
    host.host.sender.error = "ntfy.one: it answered 503"
    body = host.call("POST", f"{LIST}/{WEB.id}/triggers/ntfy/one").must_be(500)
    assert body["error"] == "ntfy.one: it answered 503"


def test_a_container_of_an_agent_needs_the_agent_in_the_path_for_its_update(host: Api) -> None:
    host.report(DOCKER_TRIGGER, agent="edge")
    host.add(REMOTE)
    assert host.call("POST", f"{LIST}/{REMOTE.id}/triggers/docker/local").status == 400
    assert host.call("POST", f"{LIST}/{REMOTE.id}/triggers/docker/local/edge").must_be(200) == {}
    (command,) = [one for one in host.host.performed if one.kind == "update"]
    assert command.agent == "edge"


def test_a_local_notification_serves_a_container_of_an_agent(host: Api) -> None:
    host.report(DOCKER_TRIGGER, agent="edge")
    host.add(REMOTE)
    assert host.call("POST", f"{LIST}/{REMOTE.id}/triggers/ntfy/one").must_be(200) == {}
    assert host.host.sender.arrived[0][1].documents[0]["name"] == "far"


def test_the_unversioned_paths_run_triggers_too(host: Api) -> None:
    host.add(WEB)
    assert host.call("POST", f"/api/containers/{WEB.id}/triggers/ntfy/one").must_be(200) == {}
    assert host.call("POST", "/api/triggers/ntfy/one", {"id": WEB.id}).must_be(200) == {}
    assert len(host.host.sender.arrived) == 2


def test_a_container_object_in_the_body_is_enough(host: Api) -> None:
    host.add(WEB)
    whole = host.get(f"{LIST}/{WEB.id}").json
    assert host.call("POST", "/api/v1/triggers/ntfy/one", whole).must_be(200) == {}
    assert host.call("POST", "/api/v1/triggers/ntfy/one", {}).status == 400
    assert host.call("POST", "/api/v1/triggers/ntfy/one", {"id": "unknown"}).status == 404
    assert host.call("POST", "/api/v1/triggers/ntfy/one", {"id": WEB.id, "agent": "edge"}).status == 400
    assert host.call("POST", "/api/v1/triggers/ntfy/two", {"id": WEB.id}).status == 404


def test_no_listing_shows_a_secret(host: Api) -> None:
    host.add(WEB)
    for path in ("/api/v1/triggers", f"{LIST}/{WEB.id}/triggers", f"/api/containers/{WEB.id}/triggers",
                 "/api/v1/agents", "/api/v1/triggers/slack/team"):  # fmt: skip
        answer = host.get(path)
        assert answer.status == 200, path
        assert b"sEcReT" not in answer.body, path
    shown = {one["id"]: one["configuration"] for one in host.get("/api/v1/triggers").json["data"]}
    assert shown["ntfy.one"]["url"] == "https://ntfy.sh" and shown["ntfy.one"]["topic"] == "news"
    assert shown["slack.team"]["token"] == shown["pushover.me"]["user"] == shown["smtp.mail"]["pass"] == "***"
    assert shown["http.hook"]["url"] == shown["http.hook"]["auth"]["bearer"] == "***"


def dead(key: str = "a" * 40) -> Notice:
    made = Notice(key, "local", "ntfy.one", Event.UPDATE_AVAILABLE, key, NOW, NOW, WEB.identity, content={"facts": {}})
    return replace(made, state=NoticeState.DEAD, attempts=5)


def test_the_outbox_lists_what_waits_and_what_was_given_up(host: Api) -> None:
    waiting = replace(dead("b" * 40), state=NoticeState.WAITING, attempts=0, created_at=NOW + timedelta(seconds=1))
    done = replace(dead("c" * 40), state=NoticeState.WAITING)
    for one in (dead(), waiting, done):
        assert host.services.outbox.put(one)
    claimed = host.services.outbox.claim(done, "me", NOW, NOW + timedelta(minutes=1), done.key)
    assert claimed is not None and host.services.outbox.settle(claimed.delivered())
    body = host.get(OUTBOX).must_be(200)
    assert [(one["id"][0], one["status"], one["containerName"]) for one in body["data"]] == [
        ("a", "dead", "web"),
        ("b", "waiting", "web"),
    ]
    assert host.get(f"{OUTBOX}?status=dead").json["total"] == 1
    assert host.get(f"{OUTBOX}?status=lost").status == 400
    assert [one["id"][0] for one in host.get(f"{OUTBOX}?limit=1&offset=1").json["data"]] == ["b"]


def test_a_notice_that_was_given_up_can_be_tried_again_or_forgotten(host: Api) -> None:
    host.services.outbox.put(dead())
    host.services.outbox.put(dead("b" * 40))
    assert host.call("POST", f"{OUTBOX}/{'a' * 40}/retry").must_be(200)["status"] == "waiting"
    assert host.call("POST", f"{OUTBOX}/{'a' * 40}/retry").status == 409
    assert host.call("DELETE", f"{OUTBOX}/{'a' * 40}").status == 409
    assert host.call("DELETE", f"{OUTBOX}/{'b' * 40}").status == 204
    assert host.call("DELETE", f"{OUTBOX}/{'b' * 40}").status == 404
    assert [one["id"][0] for one in host.get(OUTBOX).json["data"]] == ["a"]


def test_rules_say_what_is_told_and_to_whom(host: Api) -> None:
    body = host.get("/api/v1/notifications").must_be(200)
    assert {one["id"]: one["enabled"] for one in body["data"]} == {
        "update-available": True,
        "update-applied": True,
        "update-failed": True,
        "security-alert": True,
        "agent-disconnect": False,
        "agent-reconnect": False,
    }
    path = "/api/v1/notifications/agent-disconnect"
    changed = host.call("PATCH", path, {"enabled": True}).must_be(200)
    assert (changed["enabled"], changed["triggers"]) == (True, [])
    host.call("PATCH", path, {"triggers": ["ntfy.one", "ntfy.one"]}).must_be(200)
    rule = host.services.rules.rules().of(Event.AGENT_DISCONNECT)
    assert (rule.enabled, rule.triggers) == (True, ("ntfy.one",))
    assert host.call("PATCH", "/api/v1/notifications/else", {}).status == 404
    assert host.call("PATCH", path, {"enabled": "yes"}).status == 400


def test_labels_for_one_category_leave_the_triggers_of_the_other_alone(host: Api) -> None:
    labels = {"dd.notification.include": "ntfy.one:minor,slack.team", "dd.action.exclude": "docker.local"}
    one = replace(container("labelled"), labels=labels)
    host.add(one)
    for path in (f"{LIST}/{one.id}/triggers", f"/api/containers/{one.id}/triggers"):
        answer = host.get(path).must_be(200)
        found = answer if isinstance(answer, list) else answer["data"]
        assert [trigger["id"] for trigger in found] == ["ntfy.one", "slack.team"]
        assert found[0]["configuration"]["threshold"] == "minor"


def test_a_notification_excluded_by_label_is_not_listed_and_actions_stay(host: Api) -> None:
    one = replace(container("labelled"), labels={"dd.notification.exclude": "one", "dd.action.include": "local"})
    host.add(one)
    found = [trigger["id"] for trigger in host.get(f"{LIST}/{one.id}/triggers").must_be(200)["data"]]
    assert found == ["docker.local", "http.hook", "pushover.me", "slack.team", "smtp.mail"]
