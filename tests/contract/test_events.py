"""The UI's event stream: what happens in the store reaches whoever listens, once, in order, and again after a break."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chalicelib.domain.operation import Operation, Phase
from chalicelib.usecases import follow_fleet
from handlers import events
from handlers.dispatch import dispatch, table
from tests.builders.api import Api, conform
from tests.builders.containers import NOW, container, with_update
from tests.builders.requests import request

PATH = "/api/v1/events/ui"


@dataclass(frozen=True)
class Seen:
    """One event."""

    name: str
    data: Any
    id: str


class Listener:
    """Reads a stream step by step, as a door does."""

    def __init__(self, api: Api, target: str = PATH, seconds: float | None = None, **headers: str) -> None:
        asked = replace(request("GET", target, **headers), stream_seconds=seconds)
        self.response = dispatch(asked, api.services, table())
        assert self.response.status == 200
        assert isinstance(self.response.body, Iterator)
        self._body = self.response.body

    def next(self) -> Seen | None:
        """The next event; nothing when the stream has ended."""
        for chunk in self._body:
            if chunk:
                fields = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
                return Seen(fields["event"], json.loads(fields["data"]), fields.get("id", ""))
        return None

    def until(self, name: str) -> Seen:
        """The next event of that name."""
        while True:
            seen = self.next()
            assert seen is not None, f"no {name} came"
            if seen.name == name:
                return seen

    def close(self) -> None:
        self._body.close()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_fleet, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(events, "STEP_SECONDS", 0.2)


@pytest.fixture
def listener(api: Api) -> Iterator[Listener]:
    one = Listener(api, seconds=20)
    yield one
    one.close()


def test_a_stream_begins_with_who_is_listening(listener: Listener) -> None:
    seen = listener.next()
    assert seen is not None
    assert seen.name == "dd:connected"
    assert seen.data["clientId"].startswith("sse-client-")
    assert seen.data["clientToken"].startswith("sse-token-")
    assert listener.response.header("Content-Type") == "text/event-stream"
    assert listener.response.header("Cache-Control") == "no-cache, no-transform"


def test_a_container_that_comes_changes_and_goes_is_told(api: Api, listener: Listener) -> None:
    listener.next()
    web = container("web")
    api.add(web)
    added = listener.until("dd:container-added")
    conform("Container", added.data)
    assert [one["value"] for one in added.data["details"]["env"] if one["sensitive"]] == ["***"]
    api.add(with_update(web))
    assert listener.until("dd:container-updated").data["updateAvailable"] is True
    api.services.containers.remove([web.identity])
    removed = listener.until("dd:container-removed")
    assert (removed.data["name"], removed.data["replacementExpected"]) == ("web", False)


def test_what_no_viewer_would_see_is_not_told(api: Api, listener: Listener) -> None:
    web = container("web")
    api.add(web)
    listener.next()
    api.add(replace(web, former_ids=("a" * 64,)))
    api.add(container("db"))
    seen = listener.next()
    assert seen is not None
    assert (seen.name, seen.data["name"]) == ("dd:container-added", "db")


def test_an_update_is_followed_to_its_end(api: Api, listener: Listener) -> None:
    web = with_update(container("web"))
    api.add(web)
    listener.next()
    operation = api.services.operations.open(Operation("op-1", web.identity, web.id, NOW, NOW))
    began = listener.until("dd:update-operation-changed").data
    assert (began["operationId"], began["containerName"]) == ("op-1", "web")
    assert began["status"] != "succeeded"
    ended = replace(operation, phase=Phase.SUCCEEDED, ended_at=NOW, updated_at=NOW)
    api.services.operations.record(ended)
    assert listener.until("dd:update-operation-changed").data["status"] == "succeeded"
    applied = listener.next()
    assert applied is not None
    assert (applied.name, applied.data["operationId"]) == ("dd:update-applied", "op-1")


def test_an_update_that_fails_is_told_with_its_reason(api: Api, listener: Listener) -> None:
    web = with_update(container("web"))
    api.add(web)
    listener.next()
    operation = api.services.operations.open(Operation("op-1", web.identity, web.id, NOW, NOW))
    listener.until("dd:update-operation-changed")
    api.services.operations.record(
        replace(operation, phase=Phase.ROLLED_BACK, reason_code="health_gate_failed", ended_at=NOW)
    )
    failed = listener.until("dd:update-failed").data
    assert (failed["status"], failed["rollbackReason"]) == ("rolled-back", "Health check failed")


def test_an_agent_that_comes_and_goes_is_told(api: Api, listener: Listener) -> None:
    listener.next()
    api.report(agent="nas")
    assert listener.until("dd:agent-connected").data == {"agentName": "nas"}
    api.report(agent="nas", seen=False)
    gone = listener.until("dd:agent-disconnected").data
    assert gone == {"agentName": "nas", "reason": "no heartbeat"}


def test_everybody_hears_the_same_under_the_same_ids(api: Api) -> None:
    with ExitStack() as stack:
        listeners = [Listener(api, seconds=20) for _ in range(3)]
        for one in listeners:
            stack.callback(one.close)
            one.next()
        api.add(container("web"))
        heard = [one.until("dd:container-added") for one in listeners]
        assert heard[0] == heard[1] == heard[2]
        assert heard[0].id.startswith(f"{api.services.feed.boot}:")


def test_a_client_that_comes_back_gets_what_it_missed_once(api: Api) -> None:
    first = Listener(api, seconds=20)
    first.next()
    api.add(container("a"))
    last = first.until("dd:container-added").id
    api.add(container("b"))
    first.until("dd:container-added")
    first.close()
    for again in (
        Listener(api, seconds=20, last_event_id=last),
        Listener(api, f"{PATH}?last-event-id={last}", seconds=20),
    ):
        again.next()
        missed = again.next()
        assert missed is not None
        assert (missed.name, missed.data["name"]) == ("dd:container-added", "b")
        again.close()


@pytest.mark.parametrize("last", ["another-boot:3", "nonsense", "x:y:z", "{boot}:999999", "{boot}:-1", "{boot}:²"])
def test_a_client_from_another_life_is_told_to_read_everything_again(api: Api, last: str) -> None:
    listener = Listener(api, seconds=5, last_event_id=last.format(boot=api.services.feed.boot))
    listener.next()
    seen = listener.next()
    assert seen is not None
    assert (seen.name, seen.data) == ("dd:resync-required", {"reason": "boot-mismatch"})
    listener.close()


def test_a_client_that_was_away_too_long_is_told_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Listener(api, seconds=20)
    first.next()
    api.add(container("a"))
    last = first.until("dd:container-added").id
    api.add(container("b"))
    first.until("dd:container-added")
    first.close()
    monkeypatch.setattr(follow_fleet, "KEPT_SECONDS", -1.0)
    again = Listener(api, seconds=20, last_event_id=last)
    again.next()
    seen = again.next()
    assert seen is not None
    assert (seen.name, seen.data) == ("dd:resync-required", {"reason": "buffer-evicted"})
    again.close()


def test_a_quiet_stream_has_a_heartbeat(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.1)
    listener = Listener(api, seconds=10)
    assert [listener.next(), listener.next()][1] == Seen("dd:heartbeat", {}, "")
    listener.close()


def test_where_streams_are_drained_they_end_in_time(api: Api) -> None:
    listener = Listener(api, seconds=0.3)
    listener.next()
    assert listener.next() is None


def test_a_client_may_have_ten_streams_and_gets_a_place_back(api: Api) -> None:
    listeners = [Listener(api, seconds=20) for _ in range(10)]
    for one in listeners:
        one.next()
    answer = api.get(PATH)
    assert (answer.status, answer.headers["retry-after"]) == (429, "15")
    other = dispatch(request("GET", PATH, client="198.51.100.9"), api.services, table())
    assert other.status == 200
    listeners.pop().close()
    Listener(api, seconds=1).close()
    for one in listeners:
        one.close()


def test_there_is_an_end_to_streams_in_all(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_fleet, "IN_TOTAL", 1)
    listener = Listener(api, seconds=20)
    listener.next()
    refused = dispatch(request("GET", PATH, client="198.51.100.9"), api.services, table())
    assert refused.status == 429
    listener.close()


def test_nobody_listens_without_logging_in(api: Api) -> None:
    api.get(PATH, authorization="").must_be(401)


def test_while_nobody_listens_the_store_is_left_alone(api: Api) -> None:
    listener = Listener(api, seconds=20)
    listener.next()
    listener.close()
    reader, reads = api.services.fleet, []
    feed = api.services.feed
    feed._reader = type("Counting", (), {"fleet": lambda _: reads.append(1) or reader.fleet()})()  # type: ignore[attr-defined]
    api.add(container("a"))
    assert reads == []
