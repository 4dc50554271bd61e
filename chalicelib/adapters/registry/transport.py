"""HTTP to registries: bounded in time and size, retried where waiting helps, never redirected with credentials."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import httpx

from chalicelib.adapters.registry.credentials import DEFAULT_TLS, Tls
from chalicelib.adapters.registry.providers import Pace
from chalicelib.adapters.registry.traffic import PATIENCE_SECONDS, HostTraffic
from chalicelib.domain.environment import without_user_info
from chalicelib.domain.host_name import is_loopback
from chalicelib.ports.clock import Clock
from chalicelib.ports.registry import (
    RegistryGarbled,
    RegistryLimited,
    RegistryState,
    RegistryUnavailable,
    RegistryUntrusted,
)

TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
BUSY_RETRIES = 3
BROKEN_RETRIES = 2
MAX_BACKOFF_SECONDS = 60.0
MAX_REDIRECTS = 3
PROBE_SECONDS = 2.0
MEBIBYTE = 1024 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({errno.ECONNABORTED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EPIPE, socket.EAI_AGAIN})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `authorization` goes to this URL's host only.

    `content_addressed` says that the caller checks the answer against a digest.
    """

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    authorization: str | None = field(default=None, repr=False)
    tls: Tls = DEFAULT_TLS
    pace: Pace | None = None
    max_bytes: int = 4 * MEBIBYTE
    content_addressed: bool = False
    has_credentials: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whole. Header names are case-insensitive."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str


class Transport:
    """Sends calls; thread-safe. Raises RegistryError for everything but an answer the caller must judge."""

    def __init__(self, clock: Clock, *, timeout: float = TIMEOUT_SECONDS, proxy: str | None = None) -> None:
        self._clock = clock
        self._timeout = timeout
        self._proxy = proxy
        self._lock = threading.Lock()
        self._clients: dict[Tls, httpx.Client] = {}
        self._hosts: dict[str, HostTraffic] = {}

    def send(self, call: Call) -> Reply:
        """The final answer to a call: below 500 and no 429; redirects are followed where that is safe."""
        try:
            return self._followed(call)
        except (ValueError, OverflowError, httpx.InvalidURL) as error:
            # Addresses come from labels, and from registries that mean no good.
            said = without_user_info(f"An address on the way to {call.url[:200]} cannot be read: {error}")
            raise RegistryUntrusted(said) from error

    def _followed(self, call: Call) -> Reply:
        reply = self._patiently(call)
        for _ in range(MAX_REDIRECTS):
            if reply.status not in _REDIRECTS:
                return reply
            call = redirected(call, reply)
            reply = self._patiently(call)
        if reply.status in _REDIRECTS:
            raise RegistryUntrusted(f"{_host(call.url)} redirects in circles")
        return reply

    def states(self) -> list[RegistryState]:
        """Every host asked so far."""
        with self._lock:
            hosts = list(self._hosts.values())
        return [host.state() for host in hosts]

    def close(self) -> None:
        """Closes every connection."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _patiently(self, call: Call) -> Reply:
        host = self._traffic(call)
        busy = broken = 0
        while True:
            try:
                with host.turn():
                    reply = self._once(call)
            except httpx.HTTPError as error:
                broken += 1
                if broken > BROKEN_RETRIES or not _may_pass(error):
                    trouble = _unavailable(call.url, error)
                    if isinstance(error, httpx.TimeoutException | httpx.ConnectError):
                        host.silent(str(trouble))
                    raise trouble from error
                self._clock.sleep(float(2 ** (broken - 1)))
                continue
            host.answered()
            host.note_quota(reply.headers.get("ratelimit-remaining"), reply.headers.get("ratelimit-limit"))
            if reply.status not in (429, 503):
                return _judged(reply)
            busy += 1
            self._back_off(host, reply, busy)

    def _back_off(self, host: HostTraffic, reply: Reply, attempt: int) -> None:
        asked = _retry_after(reply.headers.get("retry-after"), self._clock)
        seconds = min(float(2 ** (attempt - 1)), MAX_BACKOFF_SECONDS) if asked is None else asked
        if reply.status == 429:
            host.limit(seconds)
        if attempt > BUSY_RETRIES or seconds > PATIENCE_SECONDS:
            if reply.status == 429:
                raise RegistryLimited(f"{host.host} asks us to wait {seconds:.0f} s (too many requests)", seconds)
            raise RegistryUnavailable(f"{host.host} is overloaded (503)", asked)
        if reply.status == 503:
            self._clock.sleep(seconds)

    def _once(self, call: Call) -> Reply:
        headers = dict(call.headers)
        if call.authorization:
            headers["Authorization"] = call.authorization
        deadline = time.monotonic() + self._timeout
        with self._client(call.tls).stream(call.method, call.url, headers=headers, content=call.body) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > call.max_bytes:
                    raise RegistryGarbled(f"{_host(call.url)} answers more than {call.max_bytes // MEBIBYTE} MiB")
                if time.monotonic() > deadline:
                    raise RegistryUnavailable(f"{_host(call.url)} took longer than {self._timeout:g} s to answer")
            return Reply(answer.status_code, answer.headers, bytes(body), call.url)

    def _client(self, tls: Tls) -> httpx.Client:
        with self._lock:
            if tls not in self._clients:
                self._clients[tls] = httpx.Client(
                    timeout=httpx.Timeout(self._timeout, connect=min(self._timeout, CONNECT_SECONDS)),
                    verify=_verification(tls),
                    follow_redirects=False,
                    trust_env=False,
                    proxy=self._proxy,
                    headers={"User-Agent": "slipway"},
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
                )
            return self._clients[tls]

    def _traffic(self, call: Call) -> HostTraffic:
        host = _host(call.url)
        with self._lock:
            if host not in self._hosts:
                self._hosts[host] = HostTraffic(host, call.pace, self._clock)
            return self._hosts[host]


def speaks_tls(host: str) -> bool:
    """Whether a host on this machine answers TLS, found out as an engine does. Raises RegistryUnavailable."""
    parts = urlsplit(f"//{host}")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = socket.create_connection((parts.hostname or "", parts.port or 443), PROBE_SECONDS)
    except (OSError, ValueError) as error:
        raise RegistryUnavailable(f"{host} cannot be reached: {error}") from error
    try:
        with connection, context.wrap_socket(connection):
            return True
    except (OSError, ValueError):
        return False


def _verification(tls: Tls) -> ssl.SSLContext | bool:
    if tls.insecure and not tls.cert_file:
        return False
    if tls == DEFAULT_TLS:
        return True
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise RegistryUnavailable(f"A certificate file of this registry cannot be used: {error}") from error
    return context


def redirected(call: Call, reply: Reply) -> Call:
    """The call at its new place, without credentials.

    Content that is checked against its digest may come from anywhere public, and so may answers to an anonymous
    question. Answers for which we had credentials must come from the host the credentials are for.
    """
    target = urljoin(call.url, reply.headers.get("location", ""))
    source_host, target_host = _host(call.url), _host(target)
    local = is_loopback(source_host)
    allowed_scheme = urlsplit(target).scheme == "https" or (local and urlsplit(target).scheme == "http")
    if (
        not target_host
        or not allowed_scheme
        or is_loopback(target_host) is not local
        or (not local and _is_address(target_host))
    ):
        raise RegistryUntrusted(f"{source_host} redirects to {target_host or 'nowhere'}, which is not followed")
    if source_host != target_host and not call.content_addressed and (call.has_credentials or local):
        raise RegistryUntrusted(f"{source_host} redirects to {target_host}, which is not followed")
    return replace(call, url=target, authorization=None, tls=call.tls if source_host == target_host else DEFAULT_TLS)


def _is_address(host: str) -> bool:
    """Whether a host is written as an IP address, in any form, which no public registry redirects to."""
    name = urlsplit(f"//{host}").hostname or ""
    for read in (ipaddress.ip_address, socket.inet_aton):
        with suppress(ValueError, OSError):
            read(name)
            return True
    return False


def _judged(reply: Reply) -> Reply:
    if reply.status >= 500:
        raise RegistryUnavailable(f"{_host(reply.url)} answers with an error of its own ({reply.status})")
    return reply


def _unavailable(url: str, error: httpx.HTTPError) -> RegistryUnavailable:
    if isinstance(error, httpx.TimeoutException):
        return RegistryUnavailable(f"{_host(url)} does not answer in time")
    if isinstance(error, httpx.RemoteProtocolError):
        return RegistryUnavailable(f"{_host(url)} cuts its answer short")
    return RegistryUnavailable(f"{_host(url)} cannot be reached: {error}")


def _may_pass(error: httpx.HTTPError) -> bool:
    """Whether trying again at once is worth it. A read that timed out has used up the time of this check."""
    if isinstance(error, httpx.ConnectTimeout | httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _PASSING:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _retry_after(header: str | None, clock: Clock) -> float | None:
    if not header:
        return None
    text = header.strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        return None
    return max((date - clock.now()).total_seconds(), 0.0)


def _host(url: str) -> str:
    # Without the name and password some URLs hold: hosts stand in errors.
    return urlsplit(url).netloc.rpartition("@")[2].lower()
