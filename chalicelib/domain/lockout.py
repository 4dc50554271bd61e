"""When too many wrong passwords shut a door, and for how long."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class LockoutRule:
    """`most` failures, each within `window` of the one before, shut the door for `duration`."""

    most: int
    window: timedelta
    duration: timedelta


def account_subject(name: str) -> str:
    """What failures for an account are counted under; hashed, for people type passwords where names belong."""
    return f"account:{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}"


def address_subject(network: str) -> str:
    """What failures from an address, or an IPv6 network, are counted under."""
    return f"address:{network[:64]}"
