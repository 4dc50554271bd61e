"""Places of connections: bounded in all and by address, and given up by the longest idle."""

from __future__ import annotations

import logging
from asyncio import BaseTransport

import pytest

from local_runtime.server.http_socket import Seldom
from local_runtime.server.places import Place, Places


class Wire(BaseTransport):
    """A transport that only closes."""

    closed = False

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def _taken(places: Places, address: str = "192.0.2.1") -> tuple[Place, Wire]:
    wire = Wire()
    place = places.take(address, wire)
    assert place is not None
    return place, wire


def test_the_longest_idle_connection_of_an_address_gives_way_to_its_next() -> None:
    places = Places(8)
    (first, wire), (_, other) = _taken(places), _taken(places)
    places.busy(first)
    places.idle(first)
    _taken(places)
    assert other.closed and not wire.closed


def test_connections_at_work_keep_their_places_and_others_still_find_one() -> None:
    places = Places(8)
    for _ in range(2):
        places.busy(_taken(places)[0])
    assert places.take("192.0.2.1", Wire()) is None
    _taken(places, "192.0.2.2")


def test_when_all_places_are_taken_the_longest_idle_of_any_address_goes() -> None:
    places = Places(4)
    wires = [_taken(places, f"192.0.2.{number}")[1] for number in range(4)]
    _taken(places, "192.0.2.9")
    assert [wire.closed for wire in wires] == [True, False, False, False]


def test_behind_a_proxy_only_the_whole_is_bounded() -> None:
    places = Places(4, shared=True)
    for _ in range(4):
        places.busy(_taken(places)[0])
    assert places.take("192.0.2.1", Wire()) is None


def test_a_connection_that_is_gone_leaves_its_place_even_when_it_did_not_say_so() -> None:
    places = Places(4)
    (said, _), (unsaid, wire) = _taken(places, "192.0.2.1"), _taken(places, "192.0.2.2")
    for place in (said, unsaid):
        places.busy(place)
    places.leave(said)
    wire.close()
    for address in ("192.0.2.1", "192.0.2.2"):
        _taken(places, address)


def test_what_strangers_can_cause_is_logged_once_a_minute_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [1000.0]
    monkeypatch.setattr("local_runtime.server.http_socket.time.monotonic", lambda: passed[0])
    seldom = Seldom()

    def logged(text: str, level: int = logging.WARNING) -> str | None:
        record = logging.LogRecord("uvicorn.error", level, "", 0, text, (), None)
        return record.getMessage() if seldom.filter(record) else None

    assert [logged("Invalid") for _ in range(3)] == ["Invalid", None, None]
    assert logged("Another") == "Another"
    assert [logged("Broken", logging.ERROR) for _ in range(2)] == ["Broken", "Broken"]
    passed[0] += 60
    assert logged("Invalid") == "Invalid (and 2 times more before)"
