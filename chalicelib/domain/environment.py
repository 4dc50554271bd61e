"""Which environment variables hold secrets."""

from __future__ import annotations

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


def is_sensitive(key: str) -> bool:
    """Whether the name of a variable says that its value is a secret."""
    upper = key.upper()
    return any(word in upper for word in _SENSITIVE) or "PASS" in upper.split("_")
