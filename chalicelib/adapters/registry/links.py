"""Reads `Link` headers (RFC 8288)."""

from __future__ import annotations

import re

_QUOTED = r'"(?:\\.|[^"\\])*"'
_PARAMETER = rf'\s*;\s*[\w!#$&+.^`|~*-]+(?:\s*=\s*(?:{_QUOTED}|[^",;\s]+))?'
_LINK = re.compile(rf"<(?P<target>[^<>]*)>(?P<parameters>(?:{_PARAMETER})*)")
_RELATION = re.compile(rf"(?:^|;)\s*rel\s*=\s*(?P<value>{_QUOTED}|[^\",;\s]+)", re.IGNORECASE)


def next_link(headers: list[str]) -> str | None:
    """The target of the first link whose relations include `next`, as it is written: it may be relative."""
    for header in headers:
        for link in _LINK.finditer(header):
            relation = _RELATION.search(link["parameters"])
            if relation and "next" in relation["value"].strip('"').lower().split():
                return link["target"]
    return None
