"""What the Engine port promises of logs and meters, asked of the real engine and of the fake alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

import pytest

from chalicelib.domain.log import LogLine, LogQuery
from chalicelib.domain.stats import sample
from chalicelib.ports.engine import Engine, EngineNotFound
from local_runtime.engine.docker_engine import DockerEngine
from tests.docker.rig import EngineHost, docker_engine
from tests.fakes.engine import FakeEngine

PRINTS = "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three; exec sleep 1000"


class World(Protocol):
    """An engine with a container `talks` that has printed three lines and runs, and one `rests` that never ran."""

    engine: Engine


class RealWorld:
    def __init__(self, host: EngineHost) -> None:
        self.engine: Engine = DockerEngine(host.base_url)
        host.build_image("observing:1", cmd=["sleep", "1000"], stopsignal="SIGKILL")
        for name in ("talks", "rests"):
            self.engine.create(name, {"Image": "observing:1", "Cmd": ["sh", "-c", PRINTS]})
        self.engine.start("talks")
        time.sleep(1.5)


class FakeWorld:
    def __init__(self) -> None:
        fake = FakeEngine()
        self.engine: Engine = fake
        fake.add_image("observing:1")
        for name in ("talks", "rests"):
            fake.create(name, {"Image": "observing:1"})
        fake.start("talks")
        fake.advance(1.5)
        times = (f"2026-03-18T12:00:0{number}.000000001Z" for number in range(3))
        written = zip(("stdout", "stderr", "stdout"), times, ("one", "two", "three"), strict=True)
        fake._find("talks").output.extend(LogLine(*line) for line in written)


@pytest.fixture(scope="module")
def host() -> Iterator[EngineHost]:
    with docker_engine() as running:
        yield running


@pytest.fixture(scope="module", params=["real", "fake"])
def world(request: pytest.FixtureRequest) -> World:
    return RealWorld(request.getfixturevalue("host")) if request.param == "real" else FakeWorld()


def read(world: World, query: LogQuery) -> list[tuple[str, str]]:
    return [(line.stream, line.line) for lines in world.engine.logs("talks", query) for line in lines]


def test_a_log_is_given_in_order_each_line_with_its_stream(world: World) -> None:
    assert read(world, LogQuery()) == [("stdout", "one"), ("stderr", "two"), ("stdout", "three")]
    stamps = [line.ts for lines in world.engine.logs("talks", LogQuery()) for line in lines]
    assert all(stamp.endswith("Z") for stamp in stamps)
    assert stamps == sorted(stamps)


def test_streams_and_the_end_of_a_log_can_be_asked_for(world: World) -> None:
    assert read(world, LogQuery(stdout=False)) == [("stderr", "two")]
    assert read(world, LogQuery(tail=1)) == [("stdout", "three")]
    assert read(world, LogQuery(tail=0)) == []
    assert read(world, LogQuery(stdout=False, stderr=False)) == []


def test_a_closed_stream_gives_nothing_more(world: World) -> None:
    stream = world.engine.logs("talks", LogQuery())
    stream.close()
    stream.close()
    assert list(stream) == []


def test_a_running_container_has_meters_and_another_none(world: World) -> None:
    found = world.engine.stats("talks")
    assert found is not None
    assert found.earlier_cpu is not None
    assert 0 < found.memory_used <= found.memory_limit
    again = world.engine.stats("talks", at_once=True)
    assert again is not None
    assert 0 <= sample(again, found).cpu_percent <= 100 * again.cpu.cpus
    assert world.engine.stats("rests") is None


def test_what_is_not_there_has_neither(world: World) -> None:
    with pytest.raises(EngineNotFound):
        world.engine.logs("absent", LogQuery())
    with pytest.raises(EngineNotFound):
        world.engine.stats("absent")
