"""The UI's event stream: what happens in the store reaches whoever listens, once, in order, and again after a break."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chalicelib.domain.agent import Agent
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


def heartbeat(api: Api, **facts: Any) -> None:
    """What the local agent reports now."""
    watchers = facts.pop("watchers", {})
    api.services.agents.report(Agent("local", watchers=watchers, facts=facts), NOW)


def test_a_scan_is_told_when_it_begins_and_when_it_ends(api: Api, listener: Listener) -> None:
    listener.next()
    web = container("web")
    running = {"id": "s1", "containerId": web.id, "status": "running"}
    heartbeat(api, scans=[running])
    started = listener.next()
    assert started is not None
    assert (started.name, started.data) == ("dd:scan-started", {"containerId": web.id})
    heartbeat(api, scans=[running | {"status": "blocked"}])
    completed = listener.next()
    assert completed is not None
    assert (completed.name, completed.data) == ("dd:scan-completed", {"containerId": web.id, "status": "blocked"})


def test_a_scan_that_was_over_before_anybody_looked_is_told_whole_and_once(api: Api, listener: Listener) -> None:
    listener.next()
    quick = {"id": "s1", "containerId": "a" * 64, "status": "passed"}
    heartbeat(api, scans=[quick])
    told = [listener.next(), listener.next()]
    assert [one.name for one in told if one] == ["dd:scan-started", "dd:scan-completed"]
    heartbeat(api, scans=[quick])
    heartbeat(api, scans=[])
    api.add(container("db"))
    after = listener.next()
    assert after is not None
    assert after.name == "dd:container-added"


def test_the_progress_of_a_cycle_is_told_when_it_changes(api: Api, listener: Listener) -> None:
    listener.next()
    progress = {"running": True, "checked": 3, "total": 10, "errors": 0, "startedAt": "2026-03-18T12:00:00.000+00:00"}
    heartbeat(api, watchers={"local": {"cron": "0 * * * *", "progress": progress}})
    assert listener.until("dd:watch-progress").data == {"agentName": "local", "watcher": "local", **progress}
    heartbeat(api, watchers={"local": {"cron": "0 * * * *", "progress": progress | {"checked": 7}}})
    seen = listener.until("dd:watch-progress")
    assert seen.data == {"agentName": "local", "watcher": "local", **progress, "checked": 7}
    ended = {"running": False, "lastRunAt": "2026-03-18T12:00:09.000+00:00", "lastDurationMs": 9000, "lastChecked": 10}
    heartbeat(api, watchers={"local": {"progress": ended}})
    assert listener.until("dd:watch-progress").data["lastChecked"] == 10
    heartbeat(api, watchers={"local": {"progress": ended | {"nextRunAt": "2026-03-18T13:00:00.000+00:00"}}})
    api.add(container("db"))
    after = listener.next()
    assert after is not None
    assert after.name == "dd:container-added"


def test_a_container_that_becomes_unhealthy_is_told_once(api: Api, listener: Listener) -> None:
    web = replace(container("web"), health="healthy")
    api.add(web)
    listener.until("dd:container-added")
    api.add(replace(web, health="unhealthy"))
    assert listener.until("dd:container-unhealthy").data["health"] == "unhealthy"
    api.add(replace(web, health="unhealthy", status="paused"))
    api.add(container("db"))
    while (seen := listener.next()) is not None and seen.name != "dd:container-added":
        assert seen.name != "dd:container-unhealthy"


def test_the_counts_of_an_agent_are_told_when_they_change(api: Api, listener: Listener) -> None:
    listener.next()
    api.add(container("web"), container("db", status="exited"), container("far", agent="nas"))
    told = [listener.until("dd:agent-stats-changed").data for _ in range(2)]
    assert told == [
        {"agentName": "local", "containers": {"total": 2, "running": 1, "stopped": 1}, "images": 2},
        {"agentName": "nas", "containers": {"total": 1, "running": 1, "stopped": 0}, "images": 1},
    ]
    api.services.containers.remove([container("far", agent="nas").identity])
    gone = listener.until("dd:agent-stats-changed").data
    assert gone == {"agentName": "nas", "containers": {"total": 0, "running": 0, "stopped": 0}, "images": 0}


def test_an_update_of_the_executors_own_container_is_a_self_update(api: Api, listener: Listener) -> None:
    slipway, web = with_update(container("slipway")), with_update(container("web"))
    api.add(slipway, web)
    heartbeat(api, own=[slipway.id])
    listener.next()
    api.services.operations.open(Operation("op-1", web.identity, web.id, NOW, NOW))
    api.services.operations.open(Operation("op-2", slipway.identity, slipway.id, NOW, NOW))
    told = listener.until("dd:self-update").data
    assert told == {"opId": "op-2", "requiresAck": False, "ackTimeoutMs": 0, "startedAt": "2026-11-23T12:00:00.000Z"}
    assert listener.until("dd:update-operation-changed").data["operationId"] == "op-2"


def test_the_news_of_a_self_update_can_be_acknowledged(api: Api, listener: Listener) -> None:
    who = listener.next()
    assert who is not None
    slipway = with_update(container("slipway"))
    api.add(slipway)
    api.services.operations.open(Operation("op-1", slipway.identity, slipway.id, NOW, NOW))
    for operation, status in (("op-1", "accepted"), ("op-2", "ignored")):
        body = api.call("POST", f"{PATH}/self-update/{operation}/ack", who.data).must_be(202)
        assert body == {"status": status, "operationId": operation}


@pytest.mark.parametrize("token", ["", "sse-token-", "ä", "sse-token-" + "0" * 64])
def test_who_was_not_given_the_token_acknowledges_nothing(api: Api, listener: Listener, token: str) -> None:
    who = listener.next()
    assert who is not None
    answer = api.call("POST", f"{PATH}/self-update/op-1/ack", {**who.data, "clientToken": token})
    assert answer.must_be(403)["status"] == "rejected"
    other = {**who.data, "clientId": "sse-client-another"}
    assert api.call("POST", f"{PATH}/self-update/op-1/ack", other).must_be(403)["reason"]


@pytest.mark.parametrize("body", [{}, {"clientId": "a"}, {"clientId": 1, "clientToken": "b"}, []])
def test_an_acknowledgement_without_client_or_token_is_a_400(api: Api, body: object) -> None:
    api.call("POST", f"{PATH}/self-update/op-1/ack", body).must_be(400, "Error")


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
    number = int(last.rpartition(":")[2])
    api.add(container("b"))
    first.until("dd:container-added")
    first.close()
    for again in (
        Listener(api, seconds=20, last_event_id=last),
        Listener(api, f"{PATH}?last-event-id={last}", seconds=20),
    ):
        again.next()
        seen = []
        while not seen or seen[-1].name != "dd:container-added":
            one = again.next()
            assert one is not None
            seen.append(one)
        assert [int(one.id.rpartition(":")[2]) for one in seen] == list(range(number + 1, number + 1 + len(seen)))
        assert seen[-1].data["name"] == "b"
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
