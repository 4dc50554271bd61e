"""A stage on which every request of the contract can be made: what each answers when all is well, how it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import app as chalice_door
from chalicelib.domain.agent import Agent
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.backup import Backup
from chalicelib.domain.command import Command, CommandKind, CommandState
from chalicelib.domain.container import Container, Wishes
from chalicelib.domain.errors import Failed
from chalicelib.domain.notice import Event, Notice, NoticeState
from chalicelib.domain.operation import Operation, Phase
from chalicelib.domain.trigger import Trigger
from handlers.dispatch import table
from local_runtime.server.on_lambda import lambda_handler_over
from tests.builders.api import DOCKER_TRIGGER, Answer, Api, api_over, shared_store
from tests.builders.containers import NOW, container, with_update
from tests.builders.shared_store import Contents
from tests.fakes.forge import Forge
from tests.fakes.looking_host import LookingHost

LIST = "/api/v1/containers"
NOBODY = f"{LIST}/{'f' * 64}"
WEB = replace(
    with_update(container("web")),
    wishes=Wishes(include_tags=r"^\d+\.\d+\.\d+$", source_repo="https://git.example/acme/web"),
)
CALM, FAR = container("calm", status="exited"), with_update(container("far", agent="nas"))
BUSY = with_update(container("busy"))
NTFY: Mapping[str, Any] = {
    "topic": "235ef38e-f1db-414a-964f-ce3f2cc8094d",
    "url": "https://ntfy.sh",
    "threshold": "major",
    "mode": "simple",
    "once": True,
    "simpletitle": "New ${kind} found for container ${name}",
    "simplebody": "${name} can be updated",
    "batchtitle": "${count} updates available",
}
TRIGGERS = ({"id": "ntfy.one", "type": "ntfy", "name": "one", "configuration": NTFY}, DOCKER_TRIGGER)
RELEASE = {
    "tag_name": "v1.3.0",
    "name": "Release 1.3.0",
    "body": "All new.",
    "html_url": "https://git.example/acme/web/releases/tag/v1.3.0",
    "published_at": "2026-11-01T10:00:00Z",
}
_FORGE = {"DD_RELEASE_NOTES_GITEA_OWN_URL": "https://git.example", "DD_RELEASE_NOTES_GITEA_OWN_TOKEN": "t0ken"}

Ask = Callable[[Api], Answer]


class _Context:
    aws_request_id = "request-1"


@contextmanager
def staged(store: str, door: str, forge: Forge, **environment: str) -> Iterator[Api]:
    """An API behind that door (`chalice` or `fastapi`), with everything there is to ask about."""
    forge.answers["/api/v1/repos/acme/web/releases/tags/v1.3.0"] = (200, RELEASE)
    settings = {"DD_RELEASE_NOTES_GITEA_OWN_API": f"{forge.url}/api/v1", **_FORGE, **environment}
    with api_over(store, **settings) as api:
        api.host = LookingHost(api.services, triggers=[Trigger("ntfy", "one", configuration=NTFY)])
        vars(api.services)["queue"] = api.host
        api.run_there(WEB, CALM, FAR, BUSY, web={"TZ": "America/New_York", "DATABASE_PASSWORD": "s3cret"})
        _furnish(api, store)
        if door == "chalice":
            before, chalice_door.services = chalice_door.services, lambda: api.services
            api.door = lambda event: chalice_door.app(event, _Context())
            try:
                yield api
            finally:
                chalice_door.services = before
        else:
            fastapi_door = lambda_handler_over(api.services, table())
            api.door = lambda event: fastapi_door(event, _Context())
            yield api


WATCHER: Mapping[str, Any] = {
    "engine": "unix:///var/run/docker.sock",
    "cron": "0 * * * *",
    "watchbydefault": True,
    "progress": {"running": False, "lastRunAt": "2026-11-23T11:00:02.000+00:00", "lastChecked": 3, "lastErrors": 0},
}
REGISTRY: Mapping[str, Any] = {"type": "hub", "name": "public", "configuration": {"anonymous": True}}
HOST: Mapping[str, Any] = {"host": "nas", "version": "0.1.0", "os": "linux", "arch": "x86_64", "cpus": 4}
OPEN, COMMAND, NOTICE = "op-open", "command-1", "a" * 40
"""Ids of an operation under way on `BUSY`, of a command that was carried out, and of a notice that was given up."""


_FURNITURE: dict[str, Contents] = {}
"""What stands in each store of an API that is furnished: to copy it is much quicker than to make it anew."""


def _furnish(api: Api, store: str) -> None:
    if store in _FURNITURE:
        shared_store(store).fill(_FURNITURE[store])
    else:
        _make(api)
        _FURNITURE[store] = shared_store(store).contents()


def _make(api: Api) -> None:
    facts = {**HOST, "triggers": TRIGGERS, "security": {"scanner": "trivy"}, "registries": [REGISTRY]}
    for agent in ("local", "nas"):
        api.services.agents.report(Agent(agent, watchers={"local": WATCHER}, facts=facts), NOW)
    api.services.containers.save((WEB, CALM, FAR, BUSY))
    api.services.backups.add(
        Backup("abc123", WEB.identity, WEB.id, "library/web", "1.2.2", "sha256:1", "sha256:2", NOW, "docker.local")
    )
    api.services.operations.open(Operation(OPEN, BUSY.identity, BUSY.id, NOW, NOW, trigger="docker.local"))
    done = Command(COMMAND, "local", CommandKind.WATCH, NOW, state=CommandState.QUEUED)
    api.services.commands.submit(done)
    claimed = api.services.commands.claim("local", COMMAND, "fake-host", NOW, NOW + timedelta(minutes=1))
    assert claimed is not None
    api.services.commands.finish(replace(claimed, state=CommandState.DONE, result={"checked": 3}, ended_at=NOW))
    for key in (NOTICE, "b" * 40):
        news = Notice(
            key, "local", "ntfy.one", Event.UPDATE_AVAILABLE, key, NOW, NOW, WEB.identity, content={"facts": {}}
        )
        api.services.outbox.put(
            replace(news, state=NoticeState.DEAD, attempts=5, last_error="ntfy.one: it answered 503")
        )
    words = ("update-applied", "update-available", "update-failed")
    for number, (one, action) in enumerate(zip((WEB, CALM, FAR), words, strict=True)):
        api.services.audit.add([AuditEntry(f"row-{number}", NOW, action, "info", one.identity)])
    _end_operations(api)


def _end_operations(api: Api) -> None:
    """One that succeeded, one that was rolled back and one that failed."""
    ends: tuple[tuple[Phase, Mapping[str, object]], ...] = (
        (Phase.SUCCEEDED, {}),
        (Phase.ROLLED_BACK, {"reason_code": "health_gate_failed"}),
        (Phase.FAILED, {"last_error": "no such image"}),
    )
    for number, (phase, facts) in enumerate(ends):
        at = NOW - timedelta(hours=number + 1)
        opened = api.services.operations.open(
            Operation(
                f"op-{number}",
                WEB.identity,
                WEB.id,
                at,
                at,
                trigger="docker.local",
                from_version="1.2.2",
                to_version="1.2.3",
                target_image="web:1.2.3",
            )
        )
        api.services.operations.record(opened.at(phase, at + timedelta(seconds=90), **facts))


def at(one: Container, rest: str = "") -> str:
    """The path of a container."""
    return f"{LIST}/{one.id}{rest}"


def _get(target: str) -> Ask:
    return lambda api: api.get(target)


def _post(target: str, payload: object = None, **headers: str) -> Ask:
    return lambda api: api.call("POST", target, payload, **headers)


def _delete(target: str, confirmation: str = "container-delete") -> Ask:
    return lambda api: api.call("DELETE", target, x_dd_confirm_action=confirmation)


def _failing(ask: Ask) -> Ask:
    def failed(api: Api) -> Answer:
        api.host.failure = Failed("no space left on device")
        return ask(api)

    return failed


def _often(times: int, ask: Ask) -> Ask:
    def asked(api: Api) -> Answer:
        for _ in range(times):
            ask(api)
        return ask(api)

    return asked


def _twice(first: Ask, then: Ask) -> Ask:
    def asked(api: Api) -> Answer:
        first(api)
        return then(api)

    return asked


def _rollback(target: str, **headers: str) -> Ask:
    return _post(f"{target}/rollback", {"backupId": "abc123"}, **headers)


_CONFIRMED = {"x_dd_confirm_action": "container-rollback"}
_TRIGGER = "/triggers/ntfy/one"
_BUSY = _post(at(WEB, "/update"), prefer="respond-async")


def _silent(ask: Ask) -> Ask:
    def asked(api: Api) -> Answer:
        api.host.silent = True
        return ask(api)

    return asked


def _without_scanner(ask: Ask) -> Ask:
    def asked(api: Api) -> Answer:
        api.services.agents.report(Agent("local", facts={"triggers": TRIGGERS}), NOW)
        return ask(api)

    return asked


SUCCESSES: dict[str, Ask] = {
    "GET /containers": _get(f"{LIST}?limit=25&offset=0"),
    "GET /containers/summary": _get(f"{LIST}/summary"),
    "GET /containers/recent-status": _get(f"{LIST}/recent-status"),
    "POST /containers/watch": _post(f"{LIST}/watch"),
    "GET /containers/:id": _get(at(WEB)),
    "GET /containers/:id/triggers": _get(at(WEB, "/triggers")),
    "POST /containers/:id/watch": _post(at(WEB, "/watch")),
    "POST /containers/:id/triggers/:type/:name": _post(at(WEB, _TRIGGER)),
    "POST /containers/:id/triggers/:type/:name/:agent": _post(at(FAR, f"{_TRIGGER}/nas")),
    "POST /containers/:id/update": _post(at(WEB, "/update")),
    "PATCH /containers/:id/update-policy": lambda api: api.call(
        "PATCH", at(WEB, "/update-policy"), {"action": "skip-current"}
    ),
    "GET /containers/security/vulnerabilities": _twice(
        _post(at(WEB, "/scan")), _get(f"{LIST}/security/vulnerabilities")
    ),
    "GET /containers/:id/vulnerabilities": _twice(_post(at(WEB, "/scan")), _get(at(WEB, "/vulnerabilities"))),
    "POST /containers/:id/scan": _post(at(WEB, "/scan")),
    "GET /containers/:id/sbom": _get(at(WEB, "/sbom?format=spdx-json")),
    "GET /containers/:id/logs": _get(at(WEB, "/logs?tail=1000&stdout=true&stderr=true")),
    "POST /containers/:id/env/reveal": _post(at(WEB, "/env/reveal")),
    "POST /containers/:id/start": _post(at(CALM, "/start")),
    "POST /containers/:id/stop": _post(at(WEB, "/stop")),
    "POST /containers/:id/restart": _post(at(WEB, "/restart")),
    "POST /containers/:id/preview": _post(at(WEB, "/preview")),
    "GET /containers/backups": _get(f"{LIST}/backups?containerName=web"),
    "GET /containers/:id/backups": _get(at(WEB, "/backups")),
    "POST /containers/:id/rollback": _rollback(at(WEB), **_CONFIRMED),
    "GET /containers/:id/update-operations": _get(at(WEB, "/update-operations")),
    "GET /containers/stats": _get(f"{LIST}/stats"),
    "GET /containers/:id/stats": _get(at(WEB, "/stats")),
    "GET /containers/:id/stats/stream": _twice(_get(at(WEB, "/stats")), _get(at(WEB, "/stats/stream"))),
    "GET /containers/:id/release-notes": _get(at(WEB, "/release-notes")),
    "DELETE /containers/:id": _delete(at(WEB)),
}
"""What each documented request answers well."""

OFF = {"DD_SERVER_FEATURE_CONTAINERACTIONS": "false", "DD_SERVER_FEATURE_DELETE": "false"}
"""The settings under which a 403 is documented."""

_TRIGGERED = "POST /containers/:id/triggers/:type/:name"
REFUSALS: dict[tuple[str, int], Ask] = {
    ("GET /containers", 400): _get(f"{LIST}?sort=colour"),
    ("POST /containers/watch", 400): _post(f"{LIST}/watch", {"containerIds": []}),
    ("POST /containers/watch", 404): _post(f"{LIST}/watch", {"containerIds": ["f" * 64]}),
    ("POST /containers/watch", 500): _failing(_post(f"{LIST}/watch")),
    ("POST /containers/:id/watch", 500): _failing(_post(at(WEB, "/watch"))),
    (_TRIGGERED, 400): _post(at(FAR, "/triggers/docker/local")),
    (_TRIGGERED, 404): _post(at(WEB, "/triggers/ntfy/two")),
    (_TRIGGERED, 409): _twice(_silent(_BUSY), _post(at(WEB, "/triggers/docker/local"))),
    (_TRIGGERED, 500): _failing(_post(at(WEB, _TRIGGER))),
    (f"{_TRIGGERED}/:agent", 400): _twice(
        lambda api: api.call("PATCH", at(FAR, "/update-policy"), {"action": "skip-current"}),
        _post(at(FAR, "/triggers/docker/local/nas")),
    ),
    (f"{_TRIGGERED}/:agent", 409): _twice(
        _silent(_post(at(FAR, "/update"), prefer="respond-async")), _post(at(FAR, "/triggers/docker/local/nas"))
    ),
    (f"{_TRIGGERED}/:agent", 404): _post(at(FAR, f"{_TRIGGER}/attic")),
    (f"{_TRIGGERED}/:agent", 500): _failing(_post(at(FAR, f"{_TRIGGER}/nas"))),
    ("POST /containers/:id/update", 400): _post(at(CALM, "/update")),
    ("POST /containers/:id/update", 409): _twice(_silent(_BUSY), _post(at(WEB, "/update"))),
    ("POST /containers/:id/update", 500): _failing(_post(at(WEB, "/update"))),
    ("PATCH /containers/:id/update-policy", 400): lambda api: api.call(
        "PATCH", at(WEB, "/update-policy"), {"action": "remove-skip"}
    ),
    ("PATCH /containers/:id/update-policy", 404): lambda api: api.call(
        "PATCH", f"{NOBODY}/update-policy", {"action": "clear"}
    ),
    ("POST /containers/:id/scan", 400): _without_scanner(_post(at(WEB, "/scan"))),
    ("POST /containers/:id/scan", 429): _often(30, _post(at(WEB, "/scan"))),
    ("POST /containers/:id/scan", 500): _failing(_post(at(WEB, "/scan"))),
    ("GET /containers/:id/sbom", 400): _get(at(WEB, "/sbom?format=pdf")),
    ("GET /containers/:id/sbom", 500): _failing(_get(at(WEB, "/sbom"))),
    ("GET /containers/:id/logs", 500): _failing(_get(at(WEB, "/logs"))),
    ("POST /containers/:id/env/reveal", 429): _often(10, _post(at(WEB, "/env/reveal"))),
    ("POST /containers/:id/start", 500): _failing(_post(at(CALM, "/start"))),
    ("POST /containers/:id/stop", 500): _failing(_post(at(WEB, "/stop"))),
    ("POST /containers/:id/restart", 500): _failing(_post(at(WEB, "/restart"))),
    ("POST /containers/:id/preview", 500): _failing(_post(at(WEB, "/preview"))),
    ("POST /containers/:id/rollback", 404): _post(at(WEB, "/rollback"), {"backupId": "none"}, **_CONFIRMED),
    ("POST /containers/:id/rollback", 428): _rollback(at(WEB)),
    ("POST /containers/:id/rollback", 500): _failing(_rollback(at(WEB), **_CONFIRMED)),
    ("DELETE /containers/:id", 404): _delete(NOBODY),
    ("DELETE /containers/:id", 428): _delete(at(WEB), ""),
}
"""How each refuses; 404 for an unknown container and 403 for what is switched off are asked for by `refusal`."""


def refusal(asked: str, status: int) -> Ask | None:
    """How to get that status from that request; None when nobody has said."""
    known = REFUSALS.get((asked, status))
    if known is not None:
        return known
    method, _, path = asked.partition(" ")
    if status == 404 and ":id" in path:
        target = f"/api/v1{path}".replace(f"{LIST}/:id", NOBODY)
        return lambda api: api.call(method, target)
    return SUCCESSES.get(asked) if status == 403 else None
