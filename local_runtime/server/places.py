"""Places: how many connections the server has at once, in all and with one address, and who goes when all are taken."""

from __future__ import annotations

from asyncio import BaseTransport
from dataclasses import dataclass, field
from itertools import count

SHARE = 4
"""One address has at most this part of all places: a quarter."""


@dataclass(slots=True)
class Place:
    """One connection: whose it is, and since when (a number that only grows) nobody there has asked for anything."""

    address: str
    transport: BaseTransport
    idle_since: int | None


@dataclass(slots=True)
class Places:
    """The connections of one server. Whoever is being answered keeps its place; the longest idle gives way to others.

    `shared` says that a proxy in front brings everybody from one address: then only the whole is bounded.
    """

    most: int
    shared: bool = False
    _taken: dict[int, Place] = field(default_factory=dict)
    _clock: count[int] = field(default_factory=count)

    def take(self, address: str, transport: BaseTransport) -> Place | None:
        """A place for a new connection, if there is one or an idle connection can be closed for it."""
        for among, most in ((address, max(1, self.most // SHARE)), (None, self.most)):
            if among is not None and self.shared:
                continue
            taken = self._of(among)
            if len(taken) >= most and not self._closed_one(taken):
                return None
        place = Place(address, transport, next(self._clock))
        self._taken[id(place)] = place
        return place

    def busy(self, place: Place) -> None:
        """It has asked for something."""
        place.idle_since = None

    def idle(self, place: Place) -> None:
        """It has been answered."""
        place.idle_since = next(self._clock)

    def leave(self, place: Place) -> None:
        """It is gone."""
        self._taken.pop(id(place), None)

    def _of(self, address: str | None) -> list[Place]:
        if address is None and len(self._taken) < self.most:
            return []
        # Connections that became WebSockets do not tell that they are gone.
        for place in [one for one in self._taken.values() if one.transport.is_closing()]:
            self.leave(place)
        return [place for place in self._taken.values() if address in (None, place.address)]

    def _closed_one(self, places: list[Place]) -> bool:
        waiting = [(place.idle_since, place) for place in places if place.idle_since is not None]
        if not waiting:
            return False
        _, longest = min(waiting, key=lambda one: one[0])
        self.leave(longest)
        longest.transport.close()
        return True
