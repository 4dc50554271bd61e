"""The registry adapter under test, with a clock that only waiting moves, and the answers its tests script."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.reference import Repository
from tests.builders.scripted_registry import Script, Scripted, ScriptedRegistry
from tests.fakes.services import StillClock

ADA = "Basic " + base64.b64encode(b"ada:lovelace").decode()
TAGS = b'{"name": "web", "tags": ["1.0.0", "1.1.0"]}'


class Client:
    """The adapter with a clock that only waiting moves."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.opened: list[Registries] = []

    def open(self, settings: dict[str, Any] | None = None, timeout: float = 20) -> Registries:
        self.opened.append(Registries(settings or {}, self.clock, timeout=timeout, window=timedelta(0)))
        return self.opened[-1]

    def with_account(self, place: ScriptedRegistry, user: str = "ada", password: str = "lovelace") -> Registries:
        return self.open({"custom": {"own": {"url": place.url, "login": user, "password": password}}})


def web(place: ScriptedRegistry) -> Repository:
    return Repository(place.address, "web")


def tags(registries: Registries, place: ScriptedRegistry) -> list[str]:
    return list(registries.cycle().tags(web(place)))


def in_turn(*answers: Scripted) -> Script:
    """Each answer once, the last one for ever."""
    left = list(answers)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


def page(*names: str, link: str | None = None) -> Scripted:
    return Scripted(body=json.dumps({"tags": names}).encode(), headers={"Link": link} if link else {})
