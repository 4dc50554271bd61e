"""The story of an update on an engine in memory: what is done, in which order, and what is left when it goes wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config import DockerActionSettings
from chalicelib.domain.command import LEASE
from chalicelib.domain.errors import Failed, Stale
from chalicelib.domain.operation import PATIENCE, ROLLBACK, Operation, Phase, original_name
from chalicelib.ports.engine import EngineRejected, EngineUnavailable
from tests.builders.updates import AGENT, CHECK, Bench

RM = {"HostConfig": {"AutoRemove": True}}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def phases(bench: Bench) -> list[str]:
    """The phases stored, each once in a row."""
    told = [one.phase.value for one in bench.operations.written]
    return [one for number, one in enumerate(told) if number == 0 or told[number - 1] != one]


def changes(bench: Bench) -> list[str]:
    """The calls that change the engine, in order."""
    return [name for name, _ in bench.engine.calls if name in CHANGING]


CHANGING = ("pull", "rename", "create", "connect", "stop", "start", "restart", "remove", "tag")


def version(bench: Bench, name: str = "web") -> str:
    return str(bench.engine.inspect(name)["Config"]["Image"])


def fails(bench: Bench, operation: Operation) -> Operation:
    with pytest.raises(Failed):
        bench.perform(operation)
    return bench.ended(operation)


def test_a_running_container_moves_and_every_phase_is_told(bench: Bench) -> None:
    old = bench.run()
    bench.engine.calls.clear()
    told = bench.perform(operation := bench.ask())
    ended = bench.ended(operation)
    assert phases(bench) == [
        "queued",
        "prepare",
        "renamed",
        "new-created",
        "old-stopped",
        "new-started",
        "succeeded",
    ]
    assert changes(bench) == ["pull", "rename", "create", "stop", "start", "remove"]
    assert bench.names() == {"web": "running"}
    assert (version(bench), told["container_id"]) == ("app:2", ended.new_container_id)
    assert (ended.was_running, ended.old_stopped, ended.last_error) == (True, True, None)
    assert ended.bound_digest and ended.bound_digest.startswith("sha256:")
    stored = bench.containers.get(operation.identity)
    assert stored is not None
    assert (stored.id, stored.former_ids, stored.candidate) == (ended.new_container_id, (old,), None)


def test_a_health_check_is_waited_for(bench: Bench) -> None:
    bench.run()
    bench.engine.offer("app:2", {"Healthcheck": CHECK}, health=((2, "starting"), (5, "healthy")))
    bench.perform(bench.ask())
    assert phases(bench)[-3:] == ["health-gate", "health-gate-passed", "succeeded"]


def test_while_health_is_waited_for_the_operation_shows_that_it_lives(bench: Bench) -> None:
    bench.run()
    bench.engine.offer("app:2", {"Healthcheck": CHECK}, health=((25, "healthy"),))
    bench.perform(bench.ask())
    waits = [one.updated_at for one in bench.operations.written if one.phase is Phase.HEALTH_GATE]
    assert len(waits) >= 3
    assert all(later - earlier < timedelta(seconds=12) for earlier, later in pairwise(waits))


@pytest.mark.parametrize(
    ("labels", "check", "seconds", "phase"),
    [
        ({}, CHECK, 29, Phase.SUCCEEDED),
        ({}, CHECK, 31, Phase.ROLLED_BACK),
        ({}, CHECK | {"StartPeriod": 60_000_000_000}, 60, Phase.SUCCEEDED),
        ({"dd.rollback.window": "90000"}, CHECK, 60, Phase.ROLLED_BACK),
        ({"dd.rollback.window": "90000", "dd.rollback.auto": "true"}, CHECK, 89, Phase.SUCCEEDED),
        ({"dd.rollback.auto": "true"}, CHECK, 299, Phase.SUCCEEDED),
    ],
)
def test_health_is_waited_for_as_long_as_check_and_labels_ask(
    bench: Bench, labels: dict[str, str], check: dict[str, Any], seconds: float, phase: Phase
) -> None:
    bench.run(Labels=labels)
    bench.engine.offer("app:2", {"Healthcheck": check}, health=((0, "starting"), (seconds, "healthy")))
    operation = bench.ask()
    with suppress(Failed):
        bench.perform(operation)
    assert bench.ended(operation).phase is phase


def test_a_stopped_container_moves_and_stays_stopped(bench: Bench) -> None:
    bench.run(start=False)
    bench.engine.calls.clear()
    bench.perform(bench.ask())
    assert changes(bench) == ["pull", "rename", "create", "remove"]
    assert bench.names() == {"web": "created"}
    assert version(bench) == "app:2"


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ({"exits": (0.0, 3)}, "start_new_failed", "exited with code 3"),
        ({"exits": (0.5, 0)}, "start_new_failed", "exited with code 0"),
        ({"health": ((3, "unhealthy"),)}, "health_gate_failed", "its health check failed"),
        ({"health": ((0, "starting"),)}, "health_gate_failed", "did not pass within 30 seconds"),
    ],
)
def test_a_candidate_that_does_not_prove_itself_is_rolled_back(
    bench: Bench, script: dict[str, object], code: str, words: str
) -> None:
    old = bench.run()
    config = {"Healthcheck": CHECK} if "health" in script else {}
    bench.engine.offer("app:2", config, **script)
    ended = fails(bench, bench.ask())
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, code)
    assert words in (ended.last_error or "")
    assert bench.names() == {"web": "running"}
    assert bench.engine.inspect("web")["Id"] == old


def test_what_cannot_be_pulled_leaves_the_container_untouched(bench: Bench) -> None:
    bench.run()
    bench.engine.calls.clear()
    ended = fails(bench, bench.ask(target="app:9"))
    assert (ended.phase, ended.rollback_reason) == (Phase.FAILED, None)
    assert changes(bench) == ["pull"]
    assert bench.names() == {"web": "running"}


def test_an_image_for_another_machine_is_refused(bench: Bench) -> None:
    bench.run()
    bench.engine.offer("app:2", architecture="arm64")
    ended = fails(bench, bench.ask())
    assert "is for arm64, but amd64 is needed" in (ended.last_error or "")
    assert bench.names() == {"web": "running"}


def test_a_container_recreated_since_the_request_is_left_alone(bench: Bench) -> None:
    operation = bench.ask() if bench.run() else None
    assert operation is not None
    bench.engine.remove("web", force=True)
    newer = bench.run()
    ended = fails(bench, operation)
    assert ended.phase is Phase.FAILED
    assert "has been recreated" in (ended.last_error or "")
    assert bench.engine.inspect("web")["Id"] == newer


def test_a_container_renamed_since_the_request_is_left_alone(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    bench.engine.rename("web", "site")
    ended = fails(bench, operation)
    assert "now called site" in (ended.last_error or "")
    assert bench.names() == {"site": "running"}


def test_a_task_of_a_swarm_is_left_to_the_swarm(bench: Bench) -> None:
    made = bench.run(Labels={"com.docker.swarm.task.id": "t1", "com.docker.swarm.service.id": "s1"})
    ended = fails(bench, bench.ask())
    assert (ended.phase, "update the service" in (ended.last_error or "")) == (Phase.FAILED, True)
    assert bench.engine.inspect("web")["Id"] == made


def test_a_digest_that_leads_to_the_same_image_changes_nothing(bench: Bench) -> None:
    bench.engine.offer("app:3")
    bench.engine.pull("app:3")
    old = bench.run(image="app:3")
    bench.perform(bench.ask(target="app:3", to_version="sha256:" + "a" * 64))
    assert bench.engine.inspect("web")["Id"] == old


def test_a_dry_run_pulls_and_changes_nothing(bench: Bench) -> None:
    bench.action = DockerActionSettings("local", dry_run=True)
    old = bench.run()
    bench.engine.calls.clear()
    bench.perform(bench.ask())
    assert changes(bench) == ["pull"]
    assert bench.engine.inspect("web")["Id"] == old


def test_a_tag_that_moves_in_between_is_noticed(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    create = bench.engine.create

    def moved(name: str, body: dict[str, object], **options: object) -> str:
        bench.engine.add_image("app:2", {"Env": ["VERSION=evil"]})
        return create(name, body)

    bench.engine.create = moved  # type: ignore[method-assign]
    ended = fails(bench, operation)
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, "create_new_failed")
    assert version(bench) == "app:1"


def test_one_backup_is_kept_of_every_attempt(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    bench.operations.outage.away()
    bench.perform(operation)
    (backup,) = bench.backups.of(operation.identity)
    assert (backup.image_name, backup.image_tag, backup.id) == ("app", "1", operation.id)


def test_a_container_that_removes_itself_moves(bench: Bench) -> None:
    bench.run(**RM)
    bench.perform(bench.ask())
    assert (bench.names(), version(bench)) == ({"web": "running"}, "app:2")


def test_a_container_that_removed_itself_is_made_again(bench: Bench) -> None:
    bench.run(Env=["SECRET_TOKEN=abc"], Hostname="own", **RM)
    before = bench.engine.inspect("web")
    bench.engine.offer("app:2", exits=(0.0, 1))
    ended = fails(bench, bench.ask())
    after = bench.engine.inspect("web")
    assert (ended.phase, bench.names()) == (Phase.ROLLED_BACK, {"web": "running"})
    assert ended.container_id == after["Id"] != before["Id"]
    assert {key: value for key, value in after["Config"].items() if key != "Labels"} == {
        key: value for key, value in before["Config"].items() if key != "Labels"
    }
    assert after["Image"] == before["Image"]


def test_it_is_made_from_the_image_it_ran_though_its_tag_has_moved(bench: Bench) -> None:
    ran = bench.engine.image("app:1")["Id"]
    bench.run(**RM)
    bench.engine.offer("app:1", {"Env": ["VERSION=1b"]}, exits=(0.0, 1))
    fails(bench, bench.ask(target="app:1"))
    after = bench.engine.inspect("web")
    assert (after["Image"], after["Config"]["Image"]) == (ran, "app:1")


def test_what_a_container_is_made_of_lies_on_the_disk_for_nobody_else_and_not_for_long(bench: Bench) -> None:
    bench.run(Env=["SECRET_TOKEN=abc"])
    seen: list[tuple[object, ...]] = []
    start = bench.engine.start

    def look(container: str) -> None:
        (file,) = (bench.folder / "operations").iterdir()
        body = json.loads(file.read_text())["body"]
        seen.append(
            (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777, "SECRET_TOKEN=abc" in body["Env"])
        )
        start(container)

    bench.engine.start = look  # type: ignore[method-assign]
    bench.perform(operation := bench.ask())
    assert seen == [(0o600, 0o700, True)]
    assert list((bench.folder / "operations").iterdir()) == []
    assert "abc" not in repr(bench.operations.written) + repr(bench.containers.get(operation.identity))


def test_a_disk_that_is_full_stops_the_update_before_it_begins(bench: Bench) -> None:
    bench.run()
    (bench.folder / "operations").write_text("not a folder")
    ended = fails(bench, bench.ask())
    assert ended.phase is Phase.FAILED
    assert "could not be written down" in (ended.last_error or "")
    assert bench.names() == {"web": "running"}


# Trouble on the host.


@pytest.mark.parametrize("method", ["rename", "create", "stop", "start"])
@pytest.mark.parametrize("acted", [False, True])
def test_a_step_that_fails_is_undone(bench: Bench, method: str, acted: bool) -> None:
    old = bench.run()
    operation = bench.ask()
    bench.engine.fail(on=method, before=not acted)
    ended = fails(bench, operation)
    assert ended.phase in (Phase.ROLLED_BACK, Phase.FAILED)
    assert bench.names() == {"web": "running"}
    assert bench.engine.inspect("web")["Id"] == old


def test_an_old_container_that_cannot_be_removed_is_tidied_away_later(bench: Bench) -> None:
    bench.run()
    bench.engine.fail(on="remove", times=5, error=EngineRejected(500, "device busy"))
    operation = bench.ask()
    bench.perform(operation)
    ended = bench.ended(operation)
    assert ended.phase is Phase.SUCCEEDED
    assert "device busy" in (ended.last_error or "")
    assert len(bench.names()) == 2
    assert bench.performer._updates.tidy(bench.station(), bench.claim_again(bench.ask().id)) == 0, "one is open"
    fails_or_not = next(one for one in bench.operations.history(operation.identity) if not one.ended)
    bench.operations.record(fails_or_not.at(Phase.FAILED, bench.clock.now()))
    other = bench.ask(name="web")
    bench.operations.record(other.at(Phase.FAILED, bench.clock.now()))
    assert bench.performer._updates.tidy(bench.station(), bench.claim(other.id)) == 1
    assert bench.names() == {"web": "running"}


def test_a_copy_that_is_not_ours_is_never_tidied_away(bench: Bench) -> None:
    bench.run("web-old-1790000000000")
    bench.run()
    operation = bench.ask()
    bench.perform(operation)
    bench.operations.open(replace(operation, id="another", revision=0))
    bench.operations.record(
        next(one for one in bench.operations.history(operation.identity) if one.id == "another").at(
            Phase.FAILED, bench.clock.now()
        )
    )
    command = bench.ask()
    bench.operations.record(command.at(Phase.FAILED, bench.clock.now()))
    assert bench.performer._updates.tidy(bench.station(), bench.claim(command.id)) == 0
    assert "web-old-1790000000000" in bench.names()


def test_a_rollback_the_engine_refuses_is_tried_again_and_told(bench: Bench) -> None:
    bench.run()
    bench.engine.offer("app:2", exits=(0.0, 1))
    operation = bench.ask()
    start, tries = bench.engine.start, []

    def refuse_old(container: str) -> None:
        tries.append(container)
        if container == operation.container_id:
            raise EngineRejected(500, "port is already allocated")
        start(container)

    bench.engine.start = refuse_old  # type: ignore[method-assign]
    ended = fails(bench, operation)
    assert ended.phase is Phase.ROLLBACK_FAILED
    assert "port is already allocated" in (ended.last_error or "")
    assert tries.count(operation.container_id) > 2
    assert bench.names() == {"web": "exited"}, "all that could be done was done"


def test_a_rollback_looks_again_when_it_is_refused_a_look(bench: Bench) -> None:
    old = bench.run()
    bench.engine.offer("app:2", exits=(0.0, 1))
    operation = bench.ask()
    started = bench.engine.start

    def then_blind(container: str) -> None:
        started(container)
        bench.engine.start = started  # type: ignore[method-assign]
        bench.engine.fail(on="inspect", times=3, error=EngineRejected(500, "the disk is full"))

    bench.engine.start = then_blind  # type: ignore[method-assign]
    ended = fails(bench, operation)
    assert ended.phase is Phase.ROLLED_BACK
    assert bench.engine.inspect("web")["Id"] == old
    assert bench.names() == {"web": "running"}


def test_a_rollback_without_an_engine_stays_open_and_ends_later(bench: Bench) -> None:
    bench.run()
    bench.engine.offer("app:2", exits=(0.0, 1))
    operation = bench.ask()
    claim = bench.claim(operation.id)
    started = bench.engine.start

    def then_gone(container: str) -> None:
        started(container)
        bench.engine.fail(on="inspect", times=1000)

    bench.engine.start = then_gone  # type: ignore[method-assign]
    with pytest.raises(EngineUnavailable):
        bench.perform(operation, claim)
    assert bench.ended(operation).phase is Phase.ROLLBACK_STARTED
    bench.engine._faults.clear()
    bench.engine.start = started  # type: ignore[method-assign]
    with pytest.raises(Failed):
        bench.perform(operation, bench.claim_again(operation.id))
    assert bench.ended(operation).phase is Phase.ROLLED_BACK
    assert bench.ended(operation).reason_code == "start_new_failed"
    assert bench.names() == {"web": "running"}


# Trouble with the store, and with the claim.


def test_a_store_that_goes_away_between_stop_and_start_does_not_keep_the_service_down(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    stop = bench.engine.stop

    def then_away(container: str, timeout: int | None = None) -> None:
        stop(container, timeout)
        bench.operations.outage.away(before=20)

    bench.engine.stop = then_away  # type: ignore[method-assign]
    before = bench.clock.now()
    start, started = bench.engine.start, []
    bench.engine.start = lambda one: (started.append(bench.clock.now()), start(one))[1]  # type: ignore[method-assign]
    bench.perform(operation)
    assert started == [before]
    assert phases(bench)[-3:] == ["old-stopped", "new-started", "succeeded"]


def test_an_answer_the_store_lost_is_no_other_hand(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    stop = bench.engine.stop

    def then_unheard(container: str, timeout: int | None = None) -> None:
        stop(container, timeout)
        bench.operations.outage.away(after=1)

    bench.engine.stop = then_unheard  # type: ignore[method-assign]
    bench.perform(operation)
    assert bench.ended(operation).phase is Phase.SUCCEEDED
    assert [one.phase.value for one in bench.operations.written].count("old-stopped") == 1


def test_a_store_that_stays_away_ends_the_work_when_the_claim_runs_out(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    create = bench.engine.create

    def then_away(name: str, body: dict[str, object], **options: object) -> str:
        for one in (bench.operations, bench.commands):
            one.outage.away(before=10_000)
        return create(name, body)

    bench.engine.create = then_away  # type: ignore[method-assign]
    with pytest.raises(Stale):
        bench.perform(operation)
    assert bench.clock.now() - operation.created_at > LEASE
    running = [name for name, state in bench.names().items() if state == "running"]
    assert [original_name(name) for name in running] == ["web"], "the service was never stopped"
    for one in (bench.operations, bench.commands):
        one.outage.away()
    bench.engine.create = create  # type: ignore[method-assign]
    with pytest.raises(Failed):
        bench.perform(operation, bench.claim_again(operation.id))
    assert bench.names() == {"web": "running"}


@pytest.mark.parametrize("method", ["pull", "rename", "create", "stop", "start", "remove"])
def test_whoever_lost_the_claim_does_not_touch_the_host_any_more(bench: Bench, method: str) -> None:
    bench.run()
    operation = bench.ask()
    claim = bench.claim(operation.id)
    original = getattr(bench.engine, method)

    def then_lost(*arguments: object, **options: object) -> object:
        done = original(*arguments, **options)
        bench.clock.sleep((LEASE + timedelta(seconds=1)).total_seconds())
        bench.claim(operation.id, "owner-2")
        bench.engine.calls.clear()
        return done

    setattr(bench.engine, method, then_lost)
    with pytest.raises(Stale):
        bench.perform(operation, claim)
    assert changes(bench) == []


def test_two_at_work_on_one_operation_do_not_both_go_on(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    first = bench.claim(operation.id)
    create = bench.engine.create

    def overtaken(name: str, body: dict[str, object], **options: object) -> str:
        made = create(name, body)
        bench.engine.create = create  # type: ignore[method-assign]
        found = bench.ended(operation)
        bench.operations.record(found.at(found.phase, bench.clock.now(), recovered_at=bench.clock.now()))
        return made

    bench.engine.create = overtaken  # type: ignore[method-assign]
    with pytest.raises(Stale):
        bench.perform(operation, first)
    assert "stop" not in changes(bench)


# Time.


def test_what_was_asked_while_nobody_listened_does_not_start_by_surprise(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    bench.clock.sleep((PATIENCE + timedelta(seconds=1)).total_seconds())
    bench.engine.calls.clear()
    ended = fails(bench, operation)
    assert ended.phase is Phase.FAILED
    assert ended.last_error == "the executor was not there when it was asked for; ask again"
    assert changes(bench) == []


def test_what_waited_for_its_turn_is_begun_however_long_that_took(bench: Bench) -> None:
    listening_since = bench.clock.now()
    bench.run()
    operation = bench.ask()
    bench.clock.sleep(3600)
    bench.performer.perform(bench.claim(operation.id), listening_since)
    assert bench.ended(operation).phase is Phase.SUCCEEDED


def test_what_was_interrupted_long_ago_is_ended_but_not_begun_again(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    bench.operations.record(operation.at(Phase.PREPARE, bench.clock.now()))
    bench.clock.sleep((PATIENCE + timedelta(seconds=1)).total_seconds())
    ended = fails(bench, operation)
    assert (ended.phase, ended.last_error) == (Phase.FAILED, "the executor stopped in the middle of it")
    assert version(bench) == "app:1"


@pytest.mark.parametrize("mover", ["the rollback", "somebody else"])
def test_a_forgotten_rollback_gives_back_the_name_it_took_and_no_other(bench: Bench, mover: str) -> None:
    bench.run()
    own, wanted = bench.engine.image("app:1")["Id"], bench.engine.add_image("app:0")
    facts = {"kind": ROLLBACK, "wanted_image_id": wanted, "from_version": own, "to_version": wanted}
    operation = bench.ask(target="app:1", **facts)
    bench.operations.record(operation.at(Phase.PREPARE, bench.clock.now(), new_image_id=wanted))
    moved_to = wanted if mover == "the rollback" else bench.engine.add_image("app:9")
    bench.engine.tag(moved_to, "app:1")
    bench.clock.sleep((PATIENCE + timedelta(seconds=1)).total_seconds())
    assert fails(bench, operation).phase is Phase.FAILED
    assert bench.engine.image("app:1")["Id"] == (own if mover == "the rollback" else moved_to)


# Containers that live in another's namespace.


def sharing(bench: Bench, provider: str, name: str = "side", key: str = "NetworkMode") -> str:
    return bench.run(name, HostConfig={key: f"container:{provider}"})


@pytest.mark.parametrize("key", ["NetworkMode", "PidMode", "IpcMode"])
def test_who_lives_in_a_namespace_moves_along(bench: Bench, key: str) -> None:
    provider = bench.run()
    side = sharing(bench, provider, key=key)
    operation = bench.ask()
    bench.perform(operation)
    bench.sweep()
    after = bench.engine.inspect("side")
    assert after["Id"] != side
    assert after["HostConfig"][key] == "container:web"
    assert bench.names() == {"web": "running", "side": "running"}
    (told,) = bench.operations.history(replace(operation.identity, name="side"))
    assert (told.kind, told.phase) == ("container-recreate", Phase.SUCCEEDED)


def test_who_lives_in_a_namespace_is_restarted_when_the_old_provider_comes_back(bench: Bench) -> None:
    provider = bench.run()
    side = sharing(bench, provider)
    bench.engine.offer("app:2", exits=(0.0, 1))
    fails(bench, bench.ask())
    assert ("restart", side) in bench.engine.calls
    assert bench.engine.inspect("side")["HostConfig"]["NetworkMode"] == f"container:{provider}"


def test_who_ended_with_its_provider_runs_again(bench: Bench) -> None:
    provider = bench.run()
    sharing(bench, provider, "probe", "PidMode")
    sharing(bench, bench.engine.inspect("probe")["Id"], "far")
    stopped = sharing(bench, provider, "stopped")
    bench.engine.stop(stopped)
    bench.perform(bench.ask())
    bench.sweep()
    assert bench.names() == {"web": "running", "probe": "running", "far": "running", "stopped": "created"}
    assert bench.engine.cut_off() == []


def test_who_lost_its_provider_and_then_the_power_runs_again(bench: Bench) -> None:
    sharing(bench, bench.run())
    bench.perform(bench.ask())
    bench.engine.stop("side")
    bench.clock.sleep((PATIENCE + timedelta(hours=1)).total_seconds())
    bench.sweep()
    assert (bench.names(), bench.engine.cut_off()) == ({"web": "running", "side": "running"}, [])


def test_a_copy_that_does_not_live_is_told_and_not_made_over_and_over(bench: Bench) -> None:
    side = sharing(bench, bench.run())
    bench.perform(bench.ask())
    (waiting,) = bench.operations.open_of(AGENT)
    bench.adopt(waiting)
    bench.engine.fail(on="start", times=1, error=EngineRejected(500, "no room"))
    assert fails(bench, waiting).phase is Phase.ROLLBACK_FAILED
    assert (bench.operations.open_of(AGENT), bench.engine.inspect("side")["Id"]) == ([], side)
    bench.performer._updates.tidy(bench.station(), bench.claim_again(waiting.id))
    bench.sweep()
    assert (bench.names(), bench.engine.cut_off()) == ({"web": "running", "side": "running"}, [])


def test_who_was_cut_off_by_a_crash_is_found_when_tidying(bench: Bench) -> None:
    provider = bench.run()
    sharing(bench, provider)
    operation = bench.ask()
    claim = bench.claim(operation.id)
    bench.engine.fail(on="containers", spared=1, error=EngineUnavailable("gone"))
    with pytest.raises(EngineUnavailable):
        bench.perform(operation, claim)
    assert bench.ended(operation).phase is Phase.SUCCEEDED
    bench.performer._updates.tidy(bench.station(), bench.claim_again(operation.id))
    bench.sweep()
    assert bench.engine.inspect("side")["HostConfig"]["NetworkMode"] == "container:web"


def test_rows_are_written_once_however_often_the_end_is_told(bench: Bench) -> None:
    bench.run()
    operation = bench.ask()
    bench.perform(operation)
    rows = bench.audit.newest([AGENT], 20)
    for _ in range(2):
        bench.perform(operation, bench.claim_again(operation.id))
    assert bench.audit.newest([AGENT], 20) == rows
    assert sorted(row.action for row in rows) == ["container-added", "container-update", "update-applied"]
