"""Rolling back, looking ahead and cancelling, through the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.backup import Backup
from chalicelib.domain.container import Digest
from chalicelib.domain.errors import Failed
from chalicelib.domain.operation import CANCELLED, ROLLBACK, Operation, Phase
from chalicelib.ports.engine import EngineUnavailable
from chalicelib.ports.registry import NoSuchPlatform, RegistryDenied, RegistryLimited, RegistryNotFound
from tests.builders.api import DOCKER_TRIGGER, Api
from tests.builders.containers import NOW, container, with_update

WEB = with_update(container("web"))
REMOTE = with_update(container("far", agent="edge"))
LIST = "/api/v1/containers"
NOBODY = "f" * 64
CONFIRMED = {"x_dd_confirm_action": "container-rollback"}
ROLLED_BACK = f"{LIST}/{WEB.id}/rollback"


def backup(name: str, tag: str = "1.1.0", *, minutes: int = 0, of: Any = WEB, **facts: Any) -> Backup:
    made = Backup(
        id=name,
        identity=of.identity,
        container_id=of.id,
        image_name="web",
        image_tag=tag,
        image_digest="sha256:" + "1" * 64,
        image_id="sha256:" + "2" * 64,
        at=NOW.replace(minute=minutes),
        trigger="docker.local",
    )
    return replace(made, **facts)


def ledger(api: Api, of: Any = WEB) -> list[Operation]:
    return list(api.services.operations.history(of.identity))


# Roll back a container.


def test_a_container_is_rolled_back_to_its_newest_backup(api: Api) -> None:
    api.add(WEB)
    for one in (backup("older", "1.0.0", minutes=1), backup("newer", minutes=2)):
        api.services.backups.add(one)
    body = api.call("POST", ROLLED_BACK, **CONFIRMED).must_be(200, "RollbackResult")
    assert body["message"] == "web has been rolled back to 1.1.0."
    assert body["backup"] == {
        "id": "newer",
        "containerId": WEB.id,
        "containerName": "web",
        "imageName": "web",
        "imageTag": "1.1.0",
        "imageDigest": "sha256:" + "1" * 64,
        "timestamp": api.get(f"{LIST}/backups").body and body["backup"]["timestamp"],
        "triggerName": "docker.local",
    }
    (operation,) = ledger(api)
    assert (operation.kind, operation.phase, operation.backup_id) == (ROLLBACK, Phase.SUCCEEDED, "newer")
    assert (operation.from_version, operation.to_version) == ("1.2.3", "1.1.0")
    assert (operation.target_image, operation.trigger) == ("web:1.1.0", "docker.local")
    assert (operation.wanted_digest, operation.wanted_image_id) == ("sha256:" + "1" * 64, "sha256:" + "2" * 64)


def test_the_backup_can_be_chosen_and_the_history_tells_of_it(api: Api) -> None:
    api.add(WEB)
    for one in (backup("older", "1.0.0", minutes=1), backup("newer", minutes=2)):
        api.services.backups.add(one)
    body = api.call("POST", ROLLED_BACK, {"backupId": "older"}, **CONFIRMED).must_be(200, "RollbackResult")
    assert body["backup"]["id"] == "older"
    now = next(one for one in api.get(LIST).must_be(200)["data"] if one["name"] == "web")
    (entry,) = api.get(f"{LIST}/{now['id']}/update-operations").must_be(200, "UpdateOperationList")["data"]
    assert (entry["action"], entry["status"], entry["toVersion"]) == ("rollback", "succeeded", "1.0.0")


def test_a_backup_of_what_runs_already_is_passed_over_unless_it_is_asked_for(api: Api) -> None:
    api.add(WEB)
    api.services.backups.add(backup("before", "1.1.0", minutes=1))
    api.services.backups.add(backup("same", "1.2.3", minutes=2, image_id=WEB.image.id))
    assert api.call("POST", ROLLED_BACK, **CONFIRMED).must_be(200)["backup"]["id"] == "before"
    operation = ledger(api)[0]
    assert operation.backup_id == "before"


def test_two_images_of_one_tag_are_told_apart_by_their_digests(api: Api) -> None:
    running = replace(
        WEB, image=replace(WEB.image, digest=Digest(True, "sha256:" + "9" * 64, "web@sha256:" + "9" * 64))
    )
    api.add(running)
    api.services.backups.add(backup("same-tag", "1.2.3"))
    api.call("POST", ROLLED_BACK, **CONFIRMED).must_be(200)
    operation = ledger(api)[0]
    assert (operation.from_version, operation.to_version) == ("sha256:" + "9" * 64, "sha256:" + "1" * 64)
    assert operation.target_image == "web:1.2.3"


@pytest.mark.parametrize("value", ["", "container-delete", "true", "x, container-rollback"])
def test_an_unconfirmed_rollback_is_a_428_before_anything_else(api: Api, value: str) -> None:
    error = api.call("POST", f"{LIST}/{NOBODY}/rollback", x_dd_confirm_action=value).must_be(428, "Error")["error"]
    assert "X-DD-Confirm-Action" in error and "container-rollback" in error


def test_what_is_not_there_is_a_404(api: Api) -> None:
    api.add(WEB, REMOTE)
    api.call("POST", f"{LIST}/{NOBODY}/rollback", **CONFIRMED).must_be(404, "Error")
    api.call("POST", ROLLED_BACK, **CONFIRMED).must_be(404, "Error")
    api.services.backups.add(backup("theirs", of=REMOTE))
    api.services.backups.add(backup("mine"))
    api.call("POST", ROLLED_BACK, {"backupId": "theirs"}, **CONFIRMED).must_be(404, "Error")
    api.report()
    error = api.call("POST", ROLLED_BACK, **CONFIRMED).must_be(404, "Error")["error"]
    assert "docker trigger" in error
    assert ledger(api) == []


@pytest.mark.parametrize("body", [{"backupId": ""}, {"backupId": 7}, ["mine"]])
def test_a_body_that_makes_no_sense_is_a_400(api: Api, body: Any) -> None:
    api.add(WEB)
    api.services.backups.add(backup("mine"))
    api.call("POST", ROLLED_BACK, body, **CONFIRMED).must_be(400, "Error")
    assert ledger(api) == []


def test_while_an_operation_is_open_there_is_no_rollback(api: Api) -> None:
    api.add(WEB)
    api.services.backups.add(backup("mine"))
    api.host.silent = True
    update = api.call("POST", f"{LIST}/{WEB.id}/update", prefer="respond-async").must_be(202)["operationId"]
    refused = api.call("POST", ROLLED_BACK, **CONFIRMED).must_be(409, "Error")
    assert refused["operationId"] == update


def test_a_rollback_that_fails_is_a_500_that_names_its_operation(api: Api) -> None:
    api.add(WEB)
    api.services.backups.add(backup("mine"))
    api.host.fails_in = (Phase.ROLLED_BACK, {"reason_code": "start_new_failed", "last_error": "it died"})
    body = api.call("POST", ROLLED_BACK, **CONFIRMED).must_be(500, "Error")
    assert body["operationId"] == ledger(api)[0].id


def test_a_rollback_that_goes_on_is_a_202_that_can_be_followed(api: Api) -> None:
    api.add(WEB)
    api.services.backups.add(backup("mine"))
    api.host.silent = True
    answer = api.call("POST", ROLLED_BACK, prefer="respond-async", **CONFIRMED)
    body = answer.must_be(202, "OperationAccepted")
    followed = api.get(answer.headers["location"]).must_be(200, "UpdateOperation")
    assert (followed["id"], followed["action"], followed["status"]) == (
        body["operationId"],
        "rollback",
        "in-progress",
    )


def test_containers_of_other_agents_are_rolled_back_by_their_own(api: Api) -> None:
    api.add(REMOTE)
    api.report(DOCKER_TRIGGER, agent="edge")
    api.services.backups.add(backup("far-1", of=REMOTE))
    api.call("POST", f"{LIST}/{REMOTE.id}/rollback", **CONFIRMED).must_be(200, "RollbackResult")
    assert api.host.performed[-1].agent == "edge"


# Labels choose the trigger.


@pytest.mark.parametrize(
    ("labels", "used"),
    [
        ({}, "docker.local"),
        ({"dd.action.include": "second"}, "docker.second"),
        ({"dd.trigger.exclude": "docker.local"}, "docker.second"),
        ({"dd.trigger.exclude": "local,second"}, None),
        ({"dd.action.include": "smtp.mail"}, None),
    ],
)
def test_a_manual_update_uses_a_trigger_that_the_labels_leave(
    api: Api, labels: Mapping[str, str], used: str | None
) -> None:
    api.add(replace(WEB, labels=labels))
    api.report(DOCKER_TRIGGER, {**DOCKER_TRIGGER, "id": "docker.second", "name": "second"})
    answer = api.call("POST", f"{LIST}/{WEB.id}/update")
    assert answer.status == (200 if used else 404)
    assert [one.trigger for one in ledger(api)] == ([used] if used else [])


# Preview an update.


def audited(api: Api) -> list[tuple[str, str | None]]:
    rows = api.services.audit.newest(["local"], 20)
    return [(row.status, row.details) for row in rows if row.action == "preview"]


def test_a_preview_tells_what_would_change_and_is_audited(api: Api) -> None:
    api.add(WEB)
    body = api.call("POST", f"{LIST}/{WEB.id}/preview").must_be(200, "Preview")
    assert body == {
        "containerName": "web",
        "currentImage": "web:1.2.3",
        "newImage": "web:1.3.0",
        "updateKind": {"kind": "tag", "localValue": "1.2.3", "remoteValue": "1.3.0", "semverDiff": "minor"},
        "isRunning": True,
        "networks": ["bridge"],
        "changes": [{"path": "Image", "from": "web:1.2.3", "to": "web:1.3.0"}],
    }
    assert audited(api) == [("info", None)]
    assert ledger(api) == []


def test_a_preview_needs_no_update(api: Api) -> None:
    calm = container("calm")
    api.add(calm)
    body = api.call("POST", f"{LIST}/{calm.id}/preview").must_be(200, "Preview")
    assert body["newImage"] == body["currentImage"]


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        (RegistryDenied("no"), 502, "registry-auth-failed"),
        (RegistryNotFound("no"), 502, "registry-not-found"),
        (NoSuchPlatform("no"), 502, "manifest-fetch-failed"),
        (RegistryLimited("no"), 502, "registry-network-error"),
        (EngineUnavailable("no"), 502, "preview-runtime-error"),
        (Failed("no"), 500, "preview-runtime-error"),
    ],
)
def test_what_goes_wrong_has_a_code(api: Api, trouble: Any, status: int, code: str) -> None:
    api.add(WEB)
    api.host.failure = trouble
    body = api.call("POST", f"{LIST}/{WEB.id}/preview").must_be(status, "PreviewError")
    assert body == {"error": "no", "message": "no", "code": code}
    assert audited(api) == [("error", "no")]


def test_what_cannot_be_previewed_says_what_is_missing(api: Api) -> None:
    body = api.call("POST", f"{LIST}/{NOBODY}/preview").must_be(404, "PreviewError")
    assert body["code"] == "container-not-found"
    api.add(WEB)
    api.host.running.clear()
    body = api.call("POST", f"{LIST}/{WEB.id}/preview").must_be(404, "PreviewError")
    assert body["code"] == "container-runtime-not-found"
    api.report()
    body = api.call("POST", f"{LIST}/{WEB.id}/preview").must_be(404, "PreviewError")
    assert body["code"] == "no-trigger-configured"


# Cancel an operation.


def started(api: Api) -> Operation:
    api.add(WEB)
    api.host.silent = True
    api.call("POST", f"{LIST}/{WEB.id}/update", prefer="respond-async").must_be(202)
    return ledger(api)[0]


def test_what_waits_is_cancelled_at_once(api: Api) -> None:
    operation = started(api)
    body = api.call("POST", f"/api/v1/operations/{operation.id}/cancel").must_be(200, "OperationAccepted")
    assert body["operationId"] == operation.id
    (ended,) = ledger(api)
    assert (ended.phase, ended.reason_code, ended.last_error) == (Phase.FAILED, CANCELLED, "it was cancelled")
    api.call("POST", f"/api/v1/operations/{operation.id}/cancel").must_be(409, "Error")


def test_what_is_under_way_is_asked_to_end_and_stays_in_the_hands_of_its_executor(api: Api) -> None:
    operation = started(api)
    begun = api.services.operations.record(operation.at(Phase.PREPARE, api.services.clock.now()))
    answer = api.call("POST", f"/api/v1/operations/{operation.id}/cancel")
    answer.must_be(202, "OperationAccepted")
    assert api.get(answer.headers["location"]).must_be(200, "UpdateOperation")["cancelRequested"] is True
    next_fact = api.services.operations.record(begun.at(Phase.RENAMED, api.services.clock.now()))
    assert next_fact.cancel_requested
    ended = api.services.operations.record(next_fact.at(Phase.ROLLED_BACK, api.services.clock.now()))
    assert ended.ended
    again = started_again(api)
    assert not again.cancel_requested


def started_again(api: Api) -> Operation:
    api.call("POST", f"{LIST}/{WEB.id}/update", prefer="respond-async").must_be(202)
    return ledger(api)[0]


@pytest.mark.parametrize("phase", [Phase.OLD_STOPPED, Phase.HEALTH_GATE, Phase.ROLLBACK_STARTED, Phase.SUCCEEDED])
def test_what_is_switched_over_or_has_ended_is_not_cancelled(api: Api, phase: Phase) -> None:
    operation = started(api)
    api.services.operations.record(operation.at(phase, api.services.clock.now()))
    body = api.call("POST", f"/api/v1/operations/{operation.id}/cancel").must_be(409, "Error")
    assert body["operationId"] == operation.id
    assert not ledger(api)[0].cancel_requested


def test_an_unknown_operation_is_a_404(api: Api) -> None:
    started(api)
    api.call("POST", "/api/v1/operations/none/cancel").must_be(404, "Error")
