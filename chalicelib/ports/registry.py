"""Image registries in domain words: what tags exist, and what a tag stands for on a platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chalicelib.domain.container import Platform
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.reference import Reference, Repository
from chalicelib.ports.engine import RegistryAuth


class RegistryError(SlipwayError):
    """A registry did not give what was asked; `transient`: waiting may help, `retry_after`: for how many seconds."""

    transient = False

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RegistryUnavailable(RegistryError):
    """It does not answer, not in time, or with a server error."""

    transient = True


class RegistryLimited(RegistryError):
    """It asked us to slow down; nothing is sent to its host for `retry_after` seconds."""

    transient = True


class RegistryDenied(RegistryError):
    """It refuses our credentials, or anonymous access."""


class RegistryNotFound(RegistryError):
    """It does not know the repository, the tag or the digest."""


class RegistryUntrusted(RegistryError):
    """It tried to send us, or our credentials, somewhere they must not go."""


class RegistryGarbled(RegistryError):
    """It answers something that is cut short, too large, or not what a registry says."""


class NoSuchPlatform(RegistryError):
    """The image exists, but not for this operating system and architecture."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference stands for: the `digest` served (index or manifest), and that of the platform's manifest."""

    digest: str
    platform_digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A resolved image with its config: `config_digest` is the image id of the classic engine store."""

    digest: str
    platform_digest: str
    config_digest: str | None = None
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegistryName:
    """Which configured registry is in charge of an image: `hub.public` (or `unknown`), and its API base."""

    name: str
    url: str


class Registry(Protocol):
    """Every registry behind one door; thread-safe. All calls raise RegistryError and nothing else."""

    def tags(self, repository: Repository) -> Sequence[str]:
        """Every tag of a repository, in no particular order."""
        ...

    def head(self, reference: Reference) -> str | None:
        """The digest served for a reference, asked for without its content; None where a registry does not tell."""
        ...

    def resolve(self, reference: Reference, platform: Platform) -> Resolved:
        """The manifest of a reference for one platform. Raises NoSuchPlatform."""
        ...

    def manifest(self, reference: Reference, platform: Platform) -> Manifest:
        """The same with what its config tells. Raises NoSuchPlatform."""
        ...

    def config(self, reference: Reference, platform: Platform) -> tuple[str, Mapping[str, Any]]:
        """An image's id and its config document (`os`, `architecture`, `config`) for one platform.

        Raises NoSuchPlatform, and RegistryUntrusted where the registry keeps it in a place we do not follow it to.
        """
        ...

    def published(self, reference: Reference) -> datetime | None:
        """When a tag was pushed, where a registry says so and can be trusted; None elsewhere, never an error."""
        ...


class RegistryDirectory(Protocol):
    """What is configured about registries, without asking them."""

    def name_of(self, reference: Reference) -> RegistryName:
        """The registry in charge of an image."""
        ...

    def cycle(self) -> Registry:
        """The registries behind one door, each question asked once for as long as one keeps it."""
        ...

    def pull_credentials(self, reference: Reference) -> RegistryAuth | None:
        """What the engine presents to pull the image; None to pull anonymously."""
        ...


@dataclass(frozen=True, slots=True)
class RegistryState:
    """How one registry host does: the quota it reported, and until when it asked us to stay away.

    `requests` were sent to it since this process started; together they took `seconds`.
    """

    host: str
    limited_until: datetime | None = None
    remaining: int | None = None
    limit: int | None = None
    requests: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A registry's answer worth keeping: the text, its ETag when it has one, and when we got it."""

    text: str
    etag: str | None
    stored_at: datetime


class RegistryCache(Protocol):
    """Answers shared between cycles, and through a store between agents; losing one costs a request, never a result."""

    def get(self, key: str) -> Answer | None:
        """The answer kept under this key, however old."""
        ...

    def put(self, key: str, answer: Answer, keep_seconds: int) -> None:
        """Keep an answer for about that long; it ends the reservation."""
        ...

    def reserve(self, key: str, seen: Answer | None, seconds: float) -> bool:
        """Announce a question; False when another asks it now, or has put an answer since the one `seen`."""
        ...

    def release(self, key: str) -> None:
        """End a reservation without an answer."""
        ...
