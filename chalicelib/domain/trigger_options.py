"""What a trigger of each type may be configured with: names, kinds, defaults, and which of them are secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.threshold import THRESHOLDS

ACTION_TYPES = ("docker", "dockercompose", "command")
"""Types that act; all the others tell."""

MODES = ("simple", "batch", "digest", "batch+digest")

SIMPLE_TITLE = "New ${container.updateKind.kind} found for container ${container.name}"
SIMPLE_BODY = (
    "Container ${container.name} running with ${container.updateKind.kind} ${container.updateKind.localValue} can be "
    "updated to ${container.updateKind.kind} ${container.updateKind.remoteValue}"
    '${container.result && container.result.link ? "\\n" + container.result.link : ""}'
)
BATCH_TITLE = "${containers.length} updates available"


@dataclass(frozen=True, slots=True)
class Option:
    """One option; a dot in its name stands for the underscore of a deeper key. `words` are all it may be."""

    name: str
    kind: str = "text"
    """`text`, `flag`, `number` or `word`."""
    default: Any = None
    words: tuple[str, ...] = ()
    low: int = 0
    high: int = 1 << 31
    required: bool = False
    secret: bool = False


def _text(name: str, default: str | None = None, **facts: Any) -> Option:
    return Option(name, default=default, **facts)


def _secret(name: str, **facts: Any) -> Option:
    return Option(name, secret=True, **facts)


def _flag(name: str, default: bool) -> Option:
    return Option(name, "flag", default)


def _number(name: str, default: int | None, low: int, high: int) -> Option:
    return Option(name, "number", default, low=low, high=high)


def _word(name: str, default: str | None, *words: str) -> Option:
    return Option(name, "word", default, words)


SHARED: tuple[Option, ...] = (
    _word("auto", None, "true", "all", "false", "none", "oninclude", "onauto"),
    _number("order", 100, -100_000, 100_000),
    _word("threshold", "all", *sorted(THRESHOLDS)),
    _word("mode", "simple", *MODES),
    _word("securitymode", "simple", *MODES),
    _flag("once", True),
    _text("simpletitle", SIMPLE_TITLE),
    _text("simplebody", SIMPLE_BODY),
    _text("batchtitle", BATCH_TITLE),
    _text("digestcron", "0 8 * * *"),
    _flag("disabletitle", False),
    _flag("resolvenotifications", False),
)
"""What every trigger has."""

INHERITED = ("threshold", "once", "mode", "order")
"""What may be said once for all triggers of a type."""

_DOCKER = (
    _flag("prune", False),
    _flag("dryrun", False),
    _number("autoremovetimeout", 10_000, 0, 600_000),
    _number("backupcount", 3, 1, 100),
)

_COMPOSE = (
    _text("file"),
    _flag("backup", False),
    _text("composefilelabel", "dd.compose.file"),
    _word("reconciliationmode", "warn", "warn", "block", "off"),
    _flag("digestpinning", False),
    _flag("composefileonce", False),
)

OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "docker": _DOCKER,
    "dockercompose": (*_DOCKER, *_COMPOSE),
    "command": (
        _text("cmd", required=True),
        _text("shell", "/bin/sh"),
        _number("timeout", 60_000, 100, 3_600_000),
        _text("env", ""),
    ),
    "apprise": (_secret("url"), _secret("urls"), _text("config"), _text("tag")),
    "discord": (
        _secret("url", required=True),
        _text("botusername"),
        _text("botavatar"),
        _number("cardcolor", 65280, 0, 0xFFFFFF),
        _text("cardlabel"),
    ),
    "googlechat": (_secret("url", required=True), _text("threadkey")),
    "gotify": (
        _text("url", required=True),
        _secret("token", required=True),
        _secret("clienttoken"),
        _number("priority", None, 0, 10),
    ),
    "http": (
        _secret("url", required=True),
        _word("method", "POST", "GET", "POST", "PUT"),
        _word("auth.type", "BASIC", "BASIC", "BEARER"),
        _text("auth.user"),
        _secret("auth.password"),
        _secret("auth.bearer"),
        _text("proxy"),
        _flag("allowmetadata", False),
    ),
    "ifttt": (_secret("key", required=True), _text("event", "slipway")),
    "kafka": (
        _text("brokers", required=True),
        _text("topic", "slipway-container"),
        _text("clientid", "slipway"),
        _flag("ssl", False),
        _word("authentication.type", None, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        _text("authentication.user"),
        _secret("authentication.password"),
    ),
    "matrix": (
        _text("url", required=True),
        _text("roomid", required=True),
        _secret("accesstoken", required=True),
        _word("msgtype", "m.notice", "m.notice", "m.text"),
    ),
    "mattermost": (_secret("url", required=True), _text("channel"), _text("username"), _text("icon")),
    "mqtt": (
        _text("url", required=True),
        _text("topic", "dd/container"),
        _text("clientid", "slipway"),
        _text("user"),
        _secret("password"),
        _flag("hass.enabled", False),
        _text("hass.prefix", "homeassistant"),
        _flag("hass.discovery", False),
        _text("tls.cachain"),
        _text("tls.clientcert"),
        _text("tls.clientkey"),
        _flag("tls.rejectunauthorized", True),
    ),
    "ntfy": (
        _text("url", "https://ntfy.sh"),
        _text("topic", required=True),
        _number("priority", None, 0, 5),
        _text("auth.user"),
        _secret("auth.password"),
        _secret("auth.token"),
    ),
    "pushover": (
        _secret("user", required=True),
        _secret("token", required=True),
        _text("device"),
        _text("sound"),
        _flag("html", False),
        _number("priority", 0, -2, 2),
        _number("retry", None, 30, 10_800),
        _number("expire", None, 1, 10_800),
        _number("ttl", None, 1, 31_536_000),
    ),
    "rocketchat": (
        _secret("url", required=True),
        _text("user.id"),
        _secret("auth.token"),
        _text("channel"),
        _text("alias"),
        _text("avatar"),
        _text("emoji"),
    ),
    "slack": (_secret("token"), _secret("url"), _text("channel")),
    "smtp": (
        _text("host", required=True),
        _number("port", 25, 1, 65535),
        _text("user"),
        _secret("pass"),
        _text("from", required=True),
        _text("to", required=True),
        _flag("tls.enabled", False),
        _flag("tls.verify", True),
    ),
    "teams": (_secret("url", required=True), _text("cardversion", "1.4")),
    "telegram": (
        _secret("bottoken", required=True),
        _text("chatid", required=True),
        _word("messageformat", "Markdown", "Markdown", "HTML"),
    ),
}
"""The options of each type, besides the shared ones."""


def secrets(kind: str) -> frozenset[str]:
    """The names of a type's secret options."""
    return frozenset(option.name for option in OPTIONS.get(kind, ()) if option.secret)
