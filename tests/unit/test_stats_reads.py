"""Stats on demand: who asks keeps a container sampled, with few writes; a stream says each thing once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.config import WatcherSettings
from chalicelib.domain.agent import Agent
from chalicelib.domain.command import Command, CommandKind
from chalicelib.domain.container import Identity
from chalicelib.domain.stats import CpuTimes, Reading, Sample
from chalicelib.ports.observation import Armed
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.read_stats import keep_sampled, read_fleet, read_one
from handlers.http import Request
from handlers.stats import _events, _row
from local_runtime.executor.observing.sampler import Sampler
from tests.fakes.observation import FakeSamples
from tests.fakes.services import NOON, StillClock

WEB = Identity("local", "local", "web")
SECOND = timedelta(seconds=1)
INTERVAL = 10 * SECOND


def sample_at(seconds: float) -> Sample:
    return Sample(NOON + seconds * SECOND, 1.5, 10, 100, 1, 2, 3, 4)


@dataclass
class Orders:
    """Commands that end as soon as they are given, by what `perform` does."""

    clock: StillClock
    perform: Any = None
    given: list[Command] = field(default_factory=list)
    connected: bool = True

    def submit(self, command: Command) -> None:
        self.given.append(command)
        if self.perform is not None:
            self.perform()

    def get(self, agent: str, command_id: str) -> Command | None:
        return None

    def all(self) -> list[Agent]:
        return [Agent("local", seen_at=self.clock.now())] if self.connected else []

    def wake(self, agent: str, command_id: str) -> None: ...

    def ordering(self) -> Ordering:
        return Ordering(self, self, self, self.clock, timedelta(seconds=2))  # type: ignore[arg-type]


class Meters:
    """An engine with one running container whose processor is always half busy."""

    def __init__(self, clock: StillClock) -> None:
        self._clock = clock
        self.asked: list[bool] = []

    def containers(self, all: bool = False) -> list[dict[str, Any]]:
        return [
            {"Id": "a" * 64, "Names": ["/web"], "Labels": {}},
            {"Id": "b" * 64, "Names": ["/hidden"], "Labels": {"dd.watch": "false"}},
            {"Id": "c" * 64, "Names": ["/web-old-1700000000000"], "Labels": {}},
        ]

    def stats(self, container: str, *, at_once: bool = False) -> Reading:
        assert container == "a" * 64
        self.asked.append(at_once)
        passed = (self._clock.now() - NOON) // timedelta(microseconds=1) * 1000
        cpu = CpuTimes(10**12 + passed // 2, 10**12 + passed * 4, 4)
        earlier = CpuTimes(cpu.container - 10**8, (cpu.host or 0) - 4 * 10**9, 4)
        return Reading(self._clock.now(), cpu, 10, 100, 1, 2, 3, 4, earlier)


def sampler_over(clock: StillClock, samples: FakeSamples, history: int = 60) -> tuple[Sampler, Meters]:
    meters = Meters(clock)
    places = [(WatcherSettings("local"), meters)]
    return Sampler("local", places, samples, clock, INTERVAL, history), meters  # type: ignore[arg-type]


def test_the_first_reader_wakes_the_executor_and_gets_what_it_finds() -> None:
    clock, samples = StillClock(), FakeSamples()
    orders = Orders(clock, perform=lambda: samples.put(WEB, [sample_at(0)], clock.now()))
    assert read_one(WEB, samples, orders.ordering(), INTERVAL).samples == (sample_at(0),)
    (command,) = orders.given
    assert (command.kind, command.arguments) == (CommandKind.SAMPLE, {"keys": [WEB.key]})


def test_a_lease_is_written_once_in_a_while_however_many_read() -> None:
    clock, samples = StillClock(), FakeSamples()
    orders = Orders(clock)
    for _ in range(60):
        samples.put(WEB, [Sample(clock.now(), 0, 0, 0, 0, 0, 0, 0)], clock.now())
        for _ in range(20):
            read_one(WEB, samples, orders.ordering(), INTERVAL)
        clock.sleep(1)
    assert samples.writes <= 5
    assert len(orders.given) == 1, "while the lease lasts nobody needs to be woken"


def test_a_lease_that_somebody_else_renewed_is_left_alone() -> None:
    clock, samples = StillClock(), FakeSamples()
    orders = Orders(clock)
    samples.until["local", WEB.key] = NOON + SECOND
    assert keep_sampled("local", WEB.key, NOON, samples, orders.ordering(), INTERVAL) is None
    assert samples.writes == 0


def test_nobody_waits_for_an_agent_that_is_not_there() -> None:
    clock, samples = StillClock(), FakeSamples()
    orders = Orders(clock, connected=False)
    assert read_one(WEB, samples, orders.ordering(), INTERVAL).samples == ()
    assert (orders.given, clock.now()) == ([], NOON)


def test_stale_samples_are_not_shown_as_the_present() -> None:
    clock, samples = StillClock(), FakeSamples()
    samples.put_fleet("local", {WEB.key: sample_at(0)}, NOON)
    clock.sleep(120)
    fresh, command = read_fleet("local", samples, Orders(clock).ordering(), INTERVAL)
    assert fresh == {}
    assert command is not None


def test_armed_containers_are_sampled_and_nothing_else() -> None:
    clock, samples = StillClock(), FakeSamples()
    sampler, meters = sampler_over(clock, samples)
    assert sampler.sample_armed() is False
    samples.arm("local", WEB.key, None, NOON + 25 * SECOND)
    shares = []
    while sampler.sample_armed():
        shares.append(samples.samples[WEB][-1].cpu_percent)
        clock.sleep(10)
    assert shares == [10.0, 50.0, 50.0], "first the engine's own second, then the time since the last sample"
    assert meters.asked == [False, True, True]
    assert samples.latest == {}


def test_all_of_an_agent_are_written_as_one() -> None:
    clock, samples = StillClock(), FakeSamples()
    sampler, _ = sampler_over(clock, samples)
    samples.arm("local", None, None, NOON + 25 * SECOND)
    assert sampler.sample_armed() is True
    assert list(samples.latest["local"]) == [WEB.key]
    assert samples.samples == {}


def test_a_new_executor_goes_on_with_the_history_it_finds() -> None:
    clock, samples = StillClock(), FakeSamples()
    clock.sleep(100)
    samples.put(WEB, [sample_at(-900), sample_at(50), sample_at(60)], clock.now())
    samples.arm("local", WEB.key, None, clock.now() + 25 * SECOND)
    sampler, _ = sampler_over(clock, samples)
    sampler.sample_armed()
    assert [(one.at - NOON) / SECOND for one in samples.samples[WEB]] == [50, 60, 100]
    short, _ = sampler_over(clock, samples, history=2)
    short.sample_armed()
    assert [(one.at - NOON) / SECOND for one in samples.samples[WEB]] == [100], "no longer back than two intervals"


class Punctual(FakeSamples):
    """Samples that come every ten seconds."""

    def __init__(self, clock: StillClock) -> None:
        super().__init__()
        self._clock = clock

    def one(self, identity: Identity, within: float = 0) -> Armed:
        passed = (self._clock.now() - NOON) // SECOND
        return Armed(super().one(identity).until, tuple(sample_at(at) for at in range(0, passed + 1, 10)))


@dataclass
class StreamServices:
    """What a stream of stats reaches."""

    clock: StillClock
    samples: FakeSamples
    settings: Any = field(default_factory=lambda: type("S", (), {"stats_interval": 10}))


@dataclass
class StreamEntry:
    """A container by its listing."""

    listing: Any = field(default_factory=lambda: type("L", (), {"id": "a" * 64, "identity": WEB}))


def events(chunks: list[bytes]) -> list[tuple[str, str, str]]:
    """Id, name and timestamp of each event."""
    found = []
    for block in b"".join(chunks).decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"]).get("timestamp", "")))
    return found


def test_a_stream_gives_each_sample_once_and_a_heartbeat_every_fifteen_seconds() -> None:
    clock = StillClock()
    services = StreamServices(clock, Punctual(clock))
    stream = _events(StreamEntry(), Request("GET", "/"), services, Orders(clock).ordering())  # type: ignore[arg-type]
    chunks = []
    while clock.now() - NOON < 46 * SECOND:
        chunks.append(next(stream))
    names = [name for _, name, _ in events(chunks)]
    stamps = [stamp for _, name, stamp in events(chunks) if name == "dd:container-stats"]
    assert stamps == [f"2026-03-18T12:00:{second:02}.000Z" for second in (0, 10, 20, 30, 40, 50)[: len(stamps)]]
    assert len(stamps) >= 5
    assert names.count("dd:heartbeat") == 3


def test_a_host_that_cannot_stream_is_asked_again_and_nothing_is_lost_or_said_twice() -> None:
    services = StreamServices(StillClock(), FakeSamples())
    samples: list[Sample] = []
    heard: list[tuple[str, str, str]] = []
    last_id = ""
    for second in range(0, 90, 4):
        samples += [sample_at(at) for at in range(second, second + 4) if at % 10 == 0]
        services.samples.put(WEB, samples, NOON)
        services.clock.at = NOON + second * SECOND
        request = Request("GET", "/", headers={"last-event-id": last_id} if last_id else {}, stream_seconds=3.0)
        chunks = list(_events(StreamEntry(), request, services, Orders(services.clock).ordering()))  # type: ignore[arg-type]
        assert chunks[0] == b"retry: 1000\n\n"
        assert services.clock.now() - NOON <= (second + 4) * SECOND
        heard += events(chunks)
        last_id = b"".join(chunks).decode().rpartition("id: ")[2].split("\n")[0]
    stamps = [stamp for _, name, stamp in heard if name == "dd:container-stats"]
    assert len(stamps) == len(set(stamps)) == 10
    assert 4 <= [name for _, name, _ in heard].count("dd:heartbeat") <= 6


def test_a_stream_ends_after_an_hour_and_goes_on_where_it_was() -> None:
    clock = StillClock()
    services = StreamServices(clock, Punctual(clock))
    chunks = list(_events(StreamEntry(), Request("GET", "/"), services, Orders(clock).ordering()))  # type: ignore[arg-type]
    assert timedelta(hours=1) <= clock.now() - NOON < timedelta(hours=1, seconds=2)
    last, _, _ = events(chunks)[-1]
    again = Request("GET", "/", headers={"last-event-id": last}, stream_seconds=12.0)
    more = events(list(_events(StreamEntry(), again, services, Orders(clock).ordering())))  # type: ignore[arg-type]
    stamps = [stamp for _, name, stamp in (*events(chunks), *more) if name == "dd:container-stats"]
    assert len(stamps) == len(set(stamps)) == 362


def test_a_row_names_its_agent_only_when_that_is_a_remote_one_as_containers_do() -> None:
    for agent, named in (("local", None), ("attic", "attic")):
        facts = {"id": "a" * 64, "identity": Identity(agent, "local", "web"), "status": "running"}
        row: Any = _row(StreamEntry(type("L", (), facts)), sample_at(0))  # type: ignore[arg-type]
        assert row.get("agent") == named
        assert row["stats"]["cpuPercent"] == 1.5


def test_an_event_id_of_somebody_elses_making_counts_as_none() -> None:
    services = StreamServices(StillClock(), FakeSamples())
    services.samples.put(WEB, [replace(sample_at(0), cpu_percent=9.0)], NOON)
    for text in ("nonsense", "1-2-3", "-", "9" * 40 + "-1"):
        request = Request("GET", "/", headers={"last-event-id": text}, stream_seconds=1.0)
        chunks = list(_events(StreamEntry(), request, services, Orders(services.clock).ordering()))  # type: ignore[arg-type]
        assert len(events(chunks)) == 1
