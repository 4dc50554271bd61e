"""Every fault as a check sees it: said in `error`, the last result kept, no other host touched."""

from __future__ import annotations

import pytest

from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.domain.container import Container
from chalicelib.usecases.detect import detect
from tests.builders.detection import a_container
from tests.builders.registry_client import TAGS, Client, page
from tests.builders.scripted_registry import Script, Scripted, ScriptedRegistry

FAULTS: dict[str, Script] = {
    "denied": lambda asked: Scripted(403),
    "gone": lambda asked: Scripted(404),
    "limited": lambda asked: Scripted(429, headers={"Retry-After": "3600"}),
    "broken": lambda asked: Scripted(500),
    "overloaded": lambda asked: Scripted(503),
    "garbled": lambda asked: Scripted(body=b"<html>"),
    "cut short": lambda asked: Scripted(body=TAGS[:5], declared=900),
    "redirected": lambda asked: Scripted(307, headers={"Location": "https://evil.example/"}),
    "sent away": lambda asked: Scripted(401, headers={"WWW-Authenticate": 'Bearer realm="https://evil.example/"'}),
    "limited for ever": lambda asked: Scripted(429, headers={"Retry-After": "Mon, 01 Jan 99999999999999 00:00:00 GMT"}),
    "sent nowhere": lambda asked: Scripted(401, headers={"WWW-Authenticate": "Bearer realm=,service="}),
    "sent to no address": lambda asked: Scripted(401, headers={"WWW-Authenticate": 'Bearer realm="https://[evil/"'}),
    "redirected to no address": lambda asked: Scripted(307, headers={"Location": "https://[evil/"}),
    "link to no address": lambda asked: page("a", link='<https://[evil/>; rel="next"'),
    "hostile link": lambda asked: page("a", link='<https://evil.example/>; rel="next"'),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_said_keeps_the_last_result_and_touches_no_other_host(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client, fault: Script
) -> None:
    registries = client.open()

    def check(container: Container) -> Container:
        return detect(container, registries.cycle(), compile=Re2Patterns(), now=client.clock.now())

    place.answer = lambda asked: Scripted(body=TAGS)
    known = check(a_container(f"{place.address}/web:1.0.0"))
    assert known.update.remote_value == "1.1.0"
    place.answer = fault
    checked = check(known)
    assert checked.error is not None and place.address in checked.error
    assert "lovelace" not in checked.error
    assert (checked.result, checked.update, checked.candidate) == (known.result, known.update, known.candidate)
    assert check(a_container(f"{other.address}/web:1.0.0")).error is None
