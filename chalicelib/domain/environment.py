"""Which environment variables hold secrets, and where sentences of others may quote one."""

from __future__ import annotations

import re

_SENSITIVE = (
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "TOKEN",
    "API_KEY",
    "APIKEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
    "AUTH",
    "ACCESS_KEY",
)
_USER_INFO = re.compile(r"(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]{0,31}://)[^/\s]+@", re.IGNORECASE)
_VARIABLE = re.compile(r"(?<![\w.-])(?P<name>[A-Za-z_]\w{0,127})=(?P<value>[^\s,;\"']+)")


def is_sensitive(key: str) -> bool:
    """Whether the name of a variable says that its value is a secret."""
    upper = key.upper()
    return any(word in upper for word in _SENSITIVE) or "PASS" in upper.split("_")


def without_user_info(text: str) -> str:
    """The text with the names and passwords in its URLs masked."""
    return _USER_INFO.sub(r"\g<scheme>***@", text)


def without_secrets(text: str) -> str:
    """A program's own words, as they may be shown: URLs without passwords, `NAME=value` without sensitive values."""
    return _VARIABLE.sub(
        lambda one: f"{one['name']}=***" if is_sensitive(one["name"]) else one[0], without_user_info(text)
    )
