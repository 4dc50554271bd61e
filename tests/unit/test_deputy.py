"""What concerns the executor's own container is handed to a deputy, or refused with a reason and not touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config import Settings, WatcherSettings
from chalicelib.domain.command import Command, CommandKind, about
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Conflict, Unavailable
from chalicelib.domain.operation import Operation, Phase
from local_runtime.executor.claim import HandedOver
from local_runtime.executor.deputies.deputy import AGENT_LABEL, NAME_LABEL, OPERATION_LABEL, Deputies, name_of, obstacle
from local_runtime.executor.updating.updates import Updates
from tests.builders.updates import AGENT, Bench

SOCKET = "/var/run/docker.sock"
SETTINGS = Settings(watchers=(WatcherSettings("local", base_url="tcp://engine.test:2375"),))


class Here:
    """Says that we run in these containers."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    def on(self, watcher: str, engine: object) -> tuple[str, ...]:
        return self.ids


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.engine.now = made.clock.now().timestamp()  # Engine and executor are on one machine.
    return made


def executor(bench: Bench, **changes: Any) -> str:
    """A container `slipway` as an executor has it, with all that is its own."""
    body: dict[str, Any] = {
        "Entrypoint": ["python", "-m", "local_runtime.executor"],
        "Env": ["SLIPWAY_AGENT=attic", "SECRET=s"],
        "Labels": {"com.docker.compose.service": "slipway", "dd.watch": "true"},
        "ExposedPorts": {"9000/tcp": {}},
        "User": "10001",
        "HostConfig": {
            "Binds": [f"{SOCKET}:{SOCKET}", "data:/data"],
            "GroupAdd": ["998"],
            "PortBindings": {"9000/tcp": [{"HostPort": "9000"}]},
            "RestartPolicy": {"Name": "always"},
        },
    }
    return bench.run("slipway", **body | changes)


def entrusting(bench: Bench, here: Here, settings: Settings = SETTINGS) -> Bench:
    """The bench's executor, running there."""
    deputies = Deputies(settings, here, bench.busy)  # type: ignore[arg-type]
    performer = bench.performer
    performer._deputies = deputies
    performer._updates = Updates(performer._conclusion, bench.busy, bench.later.append, lambda: None, deputies)
    return bench


def asked(bench: Bench, **facts: Any) -> Operation:
    return bench.ask("slipway", **facts)


def test_a_deputy_is_sent_with_what_the_executor_has_and_none_of_its_faces(bench: Bench) -> None:
    own = executor(bench)
    entrusting(bench, Here(own))
    operation = asked(bench)
    with pytest.raises(HandedOver):
        bench.perform(operation)
    deputy = bench.engine.inspect(name_of(operation.id))
    config, host = deputy["Config"], deputy["HostConfig"]
    assert deputy["State"]["Running"]
    assert deputy["Image"] == bench.engine.inspect(own)["Image"]
    assert config["Cmd"] == ["--operation", operation.id, "--own"]
    assert set(config["Env"]) >= {"SLIPWAY_AGENT=attic", "SECRET=s"}
    assert config["User"] == "10001"
    assert config["Labels"] == {
        "dd.watch": "false",
        OPERATION_LABEL: operation.id,
        AGENT_LABEL: AGENT,
        NAME_LABEL: "slipway",
    }
    assert set(host["Binds"]) == {f"{SOCKET}:{SOCKET}", "data:/data"}
    assert host["GroupAdd"] == ["998"]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 10}
    assert not host["PortBindings"] and not config.get("ExposedPorts")
    assert bench.engine.inspect("slipway")["Id"] == own
    assert bench.ended(operation).phase is Phase.QUEUED


def test_other_containers_are_updated_by_the_executor_itself(bench: Bench) -> None:
    own = executor(bench)
    bench.run("web")
    entrusting(bench, Here(own))
    operation = bench.ask("web")
    bench.perform(operation)
    assert bench.ended(operation).phase is Phase.SUCCEEDED
    assert sorted(bench.names()) == ["slipway", "web"]


def test_a_deputy_that_was_made_but_not_started_is_started(bench: Bench) -> None:
    entrusting(bench, Here(executor(bench)))
    operation = asked(bench)
    bench.engine.fail(on="start")
    with pytest.raises(Exception, match="no answer"):
        bench.perform(operation)
    assert bench.names()[name_of(operation.id)] == "created"
    with pytest.raises(HandedOver):
        bench.perform(operation, bench.claim_again(operation.id))
    assert bench.names()[name_of(operation.id)] == "running"


def test_the_new_executor_leaves_what_its_deputy_has_not_ended(bench: Bench) -> None:
    old = executor(bench)
    operation = asked(bench)
    new = bench.engine.create("new", {"Image": "app:1"})
    open_one = bench.operations.record(
        replace(operation, temp_name="slipway-old-1").at(Phase.NEW_STARTED, bench.clock.now(), new_container_id=new)
    )
    entrusting(bench, Here(new), SETTINGS)
    del old
    bench.engine.start(new)
    with pytest.raises(Unavailable, match="deputy cannot be sent"):  # It is none of an executor's making: no socket.
        bench.perform(open_one)
    assert bench.ended(operation).phase is Phase.NEW_STARTED


def test_it_waits_until_no_other_container_is_being_changed(bench: Bench) -> None:
    entrusting(bench, Here(executor(bench)))
    operation = asked(bench)
    with bench.busy.hold(Identity(AGENT, "local", "web")), pytest.raises(Unavailable, match="waits"):
        bench.perform(operation)
    assert name_of(operation.id) not in bench.names()


def test_what_waited_long_for_its_turn_is_news_to_the_deputy(bench: Bench) -> None:
    entrusting(bench, Here(executor(bench)))
    operation = asked(bench)
    since = bench.clock.now()
    bench.clock.sleep(timedelta(minutes=20).total_seconds())
    with pytest.raises(HandedOver):
        bench.performer.perform(bench.claim(operation.id), since)
    assert not bench.ended(operation).forgotten(bench.clock.now())


def test_a_deputy_that_gets_nowhere_is_given_up(bench: Bench) -> None:
    entrusting(bench, Here(executor(bench)))
    operation = asked(bench)
    since = bench.clock.now()
    with pytest.raises(HandedOver):
        bench.performer.perform(bench.claim(operation.id), since)
    bench.clock.sleep(timedelta(minutes=6).total_seconds())
    with pytest.raises(Conflict, match="gets nowhere"):
        bench.performer.perform(bench.claim(operation.id), since)
    ended = bench.ended(operation)
    assert (ended.phase, ended.reason_code) == (Phase.FAILED, "self_update_impossible")
    assert sorted(bench.names()) == ["slipway"]


def test_without_certainty_which_container_is_its_own_it_touches_none(bench: Bench) -> None:
    own, other = executor(bench), bench.run("vpn")
    entrusting(bench, Here(own, other))
    operation = asked(bench)
    with pytest.raises(Conflict, match="self-update is impossible: it cannot be told in which"):
        bench.perform(operation)
    assert bench.ended(operation).phase is Phase.FAILED
    assert bench.names() == {"slipway": "running", "vpn": "running"}


def test_a_proxy_is_not_updated_by_an_executor_outside_of_every_container(bench: Bench) -> None:
    bench.run("proxy", Labels={"dd.update.mode": "infrastructure"})
    entrusting(bench, Here())
    operation = bench.ask("proxy")
    with pytest.raises(Conflict, match="reached through this container"):
        bench.perform(operation)
    assert bench.names() == {"proxy": "running"}


@pytest.mark.parametrize("labels", [{"dd.update.mode": "infrastructure"}, {}])
def test_the_deputy_for_a_proxy_speaks_past_it(bench: Bench, labels: Mapping[str, str]) -> None:
    own = executor(bench, HostConfig={"Binds": ["data:/data"]})
    bench.run("proxy", Labels=dict(labels), HostConfig={"Binds": ["/run/user/1/docker.sock:/var/run/docker.sock"]})
    through = Settings(watchers=(WatcherSettings("local", base_url="tcp://proxy:2375"),))
    entrusting(bench, Here(own), through)
    operation = bench.ask("proxy")
    with pytest.raises(HandedOver):
        bench.perform(operation)
    deputy = bench.engine.inspect(name_of(operation.id))
    assert deputy["Config"]["Cmd"] == ["--operation", operation.id, "--socket", "/run/slipway-engine.sock"]
    assert deputy["Config"]["User"] == "0"
    assert any(bind.endswith(":/run/slipway-engine.sock") for bind in deputy["HostConfig"]["Binds"])


def test_deputies_without_anything_to_do_are_cleared_away(bench: Bench) -> None:
    entrusting(bench, Here(executor(bench)))
    operation = asked(bench)
    with pytest.raises(HandedOver):
        bench.perform(operation)
    tidy = Command("tidy", AGENT, CommandKind.TIDY, bench.clock.now())
    bench.commands.submit(tidy)
    bench.performer.perform(bench.claim("tidy"), bench.clock.now())
    assert name_of(operation.id) in bench.names()
    bench.operations.record(bench.ended(operation).at(Phase.SUCCEEDED, bench.clock.now()))
    bench.engine.stop(name_of(operation.id))
    bench.performer.perform(bench.claim_again("tidy"), bench.clock.now())
    assert sorted(bench.names()) == ["slipway"]


def test_a_container_whose_image_bears_the_labels_of_a_deputy_is_left_alone(bench: Bench) -> None:
    entrusting(bench, Here(executor(bench)))
    bench.run("innocent", Labels={"dd.self-update": "x", "dd.self-update.agent": AGENT})
    tidy = Command("tidy", AGENT, CommandKind.TIDY, bench.clock.now())
    bench.commands.submit(tidy)
    bench.performer.perform(bench.claim("tidy"), bench.clock.now())
    assert bench.names()["innocent"] == "running"


@pytest.mark.parametrize("kind", [CommandKind.RESTART, CommandKind.STOP])
def test_an_order_to_itself_is_not_obeyed_by_the_next_life(bench: Bench, kind: CommandKind) -> None:
    own = executor(bench)
    entrusting(bench, Here(own))
    arguments = about(Identity(AGENT, "local", "slipway"), own)
    bench.commands.submit(Command("order", AGENT, kind, bench.clock.now(), arguments=arguments))
    bench.clock.sleep(2)
    bench.engine.stop(own)
    bench.engine.start(own)
    before = list(bench.engine.calls)
    bench.performer.perform(bench.claim("order"), bench.clock.now())
    acts = [name for name, _ in bench.engine.calls[len(before) :]]
    assert "restart" not in acts and "stop" not in acts


def document(**changes: Any) -> dict[str, Any]:
    return {
        "Config": {"Entrypoint": ["python"], "Cmd": ["-m", "local_runtime.executor"]},
        "Mounts": [{"Destination": "/data"}, {"Destination": SOCKET}],
        "HostConfig": {"NetworkMode": "bridge"},
    } | changes


HOST = {"NetworkMode": "host"}
LOCAL = replace(SETTINGS, dynamodb_url="http://127.0.0.1:4566", sqs_url="http://127.0.0.1:4566")


@pytest.mark.parametrize(
    ("found", "settings", "base_url", "through", "reason"),
    [
        (document(), SETTINGS, f"unix://{SOCKET}", False, None),
        (document(Mounts=[{"Destination": "/var/run"}]), SETTINGS, f"unix://{SOCKET}", False, None),
        (document(Mounts=[]), SETTINGS, f"unix://{SOCKET}", False, "not mounted"),
        (document(Mounts=[]), SETTINGS, "tcp://proxy:2375", False, None),
        (document(Mounts=[]), SETTINGS, "tcp://127.0.0.1:2375", False, "the engine at"),
        (document(Mounts=[], HostConfig=HOST), SETTINGS, "tcp://127.0.0.1:2375", False, None),
        (document(Mounts=[]), SETTINGS, "tcp://127.0.0.1:2375", True, None),
        (document(), LOCAL, f"unix://{SOCKET}", False, "the store at"),
        (document(HostConfig=HOST), LOCAL, f"unix://{SOCKET}", False, None),
        (
            document(Config={"Entrypoint": ["python", "-m", "local_runtime"], "Cmd": None}),
            SETTINGS,
            f"unix://{SOCKET}",
            False,
            "other programs",
        ),
    ],
)
def test_what_a_deputy_could_not_reach_is_said_before_it_is_sent(
    found: dict[str, Any], settings: Settings, base_url: str, through: bool, reason: str | None
) -> None:
    said = obstacle(found, settings, WatcherSettings("local", base_url=base_url), through=through)
    assert (reason is None and said is None) or (reason is not None and reason in str(said))
