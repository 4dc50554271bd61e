"""Walks the contract, section by section: containers read, watched, changed and forgotten through the whole API."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Failed
from chalicelib.domain.operation import Phase
from tests.builders.api import Api, api_over, conform, nulls
from tests.builders.containers import NOW, container, with_update

LIST = "/api/v1/containers"
NOBODY = "f" * 64
WEB = with_update(container("web"))
ACTIONS = ("start", "stop", "restart", "update")


def path(one: Container, rest: str = "") -> str:
    return f"{LIST}/{one.id}{rest}"


def audit_of(api: Api, action: str) -> list[AuditEntry]:
    """The rows of that action, newest first."""
    rows = api.services.audit.newest(["local"], 100)
    return [row for row in rows if row.action == action]


# Get container summary


def test_the_summary_counts_containers_findings_and_updates_by_age(api: Api) -> None:
    api.add(
        WEB,
        with_update(container("fresh"), age=timedelta(hours=1)),
        with_update(container("settled", status="exited"), age=timedelta(days=9)),
        container("idle", status="paused"),
    )
    body = api.get(f"{LIST}/summary").must_be(200, "ContainerSummary")
    assert body == {
        "containers": {"total": 4, "running": 2, "stopped": 2, "updatesAvailable": 3},
        "security": {"issues": 0},
        "hotUpdates": 1,
        "matureUpdates": 1,
    }


def test_the_summary_of_nothing_is_all_zero(api: Api) -> None:
    body = api.get(f"{LIST}/summary").must_be(200, "ContainerSummary")
    assert body["containers"] == {"total": 0, "running": 0, "stopped": 0, "updatesAvailable": 0}


@pytest.mark.parametrize(
    ("age", "hot", "mature"),
    [
        (timedelta(hours=23, minutes=59), 1, 0),
        (timedelta(hours=24), 0, 1),
        (timedelta(days=7), 0, 1),
        (timedelta(days=7, minutes=1), 0, 0),
    ],
)
def test_hot_is_under_a_day_and_mature_up_to_seven(api: Api, age: timedelta, hot: int, mature: int) -> None:
    api.add(with_update(container("web"), age=age))
    body = api.get(f"{LIST}/summary").must_be(200)
    assert (body["hotUpdates"], body["matureUpdates"]) == (hot, mature)


# Get recent container status


def row(action: str, name: str, minutes: int, *, watcher: str = "local") -> AuditEntry:
    identity = Identity("local", watcher, name)
    return AuditEntry(f"{action}-{name}-{minutes}", NOW - timedelta(minutes=minutes), action, "info", identity)


def test_recent_status_is_the_newest_word_by_plain_name(api: Api) -> None:
    api.services.audit.add(
        [
            row("update-applied", "homeassistant", 5),
            row("update-available", "homeassistant", 9),
            row("update-available", "nginx", 4),
            row("update-failed", "nginx", 6),
            row("update-failed", "postgres", 3),
            row("container-start", "other", 1),
        ]
    )
    body = api.get(f"{LIST}/recent-status").must_be(200, "RecentStatus")
    assert body["statuses"] == {"homeassistant": "updated", "nginx": "pending", "postgres": "failed"}
    assert body["statusesByIdentity"]["::local::nginx"] == "pending"


def test_recent_status_looks_at_the_last_hundred_rows_only(api: Api) -> None:
    api.services.audit.add([row("update-applied", "old", 500), row("update-applied", "seen", 150)])
    api.services.audit.add([row("container-start", "web", minute) for minute in range(99)])
    assert api.get(f"{LIST}/recent-status").json["statuses"] == {"seen": "updated"}


def test_two_containers_of_one_name_are_told_apart_by_identity(api: Api) -> None:
    api.services.audit.add([row("update-failed", "web", 2, watcher="edge"), row("update-applied", "web", 1)])
    body = api.get(f"{LIST}/recent-status").must_be(200, "RecentStatus")
    assert body["statuses"] == {"web": "updated"}
    assert body["statusesByIdentity"] == {"::local::web": "updated", "::edge::web": "failed"}


def test_recent_status_of_nothing_is_empty(api: Api) -> None:
    assert api.get(f"{LIST}/recent-status").must_be(200, "RecentStatus")["statuses"] == {}


# Watch all containers


def test_watching_all_finds_what_the_host_runs_and_answers_the_list(api: Api) -> None:
    api.host.running[WEB.identity] = WEB
    body = api.call("POST", f"{LIST}/watch").must_be(200, "ContainerList")
    assert [one["name"] for one in body["data"]] == ["web"]
    assert (body["total"], body["limit"], body["hasMore"]) == (1, 0, False)


def test_watching_some_asks_for_just_these_and_answers_the_whole_list(api: Api) -> None:
    api.add(WEB, container("db"))
    asked = {"containerIds": [WEB.id, f" {WEB.id} "]}
    body = api.call("POST", f"{LIST}/watch?limit=1", asked).must_be(200, "ContainerList")
    assert (body["total"], body["limit"], body["hasMore"]) == (2, 1, True)
    assert api.host.performed[0].arguments == {"keys": ["local/web"]}


@pytest.mark.parametrize(
    "payload",
    [
        [],
        "text",
        7,
        {"containerIds": []},
        {"containerIds": "x"},
        {"containerIds": [1]},
        {"containerIds": [" "]},
        {"containerIds": None},
        {"containerIds": ["a"] * 201},
        {"ids": ["a"]},
    ],
)
def test_a_wrong_body_of_watch_is_a_400_and_nothing_is_watched(api: Api, payload: object) -> None:
    api.call("POST", f"{LIST}/watch", payload).must_be(400, "Error")
    assert api.host.performed == []


def test_an_unknown_id_is_a_404_and_nothing_is_watched(api: Api) -> None:
    api.add(WEB)
    api.call("POST", f"{LIST}/watch", {"containerIds": [WEB.id, NOBODY]}).must_be(404, "Error")
    assert api.host.performed == []


def test_watching_without_any_agent_is_a_500_that_says_so(api: Api) -> None:
    api.report(seen=False)
    body = api.call("POST", f"{LIST}/watch").must_be(500, "Error")
    assert "agent" in body["error"]


def test_a_watch_that_fails_is_a_500_with_its_reason(api: Api) -> None:
    api.host.failure = Failed("the engine cannot be read")
    assert api.call("POST", f"{LIST}/watch").must_be(500, "Error") == {"error": "the engine cannot be read"}


def test_a_watch_of_some_whose_agent_is_away_asks_nobody(api: Api) -> None:
    far = container("far", agent="nas")
    api.add(WEB, far)
    api.report(agent="nas", seen=False)
    api.call("POST", f"{LIST}/watch", {"containerIds": [WEB.id, far.id]}).must_be(500, "Error")
    assert api.host.performed == []


def test_a_watch_of_many_hosts_takes_no_more_patience_than_one_of_one(api: Api) -> None:
    for agent in ("attic", "cellar", "nas"):
        api.report(agent=agent)
    api.host.silent = True
    began = api.services.clock.now()
    api.call("POST", f"{LIST}/watch").must_be(202, "OperationAccepted")
    assert (api.services.clock.now() - began).total_seconds() == api.services.settings.command_wait_seconds


def test_a_watch_that_takes_long_is_a_202_that_can_be_followed(api: Api) -> None:
    api.host.silent = True
    answer = api.call("POST", f"{LIST}/watch")
    operation = answer.must_be(202, "OperationAccepted")["operationId"]
    assert answer.headers["location"] == f"/api/v1/commands/local/{operation}"
    assert api.get(answer.headers["location"]).must_be(200)["state"] == "queued"


# Get a container by id


def test_a_container_is_found_by_its_whole_id(api: Api) -> None:
    api.add(WEB)
    body = api.get(path(WEB)).must_be(200, "ContainerFull")
    assert (body["id"], body["name"], body["watcher"]) == (WEB.id, "web", "local")
    assert body["image"]["tag"] == {"value": "1.2.3", "semver": True, "tagPrecision": "specific"}
    assert body["result"]["tag"] == "1.3.0"
    assert body["updateKind"] == {
        "kind": "tag",
        "localValue": "1.2.3",
        "remoteValue": "1.3.0",
        "semverDiff": "minor",
    }
    assert body["updateAvailable"] is True
    assert body["updateAge"] == 2 * 86_400_000
    assert body["updateMaturityLevel"] == "mature"
    assert not nulls(body)


@pytest.mark.parametrize("known_as", [WEB.id[:12], "web", NOBODY, WEB.id.upper(), f"{WEB.id}%20"])
def test_nothing_but_the_whole_id_finds_a_container(api: Api, known_as: str) -> None:
    api.add(WEB)
    api.get(f"{LIST}/{known_as}").must_be(404, "Error")


def test_secrets_of_the_environment_are_masked_everywhere(api: Api) -> None:
    api.add(WEB)
    for body in (api.get(path(WEB)), api.get(LIST), api.get("/api/containers"), api.call("POST", path(WEB, "/watch"))):
        body.must_be(200)
        assert b"s3cret" not in body.body
        assert b'"***"' in body.body
    assert api.get(path(WEB)).json["details"]["env"] == [
        {"key": "TZ", "value": "Europe/Berlin", "sensitive": False},
        {"key": "DATABASE_PASSWORD", "value": "***", "sensitive": True},
    ]


def test_a_failed_check_is_told_and_keeps_what_was_known(api: Api) -> None:
    api.add(replace(WEB, error="the registry does not answer"))
    body = api.get(path(WEB)).must_be(200, "ContainerFull")
    assert body["error"] == {"message": "the registry does not answer"}
    assert body["result"]["tag"] == "1.3.0"


def test_a_container_of_another_agent_names_it(api: Api) -> None:
    api.add(container("web", agent="edge"))
    body = api.get(LIST).must_be(200, "ContainerList")["data"][0]
    assert body["agent"] == "edge"
    assert body["identityKey"] == "edge::local::web"


# Watch a container


def test_watching_one_answers_the_container_as_it_is_now(api: Api) -> None:
    api.add(container("web"))
    api.host.running[WEB.identity] = WEB
    body = api.call("POST", path(WEB, "/watch")).must_be(200, "ContainerFull")
    assert body["updateAvailable"] is True


def test_watching_one_that_is_gone_from_its_host_is_a_404(api: Api) -> None:
    api.add(WEB)
    api.host.running.clear()
    api.call("POST", path(WEB, "/watch")).must_be(404, "Error")
    api.get(path(WEB)).must_be(404)


def test_watching_an_unknown_container_is_a_404(api: Api) -> None:
    api.call("POST", f"{LIST}/{NOBODY}/watch").must_be(404, "Error")


def test_watching_one_whose_agent_is_away_is_a_500(api: Api) -> None:
    api.add(WEB)
    api.report(seen=False)
    api.call("POST", path(WEB, "/watch")).must_be(500, "Error")


# Update a container


def test_an_update_answers_the_updated_container(api: Api) -> None:
    api.add(WEB)
    body = api.call("POST", path(WEB, "/update")).must_be(200, "ContainerFull")
    assert body["image"]["tag"]["value"] == "1.3.0"
    assert body["updateAvailable"] is False
    assert body["id"] != WEB.id


def test_an_update_without_a_candidate_is_a_400(api: Api) -> None:
    api.add(container("web"))
    api.call("POST", path(WEB, "/update")).must_be(400, "Error")


def test_an_update_that_is_held_back_is_a_400_that_says_why(api: Api) -> None:
    api.add(WEB)
    api.call("PATCH", path(WEB, "/update-policy"), {"action": "snooze"}).must_be(200)
    assert "snoozed" in api.call("POST", path(WEB, "/update")).must_be(400, "Error")["error"]


def test_an_update_without_a_docker_trigger_is_a_404(api: Api) -> None:
    api.add(WEB)
    api.report({"id": "ntfy.one", "type": "ntfy", "name": "one"})
    api.call("POST", path(WEB, "/update")).must_be(404, "Error")


def test_an_update_beside_another_is_a_409_that_names_it(api: Api) -> None:
    api.add(WEB)
    api.host.silent = True
    first = api.call("POST", path(WEB, "/update"), prefer="respond-async").must_be(202, "OperationAccepted")
    body = api.call("POST", path(WEB, "/update")).must_be(409, "Error")
    assert body["operationId"] == first["operationId"]
    listed = api.get(path(WEB)).must_be(200, "ContainerFull")
    assert listed["updateOperation"]["id"] == first["operationId"]
    assert listed["updateOperation"]["status"] == "in-progress"


def test_an_update_that_is_rolled_back_is_a_500_that_names_the_operation(api: Api) -> None:
    api.add(WEB)
    api.host.fails_in = (Phase.ROLLED_BACK, {"reason_code": "health_gate_failed"})
    body = api.call("POST", path(WEB, "/update")).must_be(500, "Error")
    assert body["error"] == "Health check failed"
    told = api.get(path(WEB, f"/update-operations/{body['operationId']}")).must_be(200, "UpdateOperationSeed")
    assert (told["status"], told["rollbackReason"]) == ("rolled-back", "Health check failed")


# Start, stop and restart a container


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [("start", "exited", "running"), ("stop", "running", "exited"), ("restart", "running", "running")],
)
def test_an_action_answers_a_message_and_the_container(api: Api, action: str, before: str, after: str) -> None:
    api.add(replace(WEB, status=before))
    body = api.call("POST", path(WEB, f"/{action}")).must_be(200, "ActionResult")
    assert body["result"]["status"] == after
    assert "web" in body["message"]


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_on_an_unknown_container_is_a_404(api: Api, action: str) -> None:
    api.call("POST", f"{LIST}/{NOBODY}/{action}").must_be(404, "Error")


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_a_403_while_actions_are_off_even_on_an_unknown_container(api_store: str, action: str) -> None:
    with api_over(api_store, DD_SERVER_FEATURE_CONTAINERACTIONS="false") as api:
        api.add(WEB)
        for target in (path(WEB, f"/{action}"), f"{LIST}/{NOBODY}/{action}"):
            api.call("POST", target).must_be(403, "Error")
        assert api.host.performed == []


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_that_the_host_fails_is_a_500_with_its_reason(api: Api, action: str) -> None:
    api.add(WEB)
    api.host.failure = Failed("no space left on device")
    assert "no space left" in api.call("POST", path(WEB, f"/{action}")).must_be(500, "Error")["error"]


# Get update and rollback history


def test_the_history_is_newest_first_and_survives_recreation(api: Api) -> None:
    api.add(WEB)
    now = api.call("POST", path(WEB, "/update")).must_be(200)
    api.services.clock.sleep(20)
    api.host.running[WEB.identity] = replace(api.host.running[WEB.identity], update=WEB.update, candidate=WEB.candidate)
    api.call("POST", f"{LIST}/{now['id']}/watch").must_be(200)
    api.host.fails_in = (Phase.ROLLBACK_FAILED, {"reason_code": "start_new_failed", "last_error": "it died"})
    api.call("POST", f"{LIST}/{now['id']}/update").must_be(500)
    body = api.get(f"{LIST}/{now['id']}/update-operations").must_be(200, "UpdateOperationList")
    assert [one["status"] for one in body["data"]] == ["failed", "succeeded"]
    assert body["data"][0]["lastError"] == "it died"
    assert "lastError" not in body["data"][1]
    assert {name: body["data"][1][name] for name in ("fromVersion", "toVersion", "triggerName", "containerId")} == {
        "fromVersion": "1.2.3",
        "toVersion": "1.3.0",
        "triggerName": "docker.local",
        "containerId": WEB.id,
    }
    assert body["data"][1]["targetImage"] == "web:1.3.0"
    for one in body["data"]:
        conform("UpdateOperationSeed", one)
    limited = api.get(f"{LIST}/{now['id']}/update-operations?limit=1").must_be(200, "UpdateOperationList")
    assert (limited["total"], limited["hasMore"], len(limited["data"])) == (2, True, 1)
    assert limited["_links"]["next"] == f"{LIST}/{now['id']}/update-operations?limit=1&offset=1"


def test_the_history_of_a_container_without_one_is_empty(api: Api) -> None:
    api.add(WEB)
    body = api.get(path(WEB, "/update-operations")).must_be(200, "UpdateOperationList")
    assert body == {"data": [], "total": 0, "limit": 0, "offset": 0, "hasMore": False}


def test_the_history_of_an_unknown_container_is_a_404(api: Api) -> None:
    api.get(f"{LIST}/{NOBODY}/update-operations").must_be(404, "Error")


# Delete a container

CONFIRMED = {"x_dd_confirm_action": "container-delete"}


def test_deleting_forgets_the_record_alone_and_the_next_watch_finds_it_again(api: Api) -> None:
    api.add(WEB)
    api.call("PATCH", path(WEB, "/update-policy"), {"action": "skip-current"}).must_be(200)
    answer = api.call("DELETE", path(WEB), **CONFIRMED)
    assert (answer.status, answer.body) == (204, b"")
    api.get(path(WEB)).must_be(404)
    assert api.host.performed == []
    api.call("POST", f"{LIST}/watch").must_be(200)
    assert api.get(path(WEB)).must_be(200)["updatePolicy"] == {"skipTags": ["1.3.0"]}


def test_a_delete_is_audited(api: Api) -> None:
    api.add(WEB)
    api.call("DELETE", path(WEB), **CONFIRMED).must_be(204)
    (entry,) = audit_of(api, "container-removed")
    assert (entry.status, entry.identity, entry.image) == ("info", WEB.identity, "library/web")
    assert "ada" in (entry.details or "")


@pytest.mark.parametrize("value", ["", "container-rollback", "true", "x, container-delete"])
def test_an_unconfirmed_delete_is_a_428_that_names_header_and_token(api: Api, value: str) -> None:
    api.add(WEB)
    error = api.call("DELETE", path(WEB), x_dd_confirm_action=value).must_be(428, "Error")["error"]
    assert "X-DD-Confirm-Action" in error
    assert "container-delete" in error
    api.get(path(WEB)).must_be(200)


def test_the_confirmation_may_have_spaces_and_capitals(api: Api) -> None:
    api.add(WEB)
    api.call("DELETE", path(WEB), x_dd_confirm_action=" Container-Delete ").must_be(204)


def test_428_comes_before_403_and_403_before_404(api_store: str) -> None:
    with api_over(api_store, DD_SERVER_FEATURE_DELETE="false") as api:
        api.call("DELETE", f"{LIST}/{NOBODY}").must_be(428, "Error")
        api.call("DELETE", f"{LIST}/{NOBODY}", **CONFIRMED).must_be(403, "Error")
    with api_over(api_store) as api:
        api.call("DELETE", f"{LIST}/{NOBODY}", **CONFIRMED).must_be(404, "Error")
