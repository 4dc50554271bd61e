"""One detection cycle over all registries: each question is asked once, and less when somebody asked it lately."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import orjson

from chalicelib.adapters.registry import documents
from chalicelib.adapters.registry.client import RegistryClient
from chalicelib.adapters.registry.coalesce import Once
from chalicelib.adapters.registry.documents import Document
from chalicelib.adapters.registry.published import PublishDates
from chalicelib.domain.container import Platform
from chalicelib.domain.reference import Reference, Repository
from chalicelib.ports.clock import Clock
from chalicelib.ports.registry import (
    Answer,
    Manifest,
    RegistryCache,
    RegistryError,
    RegistryGarbled,
    RegistryUntrusted,
    Resolved,
)

WEEK_SECONDS = 7 * 24 * 3600
DAY_SECONDS = 24 * 3600
MAX_REMEMBERED_CHARACTERS = 200_000
"""What a shared store can take in one item; longer answers are asked for again."""
ASKING_SECONDS = 8.0
"""How long one agent waits for the answer another is getting; then it asks itself."""
_LOOK_AGAIN_SECONDS = 0.1


class Cycle:
    """A Registry for the length of one cycle. Make a new one for the next; threads may share it.

    Answers about tags count for `window` (zero: they are always asked for anew) if they came after `since`; what a
    digest stands for counts for ever. `shared` holds the answers of all agents, `own` those of this process.
    """

    def __init__(
        self,
        client_for: Callable[[str], RegistryClient],
        own: RegistryCache,
        shared: RegistryCache | None,
        clock: Clock,
        window: timedelta,
        dates: PublishDates,
        since: datetime | None = None,
    ) -> None:
        self._client_for = client_for
        self._own = own
        self._shared = shared
        self._clock = clock
        self._window = window
        self._since = since
        self._dates = dates
        self._once = Once()

    def tags(self, repository: Repository) -> Sequence[str]:
        """Every tag of a repository."""
        return self._once.get(("tags", repository), lambda: self._tags(repository))

    def head(self, reference: Reference) -> str | None:
        """The digest served for a reference, or None where the registry does not tell."""
        if reference.digest:
            return reference.digest
        return self._once.get(("head", reference.repository, reference.target), lambda: self._head(reference))

    def resolve(self, reference: Reference, platform: Platform) -> Resolved:
        """The manifest of a reference for one platform. Raises NoSuchPlatform."""
        top, manifest = self._descend(reference, platform)
        return Resolved(top, manifest.digest)

    def manifest(self, reference: Reference, platform: Platform) -> Manifest:
        """The same with what its config tells. Raises NoSuchPlatform."""
        top, manifest = self._descend(reference, platform)
        config = manifest.config_digest
        if config is None:
            return Manifest(top, manifest.digest, manifest.image_id, manifest.created)
        created = self._once.get(
            ("created", reference.repository, config), lambda: self._created(reference.repository, config)
        )
        return Manifest(top, manifest.digest, config, created)

    def config(self, reference: Reference, platform: Platform) -> tuple[str, Mapping[str, Any]]:
        """An image's id and its config document for one platform. Raises NoSuchPlatform, RegistryUntrusted."""
        _, manifest = self._descend(reference, platform)
        digest = manifest.config_digest
        if digest is None:
            raise RegistryGarbled(f"{reference.familiar} is of a kind too old to tell its settings")
        client = self._client_for(reference.host)
        body = self._once.get(("config", reference.repository, digest), lambda: client.config(reference.path, digest))
        if body is None:
            raise RegistryUntrusted(f"{reference.host} keeps the settings of {reference.familiar} in another place")
        return digest, documents.read_config(body)

    def published(self, reference: Reference) -> datetime | None:
        """When a tag was pushed, where the registry can be trusted to say so."""
        client = self._client_for(reference.host)
        question = ("published", reference.repository, reference.target)
        return self._once.get(question, lambda: self._published(client, reference))

    def _tags(self, repository: Repository) -> tuple[str, ...]:
        client = self._client_for(repository.host)
        key = _key("tags", client, repository.path)
        known, counts = self._latest(key)
        if known is not None and counts:
            return _tags_in(known.text)
        with self._asking(key):
            fresh = client.tags(repository.path, known.etag if known else None)
            if fresh is None and known is not None:
                self._put(key, known.text, known.etag, DAY_SECONDS)
                return _tags_in(known.text)
            tags = fresh.tags if fresh else ()
            self._put(key, "\n".join(tags), fresh.etag if fresh else None, DAY_SECONDS)
            return tags

    def _head(self, reference: Reference) -> str | None:
        client = self._client_for(reference.host)
        key = _key("head", client, f"{reference.path}:{reference.target}")
        known, counts = self._latest(key)
        if known is not None and counts:
            return known.text
        with self._asking(key):
            digest = client.head(reference.path, reference.target)
            if digest is None:
                self._give_up(key)
            else:
                self._put(key, digest, None, DAY_SECONDS)
        return digest

    def _published(self, client: RegistryClient, reference: Reference) -> datetime | None:
        if not self._dates.tells(client, reference):
            return None
        key = _key("published", client, f"{reference.path}:{reference.target}")
        known, counts = self._latest(key)
        if known is not None and counts:
            return documents.read_date(known.text)
        date = self._dates.of(client, reference)
        self._put(key, date.isoformat() if date else "", None, DAY_SECONDS)
        return date

    def _descend(self, reference: Reference, platform: Platform) -> tuple[str, Document]:
        top = self._document(reference.repository, reference.target)
        found = self._for_platform(reference.repository, top, platform, documents.MAX_DEPTH)
        if found is None:
            raise documents.no_platform(platform)
        return top.digest, found

    def _for_platform(
        self, repository: Repository, document: Document, platform: Platform, depth: int
    ) -> Document | None:
        if document.members is None:
            return document
        if depth == 0:
            return None
        for member in documents.members_for(document.members, platform):
            if not member.is_index:
                return self._document(repository, member.digest)
            inner = self._document(repository, member.digest)
            found = self._for_platform(repository, inner, platform, depth - 1)
            if found is not None:
                return found
        return None

    def _document(self, repository: Repository, target: str) -> Document:
        return self._once.get(("manifest", repository, target), lambda: self._fetch(repository, target))

    def _fetch(self, repository: Repository, target: str) -> Document:
        client = self._client_for(repository.host)
        key = _key("manifest", client, f"{repository.path}@{target}")
        known = self._lasting(key) if documents.is_digest(target) else None
        if known is not None:
            return documents.read(known.text.encode(), None, target)
        body, served = client.manifest(repository.path, target)
        document = documents.read(body, served, target)
        if documents.is_digest(target) and document.digest == target:
            self._put(key, body.decode(), None, WEEK_SECONDS)
        return document

    def _created(self, repository: Repository, config: str) -> datetime | None:
        client = self._client_for(repository.host)
        key = _key("created", client, f"{repository.path}@{config}")
        known = self._lasting(key)
        if known is not None:
            return documents.read_date(known.text)
        body = client.config(repository.path, config)
        created = documents.read_created(body) if body is not None else None
        if created is not None:
            self._put(key, created.isoformat(), None, WEEK_SECONDS)
        return created

    def _latest(self, key: str) -> tuple[Answer | None, bool]:
        """The newest answer, and whether it still counts. While another agent asks the same, its answer is awaited."""
        if self._shared is None:
            known = self._own.get(key)
            return known, self._counts(known)
        theirs = self._shared.get(key)
        until = self._clock.now() + timedelta(seconds=ASKING_SECONDS)
        while not self._counts(theirs):
            if self._shared.reserve(key, theirs, ASKING_SECONDS) or self._clock.now() >= until:
                return theirs or self._own.get(key), False
            self._clock.sleep(_LOOK_AGAIN_SECONDS)
            theirs = self._shared.get(key)
        return theirs, True

    @contextmanager
    def _asking(self, key: str) -> Iterator[None]:
        """Nobody waits for an answer that will not come."""
        try:
            yield
        except RegistryError:
            self._give_up(key)
            raise

    def _give_up(self, key: str) -> None:
        if self._shared is not None:
            self._shared.release(key)

    def _lasting(self, key: str) -> Answer | None:
        found = self._own.get(key)
        if found is None and self._shared is not None:
            found = self._shared.get(key)
            if found is not None:
                self._own.put(key, found, WEEK_SECONDS)
        return found

    def _counts(self, answer: Answer | None) -> bool:
        if answer is None or (self._since is not None and answer.stored_at < self._since):
            return False
        return self._clock.now() - answer.stored_at < self._window

    def _put(self, key: str, text: str, etag: str | None, seconds: int) -> None:
        if len(text) > MAX_REMEMBERED_CHARACTERS:
            self._give_up(key)
            return
        answer = Answer(text, etag, self._clock.now())
        self._own.put(key, answer, seconds)
        if self._shared is not None:
            self._shared.put(key, answer, seconds)


def _key(kind: str, client: RegistryClient, what: str) -> str:
    # Two accounts may see different things on one host.
    return orjson.dumps([kind, client.instance.id, client.host, what]).decode()


def _tags_in(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()
