"""Who is being changed is changed by one at a time, and whoever looked before knows that it has changed."""

from __future__ import annotations

import threading
import time

import pytest

from chalicelib.domain.container import Identity
from local_runtime.executor.busy import Busy

WEB, DB = Identity("local", "local", "web"), Identity("local", "local", "db")


def test_one_container_is_changed_by_one_at_a_time() -> None:
    busy, inside, most = Busy(), [], []

    def change() -> None:
        with busy.hold(WEB):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.005)
            inside.pop()

    threads = [threading.Thread(target=change) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == [1] * 6
    assert busy.changes() == {WEB: 6}


def test_different_containers_do_not_wait_for_each_other() -> None:
    busy, meeting = Busy(), threading.Barrier(2)

    def change(identity: Identity) -> None:
        with busy.hold(identity):
            meeting.wait(10)

    threads = [threading.Thread(target=change, args=(one,)) for one in (WEB, DB)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not meeting.broken


def test_it_is_held_as_long_as_it_is_being_changed() -> None:
    busy = Busy()
    with busy.hold(WEB), busy.hold(WEB):
        assert busy.held(WEB) and not busy.held(DB)
    assert not busy.held(WEB)


def test_it_is_let_go_when_the_change_fails() -> None:
    busy = Busy()
    with pytest.raises(ValueError, match="no"), busy.hold(WEB):
        raise ValueError("no")
    assert not busy.held(WEB)


def test_what_was_seen_before_a_change_no_longer_holds() -> None:
    busy = Busy()
    before = busy.changes()
    assert busy.unchanged(WEB, before)
    with busy.hold(WEB):
        assert not busy.unchanged(WEB, before)
    assert not busy.unchanged(WEB, before)
    assert busy.unchanged(DB, before)
    assert busy.unchanged(WEB, busy.changes())
