"""The key pair of this installation, in the data directory: whoever can read it may use the store."""

from __future__ import annotations

import hmac
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

KEY_FILE = "store.key"

_LINE = re.compile(r"([A-Za-z0-9_-]{1,128}):([A-Za-z0-9_+/=-]{1,128})")


class UnusableKey(Exception):
    """The file is there and holds no key pair; the message names it, and nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class Key:
    """An access key as AWS has them."""

    id: str
    secret: str = field(repr=False)

    def is_named(self, name: str) -> bool:
        """Whether this is its id."""
        return hmac.compare_digest(self.id.encode(), name.encode())


def kept_key(data: Path) -> Key:
    """The pair of this data directory, one line `id:secret`, made when there is none. Raises UnusableKey, OSError."""
    path = data / KEY_FILE
    if not path.exists():
        _make(path)
    path.chmod(0o600)
    found = _LINE.fullmatch(path.read_text("utf-8", "replace").strip())
    if found is None:
        raise UnusableKey(f"{path} holds no key pair; remove it, and a new one is made")
    return Key(found[1], found[2])


def _make(path: Path) -> None:
    """Whole or not at all: a crash between two writes must not leave half a secret."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"SLIPWAY{secrets.token_hex(8).upper()}:{secrets.token_urlsafe(32)}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
