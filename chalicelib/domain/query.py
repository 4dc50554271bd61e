"""What a list request asks for, and the page it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.fleet import Entry, Fleet

SORTS = ("name", "-name", "status", "-status", "age", "-age", "created", "-created")
ORDERS = ("asc", "desc")
STATUSES = (
    "update-available",
    "up-to-date",
    "running",
    "stopped",
    "exited",
    "paused",
    "restarting",
    "dead",
    "created",
)
KINDS = ("major", "minor", "patch", "digest", "watched", "unwatched", "all")
MATURITIES = ("hot", "mature", "established")
MAX_LIMIT = 200

_ALIVE = frozenset({"running", "restarting", "paused"})


@dataclass(frozen=True, slots=True)
class ContainerQuery:
    """Filters, order and page of a list; `limit` 0 is unbounded."""

    limit: int = 0
    offset: int = 0
    sort: str | None = None
    order: str | None = None
    status: str | None = None
    kind: str | None = None
    watcher: str | None = None
    maturity: str | None = None
    include_vulnerabilities: bool = False

    @property
    def field(self) -> str:
        """What is sorted by."""
        return (self.sort or "name").removeprefix("-")

    @property
    def descending(self) -> bool:
        """`order` overrides the dash."""
        if self.order is not None:
            return self.order == "desc"
        return (self.sort or "").startswith("-")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of entries; `total` counts after filtering and before paging."""

    entries: tuple[Entry, ...]
    total: int
    limit: int
    offset: int

    @property
    def has_more(self) -> bool:
        """Whether a further page holds anything."""
        return self.limit > 0 and self.offset + len(self.entries) < self.total


def select(fleet: Fleet, query: ContainerQuery, now: datetime) -> Page:
    """The page of the fleet that the query asks for."""
    keep = _filters(query, now)
    everything = fleet.by_name if query.field == "name" else fleet.entries
    matching = [entry for entry in everything if all(test(entry) for test in keep)] if keep else list(everything)
    _sort(matching, query, now)
    end = query.offset + query.limit if query.limit else None
    return Page(tuple(matching[query.offset : end]), len(matching), query.limit, query.offset)


def _filters(query: ContainerQuery, now: datetime) -> list[Callable[[Entry], bool]]:
    tests: list[Callable[[Entry], bool]] = []
    if query.status is not None:
        tests.append(_status_test(query.status, now))
    if query.kind is not None and query.kind != "all":
        tests.append(_kind_test(query.kind))
    if query.watcher is not None:
        watcher = query.watcher
        tests.append(lambda entry: entry.listing.identity.watcher == watcher)
    if query.maturity is not None:
        maturity = query.maturity
        tests.append(lambda entry: entry.standing(now).maturity == maturity)
    return tests


def _status_test(status: str, now: datetime) -> Callable[[Entry], bool]:
    if status == "update-available":
        return lambda entry: entry.standing(now).update_available
    if status == "up-to-date":
        return lambda entry: not entry.standing(now).update_available
    if status == "stopped":
        return lambda entry: entry.listing.status not in _ALIVE
    return lambda entry: entry.listing.status == status


def _kind_test(kind: str) -> Callable[[Entry], bool]:
    if kind == "watched":
        return lambda entry: entry.listing.watched
    if kind == "unwatched":
        return lambda entry: not entry.listing.watched
    if kind == "digest":
        return lambda entry: entry.listing.update.kind == "digest"
    return lambda entry: entry.listing.update.semver_diff == kind


def _sort(entries: list[Entry], query: ContainerQuery, now: datetime) -> None:
    """Ascending by the field, ties in the order they come in; descending is exactly the reverse."""
    if query.field == "status":
        entries.sort(key=lambda entry: (not entry.standing(now).update_available, entry.listing.name_key))
    elif query.field == "age":
        entries.sort(key=lambda entry: _age_key(entry, now))
    elif query.field == "created":
        entries.sort(key=_created_key)
    if query.descending:
        entries.reverse()


def _age_key(entry: Entry, now: datetime) -> tuple[bool, datetime, str]:
    """The oldest update first, none last; to the second and beyond, though ages are shown in whole minutes."""
    since = entry.standing(now).since
    identity = entry.listing.identity
    return since is None, since or now, f"{identity.watcher}.{identity.name}.{entry.listing.id}"


def _created_key(entry: Entry) -> tuple[bool, float, object]:
    created = entry.listing.image_created
    return created is None, created.timestamp() if created else 0.0, entry.listing.name_key
