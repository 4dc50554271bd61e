"""What a trigger must not give away, taken out of whatever others say about it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from chalicelib.domain.environment import SHORTEST, without, without_user_info
from chalicelib.domain.trigger import Trigger
from chalicelib.domain.trigger_options import secrets


def hush(*names: str) -> None:
    """Let these libraries warn, but tell no more: their lesser words name addresses and headers, secrets included."""
    for name in names:
        logging.getLogger(name).setLevel(logging.WARNING)


def scrubbed(text: str, trigger: Trigger) -> str:
    """The text with every secret of the trigger masked, also in pieces of a URL and percent-encoded."""
    return without_user_info(without(text, _forms(trigger)))


def option(trigger: Trigger, name: str) -> Any:
    """One option's value; a dot leads into what its first part holds."""
    outer, dot, inner = name.partition(".")
    value = trigger.configuration.get(outer)
    return value.get(inner) if dot and isinstance(value, Mapping) else None if dot else value


def _forms(trigger: Trigger) -> Iterator[str]:
    for name in secrets(trigger.type):
        value = option(trigger, name)
        if not value:
            continue
        for whole in re.split(r"[,\s]+", str(value)):
            parts = urlsplit(whole) if "://" in whole else None
            pieces = re.split(r"[/?&=]", f"{parts.path}?{parts.query}") if parts else []
            pieces += [parts.username or "", parts.password or ""] if parts else []
            long = [piece for piece in pieces if len(piece) >= 2 * SHORTEST]
            for secret in (whole, *long):
                if len(secret) >= SHORTEST:
                    yield from (secret, quote(secret, safe=""), unquote(secret))
