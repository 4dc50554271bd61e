"""What a registry says of itself by status and by silence, and how long it is left alone then."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest

from chalicelib.adapters.registry.traffic import HostTraffic
from chalicelib.domain.reference import Repository
from chalicelib.ports.registry import (
    RegistryDenied,
    RegistryError,
    RegistryGarbled,
    RegistryLimited,
    RegistryNotFound,
    RegistryUnavailable,
)
from tests.builders.registry_client import TAGS, Client, in_turn, tags
from tests.builders.scripted_registry import Scripted, ScriptedRegistry, scripted_registry
from tests.fakes.services import StillClock

STATUSES = [
    (401, RegistryDenied, "refuses anonymous access"),
    (403, RegistryDenied, "DENIED"),
    (404, RegistryNotFound, "does not have"),
    (400, RegistryGarbled, "400"),
    (418, RegistryGarbled, "418"),
    (500, RegistryUnavailable, "500"),
    (502, RegistryUnavailable, "502"),
    (503, RegistryUnavailable, "overloaded"),
    (429, RegistryLimited, "too many requests"),
]


@pytest.mark.parametrize(("status", "error", "words"), STATUSES)
def test_each_status_has_its_error(
    place: ScriptedRegistry, client: Client, status: int, error: type[RegistryError], words: str
) -> None:
    place.answer = lambda asked: Scripted(status, b'{"errors": [{"code": "DENIED"}]}')
    with pytest.raises(error, match=words):
        tags(client.open(), place)
    assert error.transient is (status >= 500 or status == 429)


def test_a_short_pause_is_waited_out(place: ScriptedRegistry, client: Client) -> None:
    place.answer = in_turn(Scripted(429, headers={"Retry-After": "7"}), Scripted(body=TAGS))
    started = client.clock.now()
    assert tags(client.open(), place) == ["1.0.0", "1.1.0"]
    assert client.clock.now() - started == timedelta(seconds=7)


def test_a_pause_may_be_given_as_a_date(place: ScriptedRegistry, client: Client) -> None:
    until = client.clock.now() + timedelta(seconds=9)
    date = format_datetime(until, usegmt=True)
    place.answer = in_turn(Scripted(429, headers={"Retry-After": date}), Scripted(body=TAGS))
    assert tags(client.open(), place) == ["1.0.0", "1.1.0"]
    assert client.clock.now() == until


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_long_pause_opens_the_circuit_of_that_host_alone(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client, form: str
) -> None:
    until = client.clock.now() + timedelta(seconds=600)
    header = "600" if form == "seconds" else format_datetime(until, usegmt=True)
    place.answer = in_turn(Scripted(429, headers={"Retry-After": header}), Scripted(body=TAGS))
    registries = client.open()
    with pytest.raises(RegistryLimited) as first:
        tags(registries, place)
    assert first.value.retry_after == 600
    for _ in range(3):
        with pytest.raises(RegistryLimited):
            tags(registries, place)
    assert len(place.asked) == 1
    assert tags(registries, other) == ["1.0.0", "1.1.0"]
    state = next(state for state in registries.states() if state.host == place.address)
    assert state.limited_until == until
    client.clock.sleep(600)
    assert tags(registries, place) == ["1.0.0", "1.1.0"]
    assert all(state.limited_until is None for state in registries.states())


def test_a_pause_without_a_length_doubles_each_time_and_ends(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(429)
    started = client.clock.now()
    with pytest.raises(RegistryLimited):
        tags(client.open(), place)
    assert len(place.asked) == 4
    assert client.clock.now() - started == timedelta(seconds=1 + 2 + 4)


def test_an_overloaded_registry_is_asked_again(place: ScriptedRegistry, client: Client) -> None:
    place.answer = in_turn(Scripted(503), Scripted(503, headers={"Retry-After": "2"}), Scripted(body=TAGS))
    assert tags(client.open(), place) == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize("nonsense", ["soon", "-5", "99999999999", "Thu, 99 Foo 2026"])
def test_a_pause_that_makes_no_sense_counts_as_none_given(
    place: ScriptedRegistry, client: Client, nonsense: str
) -> None:
    place.answer = in_turn(Scripted(429, headers={"Retry-After": nonsense}), Scripted(body=TAGS))
    assert tags(client.open(), place) == ["1.0.0", "1.1.0"]


def test_a_registry_that_does_not_answer_in_time(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=TAGS, delay=1)
    with pytest.raises(RegistryUnavailable, match="in time"):
        tags(client.open(timeout=0.2), place)
    assert len(place.asked) == 1


def test_a_registry_that_trickles(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=TAGS, trickle=0.05)
    with pytest.raises(RegistryUnavailable, match="took longer"):
        tags(client.open(timeout=0.3), place)


def test_an_answer_cut_short_is_asked_for_again_and_then_an_error(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=TAGS[:9], declared=len(TAGS))
    with pytest.raises(RegistryUnavailable, match="cuts its answer short"):
        tags(client.open(), place)
    assert len(place.asked) == 3


def test_nobody_listens(client: Client) -> None:
    with scripted_registry() as gone:
        address = gone.address
    with pytest.raises(RegistryUnavailable, match="cannot be reached"):
        client.open().cycle().tags(Repository(address, "web"))


def test_a_host_that_stays_silent_is_left_alone_for_a_while_and_then_asked_again(
    place: ScriptedRegistry, client: Client
) -> None:
    place.answer = lambda asked: Scripted(body=TAGS)
    with scripted_registry() as gone:
        nowhere = Repository(gone.address, "web")
        registries = client.open({"custom": {"own": {"url": gone.url}}})

    def requests() -> int:
        return next(state.requests for state in registries.states() if state.host == nowhere.host)

    for asked in (1, 2, 3, 3, 3):
        with pytest.raises(RegistryUnavailable, match="cannot be reached"):
            registries.cycle().tags(nowhere)
        assert requests() == asked, "after the third the others are told what it was told"
    assert tags(registries, place), "other hosts go on"
    client.clock.sleep(30)
    with pytest.raises(RegistryUnavailable):
        registries.cycle().tags(nowhere)
    assert requests() == 4


def test_an_answer_between_silences_keeps_a_host_open() -> None:
    traffic = HostTraffic("registry.example", None, StillClock())
    for _ in range(3):
        traffic.silent("It does not answer")
        traffic.silent("It does not answer")
        with traffic.turn():
            traffic.answered()
    traffic.silent("It does not answer")
    with traffic.turn():
        pass


def test_an_endless_answer_is_not_read_to_its_end(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=b"[" * (17 * 1024 * 1024))
    with pytest.raises(RegistryGarbled, match="more than 16 MiB"):
        tags(client.open(), place)


def test_the_quota_a_registry_reports_is_remembered(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(
        body=TAGS, headers={"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600"}
    )
    registries = client.open()
    tags(registries, place)
    state = registries.states()[0]
    assert (state.host, state.limit, state.remaining) == (place.address, 100, 76)
