"""A registry in memory: filled like the real one of the tests (`ImageRegistry`), asked through the Registry port."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain.container import Platform
from chalicelib.domain.reference import Reference, Repository
from chalicelib.ports.registry import Manifest, NoSuchPlatform, RegistryError, RegistryNotFound, Resolved
from tests.docker.registry import IndexEntry

DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7"}


@dataclass(frozen=True)
class FakeImage:
    """One image manifest."""

    digest: str
    config_digest: str
    created: datetime


@dataclass(frozen=True)
class FakeIndex:
    """One index over images and indexes."""

    digest: str
    entries: tuple[IndexEntry, ...]


@dataclass
class FakeRegistry:
    """One registry host. `trouble` is raised for every question about the repositories it names, `*` for all.

    `asked` lists the questions, such as `head web:1`; `pushed_at` holds trusted push dates by tag.
    """

    address: str = "registry.example:5000"
    trouble: dict[str, RegistryError] = field(default_factory=dict)
    pushed_at: dict[str, datetime] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tags: dict[str, dict[str, str]] = {}
        self._manifests: dict[str, dict[str, FakeImage | FakeIndex]] = {}

    def reference(self, repository: str, tag_or_digest: str = "latest") -> str:
        separator = "@" if tag_or_digest.startswith("sha256:") else ":"
        return f"{self.address}/{repository}{separator}{tag_or_digest}"

    def push_image(self, repository: str, tag: str | None = None, **image: Any) -> str:
        """Stores an image made of these attributes; the same attributes make the same digest."""
        text = json.dumps(image, sort_keys=True)
        created = datetime.fromisoformat(image.get("created") or "2024-01-01T00:00:00Z")
        return self._store(repository, tag, FakeImage(_digest(f"manifest {text}"), _digest(f"config {text}"), created))

    def push_index(
        self,
        repository: str,
        tag: str | None,
        entries: Sequence[IndexEntry],
        *,
        oci: bool = True,
        attested: bool = False,
    ) -> str:
        """Stores an index; attestations change its digest and nothing else."""
        return self._store(repository, tag, FakeIndex(_digest(f"{entries} {oci} {attested}"), tuple(entries)))

    def push_nested(self, repository: str, tag: str | None, entries: Sequence[IndexEntry], *, depth: int = 1) -> str:
        """Stores an index inside `depth` others."""
        digest = self.push_index(repository, None, entries)
        for level in range(depth):
            inner = IndexEntry(digest, entries[0].architecture, entries[0].os, entries[0].variant)
            digest = self.push_index(repository, tag if level == depth - 1 else None, [inner])
        return digest

    def retag(self, repository: str, tag_or_digest: str, tag: str) -> str:
        return self._store(repository, tag, self._find(repository, tag_or_digest))

    def delete(self, repository: str, digest: str) -> None:
        del self._manifests[repository][digest]
        self._tags[repository] = {tag: found for tag, found in self._tags[repository].items() if found != digest}

    def tags(self, repository: Repository) -> Sequence[str]:
        self._ask(f"tags {repository.path}", repository.path)
        if repository.path not in self._tags:
            raise RegistryNotFound(f"{self.address} has no {repository.path}")
        return list(self._tags[repository.path])

    def head(self, reference: Reference) -> str | None:
        self._ask(f"head {reference.path}:{reference.target}", reference.path)
        return self._find(reference.path, reference.target).digest

    def resolve(self, reference: Reference, platform: Platform) -> Resolved:
        self._ask(f"resolve {reference.path}:{reference.target}", reference.path)
        top = self._find(reference.path, reference.target)
        return Resolved(top.digest, self._descend(reference.path, top, platform, depth=3).digest)

    def manifest(self, reference: Reference, platform: Platform) -> Manifest:
        self._ask(f"manifest {reference.path}:{reference.target}", reference.path)
        top = self._find(reference.path, reference.target)
        image = self._descend(reference.path, top, platform, depth=3)
        return Manifest(top.digest, image.digest, image.config_digest, image.created)

    def published(self, reference: Reference) -> datetime | None:
        return self.pushed_at.get(reference.target)

    def config_digest(self, repository: str, digest: str) -> str:
        """The image id of a stored image."""
        found = self._find(repository, digest)
        assert isinstance(found, FakeImage)
        return found.config_digest

    def _store(self, repository: str, tag: str | None, found: FakeImage | FakeIndex) -> str:
        self._manifests.setdefault(repository, {})[found.digest] = found
        tags = self._tags.setdefault(repository, {})
        if tag is not None:
            tags[tag] = found.digest
        return found.digest

    def _find(self, repository: str, target: str) -> FakeImage | FakeIndex:
        digest = self._tags.get(repository, {}).get(target, target)
        found = self._manifests.get(repository, {}).get(digest)
        if found is None:
            raise RegistryNotFound(f"{self.address} has no {repository}:{target}")
        return found

    def _descend(self, repository: str, found: FakeImage | FakeIndex, platform: Platform, depth: int) -> FakeImage:
        if isinstance(found, FakeImage):
            return found
        fitting = [e for e in found.entries if (e.architecture, e.os) == (platform.architecture, platform.os)]
        default = DEFAULT_VARIANTS.get(platform.architecture)
        exact = [e for e in fitting if (e.variant or default) == (platform.variant or default)]
        if not fitting or depth == 0:
            raise NoSuchPlatform(f"There is no manifest for {platform.os}/{platform.architecture}")
        return self._descend(repository, self._find(repository, (exact or fitting)[0].digest), platform, depth - 1)

    def _ask(self, question: str, repository: str) -> None:
        self.asked.append(question)
        trouble = self.trouble.get(repository) or self.trouble.get("*")
        if trouble is not None:
            raise trouble


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
