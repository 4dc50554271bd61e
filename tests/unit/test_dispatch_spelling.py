"""A path counts as what it leads to, however it is spelt."""

from __future__ import annotations

import pytest

from handlers.dispatch import dispatch
from handlers.http import Request
from tests.builders.routes import PATHS
from tests.fakes.services import FakeServices


@pytest.mark.parametrize(
    "spelt", ["/api/v1/things/7", "/%61pi/v1/things/7", "/a%70%69/v1/things/7", "/api%2Fv1/things/7"]
)
def test_requests_are_counted_however_their_path_is_spelt(spelt: str) -> None:
    services = FakeServices()
    dispatch(Request("GET", spelt, client="192.0.2.1"), services, PATHS)  # type: ignore[arg-type]
    usage = services.limits.hit("api:ip:192.0.2.1", 900, services.clock.now(), 1000)
    assert usage.count == 2


def test_log_ins_are_counted_and_bounded_however_their_path_is_spelt() -> None:
    services = FakeServices()
    dispatch(Request("POST", "/%61uth/login", client="192.0.2.1"), services)  # type: ignore[arg-type]
    assert services.limits.hit("auth:ip:192.0.2.1", 900, services.clock.now(), 100).count == 2
    large = b'"' + b"x" * 70_000 + b'"'
    headers = {"content-type": "application/json"}
    asked = Request("POST", "/%61uth/login", headers=headers, body=large, client="192.0.2.1")
    assert dispatch(asked, services).status == 413  # type: ignore[arg-type]
