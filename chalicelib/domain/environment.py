"""Which environment variables hold secrets, and how one is taken out of sentences of others that may quote it."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"
"""What is seen in place of a secret."""
SHORTEST = 4
"""Characters: for those who only guess what is a secret; a shorter guess stands in every other word."""
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
_USER_INFO = re.compile(r"://[^/\s]+@")
_VARIABLE = re.compile(r"(?<![\w.-])(?P<name>[A-Za-z_]\w{0,127})=(?P<value>[^\s,;\"']+)")


def is_sensitive(key: str) -> bool:
    """Whether the name of a variable says that its value is a secret."""
    upper = key.upper()
    return any(word in upper for word in _SENSITIVE) or "PASS" in upper.split("_")


def without_user_info(text: str) -> str:
    """The text with the names and passwords in its URLs masked."""
    return _USER_INFO.sub(f"://{MASK}@", text)


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with these masked; the longest first, for one may be part of another."""
    for secret in sorted({one for one in secrets if one}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def without_secrets(text: str) -> str:
    """A program's own words, as they may be shown: URLs without passwords, `NAME=value` without sensitive values."""
    return _VARIABLE.sub(
        lambda one: f"{one['name']}={MASK}" if is_sensitive(one["name"]) else one[0], without_user_info(text)
    )
