"""Names of hosts as they stand in references, settings and Host headers: `name`, `name:port`, `[address]:port`."""

from __future__ import annotations

import ipaddress


def split_port(host: str) -> tuple[str, str]:
    """A host's name, an IPv6 address without its brackets, and what stands for the port; empty when nothing does."""
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        # What goes on behind the bracket without a colon is no address at all.
        return (name, rest[1:]) if bracket and rest[:1] in ("", ":") else (host, "")
    if host.count(":") == 1:
        name, _, port = host.partition(":")
        return name, port
    return host, ""


def is_loopback(host: str) -> bool:
    """Whether a host, with or without port, can only mean this machine."""
    name = split_port(host)[0].rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
