"""When a tag was pushed, from the two registries that say so in an API of their own: Docker Hub and GitHub."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from chalicelib.adapters.registry.client import RegistryClient
from chalicelib.adapters.registry.credentials import Account
from chalicelib.adapters.registry.documents import read_date
from chalicelib.adapters.registry.providers import Pace
from chalicelib.adapters.registry.transport import MEBIBYTE, Call, Transport
from chalicelib.domain.reference import Reference
from chalicelib.ports.registry import RegistryError

log = logging.getLogger(__name__)
HUB_API = "https://hub.docker.com"
GITHUB_API = "https://api.github.com"
_GITHUB_PACE = Pace(1, 3)
_HUB_PACE = Pace(2, 10)


class PublishDates:
    """Trusted push dates; whatever goes wrong is logged and means no date."""

    def __init__(self, transport: Transport, hub_api: str = HUB_API, github_api: str = GITHUB_API) -> None:
        self._transport = transport
        self._hub_api = hub_api
        self._github_api = github_api

    def tells(self, client: RegistryClient, reference: Reference) -> bool:
        """Whether the registry has an API that can be asked about this image."""
        kind = client.instance.provider.kind
        return reference.tag is not None and (kind == "hub" or (kind == "ghcr" and client.account() is not None))

    def of(self, client: RegistryClient, reference: Reference) -> datetime | None:
        """The push date of a tag; None for a digest, and for registries that do not tell."""
        if reference.tag is None or not self.tells(client, reference):
            return None
        try:
            if client.instance.provider.kind == "hub":
                return self._of_hub(reference.path, reference.tag)
            account = client.account()
            if account is not None:
                return self._of_github(reference.path, reference.tag, account)
        except RegistryError as error:
            log.warning("The push date of %s is not known: %s", reference, error)
        return None

    def _of_hub(self, path: str, tag: str) -> datetime | None:
        url = f"{self._hub_api}/v2/repositories/{path}/tags/{quote(tag)}"
        document = self._json(Call("GET", url, pace=_HUB_PACE))
        if not isinstance(document, dict):
            return None
        return read_date(document.get("tag_last_pushed")) or read_date(document.get("last_updated"))

    def _of_github(self, path: str, tag: str, account: Account) -> datetime | None:
        owner, _, name = path.partition("/")
        for kind in ("orgs", "users"):
            url = f"{self._github_api}/{kind}/{owner}/packages/container/{quote(name, safe='')}/versions?per_page=100"
            bearer = f"Bearer {account.secret}"
            versions = self._json(
                Call("GET", url, authorization=bearer, pace=_GITHUB_PACE, max_bytes=8 * MEBIBYTE, has_credentials=True)
            )
            for version in versions if isinstance(versions, list) else []:
                if tag in _tags_of(version):
                    return read_date(version.get("updated_at"))
        return None

    def _json(self, call: Call) -> Any:
        reply = self._transport.send(call)
        if reply.status != 200:
            return None
        try:
            return orjson.loads(reply.body)
        except ValueError:
            return None


def _tags_of(version: Any) -> list[str]:
    try:
        tags = version["metadata"]["container"]["tags"]
    except (KeyError, TypeError):
        return []
    return tags if isinstance(tags, list) else []
