"""A trigger run by hand while notifications are sent from elsewhere: put down, woken for, waited for, and answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from chalicelib.domain.command import Command, CommandKind
from chalicelib.domain.errors import Failed
from chalicelib.domain.notice import Notice
from chalicelib.domain.trigger_settings import read
from chalicelib.ports.notifications import Outbox
from chalicelib.usecases.deliver import Deliver
from chalicelib.usecases.run_trigger import Waiting, about_trigger, run_trigger
from chalicelib.wire.notice import Words
from tests.builders.containers import NOW, container, with_update
from tests.fakes.notifications import FakeSender
from tests.fakes.services import StillClock

WEB = with_update(container("web"))
TRIGGERS = read({"DD_NOTIFICATION_NTFY_ONE_TOPIC": "news", "DD_ACTION_COMMAND_RUN_CMD": "true"}).triggers


@dataclass
class Kept:
    """An outbox in memory, as far as one notice needs it."""

    notices: dict[str, Notice] = field(default_factory=dict)

    def put(self, notice: Notice) -> bool:
        return self.notices.setdefault(notice.key, notice) is notice

    def get(self, agent: str, key: str) -> Notice | None:
        return self.notices.get(key)

    def open(self, agent: str) -> list[Notice]:
        return list(self.notices.values())

    def claim(self, notice: Notice, owner: str, now: datetime, until: datetime, sent_as: str) -> Notice | None:
        self.notices[notice.key] = replace(notice, owner=owner, lease_until=until, sent_as=sent_as)
        return self.notices[notice.key]

    def settle(self, notice: Notice) -> bool:
        self.notices[notice.key] = replace(notice, owner=None, lease_until=None)
        return True

    def remove(self, agent: str, key: str) -> bool:
        return self.notices.pop(key, None) is not None


class Elsewhere:
    """An executor that leaves notifications to somebody else, and that somebody, who wakes after some pauses."""

    def __init__(self, *, wakes_after: int | None = 0) -> None:
        self.outbox, self.own, self.other = Kept(), FakeSender(), FakeSender()
        self.clock = StillClock(NOW)
        self.woken = self.pauses = 0
        self.applied_at: datetime | None = None
        self._wakes_after = wakes_after

    def run(self, trigger: str = "ntfy.one") -> Mapping[str, Any]:
        command = Command("c" * 32, "local", CommandKind.RUN_TRIGGER, NOW, about_trigger(WEB.identity, trigger))
        waiting = Waiting(cast("Outbox", self.outbox), self._wake, self._pause, 60.0)
        return run_trigger(command, TRIGGERS, Words(), self.own, self._find, waiting)

    def _wake(self) -> None:
        self.woken += 1
        self._come()

    def _pause(self, _seconds: float) -> None:
        self.pauses += 1
        self._come()

    def _come(self) -> None:
        if self._wakes_after == self.pauses:
            known = cast("Outbox", self.outbox)
            Deliver(TRIGGERS, known, Words(), self.other, self.clock, self._find, lambda _notice: None).due("local")

    def _find(self, _identity: object) -> Any:
        return replace(WEB, applied_at=self.applied_at)


@pytest.mark.parametrize("wakes_after", [0, 3])
def test_it_is_sent_from_elsewhere_and_answered_once_it_is_sent(wakes_after: int) -> None:
    site = Elsewhere(wakes_after=wakes_after)
    assert site.run() == {}
    assert [message.title for _, message in site.other.arrived] == ["New tag found for container web"]
    assert (site.own.arrived, site.woken, site.pauses) == ([], 1, wakes_after)


def test_a_failure_elsewhere_is_told_and_not_tried_again_behind_anybodys_back() -> None:
    site = Elsewhere()
    site.other.error = "ntfy.one: it answered 503"
    with pytest.raises(Failed, match="it answered 503"):
        site.run()
    assert site.outbox.notices == {}


def test_when_nobody_comes_in_time_it_is_taken_out_again() -> None:
    site = Elsewhere(wakes_after=None)
    with pytest.raises(Failed, match="sent from elsewhere"):
        site.run()
    assert (site.outbox.notices, site.pauses) == ({}, 120)


def test_a_command_runs_here_whoever_sends_the_rest() -> None:
    site = Elsewhere()
    assert site.run("command.run") == {}
    assert ([name for name, _ in site.own.arrived], site.other.arrived, site.woken) == (["command.run"], [], 0)


def test_somebody_who_repeats_the_command_after_a_crash_is_told_what_became_of_it() -> None:
    site = Elsewhere()
    site.run()
    assert site.run() == {}
    assert len(site.other.arrived) == 1


def test_just_after_an_update_it_is_sent_all_the_same_for_somebody_asks() -> None:
    site = Elsewhere()
    site.applied_at = NOW - timedelta(minutes=1)
    assert site.run() == {}
    assert len(site.other.arrived) == 1
