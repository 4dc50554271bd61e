"""What may be seen of a trigger, and which triggers serve a container."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.environment import MASK
from chalicelib.domain.trigger import Trigger, masked, of_agent, serving


def seen(kind: str, **configuration: Any) -> dict[str, Any]:
    return dict(masked(Trigger(kind, "one", None, configuration)))


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "token",
        "botToken",
        "accesstoken",
        "apikey",
        "API_KEY",
        "secret",
        "clientsecret",
        "webhookurl",
        "privatekey",
        "pass",
        "hash",
    ],
)
def test_secrets_are_masked_by_their_names(name: str) -> None:
    assert seen("ntfy", **{name: "s3cret"}) == {name: MASK}


@pytest.mark.parametrize("kind", ["slack", "discord", "teams", "googlechat", "mattermost", "rocketchat", "Slack"])
def test_a_url_that_lets_in_whoever_knows_it_is_masked(kind: str) -> None:
    assert seen(kind, url="https://hooks.example/services/T/B/x") == {"url": MASK}


def test_everything_else_is_shown_as_it_is() -> None:
    plain = {
        "url": "https://ntfy.sh",
        "topic": "x",
        "once": True,
        "port": 25,
        "unset": None,
        "empty": "",
        "simpletitle": "New ${kind} found for container ${name}",
    }
    assert seen("ntfy", **plain) == plain


def test_an_empty_secret_shows_that_it_is_not_set() -> None:
    assert seen("ntfy", password="", token=None) == {"password": "", "token": None}


def test_secrets_are_masked_at_any_depth_and_in_lists() -> None:
    shown = seen("ntfy", auth={"user": "ada", "password": "x"}, hooks=[{"token": "y"}], webhooks=["https://a", "b"])
    assert shown == {
        "auth": {"user": "ada", "password": MASK},
        "hooks": [{"token": MASK}],
        "webhooks": [MASK, MASK],
    }


def test_a_password_inside_a_url_is_masked_alone() -> None:
    for password in ("s3cret", "s3@cret"):
        assert seen("ntfy", url=f"https://ada:{password}@ntfy.sh/x") == {"url": f"https://{MASK}@ntfy.sh/x"}
    assert seen("gotify", url="https://gotify.test/?token=s3cret") == {"url": f"https://gotify.test/?token={MASK}"}


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("/usr/local/bin/notify.sh", "/usr/local/bin/notify.sh"),
        ("curl -H 'X-Key: s3cret' https://hooks.test/s3cret", f"curl {MASK}"),
        ("API_TOKEN=s3cret notify.sh", f"API_TOKEN={MASK} {MASK}"),
        (" ", " "),
    ],
)
def test_of_a_command_only_the_program_is_shown(command: str, shown: str) -> None:
    assert seen("command", cmd=command) == {"cmd": shown}


@given(st.recursive(st.none() | st.text(max_size=5) | st.integers(), lambda inner: st.lists(inner, max_size=3)))
def test_nothing_under_a_secret_name_is_shown(value: Any) -> None:
    def leaves(found: Any) -> list[Any]:
        return [leaf for one in found for leaf in leaves(one)] if isinstance(found, list) else [found]

    assert set(map(repr, leaves(seen("ntfy", token=value)["token"]))) <= {repr(MASK), "None", "''"}


def test_reports_without_type_or_name_are_passed_over() -> None:
    facts = {"triggers": [{"type": "ntfy", "name": "one"}, {"type": "ntfy"}, {"name": "x"}, {}]}
    assert [one.id for one in of_agent("local", facts)] == ["ntfy.one"]
    assert [one.id for one in of_agent("edge", facts)] == ["edge.ntfy.one"]
    assert of_agent("edge", {}) == []


def test_a_trigger_of_an_agent_goes_by_its_short_names_too() -> None:
    trigger = Trigger("ntfy", "one", "edge")
    for reference in ("one", "ntfy.one", "edge.ntfy.one", "EDGE.Ntfy.One"):
        assert serving([trigger], reference, None)
        assert not serving([trigger], None, reference)
    assert not serving([trigger], "local.ntfy.one", None)
