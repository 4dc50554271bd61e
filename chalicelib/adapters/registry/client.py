"""The distribution API of one registry host: tag lists, digests, manifests and configs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import orjson

from chalicelib.adapters.registry import documents
from chalicelib.adapters.registry.auth import Authenticator
from chalicelib.adapters.registry.credentials import Account, Instance, Tls
from chalicelib.adapters.registry.links import next_link
from chalicelib.adapters.registry.transport import MEBIBYTE, Call, Reply, Transport, speaks_tls
from chalicelib.domain.host_name import is_loopback
from chalicelib.domain.reference import is_tag
from chalicelib.ports.clock import Clock
from chalicelib.ports.registry import (
    RegistryDenied,
    RegistryGarbled,
    RegistryNotFound,
    RegistryUntrusted,
)

PAGE_SIZE = 1000
MAX_PAGES = 500
MAX_TAGS = 500_000
MAX_TAGS_BYTES = 16 * MEBIBYTE
MAX_CONFIG_BYTES = 8 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class TagList:
    """Every tag of a repository; `etag` only where one page held them all."""

    tags: tuple[str, ...]
    etag: str | None


class RegistryClient:
    """One registry host as one instance sees it; thread-safe. Raises RegistryError."""

    def __init__(
        self,
        host: str,
        instance: Instance,
        account: Callable[[], Account | None],
        transport: Transport,
        clock: Clock,
    ) -> None:
        self.host = host
        self.instance = instance
        self.account = account
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._authenticator: Authenticator | None = None

    def tags(self, path: str, etag: str | None = None) -> TagList | None:
        """Every tag of a repository, page by page; None when it is unchanged since `etag`."""
        start = f"{self._base_url()}/v2/{path}/tags/list"
        url: str | None = f"{start}?n={PAGE_SIZE}"
        found: dict[str, None] = {}
        seen: set[str] = set()
        last_etag: str | None = None
        while url is not None:
            if url in seen or len(seen) >= MAX_PAGES:
                raise RegistryGarbled(f"{self.host} pages its tags of {path} without end")
            seen.add(url)
            headers = {"Accept": "application/json"}
            if etag and len(seen) == 1:
                headers["If-None-Match"] = etag
            reply = self._ask("GET", url, path, headers, MAX_TAGS_BYTES)
            if reply.status == 304:
                return None
            last_etag = reply.headers.get("etag")
            page = _page(reply, self.host, path)
            url = self._next(reply, path, start, page, known=found)
            found.update(dict.fromkeys(page))
            if len(found) > MAX_TAGS:
                raise RegistryGarbled(f"{self.host} has more than {MAX_TAGS:,} tags of {path}")
        return TagList(tuple(found), last_etag if len(seen) == 1 else None)

    def head(self, path: str, target: str) -> str | None:
        """The digest served for a tag, without its content; None where the registry does not tell."""
        url = self._manifest_url(path, target)
        reply = self._ask("HEAD", url, path, {"Accept": documents.ACCEPT}, MEBIBYTE, may_refuse_method=True)
        digest = reply.headers.get("docker-content-digest")
        return digest if reply.status == 200 and documents.is_digest(digest) else None

    def manifest(self, path: str, target: str) -> tuple[bytes, str | None]:
        """The bytes served for a tag or digest, and the digest the registry gives them."""
        url = self._manifest_url(path, target)
        reply = self._ask("GET", url, path, {"Accept": documents.ACCEPT}, 4 * MEBIBYTE)
        digest = reply.headers.get("docker-content-digest")
        return reply.body, digest if documents.is_digest(digest) else None

    def config(self, path: str, digest: str) -> bytes | None:
        """An image's config; None when the registry keeps it in a place we do not follow it to."""
        url = f"{self._base_url()}/v2/{path}/blobs/{digest}"
        try:
            reply = self._ask("GET", url, path, {}, MAX_CONFIG_BYTES, content_addressed=True)
        except RegistryUntrusted:
            return None
        if documents.digest_of(reply.body, digest) != digest:
            raise RegistryGarbled(f"{self.host} serves other content for {digest}")
        return reply.body

    def _ask(
        self,
        method: str,
        url: str,
        path: str,
        headers: dict[str, str],
        max_bytes: int,
        *,
        content_addressed: bool = False,
        may_refuse_method: bool = False,
    ) -> Reply:
        account = self.account()
        authenticator = self._authentication()
        sent = authenticator.authorization(path, account)

        def call(authorization: str | None) -> Reply:
            return self._transport.send(
                Call(
                    method,
                    url,
                    headers,
                    authorization=authorization,
                    tls=authenticator.tls,
                    pace=self.instance.provider.pace,
                    max_bytes=max_bytes,
                    content_addressed=content_addressed,
                    has_credentials=account is not None,
                )
            )

        reply = call(sent)
        if reply.status == 401 and urlsplit(reply.url).netloc == urlsplit(url).netloc:
            answer = authenticator.answer(reply.headers, path, account, sent)
            if answer is not None:
                reply = call(answer)
        if may_refuse_method and reply.status == 405:
            return reply
        self._judge(reply, path, account)
        return reply

    def _judge(self, reply: Reply, path: str, account: Account | None) -> None:
        if reply.status in (200, 304):
            return
        what = f"{self.host} {{}} {path} ({reply.status}{_said(reply)})"
        if reply.status in (401, 403):
            who = f"{account.user} access to" if account else "anonymous access to"
            raise RegistryDenied(what.format(f"refuses {who}"))
        if reply.status == 404:
            raise RegistryNotFound(what.format("does not have what was asked of"))
        raise RegistryGarbled(what.format("answers in a way we do not understand for"))

    def _next(self, reply: Reply, path: str, start: str, page: list[str], known: dict[str, None]) -> str | None:
        """Where the list goes on: always at its own place, only the query is the registry's word."""
        link = next_link(reply.headers.get_list("link"))
        if link is not None:
            try:
                target = urljoin(reply.url, link)
                same = _same_list(target, start, reply.url, path)
            except ValueError:
                target, same = link, False
            if not same:
                raise RegistryUntrusted(f"{self.host} continues its tag list at {target!r}, which is not followed")
            return f"{start}?{urlsplit(target).query}"
        # Some registries cut the list at our page size and send no link.
        if len(page) == PAGE_SIZE and any(tag not in known for tag in page):
            return f"{start}?n={PAGE_SIZE}&last={quote(page[-1])}"
        return None

    def _manifest_url(self, path: str, target: str) -> str:
        return f"{self._base_url()}/v2/{path}/manifests/{target}"

    def _authentication(self) -> Authenticator:
        with self._lock:
            if self._authenticator is None:
                base_url, tls = self._place()
                self._authenticator = Authenticator(base_url, self.instance, tls, self._transport, self._clock)
            return self._authenticator

    def _base_url(self) -> str:
        return self._authentication().base_url

    def _place(self) -> tuple[str, Tls]:
        if self.instance.url is None and is_loopback(self.host) and speaks_tls(self.host):
            # What an engine does on its own machine: TLS without verification, else plain HTTP.
            return f"https://{self.host}", Tls(insecure=True)
        return base_url_of(self.instance, self.host), self.instance.tls


def base_url_of(instance: Instance, host: str) -> str:
    """The root of a registry's API, without `/v2`; for a loopback host that nobody configured, plain HTTP."""
    if instance.url is not None:
        return instance.url
    if is_loopback(host):
        return f"http://{host}"
    return f"https://{instance.provider.api_host or host}"


def _same_list(target: str, start: str, answered: str, path: str) -> bool:
    """Whether a link means the list it came with: where that was asked for, or where the question was led to.

    A registry that does not know the proxy in front of it writes another scheme, port or folder. Raises ValueError.
    """
    there, here, seen = urlsplit(target), urlsplit(start), urlsplit(answered)
    if (there.netloc, there.path) == (seen.netloc, seen.path):
        return True
    return there.hostname == here.hostname and there.path.endswith(f"/v2/{path}/tags/list")


def _page(reply: Reply, host: str, path: str) -> list[str]:
    try:
        tags = orjson.loads(reply.body)["tags"]
    except (ValueError, KeyError, TypeError):
        raise RegistryGarbled(f"{host} answers something that is no tag list for {path}") from None
    # An empty repository has `null` where others have a list.
    if not isinstance(tags, list | None):
        raise RegistryGarbled(f"{host} answers something that is no tag list for {path}")
    return [tag for tag in tags or [] if is_tag(tag)]


def _said(reply: Reply) -> str:
    """The registry's own word for an error, when it is one."""
    try:
        code = orjson.loads(reply.body)["errors"][0]["code"]
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
    return f" {code}" if isinstance(code, str) and code.replace("_", "").isalnum() and len(code) <= 40 else ""
