"""HTTP to addresses an operator names: never to link-local or metadata addresses, and never where a redirect leads."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from chalicelib.adapters.notify.secrecy import hush
from chalicelib.ports.notifications import NotSent

TIMEOUT = 10.0
_METADATA = tuple(
    map(ipaddress.ip_network, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::/32", "fd20:ce::254"))
)
"""Where clouds answer anybody on the machine with its secrets, besides link-local addresses."""
_EMBEDDING = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))
"""IPv6 whose last four bytes are the IPv4 address that is reached through a translator."""
_MOST = 64 * 1024


def refuse(address: str) -> str | None:
    """Why nothing is sent to an address; None when it may be."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
        if not parsed.is_unspecified and any(parsed in network for network in _EMBEDDING):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return refuse(str(inner))
    secret = any(parsed in network for network in _METADATA)
    if parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast or secret:
        return f"{parsed} is a link-local or metadata address, which is not told anything"
    return None


def resolve(host: str, port: int, *, allow_all: bool = False) -> str:
    """An address of the host that may be told. Raises NotSent; one refused address is enough to refuse the host."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSent(f"{host} cannot be found: {error}") from None
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        reason = None if allow_all else refuse(address)
        if reason is not None:
            raise NotSent(reason)
    return addresses[0]


hush("httpx", "httpcore")


class _Refused(PermissionError):
    """A connection that is not made; libraries take it for one that failed."""


_THREADS = ("kafka-io-", "paho-mqtt-client-")
"""Threads of libraries that connect by themselves, and again, to wherever a name leads then."""
_refusals: ContextVar[list[str] | None] = ContextVar("refusals", default=None)
"""What was refused in a context; Apprise hands its context on to its threads."""


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    """Judge every connection that libraries make for us at the moment it is made, whatever its name meant before."""
    if event not in ("socket.connect", "socket.sendto"):
        return
    refusals = _refusals.get()
    if refusals is None and not threading.current_thread().name.startswith(_THREADS):
        return
    address = arguments[1]
    if not isinstance(address, tuple):
        return
    try:
        reason = refuse(str(address[0]))
    except ValueError:
        reason = f"{address[0]} is a name, and nobody knows yet where it leads"
    if reason is not None:
        if refusals is not None:
            refusals.append(reason)
        raise _Refused(errno.EACCES, reason)


sys.addaudithook(_look)


@contextmanager
def judged_connections() -> Iterator[None]:
    """Whatever a library connects to in this context must be an address that may be told. Raises NotSent when not."""
    refusals: list[str] = []
    token = _refusals.set(refusals)
    try:
        yield
    except NotSent:
        if refusals:
            raise NotSent(refusals[0]) from None
        raise
    finally:
        _refusals.reset(token)


class _Backend(httpcore.SyncBackend):
    """Connects to the very address that was checked, so that a name cannot mean another one a moment later."""

    def __init__(self, allow_all: bool) -> None:
        self._allow_all = allow_all

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection, or NotSent."""
        address = resolve(host, port, allow_all=self._allow_all)
        return super().connect_tcp(address, port, timeout, local_address, socket_options)


class _Transport(httpx.HTTPTransport):
    def __init__(self, proxy: str | None, allow_all: bool) -> None:
        super().__init__(proxy=proxy)
        self._pool._network_backend = _Backend(allow_all)


def request(
    method: str,
    url: str,
    *,
    json: Any = None,
    headers: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    proxy: str | None = None,
    allow_metadata: bool = False,
    accepted: tuple[int, ...] = (),
) -> bytes:
    """The answer's first 64 kB. Raises NotSent for every status but 2xx and those `accepted`, a redirect included."""
    try:
        target = httpx.URL(url)
        if target.scheme not in ("http", "https") or not target.host:
            raise NotSent("its address must begin with http:// or https://")
        if proxy and not allow_metadata:
            resolve(target.host, target.port or 443)
        with (
            httpx.Client(transport=_Transport(proxy, allow_metadata), timeout=TIMEOUT, trust_env=False) as client,
            client.stream(method, target, json=json, headers=headers, params=params, auth=auth) as response,
        ):
            answer = b""
            for part in response.iter_bytes():
                answer += part
                if len(answer) >= _MOST:
                    break
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotSent(f"it does not answer: {type(error).__name__} {error}") from None
    if not response.is_success and response.status_code not in accepted:
        where = " (redirects are not followed)" if response.is_redirect else ""
        raise NotSent(f"it answered {response.status_code}{where}: {answer[:200].decode(errors='replace')}")
    return answer[:_MOST]
