"""Asks forges for release notes: the well-known ones and those of the settings, and nobody else, whatever a label says.

With urllib3, which the Lambda runtime brings along under botocore: no other HTTP client is in the bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from chalicelib.adapters.forges.dialects import DIALECTS, GITEA, GITHUB, GITLAB, Dialect
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.release import ReleaseNotes
from chalicelib.domain.source import SourceRepository
from chalicelib.wire import json

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 5.0
_LONGEST_ANSWER = 1024 * 1024
_MOVED = frozenset({301, 302, 307, 308})
_API_PATHS = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}


@dataclass(frozen=True, slots=True)
class Forge:
    """One forge that may be asked. `api` is the address of its API; the token goes nowhere else."""

    dialect: Dialect
    api: str
    token: str | None = None


KNOWN: Mapping[str, Forge] = {
    "github.com": Forge(GITHUB, "https://api.github.com"),
    "gitlab.com": Forge(GITLAB, "https://gitlab.com/api/v4"),
    "codeberg.org": Forge(GITEA, "https://codeberg.org/api/v1"),
    "gitea.com": Forge(GITEA, "https://gitea.com/api/v1"),
}


def forges(github_token: str | None, configured: Iterable[tuple[str, str, str | None, str | None]]) -> dict[str, Forge]:
    """Every forge that may be asked, by the host of its pages; `configured` are kind, url, api and token of more."""
    found = dict(KNOWN)
    if github_token:
        found["github.com"] = replace(KNOWN["github.com"], token=github_token)
    for kind, url, api, token in configured:
        host = urlsplit(url).netloc.lower()
        known = KNOWN.get(host)
        address = api or (known.api if known else url + _API_PATHS[kind])
        found[host] = Forge(DIALECTS[kind], address.rstrip("/"), token)
    return found


class ForgeReleases:
    """Release notes by forge; `forges` is everybody that may be asked."""

    def __init__(self, forges: Mapping[str, Forge], version: str) -> None:
        self._forges = forges
        self._headers = {"Accept": "application/json", "User-Agent": f"slipway/{version}"}
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS), retries=False, maxsize=4
        )

    def find(self, repository: SourceRepository, release: str) -> ReleaseNotes | None:
        """The notes of the release of exactly this name. Raises Unavailable when its forge does not answer."""
        forge = self._forges.get(repository.host)
        if forge is None:
            return None
        status, body = self._get(forge, forge.api + forge.dialect.path(repository.path, release))
        if status == 404:
            return None
        if status != 200:
            raise Unavailable(f"{repository.host} answered {status} when it was asked for the notes of {release}.")
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise Unavailable(f"{repository.host} did not answer with JSON: {error}") from error
        if not isinstance(answer, dict):
            return None
        return forge.dialect.read(answer, release, f"https://{repository}")

    def _get(self, forge: Forge, url: str) -> tuple[int, bytes]:
        """Status and body; one redirect is followed, within the same API: repositories get renamed."""
        headers = dict(self._headers)
        if forge.token:
            name, value = forge.dialect.token_header(forge.token)
            headers[name] = value
        for _ in range(2):
            try:
                with self._http.request("GET", url, headers=headers, redirect=False, preload_content=False) as answer:
                    body = answer.read(_LONGEST_ANSWER + 1, decode_content=True)
                    status, location = answer.status, answer.headers.get("Location", "")
            except (HTTPError, OSError) as error:
                raise Unavailable(f"{urlsplit(url).netloc} does not answer: {error}") from error
            if len(body) > _LONGEST_ANSWER:
                raise Unavailable(f"{urlsplit(url).netloc} answered with more than {_LONGEST_ANSWER} bytes.")
            if status not in _MOVED or not location.startswith(f"{forge.api}/"):
                return status, body
            url = location
        return status, body
