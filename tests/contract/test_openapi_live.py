"""Schemathesis reads the OpenAPI document of a live server and tries to catch the server at doing something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import uvicorn

from chalicelib.domain.command import Command, subject
from chalicelib.domain.token import Token
from chalicelib.wire import schemas
from handlers.dispatch import table
from handlers.routes import ROUTES
from local_runtime.server.application import build_app
from tests.builders.api import Api
from tests.builders.containers import NOW, container, with_update
from tests.builders.contract_walk import OPEN, staged
from tests.builders.exercised import SETTINGS as WEBHOOKS
from tests.builders.exercised import TOKEN, ids
from tests.fakes.forge import running_forge
from tests.fakes.looking_host import LookingHost

SECONDS = 300
SETTINGS = Path(__file__).parents[1] / "data/schemathesis.toml"
STREAMS = ("streamEvents", "streamContainerStats", "streamStatsSummary")
"""They last until their client leaves; tests of their own follow them."""
WITH_A_TOKEN = ("registryPushed", "webhookWatchAll", "webhookWatchContainer", "webhookUpdateContainer")
"""They let nobody in by name and password."""


@contextmanager
def served(api: Api) -> Iterator[str]:
    """The API behind the real door on a free port; its address."""
    config = uvicorn.Config(build_app(api.services), port=0, http="httptools", ws="none", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


class SteadyHost(LookingHost):
    """A host that can be updated again and again: what has moved is put back. What it cannot do stays undone: 202."""

    def wake(self, agent: str, command_id: str) -> None:
        with suppress(KeyError):
            super().wake(agent, command_id)

    def _update(self, command: Command) -> Mapping[str, Any]:
        identity, _ = subject(command)
        before = self.running[identity]
        result = super()._update(command)
        self.running[identity] = before
        self.services.containers.save([before])
        return result


GONE, SPARE = container("gone"), container("spare")
HOOKED = with_update(container("hooked"))
SHOWN = replace(container("homeassistant"), id=schemas.models()["TriggerRequest"]["examples"][0]["id"])
LEAKED = Token("d" * 64, "leaked", "ada", "account", ("read",), "slw_leaked", NOW)
OWN_IDS: dict[str, dict[str, str]] = {
    "deleteContainer": {"id": GONE.id},
    "deleteContainerUnversioned": {"id": SPARE.id},
    "webhookUpdateContainer": {"containerName": "hooked"},
    "dropNotice": {"noticeId": "b" * 40},
    "revokeToken": {"id": LEAKED.id},
    "acknowledgeSelfUpdate": {"operationId": OPEN},
}
"""What an operation uses up is its own."""
NEVER_WELL = {
    "acknowledgeSelfUpdate": "it takes a token of the event stream",
    "beginOidcLogIn": "it takes an identity provider",
    "finishOidcLogIn": "it takes an identity provider",
    "getAuthenticationOfAgent": "agents have no way to log in",
    "rememberSession": "it takes a browser's session",
}
"""Operations that Schemathesis cannot carry out, and why."""


@pytest.fixture
def address(api_store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server without limits, whose host has containers to try everything on."""
    monkeypatch.setattr("handlers.dispatch.AUTH_REQUESTS", 1_000_000)
    generous = {f"DD_AUTH_{name}_LOCKOUT_MAX_ATTEMPTS": "1000" for name in ("ACCOUNT", "IP")}
    generous |= {"DD_SERVER_RATELIMIT_MAX": "1000000", "DD_SERVER_COMMAND_WAIT_SECONDS": "0", **WEBHOOKS}
    generous["DD_SERVER_WEBHOOK_SECRET"] = TOKEN
    with running_forge() as forge, staged(api_store, "fastapi", forge, **generous) as api:
        old = api.host
        api.host = SteadyHost(api.services, old.running, old.secrets, triggers=old.triggers)
        vars(api.services)["queue"] = api.host
        api.add(GONE, SPARE, HOOKED, SHOWN)
        api.services.tokens.add(LEAKED)
        with served(api) as url:
            yield url


def settings() -> str:
    """The settings for all operations, and real ids for each."""
    text = SETTINGS.read_text()
    for row in ROUTES:
        filled = {**ids(row), **OWN_IDS.get(row.operation_id, {})}
        if filled:
            values = ", ".join(f'"path.{name}" = "{value}"' for name, value in filled.items())
            text += f'\n[[operations]]\ninclude-operation-id = "{row.operation_id}"\nparameters = {{ {values} }}\n'
    return text


@pytest.mark.timeout(SECONDS + 20)
def test_schemathesis_finds_nothing_and_carries_out_every_operation(address: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(settings())
    everything = [one for name in (*STREAMS, *WITH_A_TOKEN) for one in ("--exclude-operation-id", name)]
    webhooks = [one for name in WITH_A_TOKEN for one in ("--include-operation-id", name)]
    well = attacked(address, tmp_path, "--auth", "ada:difference engine", *everything)
    well |= attacked(address, tmp_path, "--header", f"Authorization: Bearer {TOKEN}", *webhooks)
    missed = sorted({row.operation_id for row in ROUTES} - well - {*STREAMS})
    assert missed == sorted(NEVER_WELL), " ".join(missed)


def attacked(address: str, folder: Path, *chosen: str) -> set[str]:
    """Fail unless Schemathesis finds nothing at the operations chosen; which of them it has carried out."""
    program = Path(sys.executable).with_name("st")
    command = [program, "--config-file", "schemathesis.toml", "run", f"{address}/api/v1/openapi.json", *chosen]
    command += ["--phases", "examples,coverage,fuzzing", "--report-har-path", "sent.har", "--no-color"]
    command += ["--seed", "1", "--max-examples", "6", "--request-timeout", "20", "--continue-on-failure"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, "\n".join(line[:500] for line in done.stdout.splitlines())[-12_000:]
    assert "Tested:" in done.stdout
    return carried_out(folder / "sent.har")


def carried_out(report: Path) -> set[str]:
    """The operations that were answered with a status under 400 at least once."""
    found = set()
    for entry in json.loads(report.read_text())["log"]["entries"]:
        asked, status = entry["request"], entry["response"]["status"]
        match = table().match(unquote(urlsplit(asked["url"]).path))
        route = match.route(asked["method"]) if match else None
        if route is not None and 200 <= status < 400:
            found.add(route.operation_id)
    return found
