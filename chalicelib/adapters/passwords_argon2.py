"""Passwords as argon2id hashes; a check that succeeded is remembered for a minute, for each takes tens of ms."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

REMEMBERED_SECONDS = 60.0
REMEMBERED_MOST = 1024
CHECKS_AT_ONCE = 2


class Argon2Passwords:
    """argon2id with OWASP's parameters (19 MiB, 2 passes, 1 lane); two checks at a time, to bound memory."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(CHECKS_AT_ONCE)

    @cached_property
    def _hasher(self) -> PasswordHasher:
        # Imported at the first password: most requests on Lambda carry a session or hit an instance that remembers.
        from argon2 import PasswordHasher

        return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

    @cached_property
    def _nobody(self) -> str:
        return self.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        """An argon2id hash in PHC form."""
        return self._hasher.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether this is the password; a hash that cannot be read matches none."""
        entry = hmac.digest(self._key, f"{password_hash}\0{password}".encode(errors="surrogatepass"), "sha256")
        if self._remembered.get(entry, 0.0) > time.monotonic():
            return True
        if not self._check(password_hash, password):
            return False
        with self._lock:
            self._remember(entry)
        return True

    def reject(self, password: str) -> None:
        """Take as long as `verify` would: for names that have no account."""
        self._check(self._nobody, password)

    def _check(self, password_hash: str, password: str) -> bool:
        from argon2.exceptions import Argon2Error, InvalidHashError

        try:
            with self._slots:
                return self._hasher.verify(password_hash, password)
        except (Argon2Error, InvalidHashError, UnicodeError):
            return False

    def _remember(self, entry: bytes) -> None:
        now = time.monotonic()
        if len(self._remembered) >= REMEMBERED_MOST:
            self._remembered = {key: until for key, until in self._remembered.items() if until > now}
        if len(self._remembered) < REMEMBERED_MOST:
            self._remembered[entry] = now + REMEMBERED_SECONDS
