"""Notices over a real store: told once, delivered at least once and at most twice, retried, given up, listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import OutboxModel
from chalicelib.adapters.dynamo.outbox import DynamoOutbox
from chalicelib.domain.container import NO_UPDATE, Container, Identity
from chalicelib.domain.notice import Cycle, Event, Notice, NoticeState, Rule, Rules
from chalicelib.domain.operation import Operation, Phase
from chalicelib.domain.security import Scan, Security
from chalicelib.domain.trigger import Trigger
from chalicelib.domain.trigger_settings import read
from chalicelib.domain.vulnerability import Summary
from chalicelib.ports.notifications import NotSent
from chalicelib.usecases.deliver import Deliver
from chalicelib.usecases.notify import Notify
from chalicelib.wire import notice as wire
from chalicelib.wire.notice import Words
from handlers.gateway_queue import woken
from tests.builders.api import Api, shared_store
from tests.builders.containers import NOW, container, with_update
from tests.fakes.notifications import Deaths, FakeSender, Killed, Mortal
from tests.fakes.services import StillClock

WEB = with_update(container("web"))
DB = with_update(container("db"), "2.0.0", "major")


def triggers(**variables: str) -> tuple[Trigger, ...]:
    found = read({f"DD_NOTIFICATION_{name.upper()}": value for name, value in variables.items()})
    assert not found.problems
    return found.triggers


NTFY = triggers(ntfy_one_topic="news")


def _on_the_queue(site: Site) -> int:
    """As Lambda is woken: a message that names the agent."""
    sent: list[int] = []
    record = {"messageId": "1", "body": "local"}
    services = cast("Any", SimpleNamespace(clock=site.clock))
    answer = woken({"Records": [record]}, services, lambda agent, _: sent.append(site.deliver.due(agent)), 120_000)
    assert answer == {"batchItemFailures": []}
    return sum(sent)


SENDING: Mapping[str, Callable[[Site], int]] = {
    "executor": lambda site: site.deliver.due("local"),
    "lambda": _on_the_queue,
}


@pytest.fixture(autouse=True)
def through(api: Api, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends: on the queue behind the door of Lambda, beside an engine behind the other."""
    door = request.node.callspec.params["api"]
    monkeypatch.setattr(Site, "through", {"chalice": "lambda", "fastapi": "executor"}[door])


class Site:
    """One executor: what it tells, and what its sender does."""

    through = "executor"

    def __init__(self, api: Api, configured: tuple[Trigger, ...] = NTFY, deaths: Deaths | None = None) -> None:
        self.clock: StillClock = api.services.clock  # type: ignore[assignment]
        _ = api.services.tables
        self.outbox: Any = DynamoOutbox()
        self.sender: Any = FakeSender()
        self.containers: dict[Identity, Container] = {}
        self.given_up: list[Notice] = []
        deaths = deaths or Deaths(None, late=False)
        self.notify = Notify(
            "local",
            configured,
            Mortal(self.outbox, deaths),  # type: ignore[arg-type]
            Words(),
            self.clock,
            offered=lambda _: True,
            next_digest=lambda _cron, now: now.replace(hour=20, minute=0),
        )
        self.deliver = Deliver(
            configured,
            Mortal(self.outbox, deaths),  # type: ignore[arg-type]
            Words(),
            Mortal(self.sender, deaths),  # type: ignore[arg-type]
            self.clock,
            self.containers.get,
            self.given_up.append,
        )

    def scan(self, *found: Container) -> None:
        self.containers.update({one.identity: one for one in found})
        self.notify.checked(found)

    def send(self, after: timedelta = timedelta(0)) -> int:
        self.clock.at += after
        return SENDING[self.through](self)

    @property
    def keys(self) -> list[str]:
        return [message.key for _, message in self.sender.arrived]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(message.event.value, message.title) for _, message in self.sender.arrived]


def test_a_candidate_is_told_once_however_often_it_is_seen_and_by_whomever(api: Api) -> None:
    for _ in range(3):
        site = Site(api)
        site.scan(WEB)
        site.scan(WEB)
        site.send()
    assert Site(api).outbox.open("local") == []
    first = Site(api)
    first.scan(WEB)
    assert first.send() == 0


def test_the_words_are_those_of_the_contract(api: Api) -> None:
    site = Site(api)
    site.scan(replace(WEB, result=replace(WEB.result, link="https://example.com/1.3.0")))  # type: ignore[type-var]
    site.send()
    ((name, message),) = site.sender.arrived
    assert name == "ntfy.one"
    assert message.title == "New tag found for container web"
    assert message.body == (
        "Container web running with tag 1.2.3 can be updated to tag 1.3.0\nhttps://example.com/1.3.0"
    )


def test_another_candidate_is_news_again(api: Api) -> None:
    site = Site(api)
    site.scan(WEB)
    site.scan(with_update(container("web"), "1.4.0"))
    site.send()
    assert len(site.keys) == 2


def test_the_same_candidate_is_news_again_once_it_had_been_applied(api: Api) -> None:
    site = Site(api)
    site.scan(WEB)
    site.send()
    site.clock.at += timedelta(hours=2)
    site.scan(replace(WEB, applied_at=NOW + timedelta(hours=1)))
    site.send()
    assert len(site.keys) == 2


def test_without_once_every_scan_tells(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_once="false"))
    site.scan(WEB)
    site.scan(WEB)
    site.send()
    assert len(set(site.keys)) == 2


def test_a_threshold_keeps_larger_steps_back(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_threshold="minor"))
    site.scan(WEB, DB)
    site.send()
    assert [title for _, title in site.told] == ["New tag found for container web"]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({}, 1),
        ({"dd.trigger.include": "ntfy.one"}, 1),
        ({"dd.trigger.include": "ntfy.one:patch"}, 0),
        ({"dd.trigger.include": "slack.other"}, 0),
        ({"dd.trigger.exclude": "one"}, 0),
        ({"dd.notification.exclude": "NTFY.ONE"}, 0),
        ({"dd.action.include": "docker.local"}, 1),
        ({"dd.action.exclude": "ntfy.one"}, 1),
        ({"wud.trigger.include": "other"}, 0),
    ],
)
def test_labels_say_who_is_told(api: Api, labels: dict[str, str], told: int) -> None:
    site = Site(api)
    site.scan(replace(WEB, labels=labels))
    assert site.send() == told


def test_a_trigger_that_is_not_automatic_tells_only_of_containers_that_name_it(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_auto="oninclude"))
    site.scan(WEB, replace(DB, labels={"dd.notification.include": "one"}))
    site.send()
    assert [title for _, title in site.told] == ["New tag found for container db"]


def test_a_batch_is_one_message_for_a_scan(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_mode="batch"))
    site.scan(WEB, DB)
    assert site.send(timedelta(seconds=2)) == 1
    ((_, message),) = site.sender.arrived
    assert message.title == "2 updates available"
    assert sorted(message.body.splitlines()) == ["- db: 1.2.3 -> 2.0.0", "- web: 1.2.3 -> 1.3.0"]
    site.scan(WEB, DB, with_update(container("cache")))
    site.send(timedelta(seconds=2))
    assert site.told[1:] == [("update-available", "1 updates available")]


def test_a_digest_waits_for_its_hour_and_tells_only_what_is_still_true(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_mode="digest"))
    site.scan(WEB, DB)
    assert site.send(timedelta(hours=1)) == 0
    site.containers[DB.identity] = replace(DB, update=NO_UPDATE, candidate=None)
    assert site.send(timedelta(hours=8)) == 1
    ((_, message),) = site.sender.arrived
    assert message.body == "- web: 1.2.3 -> 1.3.0"


def test_a_batch_waits_for_all_its_containers_however_long_the_store_takes_for_them(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_mode="batch"))
    slow = site.notify.outbox.put

    class Slow:
        def put(self, notice: Notice) -> bool:
            site.clock.at += timedelta(seconds=20)
            # Another sender looks around meanwhile.
            assert site.send() == 0
            return bool(slow(notice))

        def __getattr__(self, name: str) -> Any:
            return getattr(site.outbox, name)

    site.notify.outbox = Slow()  # type: ignore[assignment]
    site.scan(WEB, DB, with_update(container("cache")))
    assert site.send() == 1
    assert site.told == [("update-available", "3 updates available")]


def test_two_senders_at_once_do_not_tear_a_batch_apart(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_mode="batch"))
    site.scan(WEB, DB)
    site.clock.at += timedelta(seconds=2)
    now, (first, _) = site.clock.at, sorted(site.outbox.open("local"), key=lambda notice: notice.key)
    assert site.outbox.claim(first, "another", now, now + timedelta(minutes=2), "k")
    assert site.send() == 0
    assert site.send(timedelta(minutes=3)) > 0
    assert sorted(doc["name"] for _, one in site.sender.arrived for doc in one.documents) == ["db", "web"]


def test_what_a_dying_sender_had_sent_is_sent_again_under_the_very_same_key(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_mode="batch"))
    site.scan(WEB, DB, with_update(container("cache")))
    settle, settled = site.outbox.settle, []

    def dying(notice: Notice) -> bool:
        if settled:
            raise Killed
        settled.append(notice)
        return bool(settle(notice))

    site.outbox.settle = dying
    with pytest.raises(Killed):
        site.send(timedelta(seconds=2))
    site.outbox.settle = settle
    assert site.send(timedelta(minutes=3)) == 1
    first, second = (message for _, message in site.sender.arrived)
    assert (len(first.documents), len(second.documents)) == (3, 2)
    assert first.key == second.key


def test_without_once_a_digest_of_many_scans_has_one_entry_of_each_container(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_mode="digest", ntfy_one_once="false"))
    for day in range(2):
        for _ in range(3):
            site.scan(WEB, DB)
            site.clock.at += timedelta(hours=1)
        site.send(timedelta(hours=8))
        assert len(site.sender.arrived) == day + 1
        assert len(site.sender.arrived[day][1].documents) == 2
        site.clock.at += timedelta(hours=13)


def test_a_command_that_takes_its_time_is_not_run_again_by_another_sender(api: Api) -> None:
    slow = read({"DD_ACTION_COMMAND_RUN_CMD": "x", "DD_ACTION_COMMAND_RUN_AUTO": "true",
                 "DD_ACTION_COMMAND_RUN_TIMEOUT": "1800000"}).triggers  # fmt: skip
    site, other = Site(api, slow), Site(api, slow)

    class Busy(FakeSender):
        def send(self, trigger: Trigger, message: Any) -> str | None:
            assert other.send(timedelta(minutes=29)) == 0
            return super().send(trigger, message)

    site.deliver = replace(site.deliver, sender=Busy(site.sender.arrived))
    site.scan(WEB)
    assert site.send() == 1
    assert other.send(timedelta(hours=1)) == 0


def test_what_has_gone_out_is_not_sent_for_ever_by_senders_too_slow_for_their_claim(api: Api) -> None:
    site, other = Site(api), Site(api)

    class Slow(FakeSender):
        def send(self, trigger: Trigger, message: Any) -> str | None:
            site.clock.at += timedelta(minutes=3)
            now = site.clock.at
            (notice,) = site.outbox.open("local")
            assert site.outbox.claim(notice, "another", now, now + timedelta(minutes=2), "k")
            return super().send(trigger, message)

    site.deliver = replace(site.deliver, sender=Slow(site.sender.arrived))
    site.scan(WEB)
    assert site.send() == 1
    assert other.send(timedelta(minutes=3)) == 0


def test_a_state_that_waited_for_its_broker_does_not_undo_a_later_one(api: Api) -> None:
    site = Site(api, MIRROR)
    site.sender.error = "away"
    site.scan(WEB)
    site.send()
    site.sender.error = None
    site.scan(with_update(container("web"), "1.4.0"))
    site.send()
    site.send(timedelta(minutes=1))
    shown = [message.documents[0]["result"]["tag"] for _, message in site.sender.arrived]
    assert shown == ["1.4.0", "1.4.0"]


def ended(phase: Phase, **facts: Any) -> Operation:
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    return Operation("op-1", WEB.identity, WEB.id, at, at, phase, from_version="1.2.3", to_version="1.3.0", **facts)


def test_the_end_of_an_update_is_told_once(api: Api) -> None:
    site = Site(api)
    for _ in range(2):
        site.notify.ended(ended(Phase.SUCCEEDED), WEB)
        site.notify.ended(ended(Phase.SUCCEEDED), WEB)
    site.send()
    assert site.told == [("update-applied", "Container web updated")]


def test_a_failed_update_says_why(api: Api) -> None:
    site = Site(api)
    site.notify.ended(ended(Phase.ROLLED_BACK, reason_code="health_gate_failed"), WEB)
    site.send()
    assert site.sender.arrived[0][1].body == "Container web still runs 1.2.3\nHealth check failed"


def test_a_rule_that_is_off_keeps_an_event_to_itself(api: Api) -> None:
    site = Site(api)
    assert site.notify.agent_disconnected("edge", NOW) == 0
    site.notify.rules = Rules({Event.AGENT_DISCONNECT: Rule(True), Event.UPDATE_AVAILABLE: Rule(False)})
    assert site.notify.agent_disconnected("edge", NOW) == 1
    assert site.notify.agent_disconnected("edge", NOW) == 0
    site.scan(WEB)
    site.send()
    assert site.told == [("agent-disconnect", "Agent edge disconnected")]


def test_a_rule_may_name_who_is_told(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_two_topic="news"))
    site.notify.rules = Rules({Event.UPDATE_AVAILABLE: Rule(True, ("ntfy.two",))})
    site.scan(WEB)
    site.send()
    assert [name for name, _ in site.sender.arrived] == ["ntfy.two"]


def test_a_rule_may_name_a_trigger_of_one_agent_as_lists_name_it(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_two_topic="news"))
    site.notify.agent = "edge"
    site.notify.rules = Rules({Event.UPDATE_AVAILABLE: Rule(True, ("Edge.ntfy.TWO", "attic.ntfy.one"))})
    site.scan(WEB)
    assert [notice.trigger for notice in site.outbox.open("edge")] == ["ntfy.two"]


def test_a_command_hears_of_updates_where_it_is_named_whatever_the_rules_say(api: Api) -> None:
    site = Site(api, read({"DD_ACTION_COMMAND_RUN_CMD": "true"}).triggers)
    site.notify.rules = Rules({Event.UPDATE_AVAILABLE: Rule(False)})
    site.scan(WEB, replace(DB, labels={"dd.action.include": "command.run"}))
    site.notify.ended(ended(Phase.SUCCEEDED), WEB)
    site.send()
    assert [message.documents[0]["name"] for _, message in site.sender.arrived] == ["db"]


def test_a_security_alert_is_told_once_for_each_finding(api: Api) -> None:
    site = Site(api)
    for report in ("scan-1", "scan-1", "scan-2"):
        site.notify.security_alert(WEB, "2 critical", report)
    site.send()
    assert [message.body for _, message in site.sender.arrived] == ["2 critical", "2 critical"]


def alarming(name: str, critical: int = 1) -> Container:
    found = Scan("trivy", f"{name}:1.2.3", "sha256:1", NOW, summary=Summary(critical=critical))
    return replace(container(name), security=Security(scan=found))


def test_alerts_of_a_cycle_go_out_as_one_message_when_it_is_over(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_securitymode="batch"))
    cycle = Cycle("c1", site.clock.at + timedelta(minutes=30))
    for name in ("web", "db"):
        site.notify.security_alert(alarming(name), f"{name}:1.2.3: 1 critical (trivy)", "f", cycle)
        assert site.send(timedelta(minutes=1)) == 0
    assert site.notify.cycle_over(cycle) == 2
    assert site.send() == 1
    ((_, message),) = site.sender.arrived
    assert (message.event, message.title, message.batch) == (
        Event.SECURITY_ALERT, "Security alerts for 2 containers", True
    )  # fmt: skip
    assert message.body == "- db: db:1.2.3: 1 critical (trivy)\n- web: web:1.2.3: 1 critical (trivy)"
    assert site.notify.cycle_over(cycle) == 0


def test_alerts_of_a_cycle_whose_executor_died_go_out_when_it_would_have_been_over(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_securitymode="batch"))
    cycle = Cycle("c1", site.clock.at + timedelta(minutes=30))
    site.notify.security_alert(alarming("web"), "1 critical", "f", cycle)
    site.notify.security_alert(alarming("db"), "1 critical", "f", cycle)
    assert Site(api).send(timedelta(minutes=29)) == 0
    assert site.send(timedelta(minutes=2)) == 1


def test_an_alert_outside_a_cycle_is_told_at_once(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_securitymode="batch", ntfy_one_mode="digest"))
    site.notify.security_alert(alarming("web"), "1 critical", "f")
    assert site.send() == 1
    assert site.told == [("security-alert", "Security alerts for web")]


def test_a_digest_of_alerts_says_once_of_each_container_what_is_still_true(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_securitymode="digest"))
    for number, finding in enumerate(("f", "g"), 1):
        for name in ("web", "db", "cache"):
            site.containers[alarming(name).identity] = alarming(name, number)
            site.notify.security_alert(alarming(name, number), f"{number} critical", finding)
    assert site.send(timedelta(minutes=1)) == 0
    site.containers[DB.identity] = container("db")
    del site.containers[alarming("cache").identity]
    assert site.send(timedelta(hours=12)) == 1
    ((_, message),) = site.sender.arrived
    assert message.body == "- web: web:1.2.3: 2 critical (trivy)"
    assert site.outbox.open("local") == []


def test_alerts_may_be_told_with_their_cycle_and_in_the_digest_of_the_day(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_securitymode="batch+digest"))
    site.containers[WEB.identity] = alarming("web")
    site.notify.security_alert(alarming("web"), "web:1.2.3: 1 critical (trivy)", "f")
    assert site.send() == 1
    assert site.send(timedelta(hours=12)) == 1
    first, second = (message for _, message in site.sender.arrived)
    assert first.body == second.body and first.key != second.key


def test_a_failure_is_tried_again_later_and_later_then_given_up(api: Api) -> None:
    site = Site(api)
    site.scan(WEB)
    site.sender.error = "it answered 503"
    waits = []
    for _ in range(5):
        site.send()
        (notice,) = site.outbox.open("local")
        waits.append((notice.due_at - site.clock.at).total_seconds())
        assert notice.last_error == "it answered 503"
        assert site.send(timedelta(seconds=waits[-1] - 1)) == 0
        site.clock.at += timedelta(seconds=1)
    assert waits == [30, 60, 120, 240, 300]
    (notice,) = site.outbox.open("local")
    assert (notice.state, notice.attempts) == (NoticeState.DEAD, 5)
    assert [one.key for one in site.given_up] == [notice.key]
    site.sender.error = None
    assert site.send(timedelta(days=1)) == 0
    assert site.outbox.revive(notice.again(site.clock.at))
    assert site.send() == 1
    assert site.outbox.open("local") == []


def test_a_trigger_that_fails_does_not_hold_up_another(api: Api) -> None:
    site = Site(api, (*NTFY, *triggers(slack_team_token="xoxb-1-2-3")))
    site.scan(WEB)

    class Picky(FakeSender):
        def send(self, trigger: Trigger, message: Any) -> None:
            self.error = "no" if trigger.type == "ntfy" else None
            super().send(trigger, message)

    site.deliver = replace(site.deliver, sender=Picky(site.sender.arrived))
    site.send()
    assert [name for name, _ in site.sender.arrived] == ["slack.team"]


def test_a_receiver_that_never_answers_holds_the_others_up_no_longer_than_once(api: Api) -> None:
    site = Site(api, (*MIRROR, *NTFY))
    asked: list[str] = []

    class Hanging(FakeSender):
        def send(self, trigger: Trigger, message: Any) -> str | None:
            asked.append(trigger.id)
            if trigger.type == "mqtt":
                site.clock.at += timedelta(seconds=10)
                raise NotSent("it does not answer")
            return super().send(trigger, message)

    site.deliver = replace(site.deliver, sender=Hanging(site.sender.arrived))
    site.scan(*(with_update(container(f"web-{number}")) for number in range(5)))
    assert site.send() == 5
    assert sorted(asked) == ["mqtt.one"] + ["ntfy.one"] * 5
    assert sorted(notice.attempts for notice in site.outbox.open("local")) == [0, 0, 0, 0, 1]


def test_a_notice_nobody_can_put_into_words_or_read_holds_nothing_up(api: Api) -> None:
    site = Site(api)
    site.scan(WEB, DB)
    broken, fine = sorted(site.outbox.open("local"), key=lambda notice: notice.key)
    assert site.outbox.put(replace(fine, key="strange", group="strange"))
    OutboxModel("local", "strange").update(
        actions=[OutboxModel.notice.set(blob.pack(wire.store(fine) | {"event": "of-a-later-version"}))]
    )
    assert site.outbox.put(replace(broken, key="odd", group="odd", content={"container": ["no", "document"]}))
    assert site.send() == 2
    (left,) = site.outbox.open("local")
    assert (left.key, left.attempts) == ("odd", 1) and "cannot be put into words" in str(left.last_error)


def test_what_one_sender_holds_no_other_sends_until_it_lets_go(api: Api) -> None:
    site, other = Site(api), Site(api)
    site.scan(WEB)
    (notice,) = site.outbox.open("local")
    now = site.clock.at
    assert site.outbox.claim(notice, "one", now, now + timedelta(minutes=2), "k") is not None
    assert site.outbox.claim(notice, "two", now, now + timedelta(minutes=2), "k") is None
    assert other.send() == 0
    assert other.send(timedelta(minutes=3)) == 1


def live(site: Site, containers: list[Container]) -> None:
    """A scan and two rounds of sending, as an executor's life has them."""
    site.scan(*containers)
    site.send(timedelta(seconds=2))
    site.notify.ended(ended(Phase.SUCCEEDED), WEB)
    site.send()


def steps_of(api: Api, configured: tuple[Trigger, ...]) -> int:
    deaths = Deaths(None, late=False)
    live(Site(api, configured, deaths), [WEB, DB])
    return deaths.steps


@pytest.mark.parametrize("mode", ["simple", "batch"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_sender_killed_at_any_step_delivers_all_and_nothing_more_than_twice(
    api: Api, mode: str, late: bool, fresh: Callable[[], None]
) -> None:
    configured = triggers(ntfy_one_topic="news", ntfy_one_mode=mode)
    steps = steps_of(api, configured)
    assert steps > 8
    for at in range(steps):
        fresh()
        site = Site(api, configured, Deaths(at, late=late))
        with suppress(Killed):
            live(site, [WEB, DB])
        arrived = list(site.sender.arrived)
        after = Site(api, configured)
        after.sender.arrived = arrived
        live(after, [WEB, DB])
        after.send(timedelta(minutes=3))
        names = [document["name"] for _, message in arrived for document in message.documents if message.event ==
                 Event.UPDATE_AVAILABLE]  # fmt: skip
        applied = [message.key for _, message in arrived if message.event is Event.UPDATE_APPLIED]
        assert set(names) == {"web", "db"}, at
        assert 1 <= len(applied) <= 2 and len(set(applied)) == 1, at
        named = {
            (document["name"], message.event, message.key) for _, message in arrived for document in message.documents
        }
        assert len(named) == 3, at
        keys = [message.key for _, message in arrived]
        assert all(keys.count(key) <= 2 for key in keys), at
        assert all(names.count(name) <= 2 for name in names), at
        assert after.outbox.open("local") == []


@pytest.fixture
def fresh(api: Api, api_store: str) -> Callable[[], None]:
    return shared_store(api_store).empty


def test_an_offer_that_was_taken_while_its_receiver_did_not_answer_is_not_told_afterwards(api: Api) -> None:
    site = Site(api)
    site.sender.error = "away"
    site.scan(WEB)
    site.send()
    site.sender.error = None
    site.containers[WEB.identity] = replace(WEB, applied_at=site.clock.at)
    site.notify.ended(ended(Phase.SUCCEEDED), WEB)
    site.send(timedelta(minutes=1))
    assert [event for event, _ in site.told] == ["update-applied"]
    assert site.outbox.open("local") == []


@pytest.mark.parametrize("once", ["true", "false"])
def test_for_an_hour_after_an_update_only_a_later_check_offers_another(api: Api, once: str) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_once=once))
    updated = replace(WEB, applied_at=site.clock.at, update=NO_UPDATE, candidate=None)
    site.clock.at += timedelta(minutes=1)
    site.scan(WEB)  # A check that had begun before the update.
    site.containers[WEB.identity] = updated
    assert site.send() == 0
    assert site.outbox.open("local") == []
    site.scan(replace(with_update(container("web"), "1.4.0"), applied_at=updated.applied_at))
    assert site.send(timedelta(minutes=1)) == 1
    assert site.told == [("update-available", "New tag found for container web")]


def test_an_hour_after_an_update_an_offer_is_doubted_no_longer(api: Api) -> None:
    site = Site(api)
    applied = site.clock.at
    site.clock.at += timedelta(minutes=61)
    site.scan(replace(WEB, applied_at=applied))
    site.containers[WEB.identity] = replace(with_update(container("web"), "1.4.0"), applied_at=applied)
    assert site.send() == 1


def test_a_trigger_for_those_that_ask_for_it_tells_of_no_others(api: Api) -> None:
    site = Site(api, triggers(ntfy_one_topic="news", ntfy_one_auto="onauto"))
    site.scan(WEB, replace(DB, labels={"dd.notification.auto": "TRUE"}))
    site.send()
    assert [title for _, title in site.told] == ["New tag found for container db"]


def test_an_agent_that_comes_back_is_told_where_a_rule_asks_for_it(api: Api) -> None:
    site = Site(api)
    assert site.notify.agent_reconnected("edge", NOW) == 0
    site.notify.rules = Rules({Event.AGENT_RECONNECT: Rule(True)})
    assert [site.notify.agent_reconnected("edge", NOW) for _ in range(2)] == [1, 0]
    site.send()
    assert site.told == [("agent-reconnect", "Agent edge reconnected")]


MIRROR = triggers(mqtt_one_url="mqtt://127.0.0.1")


def test_what_mirrors_show_of_a_container_goes_with_it_and_comes_back_with_it(api: Api) -> None:
    site = Site(api, MIRROR)
    site.scan(WEB)
    site.send()
    site.notify.removed([WEB])
    del site.containers[WEB.identity]
    assert site.send() == 0
    assert site.send(timedelta(seconds=6)) == 1
    site.scan(WEB)
    site.send()
    assert [event for event, _ in site.told] == ["container-report", "container-removed", "container-report"]


def test_what_mirrors_show_does_not_go_while_the_container_is_there_nor_come_when_it_is_gone(api: Api) -> None:
    site = Site(api, MIRROR)
    site.scan(WEB, DB)
    site.notify.removed([WEB, DB])
    del site.containers[DB.identity]
    site.send(timedelta(seconds=6))
    said = {(message.event.value, message.documents[0]["name"]) for _, message in site.sender.arrived}
    assert said == {("container-report", "web"), ("container-removed", "db")}
    assert site.outbox.open("local") == []


RESOLVING = {"gotify_one_url": "http://127.0.0.1", "gotify_one_token": "app-token"}


def test_what_can_be_taken_back_is_taken_back_once_the_update_is_applied(api: Api) -> None:
    site = Site(api, triggers(**RESOLVING, gotify_one_resolvenotifications="true", gotify_one_once="false"))
    site.scan(WEB, DB)
    site.scan(WEB)
    site.send()
    told = [number for number, (_, one) in enumerate(site.sender.arrived, 1) if one.documents[0]["name"] == "web"]
    for _ in range(2):
        site.notify.ended(ended(Phase.SUCCEEDED), WEB)
    site.send()
    (taken,) = [one for _, one in site.sender.arrived if one.event is Event.UPDATE_RESOLVED]
    assert taken.receipts == [str(number) for number in told] and len(told) == 2
    site.notify.ended(replace(ended(Phase.SUCCEEDED), id="later"), WEB)
    site.send()
    assert [event for event, _ in site.told].count("update-resolved") == 1


def test_nothing_is_taken_back_unless_it_is_asked_for_or_when_the_update_failed(api: Api) -> None:
    silent, asked = triggers(**RESOLVING), triggers(**RESOLVING, gotify_one_resolvenotifications="true")
    for configured, phase in ((silent, Phase.SUCCEEDED), (asked, Phase.ROLLED_BACK)):
        site = Site(api, configured)
        site.scan(with_update(container(f"web-{phase.value}")))
        site.notify.ended(ended(phase), WEB)
        site.send()
        assert "update-resolved" not in [event for event, _ in site.told]
