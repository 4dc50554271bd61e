"""The settings of watchers, their image sets, and webhooks."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.config import BadSetting, Settings, load
from chalicelib.settings_watchers import WatcherSettings

ROOT = Path(__file__).resolve().parents[2]


def settings(**variables: str) -> Settings:
    return load(variables)


def watcher(**variables: str) -> WatcherSettings:
    """The one watcher these variables of `DD_WATCHER_NAS_` make."""
    found = settings(**{f"DD_WATCHER_NAS_{name}": value for name, value in variables.items()})
    assert found.problems == ()
    return found.watchers[0]


def test_time_zones_are_known_where_the_system_has_no_database_of_them() -> None:
    pins = (ROOT / "local_runtime/requirements.txt").read_text().splitlines()
    assert [pin for pin in pins if pin.startswith("tzdata==") and ";" not in pin]
    asked = "from chalicelib.config import load; print(load().watchers[0].window_zone)"
    environment = {
        "PYTHONPATH": str(ROOT),
        "PYTHONTZPATH": "",
        "DD_WATCHER_NAS_HOST": "nas.example",
        "DD_WATCHER_NAS_MAINTENANCE_WINDOW_TZ": "Europe/Berlin",
    }
    told = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, timeout=60)
    assert told.stdout == "Europe/Berlin\n", told.stderr


def test_several_watchers_and_a_bad_one_among_them() -> None:
    found = settings(
        DD_WATCHER_LOCAL_SOCKET="/run/a.sock",
        DD_WATCHER_NAS_HOST="nas.example",
        DD_WATCHER_NAS_CAFILE="/ca.pem",
        DD_WATCHER_BAD_CRON="whenever",
        DD_WATCHER_FAR_HOST="tcp://far.example:2375",
    )
    assert {one.name: one.base_url for one in found.watchers} == {
        "local": "unix:///run/a.sock",
        "nas": "https://nas.example:2375",
        "far": "tcp://far.example:2375",
    }
    assert len(found.problems) == 1 and "DD_WATCHER_BAD_CRON" in found.problems[0]


@pytest.mark.parametrize(
    "host",
    ["ssh://root:pw@nas.example", "ssh://-oProxyCommand=x", "ssh://-x@nas", "ssh://nas:x", "gopher://nas.example"],
)
def test_an_engine_that_cannot_be_reached_as_configured_stays_a_watcher_with_its_reason(host: str) -> None:
    found = watcher(HOST=host)
    assert found.problem is not None and "DD_WATCHER_NAS_HOST" in found.problem


def test_an_engine_over_ssh_has_files_of_its_own() -> None:
    found = watcher(HOST="ssh://ada@nas.example:2222", SSH_KEYFILE="/k", SSH_KNOWNHOSTS="/h")
    assert (found.base_url, found.problem) == ("ssh://ada@nas.example:2222", None)
    assert (found.ssh_key, found.ssh_known_hosts) == ("/k", "/h")


def test_an_engine_behind_a_proxy_gets_its_credentials() -> None:
    basic = watcher(HOST="https://nas.example", AUTH_USER="ada", AUTH_PASSWORD="lovelace")
    assert basic.authorization == "Basic " + base64.b64encode(b"ada:lovelace").decode() and basic.problem is None
    bearer = watcher(HOST="https://nas.example", AUTH_TYPE="bearer", AUTH_BEARER="t0ken")
    assert bearer.authorization == "Bearer t0ken"
    assert "t0ken" not in repr(bearer)


def test_credentials_do_not_travel_in_the_clear_unless_that_is_allowed() -> None:
    refused = watcher(HOST="nas.example", AUTH_BEARER="t0ken")
    assert refused.problem is not None and "DD_WATCHER_NAS_AUTH_INSECURE" in refused.problem
    assert watcher(HOST="nas.example", AUTH_BEARER="t0ken", AUTH_INSECURE="true").problem is None


@pytest.mark.parametrize(
    "variables", [{"AUTH_TYPE": "basic"}, {"AUTH_USER": "ada"}, {"AUTH_TYPE": "magic", "AUTH_BEARER": "x"}]
)
def test_half_credentials_are_refused(variables: dict[str, str]) -> None:
    found = settings(**{f"DD_WATCHER_NAS_{name}": value for name, value in variables.items()})
    assert found.watchers == () and "DD_WATCHER_NAS_AUTH_TYPE" in found.problems[0]


def test_a_maintenance_window_has_a_zone() -> None:
    found = watcher(MAINTENANCE_WINDOW="* 2-4 * * *", MAINTENANCE_WINDOW_TZ="Europe/Berlin")
    assert (found.window, found.window_zone) == ("* 2-4 * * *", "Europe/Berlin")
    assert (watcher(CRON="0 * * * *").window, watcher(CRON="0 * * * *").window_zone) == (None, "UTC")


@pytest.mark.parametrize(
    ("name", "value"), [("MAINTENANCE_WINDOW", "night"), ("MAINTENANCE_WINDOW_TZ", "Mars/Olympus")]
)
def test_a_window_that_cannot_be_meant_is_refused(name: str, value: str) -> None:
    found = settings(**{f"DD_WATCHER_NAS_{name}": value})
    assert found.watchers == () and f"DD_WATCHER_NAS_{name}" in found.problems[0]


def test_image_sets_are_read_whole() -> None:
    names = {
        "TAG_INCLUDE": "tag.include",
        "TAG_EXCLUDE": "tag.exclude",
        "TAG_TRANSFORM": "tag.transform",
        "TAG_FAMILY": "tag.family",
        "LINK_TEMPLATE": "link.template",
        "DISPLAY_NAME": "display.name",
        "DISPLAY_ICON": "display.icon",
        "TRIGGER_INCLUDE": "trigger.include",
        "TRIGGER_EXCLUDE": "trigger.exclude",
        "WATCH_DIGEST": "watch.digest",
        "INSPECT_TAG_PATH": "inspect.tag.path",
        "REGISTRY_LOOKUP_IMAGE": "registry.lookup.image",
        "REGISTRY_LOOKUP_URL": "registry.lookup.url",
    }
    given = {f"IMGSET_HASS_{key}": label for key, label in names.items()}
    (found,) = watcher(IMGSET_HASS_IMAGE="ghcr.io/home-assistant/*", **given).image_sets
    assert (found.name, found.image) == ("hass", "ghcr.io/home-assistant/*")
    assert dict(found.wishes) == {label: label for label in names.values()}


def test_an_image_set_without_an_image_is_refused_with_its_variable() -> None:
    found = settings(DD_WATCHER_NAS_IMGSET_HASS_TAG_INCLUDE="x")
    assert "DD_WATCHER_NAS_IMGSET_HASS_IMAGE" in found.problems[0]


def test_webhooks_are_closed_by_default() -> None:
    assert not settings().webhook.enabled and dict(settings().webhook.tokens) == {}


def test_one_token_opens_every_endpoint_and_own_tokens_win() -> None:
    shared = settings(DD_SERVER_WEBHOOK_TOKEN="t").webhook
    assert dict(shared.tokens) == {"watchall": "t", "watch": "t", "update": "t"}
    own = {f"DD_SERVER_WEBHOOK_TOKENS_{name}": name.lower() for name in ("WATCHALL", "WATCH", "UPDATE")}
    assert dict(settings(DD_SERVER_WEBHOOK_TOKEN="t", **own).webhook.tokens) == {
        "watchall": "watchall",
        "watch": "watch",
        "update": "update",
    }


def test_some_tokens_but_not_all_are_refused() -> None:
    with pytest.raises(BadSetting, match="DD_SERVER_WEBHOOK_TOKENS_UPDATE"):
        settings(DD_SERVER_WEBHOOK_TOKENS_WATCHALL="a", DD_SERVER_WEBHOOK_TOKENS_WATCH="b")


def test_the_registry_window_is_bounded() -> None:
    assert settings().registry_window_seconds == 120
    with pytest.raises(BadSetting, match="SLIPWAY_REGISTRY_WINDOW_SECONDS"):
        settings(SLIPWAY_REGISTRY_WINDOW_SECONDS="99999")


@pytest.mark.parametrize("name", ["nas", "nas-2", "a_b", "0", "a" * 50])
def test_an_agent_has_a_name_that_its_queue_can_bear(name: str) -> None:
    assert settings(SLIPWAY_AGENT=name).agent == name


@pytest.mark.parametrize("name", ["nas.home", "-nas", "Nas", "a" * 51, "nas\n", "näs"])
def test_an_agent_whose_queue_could_not_be_made_is_refused(name: str) -> None:
    with pytest.raises(BadSetting, match="SLIPWAY_AGENT"):
        settings(SLIPWAY_AGENT=name)


def test_a_secret_that_lies_open_to_others_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    for mode, told in ((0o600, 0), (0o644, 1), (0o640, 2)):
        secret.chmod(mode)
        assert settings(DD_SERVER_WEBHOOK_SECRET__FILE=str(secret)).webhook.secret == "s3cret"
        assert [one.message.partition(" names")[0] for one in caplog.records] == [
            "DD_SERVER_WEBHOOK_SECRET__FILE"
        ] * told
