"""What a request costs in calls of the store and messages of the queue is what docs/data-model.md says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.builders.api import shared_store
from tests.builders.contract_walk import LIST, SUCCESSES, staged
from tests.fakes.forge import Forge, running_forge

PAGE = Path(__file__).parents[2] / "docs/data-model.md"
READS = {"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"}
ELSEWHERE = {
    "GET /containers/security/vulnerabilities": "it is told of a scan first",
    "GET /containers/:id/vulnerabilities": "it is told of a scan first",
    "GET /containers/:id/stats/stream": "it goes on for as long as somebody listens",
}
"""Requests that stand for more than one, and so are not in the table."""


def told() -> dict[str, tuple[int, int, int]]:
    """Reads, writes and messages by request."""
    rows = re.findall(r"^\| (`[A-Z]+ /.*) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.MULTILINE)
    return {asked: (int(r), int(w), int(m)) for names, r, w, m in rows for asked in re.findall(r"`([^`]+)`", names)}


class Counted:
    """Stands before the store and the queue, and does not count what the host does when it is woken."""

    def __init__(self, session: Any, host: Any) -> None:
        self.calls: list[str] = []
        self.messages = 0
        self._host, self._send = host, session.send
        self._counting = True

    def send(self, request: Any) -> Any:
        if self._counting:
            target = request.headers["X-Amz-Target"]
            self.calls.append((target.decode() if isinstance(target, bytes) else target).rpartition(".")[2])
        return self._send(request)

    def wake(self, agent: str, command_id: str) -> None:
        self.messages += 1
        self._counting = False
        try:
            self._host.wake(agent, command_id)
        finally:
            self._counting = True

    @property
    def sums(self) -> tuple[int, int, int]:
        reads = sum(call in READS for call in self.calls)
        return reads, len(self.calls) - reads, self.messages


@contextmanager
def counting(store: str, api: Any) -> Iterator[Counted]:
    session = shared_store(store).client._endpoint.http_session
    counted = Counted(session, api.host)
    vars(api.services)["queue"] = counted
    session.send = counted.send
    try:
        yield counted
    finally:
        del session.send


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    with running_forge() as found:
        yield found


def test_the_table_names_every_request_of_the_contract() -> None:
    assert told().keys() | ELSEWHERE.keys() == SUCCESSES.keys()


@pytest.mark.parametrize("asked", told())
def test_a_request_costs_what_the_table_says(api_store: str, forge: Forge, asked: str) -> None:
    with staged(api_store, "fastapi", forge) as api:
        # The instance has answered before: it has the fleet, and has told the store of this caller.
        api.get(LIST)
        with counting(api_store, api) as counted:
            assert SUCCESSES[asked](api).status < 300
    assert counted.sums == told()[asked], counted.calls
