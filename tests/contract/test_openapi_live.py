"""Schemathesis reads the OpenAPI document of a live server and tries to catch the server at doing something else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import uvicorn

from local_runtime.server.application import build_app
from tests.builders.api import Api, api_over
from tests.builders.containers import container, with_update

SECONDS = 100
SETTINGS = Path(__file__).parents[1] / "data/schemathesis.toml"
STREAMS = ("streamEvents", "streamContainerStats")
"""They last until their client leaves; tests of their own follow them."""


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


class Listless:
    """The host's queue: what the host in memory cannot do stays undone, and is answered 202."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def wake(self, agent: str, command_id: str) -> None:
        with suppress(KeyError):
            self._api.host.wake(agent, command_id)


@pytest.fixture
def address(api_store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server without limits, whose host has containers to try everything on."""
    monkeypatch.setattr("handlers.dispatch.AUTH_REQUESTS", 1_000_000)
    generous = {f"DD_AUTH_{name}_LOCKOUT_MAX_ATTEMPTS": "1000" for name in ("ACCOUNT", "IP")}
    generous |= {"DD_SERVER_RATELIMIT_MAX": "1000000", "DD_SERVER_COMMAND_WAIT_SECONDS": "0"}
    webhooks = {"ENABLED": "true", "TOKEN": "a-webhook-token-of-32-characters", "SECRET": "a-webhook-secret"}
    generous |= {f"DD_SERVER_WEBHOOK_{name}": value for name, value in webhooks.items()}
    with api_over(api_store, **generous) as api:
        vars(api.services)["queue"] = Listless(api)
        api.add(with_update(container("web")), with_update(container("db")), container("gone"))
        with served(api) as url:
            yield url


@pytest.mark.timeout(SECONDS + 20)
def test_schemathesis_finds_nothing(address: str, tmp_path: Path) -> None:
    settings = SETTINGS.read_text().format(id=container("web").id, gone=container("gone").id)
    (tmp_path / "schemathesis.toml").write_text(settings)
    program = Path(sys.executable).with_name("st")
    command = [program, "--config-file", "schemathesis.toml", "run", f"{address}/api/v1/openapi.json"]
    command += ["--auth", "ada:difference engine", "--phases", "examples,coverage,fuzzing"]
    command += ["--seed", "1", "--max-examples", "6", "--request-timeout", "20", "--continue-on-failure", "--no-color"]
    for name in STREAMS:
        command += ["--exclude-operation-id", name]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, "\n".join(line[:500] for line in done.stdout.splitlines())[-12_000:]
    assert "Tested:" in done.stdout
