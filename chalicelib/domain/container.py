"""A watched container: what the engine says of it, what its labels ask, and what the last check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.domain.policy import NO_POLICY, Policy
from chalicelib.domain.security import NOTHING_KNOWN, Security

LOCAL_AGENT = "local"
"""The agent whose name clients never see: the executor beside the server."""


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """The durable key of a container: it outlives every recreation, unlike the Docker id."""

    agent: str
    watcher: str
    name: str

    @property
    def key(self) -> str:
        """`watcher/name`, unique within an agent; neither part may hold a slash."""
        return f"{self.watcher}/{self.name}"

    @classmethod
    def of(cls, agent: str, key: str) -> Identity:
        """The identity whose `key` this is."""
        watcher, _, name = key.partition("/")
        return cls(agent, watcher, name)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as it runs: `precision` is `specific` (three or more numbers) or `floating`."""

    value: str
    semver: bool = False
    precision: str | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """Whether digests are compared, the platform digest last compared, and what the engine says the image came from."""

    watch: bool = False
    value: str | None = None
    repo: str | None = None
    repo_digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Platform:
    """Where an image runs."""

    architecture: str
    os: str
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """The image a container runs; `name` is the repository path, `registry_url` the API base that is asked for tags."""

    id: str
    registry_name: str
    registry_url: str
    name: str
    tag: Tag
    digest: Digest
    platform: Platform
    created: datetime | None = None
    lookup_image: str | None = None
    reference: str = ""
    """What the engine would pull again, e.g. `127.0.0.1:5000/web:1.2` or `nginx:1.25`."""

    @property
    def identifying_digest(self) -> str:
        """The digest its own repository serves it under; its id when no registry has it."""
        return (self.digest.repo or "").rpartition("@")[2] or self.id


@dataclass(frozen=True, slots=True)
class Result:
    """What the registry offered at the last good check; `tag` equals the running tag when there is nothing newer."""

    tag: str | None = None
    suggested_tag: str | None = None
    digest: str | None = None
    created: datetime | None = None
    published_at: datetime | None = None
    published_at_trusted: bool = False
    link: str | None = None
    no_update_reason: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateKind:
    """How it differs: `kind` is tag, digest or unknown; `semver_diff` is a step of a version or unknown."""

    kind: str = "unknown"
    local_value: str | None = None
    remote_value: str | None = None
    semver_diff: str = "unknown"


NO_UPDATE = UpdateKind()


@dataclass(frozen=True, slots=True)
class Candidate:
    """The newer image a container could move to, and since when we know of it."""

    kind: UpdateKind
    detected_at: datetime
    published_at: datetime | None = None
    """The registry's push date when it can be trusted, else absent."""
    digest: str | None = None
    """What the tag leads to, where that is looked at: a tag that is pushed anew is another candidate."""


@dataclass(frozen=True, slots=True)
class EnvEntry:
    """One environment variable; the value of a sensitive one never leaves its host except by an explicit reveal."""

    key: str
    value: str
    sensitive: bool


@dataclass(frozen=True, slots=True)
class Details:
    """Runtime facts to look at: `ports` as `[ip:]host->container/proto`, `volumes` as `source:destination[:ro]`."""

    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    env: tuple[EnvEntry, ...] = ()
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator asks through labels (or watcher settings) about one container; absent means the default."""

    watch: bool | None = None
    watch_digest: bool | None = None
    include_tags: str | None = None
    exclude_tags: str | None = None
    transform_tags: str | None = None
    tag_family: str | None = None
    link_template: str | None = None
    lookup_image: str | None = None
    group: str | None = None
    trigger_include: str | None = None
    trigger_exclude: str | None = None
    source_repo: str | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """One container as Slipway knows it. `id` is the engine's (64 hex) and changes on every recreation."""

    identity: Identity
    id: str
    display_name: str
    display_icon: str
    status: str
    image: Image
    health: str | None = None
    wishes: Wishes = field(default_factory=Wishes)
    labels: Mapping[str, str] = field(default_factory=dict)
    inherited_labels: tuple[str, ...] = ()
    """The names of those labels for Slipway that came with its image."""
    watcher_policy: Policy = NO_POLICY
    """What its watcher's settings say about updates; its labels and the operator may say otherwise."""
    details: Details = field(default_factory=Details)
    result: Result | None = None
    error: str | None = None
    update: UpdateKind = NO_UPDATE
    candidate: Candidate | None = None
    """Present exactly while `update` is a raw update; suppression by policy is computed when read."""
    link: str | None = None
    security: Security = NOTHING_KNOWN
    """What is known of its image's safety, and of its candidate's."""
    former_ids: tuple[str, ...] = ()
    """The engine's ids this container had before Slipway replaced it, newest first."""
    applied_at: datetime | None = None
    """When Slipway last replaced this container: a check that began earlier must not write its result."""

    @property
    def name(self) -> str:
        """The container's name, without the engine's leading slash."""
        return self.identity.name

    @property
    def own_labels(self) -> Mapping[str, str]:
        """Its labels without what its image asks of Slipway: that is no word of its operator's."""
        return {name: value for name, value in self.labels.items() if name not in self.inherited_labels}
