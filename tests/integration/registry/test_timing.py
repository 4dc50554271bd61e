"""How long registries take: every request counts, by the registry it went to."""

from __future__ import annotations

import pytest

from chalicelib.ports.registry import RegistryNotFound
from tests.builders.registry_client import TAGS, Client, tags
from tests.builders.scripted_registry import Scripted, ScriptedRegistry


def test_a_request_counts_with_the_time_it_took_whether_it_was_answered_well_or_not(
    client: Client, place: ScriptedRegistry
) -> None:
    place.answer = lambda asked: Scripted(body=TAGS, delay=0.05)
    registries = client.with_account(place)
    tags(registries, place)
    place.answer = lambda asked: Scripted(status=404)
    with pytest.raises(RegistryNotFound):
        tags(registries, place)
    requests, seconds = registries.responses()["custom.own"]
    assert requests == len(place.asked) >= 2
    assert 0.05 <= seconds < 5


def test_a_registry_nobody_configured_counts_as_unknown(client: Client, place: ScriptedRegistry) -> None:
    place.answer = lambda asked: Scripted(body=TAGS)
    registries = client.open()
    assert registries.responses() == {}
    tags(registries, place)
    assert list(registries.responses()) == ["unknown.unknown"]
