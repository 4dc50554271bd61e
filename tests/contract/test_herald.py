"""An executor's voice over a real store: what a check finds is told to a real receiver, and updated where wanted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.domain.agent import Agent
from chalicelib.domain.container import Container
from chalicelib.domain.notice import Event, NoticeState, Rule
from chalicelib.domain.operation import Operation, Phase
from chalicelib.domain.policy import Policy
from chalicelib.ports.queues import NOTIFICATIONS
from local_runtime.executor.reporting.herald import Herald
from local_runtime.executor.updating.automatic import Automatic
from tests.builders.api import DOCKER_TRIGGER, Api, api_over
from tests.builders.containers import NOW, container, with_update
from tests.integration.receivers.broker import mqtt_broker
from tests.integration.receivers.web import Receiver, web_receiver

WEB = with_update(container("web"))


@contextmanager
def voice(store: str, receiver: Receiver, **environment: str) -> Iterator[tuple[Api, Herald]]:
    settings = {"DD_NOTIFICATION_HTTP_HOOK_URL": f"{receiver.url}/hook", **environment}
    with api_over(store, **settings) as api:
        herald = Herald(api.services, lambda work: work())
        herald.start()
        try:
            yield api, herald
        finally:
            herald.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with web_receiver() as found:
        yield found


def until(true: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_a_check_finds_arrives_and_is_updated_where_a_label_asks(api_store: str, receiver: Receiver) -> None:
    wanted = replace(with_update(container("db")), labels={"dd.action.include": "docker.local"})
    with voice(api_store, receiver) as (api, herald):
        api.add(WEB, wanted)
        herald.checked([WEB, wanted])
        until(lambda: len(receiver.requests) == 2)
        assert {sent.json["name"] for sent in receiver.requests} == {"web", "db"}
        until(lambda: not api.services.outbox.open("local"))
        (operation,) = api.services.operations.history(wanted.identity)
        assert (operation.phase, operation.trigger) == (Phase.SUCCEEDED, "docker.local")
        assert api.services.operations.history(WEB.identity) == []


def test_notifications_do_not_wait_for_commands(api_store: str, receiver: Receiver, tmp_path: Path) -> None:
    over = tmp_path / "over"
    slow = {"DD_ACTION_COMMAND_SLOW_CMD": f"while [ ! -e {over} ]; do sleep 0.05; done",
            "DD_ACTION_COMMAND_SLOW_AUTO": "true", "DD_ACTION_COMMAND_SLOW_ORDER": "1"}  # fmt: skip
    fleet = [with_update(container(f"web-{number}")) for number in range(4)]
    with voice(api_store, receiver, **slow) as (api, herald):
        api.add(*fleet)
        herald.checked(fleet)
        until(lambda: len(receiver.requests) == 4)
        assert len(api.services.outbox.open("local")) >= 4
        over.touch()
        until(lambda: not api.services.outbox.open("local"))


def test_a_rolled_back_candidate_is_not_ordered_again(api_store: str, receiver: Receiver) -> None:
    with voice(api_store, receiver, DD_ACTION_DOCKER_LOCAL_AUTO="true") as (api, herald):
        api.host.fails_in = (Phase.ROLLED_BACK, {"reason_code": "health_gate_failed"})
        api.add(WEB)
        for _ in range(3):
            herald.checked([WEB])
        (operation,) = api.services.operations.history(WEB.identity)
        assert operation.phase is Phase.ROLLED_BACK


def test_a_candidate_that_is_held_back_is_neither_told_nor_taken(api_store: str, receiver: Receiver) -> None:
    with voice(api_store, receiver, DD_ACTION_DOCKER_LOCAL_AUTO="true") as (api, herald):
        api.services.policies.put(WEB.identity, Policy(snooze_until=NOW + timedelta(days=1)), 0)
        api.add(WEB)
        herald.checked([WEB])
        assert api.services.outbox.open("local") == []
        assert api.services.operations.history(WEB.identity) == []
        api.services.clock.at += timedelta(days=2)  # type: ignore[attr-defined]
        api.report(DOCKER_TRIGGER)
        herald.checked([WEB])
        until(lambda: receiver.requests)


def test_the_end_of_an_update_and_an_alert_arrive(api_store: str, receiver: Receiver) -> None:
    with voice(api_store, receiver) as (_, herald):
        ended = Operation("op", WEB.identity, WEB.id, NOW, NOW, Phase.SUCCEEDED, to_version="1.3.0")
        herald.ended(ended, WEB)
        herald.security_alert(WEB, "1 critical", "scan-1")
        until(lambda: len(receiver.requests) == 2)
        assert {sent.json["event"] for sent in receiver.requests} == {"update-applied", "security-alert"}


def test_a_notice_that_is_given_up_leaves_a_row_in_the_audit_log(api_store: str, receiver: Receiver) -> None:
    receiver.status = 500
    with voice(api_store, receiver) as (api, herald):
        herald.checked([WEB])
        for attempt in range(1, 6):
            until(lambda count=attempt: len(receiver.requests) >= count)  # type: ignore[misc]
            until(lambda count=attempt: api.services.outbox.open("local")[0].attempts >= count)  # type: ignore[misc]
            api.services.clock.at += timedelta(minutes=6)  # type: ignore[attr-defined]
            herald._delivery.hurry()
        (notice,) = api.services.outbox.open("local")
        assert notice.state is NoticeState.DEAD
        until(lambda: api.services.audit.newest(["local"], 10))
        (row,) = api.services.audit.newest(["local"], 10)
        assert (row.action, row.trigger, row.identity) == ("notification-delivery-failed", "http.hook", WEB.identity)
        assert receiver.url not in str(row)


def test_a_restart_delivers_what_was_waiting(api_store: str, receiver: Receiver) -> None:
    with voice(api_store, receiver) as (api, herald):
        herald.stop()
        time.sleep(0.1)
        herald.checked([WEB])
        assert receiver.requests == []
        after = Herald(api.services, lambda work: work())
        after.start()
        until(lambda: receiver.requests)
        after.stop()
        assert receiver.only.json["name"] == "web"


def test_a_sender_elsewhere_is_woken_and_nothing_is_sent_here(api_store: str, receiver: Receiver) -> None:
    with voice(api_store, receiver, SLIPWAY_NOTIFICATIONS_FROM="lambda") as (api, herald):
        woken: list[tuple[str, str]] = []
        api.host.wake = lambda agent, about: woken.append((agent, about))  # type: ignore[method-assign]
        herald.checked([WEB])
        assert woken == [(NOTIFICATIONS, "local")]
        assert [one.state for one in api.services.outbox.open("local")] == [NoticeState.WAITING]
        assert receiver.requests == []


def test_an_install_button_updates_its_container_and_a_retained_order_does_not(
    api_store: str, receiver: Receiver
) -> None:
    with mqtt_broker() as broker:
        settings = {
            "DD_NOTIFICATION_MQTT_HA_URL": f"mqtt://127.0.0.1:{broker.port}",
            "DD_NOTIFICATION_MQTT_HA_HASS_ENABLED": "true",
            "DD_NOTIFICATION_MQTT_HA_HASS_DISCOVERY": "true",
        }
        with voice(api_store, receiver, **settings) as (api, herald):
            api.add(WEB, with_update(container("db")))
            broker.wait_for()
            assert broker.subscribed == ["dd/container/+/+/install"]
            broker.push("dd/container/local/db/install", b"install", retained=True)
            broker.push("dd/container/local/web/install", b"nonsense")
            broker.push("dd/container/local/unknown/install", b"install")
            broker.push("dd/container/local/web/install", b"install")
            until(lambda: api.host.performed)
            assert [one.arguments["name"] for one in api.host.performed] == ["web"]
            herald.checked([container("web")])
            until(lambda: [topic for topic, *_ in broker.published if topic == "dd/container/local/web"])


def test_a_container_without_news_is_shown_to_mirrors_only_when_it_changes(api_store: str, receiver: Receiver) -> None:
    with mqtt_broker() as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with voice(api_store, receiver, DD_NOTIFICATION_MQTT_HA_URL=url) as (api, herald):
            calm = container("calm")
            for one in (calm, calm, replace(calm, status="exited")):
                api.add(one)
                herald.checked([one])
                until(lambda: not api.services.outbox.open("local"))
            assert [json.loads(payload)["status"] for _, payload, *_ in broker.published] == ["running", "exited"]
            assert receiver.requests == []


def test_what_a_broker_keeps_of_a_container_is_cleared_when_it_is_gone(api_store: str, receiver: Receiver) -> None:
    with mqtt_broker() as broker:
        settings = {
            "DD_NOTIFICATION_MQTT_HA_URL": f"mqtt://127.0.0.1:{broker.port}",
            "DD_NOTIFICATION_MQTT_HA_HASS_ENABLED": "true",
            "DD_NOTIFICATION_MQTT_HA_HASS_DISCOVERY": "true",
        }
        with voice(api_store, receiver, **settings) as (api, herald):
            gone = container("gone")
            api.add(gone)
            herald.checked([gone])
            until(lambda: len(broker.published) == 2)
            shown = {topic for topic, *_ in broker.published}
            herald.removed([gone])
            api.services.containers.remove([gone.identity])
            api.services.clock.at += timedelta(seconds=6)  # type: ignore[attr-defined]
            herald._delivery.hurry()
            until(lambda: len(broker.published) == 4)
            cleared = [(topic, payload, retained) for topic, payload, _, retained in broker.published[2:]]
            assert {topic for topic, *_ in cleared} == shown
            assert {(payload, retained) for _, payload, retained in cleared} == {(b"", True)}


def test_an_agent_that_falls_silent_and_comes_back_is_noted_once_each(api_store: str, receiver: Receiver) -> None:
    with voice(api_store, receiver) as (api, herald):
        for event in (Event.AGENT_DISCONNECT, Event.AGENT_RECONNECT):
            api.services.rules.put(event, Rule(True))
        api.services.agents.report(Agent("edge"), NOW - timedelta(hours=1))
        for _ in range(2):
            herald.look_around()
        api.services.agents.report(Agent("edge"), NOW)
        for _ in range(2):
            herald.look_around()
        until(lambda: len(receiver.requests) == 2)
        assert {sent.json["event"] for sent in receiver.requests} == {"agent-disconnect", "agent-reconnect"}
        (row,) = api.services.audit.newest(["local"], 10)
        assert (row.action, row.identity.name) == ("agent-disconnect", "edge")


def test_what_a_herald_reads_for_updates_is_of_its_own_agent(api_store: str) -> None:
    with api_over(api_store) as api:
        api.add(WEB, with_update(container("far", agent="edge")))
        api.services.agents.report(Agent("edge"), NOW)
        assert {one.listing.identity.name for one in api.services.fleet.fleet().entries} == {"web", "far"}
        assert {one.listing.identity.name for one in api.services.own_fleet.fleet().entries} == {"web"}
        api.services.containers.save([with_update(container("more"))])
        assert {one.listing.identity.name for one in api.services.own_fleet.fleet().entries} == {"web", "more"}


# Maintenance windows.

NIGHT = {"DD_ACTION_DOCKER_LOCAL_AUTO": "true", "DD_WATCHER_LOCAL_MAINTENANCE_WINDOW": "* 2-3 * * *"}


def at(api: Api, hour: int, minute: int = 0) -> datetime:
    """Turn the clock; the agent is there at that time too."""
    now = NOW.replace(hour=hour, minute=minute)
    api.services.clock.at = now  # type: ignore[attr-defined]
    api.services.agents.report(Agent("local", facts={"triggers": [DOCKER_TRIGGER]}), now)
    return now


def test_what_is_found_outside_the_window_is_updated_when_it_opens(api_store: str) -> None:
    with api_over(api_store, **NIGHT) as api:
        automatic = Automatic(api.services, lambda work: work())
        api.add(WEB)
        automatic.look(at(api, 1, 58))
        automatic.checked([WEB])
        automatic.look(at(api, 1, 59))
        assert api.services.operations.history(WEB.identity) == []
        automatic.look(at(api, 2))
        (operation,) = api.services.operations.history(WEB.identity)
        assert (operation.phase, operation.automatic) == (Phase.SUCCEEDED, True)


def test_inside_the_window_a_check_is_enough(api_store: str) -> None:
    with api_over(api_store, **NIGHT) as api:
        automatic = Automatic(api.services, lambda work: work())
        api.add(WEB)
        at(api, 3, 59)
        automatic.checked([WEB])
        assert len(api.services.operations.history(WEB.identity)) == 1


def test_an_executor_that_starts_in_an_open_window_takes_up_what_was_put_off(api_store: str) -> None:
    with api_over(api_store, **NIGHT) as api:
        api.add(WEB)
        Automatic(api.services, lambda work: work()).look(at(api, 2, 30))
        assert len(api.services.operations.history(WEB.identity)) == 1


def test_a_window_that_opens_does_not_try_again_what_was_rolled_back(api_store: str) -> None:
    with api_over(api_store, **NIGHT) as api:
        api.host.fails_in = (Phase.ROLLED_BACK, {"reason_code": "health_gate_failed"})
        api.add(WEB)
        automatic = Automatic(api.services, lambda work: work())
        for hour in (1, 2, 4, 2):
            automatic.look(at(api, hour))
        assert len(api.services.operations.history(WEB.identity)) == 1


SHOP = {"DD_ACTION_DOCKER_LOCAL_AUTO": "true"}
DB = with_update(container("db"))
SITE = replace(with_update(container("site")), labels={"dd.depends_on": "db"})


def updates_of(api: Api, *containers: Container) -> list[int]:
    return [len(api.services.operations.history(one.identity)) for one in containers]


def end_by_hand(api: Api, one: Container) -> Operation:
    """The host carries the open update out; only the stores know of it."""
    api.host.silent = False
    (opened,) = api.services.operations.history(one.identity)
    api.host.wake("local", opened.id)
    api.host.silent = True
    return next(found for found in api.services.operations.history(one.identity) if found.id == opened.id)


def test_a_check_of_one_updates_first_what_it_depends_on_and_the_next_executor_goes_on(api_store: str) -> None:
    with api_over(api_store, **SHOP) as api:
        api.add(SITE, DB)
        at(api, 12)
        api.host.silent = True
        Automatic(api.services, lambda work: work()).checked([SITE])
        assert updates_of(api, DB, SITE) == [1, 0]
        Automatic(api.services, lambda work: work()).checked([SITE])
        assert updates_of(api, DB, SITE) == [1, 0]
        first = end_by_hand(api, DB)
        assert (first.phase, first.automatic) == (Phase.SUCCEEDED, True)
        Automatic(api.services, lambda work: work()).ended(first)
        assert updates_of(api, DB, SITE) == [1, 1]
        assert end_by_hand(api, SITE).phase is Phase.SUCCEEDED


def test_what_it_depends_on_is_not_waited_for_when_nothing_updates_that_by_itself(api_store: str) -> None:
    with api_over(api_store, **SHOP) as api:
        api.add(SITE, replace(DB, labels={"dd.action.exclude": "docker.local"}))
        at(api, 12)
        api.host.silent = True
        Automatic(api.services, lambda work: work()).checked([SITE])
        assert updates_of(api, DB, SITE) == [0, 1]


def test_a_window_holds_no_update_back_that_somebody_asks_for(api_store: str) -> None:
    with api_over(api_store, **NIGHT) as api:
        api.add(WEB)
        at(api, 12)
        assert api.call("POST", f"/api/v1/containers/{WEB.id}/update").status == 200
        (operation,) = api.services.operations.history(WEB.identity)
        assert (operation.phase, operation.automatic) == (Phase.SUCCEEDED, False)
