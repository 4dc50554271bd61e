"""Two executors on one queue and one real engine: whatever becomes of messages, each container moves once."""

from __future__ import annotations

from pathlib import Path

from chalicelib.bootstrap import Services
from chalicelib.domain.operation import Phase
from local_runtime.executor.executor import Executor
from tests.docker.executing import executing
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.site import Site
from tests.store_process import running_store

NAMES = ("doubled", "late", "lost", "mixed")


def test_doubled_shuffled_late_and_lost_messages_move_each_container_once(
    engine_host: EngineHost, registry: ImageRegistry, tmp_path: Path
) -> None:
    site = Site(engine_host, registry, "shared")
    for tag in ("1", "2"):
        site.publish(tag)
    subjects = {name: site.run(name) for name in NAMES}
    with running_store(tmp_path / "store") as store, executing(site, store.url, tmp_path) as running:
        second = Executor(Services(running.services.settings), "owner-of-the-second")
        second.start()
        try:
            asked = {name: site.ask(running.services, running.agent, one, "2") for name, one in subjects.items()}
            wake = running.services.queue.wake
            for name in ("mixed", "doubled", "mixed", "doubled", "doubled"):
                wake(running.agent, asked[name].id)
            # Of the lost one no message tells; whoever looks finds it.
            running.executor.hurry()
            second.hurry()
            ended = {name: running.end_of(one.id) for name, one in asked.items()}
            for one in asked.values():
                wake(running.agent, one.id)
            probe = running.watch()
        finally:
            second.stop(5)
        assert probe.ended and all(one.ended for one in ended.values())
        for name, subject in subjects.items():
            operation = running.operation(asked[name])
            assert (operation.phase, operation.last_error) == (Phase.SUCCEEDED, None)
            # Whose record of the container comes last is nobody's promise: an agent's watchers have one writer.
            assert site.inspect(name)["Id"] == operation.new_container_id != subject.id
            assert site.data(name) == subject.data
        rows = [row for row in running.services.audit.newest([running.agent], 100) if row.action == "update-applied"]
        assert sorted(row.identity.name for row in rows) == sorted(NAMES)
    assert {name: state for name, state in site.names().items() if name in NAMES} == dict.fromkeys(NAMES, "running")
    site.remove(*NAMES)
