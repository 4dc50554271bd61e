"""Names of hosts apart from their ports, and which of them can only mean this machine."""

from __future__ import annotations

import pytest

from chalicelib.domain.host_name import is_loopback, split_port


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("nas.example", ("nas.example", "")),
        ("nas.example:5000", ("nas.example", "5000")),
        ("[::1]", ("::1", "")),
        ("[::1]:5000", ("::1", "5000")),
        ("::1", ("::1", "")),
        ("[::1].evil.example", ("[::1].evil.example", "")),
        ("[::1", ("[::1", "")),
        ("", ("", "")),
    ],
)
def test_a_name_and_a_port_are_taken_apart(host: str, parts: tuple[str, str]) -> None:
    assert split_port(host) == parts


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.:80", "app.localhost", "127.0.0.1:5000", "127.9.9.9", "[::1]:1"]
)
def test_these_mean_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "localhost.evil.example", "127.0.0.1.evil.example", "[::1].evil.example", "10.0.0.1", "0.0.0.0"]
)
def test_these_do_not(host: str) -> None:
    assert not is_loopback(host)
