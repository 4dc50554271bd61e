"""No secret that is configured anywhere shows anywhere: every route is asked, by those it knows and by strangers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

import pytest
from docker.errors import APIError

from chalicelib.adapters.notify.secrecy import scrubbed
from chalicelib.domain.errors import Failed
from chalicelib.ports.engine import EngineError
from chalicelib.usecases import follow_fleet
from chalicelib.wire.log_ring import RING
from handlers import events
from handlers.dispatch import dispatch, table
from handlers.route import Route
from handlers.routes import ROUTES
from local_runtime.engine.client import translated
from tests.builders import canaries
from tests.builders.api import Answer, Api
from tests.builders.canaries import WORD, found, furnished
from tests.builders.contract_walk import BUSY, CALM, FAR, WEB, staged
from tests.builders.exercised import ask
from tests.builders.requests import request
from tests.fakes.forge import running_forge

EVENTS, REVEAL, ENTRIES = "streamEvents", "revealEnvironment", "listLogEntries"
REVEALED = ["password", "key", "pass", "url"]
"""Which secrets of the environment one route may tell; it is asked for that."""
OWN_TOKENS = {
    "getMetrics": f"{WORD}-metrics-token",
    "registryPushed": f"{WORD}-webhook-secret",
    "webhookWatchAll": f"{WORD}-webhook-watchall",
    "webhookWatchContainer": f"{WORD}-webhook-watch",
    "webhookUpdateContainer": f"{WORD}-webhook-update",
}
"""What some routes ask for instead of an account."""
GUESS = f"Bearer {WORD}-a-guess"
NEVER_GRANTED = {
    "acknowledgeSelfUpdate",
    "beginOidcLogIn",
    "createToken",
    "finishOidcLogIn",
    "getAuthenticationOfAgent",
    "rememberSession",
    "revokeToken",
}
"""What takes a browser, a provider, a body of its own or an id that this walk does not have; refused it is."""
OTHERS = [route for route in ROUTES if route.operation_id not in (EVENTS, ENTRIES)]
IN_ORDER = sorted(OTHERS, key=lambda route: ("GET", "POST", "PUT", "PATCH", "DELETE").index(route.method))
NAMES = [*(route.operation_id for route in IN_ORDER), EVENTS, ENTRIES]

Told = Mapping[str, list[bytes]]


@pytest.fixture(scope="module")
def stage(api_store: str) -> Iterator[Api]:
    """Everything is configured, and an executor has reported and stored what it found."""
    with running_forge() as forge, staged(api_store, "chalice", forge, **canaries.SETTINGS) as api:
        canaries.report(api.services)
        api.host.triggers = [one for one in api.services.settings.triggers.triggers if one.type == "ntfy"]
        yield api


@pytest.fixture(scope="module")
def told(stage: Api) -> Iterator[Told]:
    """Everything that was answered to anybody, by operation; of the log, what it says after all of that."""
    answers: dict[str, list[bytes]] = {name: [] for name in NAMES}
    root = logging.getLogger()
    root.addHandler(RING)
    try:
        for problem in stage.services.settings.problems:
            logging.getLogger("slipway.executor").error("%s; this component is left out", problem)
        for failure in (None, _quoting()):
            stage.host.failure = failure
            stage.host.sender.error = _of_the_trigger(stage) if failure else None
            for route in IN_ORDER:
                _put_back(stage)
                answers[route.operation_id] += [_whole(answer) for answer in _asked(stage, route)]
        stage.host.failure = None
        _put_back(stage)
        answers[EVENTS] = list(_followed(stage))
        answers[ENTRIES] = [_whole(stage.get("/api/v1/log/entries?tail=1000"))]
        yield answers
    finally:
        root.removeHandler(RING)


def _put_back(api: Api) -> None:
    """The containers as they were, whatever a request has made of them."""
    secrets = dict(entry.partition("=")[::2] for entry in canaries.ENVIRONMENT)
    for one in (WEB, CALM, FAR, BUSY):
        api.add(furnished(one), **{one.name: secrets})


def _asked(api: Api, route: Route) -> Iterator[Answer]:
    """Without a log-in, with a guess, and by somebody who may."""
    yield ask(api, route, authorization="")
    yield ask(api, route, authorization=GUESS)
    token = OWN_TOKENS.get(route.operation_id)
    yield ask(api, route, **({"authorization": f"Bearer {token}"} if token else {}))


def _whole(answer: Answer) -> bytes:
    return json.dumps([answer.status, dict(answer.headers)]).encode() + answer.body


def _quoting() -> Failed:
    """What an engine says that quotes what it was sent, as its adapter hands it on."""
    said = f"Get https://ada:{WORD}-pull@hub.test/v2/: DB_PASSWORD={WORD}-quoted is refused"
    try:
        with translated():
            raise APIError("", explanation=said)
    except EngineError as error:
        return Failed(str(error))


def _of_the_trigger(api: Api) -> str:
    """What a provider says that quotes its settings, as its sender hands it on."""
    (ntfy,) = api.host.triggers
    return scrubbed(f"{ntfy.configuration['url']} refuses {WORD}-ntfy-auth-token and {WORD}-ntfy-auth-password", ntfy)


def _followed(api: Api) -> Iterator[bytes]:
    """What the event stream tells of containers and an agent that come and change."""
    with pytest.MonkeyPatch.context() as impatient:
        impatient.setattr(follow_fleet, "LOOK_SECONDS", 0.02)
        impatient.setattr(events, "STEP_SECONDS", 0.2)
        asked = replace(request("GET", "/api/v1/events/ui"), stream_seconds=20.0)
        body = dispatch(asked, api.services, table()).body
        assert isinstance(body, Iterator)
        yield next(body)
        api.add(furnished(replace(WEB, id="c" * 64)))
        canaries.report(api.services)
        for chunk in body:
            yield chunk
            if b"event: dd:container-updated" in chunk:
                break
        with suppress(AttributeError):
            body.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_a_route_tells_no_secret(told: Told, name: str) -> None:
    allowed = [f"{WORD}-env-{one}" for one in REVEALED] if name == REVEAL else []
    for text in told[name]:
        plain = text.decode("utf-8", "replace")
        for one in allowed:
            plain = plain.replace(one, "***")
        assert found(plain) == []


def test_the_walk_saw_what_it_was_to_see(told: Told) -> None:
    """Were routes refused for another reason, the test above would find nothing and mean nothing."""
    fine = (b"[20", b"[302", b"event")
    granted = {name for name, texts in told.items() if any(text.startswith(fine) for text in texts)}
    assert set(NAMES) - granted == NEVER_GRANTED
    revealed = b"".join(told[REVEAL]).decode()
    assert all(f"{WORD}-env-{one}" in revealed for one in REVEALED)
    assert b"dd:container-updated" in told[EVENTS][-1]
    assert b"DD_AUTH_OIDC_WRONG_DISCOVERY" in told[ENTRIES][0]


def test_no_secret_of_an_executor_reaches_the_store(stage: Api, told: Told) -> None:
    (local,) = (one for one in stage.services.agents.all() if one.name == "local")
    assert len(local.facts["triggers"]) > 15
    assert {one["name"] for one in local.facts["registries"]} == {"auth", "public"}
    assert found(json.dumps([local.facts, local.watchers])) == []
    for one in (WEB, CALM, BUSY):
        stored = stage.services.containers.get(one.identity)
        assert stored is None or found(repr(stored)) == []


def test_settings_that_are_printed_tell_no_secret(stage: Api) -> None:
    assert found(repr(stage.services.settings)) == []
