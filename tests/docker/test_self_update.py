"""The executor in a container of its own, and its update by a deputy: it ends well, or the old one works on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chalicelib.domain.command import Command, CommandKind, CommandState, about, about_operation
from chalicelib.domain.container import Identity
from chalicelib.domain.operation import ROLLBACK, Operation, Phase
from tests.docker.contained import AGENT, NAME, Contained, contained
from tests.docker.executor_image import PYTHON
from tests.docker.rig import EngineHost, ImageRegistry

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def slipway(
    engine_host: EngineHost, registry: ImageRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Contained]:
    with contained(engine_host, registry, tmp_path_factory.mktemp("contained")) as found:
        found.run("1")
        yield found


def whole(slipway: Contained) -> None:
    """One executor under its name, at work, and nothing else left."""
    slipway.wait_until_it_works()
    assert [name for name in slipway.names() if name.startswith("slipway")] == [NAME]
    assert slipway.container["State"]["Running"]


def other(slipway: Contained) -> str:
    """A version that works and is not the present one."""
    return "2" if slipway.version == "1" else "1"


def test_it_comes_up_in_another_version_with_its_name_and_its_data(slipway: Contained) -> None:
    before, owner, tag = slipway.container["Id"], slipway.owner(), other(slipway)
    ended = slipway.end_of(slipway.ask(tag))
    assert (ended.phase, ended.last_error) == (Phase.SUCCEEDED, None)
    assert ended.new_container_id == slipway.container["Id"] != before
    assert slipway.version == tag
    assert slipway.owner() == owner != ""
    assert slipway.command(ended).state is CommandState.DONE
    assert slipway.container["Config"]["Labels"]["kept"] == "yes"
    whole(slipway)


def test_a_version_that_ends_is_rolled_back_and_the_old_one_works_on(slipway: Contained) -> None:
    before, version = slipway.container["Id"], slipway.version
    ended = slipway.end_of(slipway.ask("ends"))
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, "start_new_failed")
    assert (slipway.container["Id"], slipway.version) == (before, version)
    whole(slipway)


def test_a_version_that_runs_but_never_reports_is_rolled_back(slipway: Contained) -> None:
    with slipway.impatient(2):
        before, version = slipway.container["Id"], slipway.version
        ended = slipway.end_of(slipway.ask("mute"))
        assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, "health_gate_failed")
        assert ended.last_error == "it runs, but did not report within 2 seconds"
        assert (slipway.container["Id"], slipway.version) == (before, version)
        whole(slipway)


CUTS = (Phase.PREPARE, Phase.RENAMED, Phase.OLD_STOPPED, Phase.NEW_STARTED)


@pytest.mark.parametrize("phase", CUTS)
def test_a_deputy_that_is_killed_is_started_again_and_ends_it(slipway: Contained, phase: Phase) -> None:
    version, tag = slipway.version, other(slipway)
    passed = list(Phase)[list(Phase).index(phase) :]
    operation = slipway.ask(tag)
    with slipway.when(operation, lambda seen: seen.phase in passed, lambda: slipway.kill(deputy(operation))):
        ended = slipway.end_of(operation)
    assert ended.recovered_at is not None or ended.phase is Phase.SUCCEEDED
    assert ended.phase in (Phase.SUCCEEDED, Phase.ROLLED_BACK), ended
    assert slipway.version == (tag if ended.phase is Phase.SUCCEEDED else version)
    whole(slipway)


def test_the_executor_may_die_while_its_deputy_comes_up(slipway: Contained) -> None:
    tag = other(slipway)
    operation = slipway.ask(tag)
    slipway.wait(operation.id, lambda: deputy(operation) in slipway.names())
    assert slipway.kill(NAME)
    assert slipway.end_of(operation).phase is Phase.SUCCEEDED
    assert slipway.version == tag
    whole(slipway)


def test_an_order_that_comes_several_times_is_carried_out_once(slipway: Contained) -> None:
    tag = other(slipway)
    operation = slipway.ask(tag)
    again = Command(
        f"{operation.id}-again",
        AGENT,
        CommandKind.UPDATE,
        operation.created_at,
        arguments=about_operation(operation.identity, operation.container_id, operation.id),
    )
    slipway.services.commands.submit(again)
    for command in (operation.id, again.id, operation.id):
        slipway.services.queue.wake(AGENT, command)
    ended = slipway.end_of(operation)
    assert ended.phase is Phase.SUCCEEDED
    assert slipway.version == tag
    slipway.wait(again.id, lambda: ended_command(slipway, again.id))
    whole(slipway)


def test_a_version_with_a_health_check_must_pass_it(slipway: Contained) -> None:
    ended = slipway.end_of(slipway.ask("3"))
    assert ended.phase is Phase.SUCCEEDED, ended.last_error
    assert slipway.container["State"]["Health"]["Status"] == "healthy"
    whole(slipway)


@pytest.mark.parametrize("kind", [CommandKind.RESTART, CommandKind.STOP])
def test_an_order_to_restart_or_stop_itself_is_obeyed_once(slipway: Contained, kind: CommandKind) -> None:
    container = slipway.container
    clock = slipway.services.clock
    arguments = about(slipway.identity, container["Id"])
    command = Command(clock.new_id(), AGENT, kind, clock.now(), arguments=arguments)
    slipway.services.commands.submit(command)
    slipway.services.queue.wake(AGENT, command.id)
    started = container["State"]["StartedAt"]
    if kind is CommandKind.STOP:
        slipway.wait(command.id, lambda: not slipway.container["State"]["Running"])
        slipway.host.api("POST", f"/containers/{NAME}/start")
    slipway.wait(command.id, lambda: slipway.container["State"]["StartedAt"] != started)
    slipway.wait(command.id, lambda: ended_command(slipway, command.id))
    found = slipway.services.commands.get(AGENT, command.id)
    assert found is not None and found.state is CommandState.DONE
    whole(slipway)


def test_it_stops_in_good_order_within_the_patience_of_the_engine(slipway: Contained) -> None:
    before = time.monotonic()
    slipway.host.api("POST", f"/containers/{NAME}/stop", params={"t": "10"})
    assert time.monotonic() - before < 9
    assert slipway.container["State"]["ExitCode"] == 0
    slipway.host.api("POST", f"/containers/{NAME}/start")
    whole(slipway)


def test_what_dies_without_a_parent_is_buried(slipway: Contained) -> None:
    orphan = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(0.3)\n"
    slipway.host.cli("exec", NAME, PYTHON, "-c", orphan)
    time.sleep(0.6)
    states = slipway.host.cli("top", NAME, "-eo", "pid,stat,args")
    assert " Z" not in states, states


def test_it_goes_back_to_the_version_it_had_before(slipway: Contained) -> None:
    before, tag = slipway.version, other(slipway)
    assert slipway.end_of(slipway.ask(tag)).phase is Phase.SUCCEEDED
    backup = slipway.services.backups.of(slipway.identity)[0]
    assert backup.image_tag == before
    wanted = {"wanted_digest": backup.image_digest, "wanted_image_id": backup.image_id}
    ended = slipway.end_of(slipway.ask(before, kind=ROLLBACK, backup_id=backup.id, **wanted))
    assert (ended.phase, ended.last_error) == (Phase.SUCCEEDED, None)
    assert slipway.version == before
    whole(slipway)


def test_the_proxy_it_speaks_through_is_updated_past_it(slipway: Contained) -> None:
    with slipway.proxied("1") as proxy:
        old = slipway.site.inspect(proxy)["Id"]
        slipway.wait(proxy, lambda: slipway.services.containers.get(Identity(AGENT, "local", proxy)))
        ended = slipway.end_of(slipway.ask_about(proxy, "proxy-2"))
        assert (ended.phase, ended.last_error) == (Phase.SUCCEEDED, None)
        found = slipway.site.inspect(proxy)
        assert found["Id"] == ended.new_container_id != old
        assert found["Config"]["Image"].endswith(":proxy-2")
        assert found["State"]["Running"]
        whole(slipway)


def deputy(operation: Operation) -> str:
    return f"slipway-deputy-{operation.id}"


def ended_command(slipway: Contained, command_id: str) -> bool:
    found = slipway.services.commands.get(AGENT, command_id)
    return found is not None and found.ended
