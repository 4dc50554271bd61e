"""Which tag a container could move to, how that differs from what it runs, and since when the offer stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain import version as versions
from chalicelib.domain.container import Candidate, Image, Result, Tag, UpdateKind
from chalicelib.domain.reference import LATEST
from chalicelib.domain.tag_parts import commit_place
from chalicelib.domain.version import Version

STRICT = "strict"
LOOSE = "loose"
_ARTEFACTS = (".sig", ".att", ".sbom")

Transform = Callable[[str], str]


class Matcher(Protocol):
    """A compiled pattern of the operator."""

    def search(self, text: str) -> bool:
        """Whether the pattern is found anywhere in the text."""


def unchanged(tag: str) -> str:
    """The transform of a container that asks for none."""
    return tag


@dataclass(frozen=True, slots=True)
class TagRules:
    """What the operator asks about tags: filters over raw tags, a transform before reading, the family to stay in."""

    include: Matcher | None = None
    exclude: Matcher | None = None
    transform: Transform = unchanged
    family: str = STRICT


@dataclass(frozen=True, slots=True)
class TagChoice:
    """The raw tag to move to, if any; else why none was taken, when that needs saying; and advice for `latest`."""

    tag: str | None = None
    suggested: str | None = None
    reason: str | None = None


def read_tag(value: str, transform: Transform) -> Tag:
    """A running tag with what its transformed form says of it."""
    transformed = transform(value)
    return Tag(value, versions.parse(transformed) is not None, versions.precision(transformed))


def watches_digest(wish: bool | None, tag: Tag) -> bool:
    """Whether digests are compared: the operator's word, else for every tag that is meant to move.

    Docker Hub is no exception: a HEAD request costs nothing of its quota.
    """
    if wish is not None:
        return wish
    return not (tag.semver and tag.precision == versions.SPECIFIC)


def choose_tag(current: str, tags: Iterable[str], rules: TagRules) -> TagChoice:
    """The best tag of a repository for a container that runs `current` (engine-spec §3.1-3.3)."""
    tags = tuple(tags)
    running = versions.parse(rules.transform(current))
    pool = _filtered(tags, rules)
    commits = _decimal_commits([*pool, *([(current, running)] if running else [])], tags, rules)
    if commits:
        pool = [entry for entry in pool if entry[0] not in commits]
    if running is None or current in commits:
        return _for_a_word(current, pool, rules)
    if rules.include is not None and not rules.include.search(current):
        return TagChoice(_highest(pool, running.prerelease))
    best: tuple[tuple[object, ...], str] | None = None
    outside = 0
    for tag, candidate in pool:
        if not _newer_of_same_kind(running, candidate):
            continue
        if not _same_family(running, candidate, rules):
            outside += 1
            continue
        key = (_preference(running, candidate), tag)
        if best is None or key > best:
            best = key
    if best is not None:
        return TagChoice(best[1])
    return TagChoice(reason=_outside_reason(outside) if outside else None)


def update_kind(image: Image, result: Result, transform: Transform) -> UpdateKind | None:
    """How the result differs from the running image, or None when there is no update (before any policy).

    A creation date alone tells only where no digests can be compared: a re-dated manifest is no update.
    """
    current, offered = image.tag.value, result.tag
    if offered is not None and transform(current) != transform(offered):
        far = versions.difference(transform(current), transform(offered)) if image.tag.semver else "unknown"
        return UpdateKind("tag", current, offered, far)
    if not image.digest.watch:
        return None
    if image.digest.value and result.digest:
        if image.digest.value == result.digest:
            return None
        return UpdateKind("digest", image.digest.value, result.digest)
    if image.created and result.created and image.created != result.created:
        return UpdateKind()
    return None


def offer(
    kind: UpdateKind | None, result: Result, known: Candidate | None, known_result: Result | None, now: datetime
) -> Candidate | None:
    """The candidate of this check. The clock of one that is known already runs on; a different one starts now."""
    if kind is None:
        return None
    published = result.published_at if result.published_at_trusted else None
    if known is not None and known_result is not None and _is_same(known_result, result):
        return Candidate(kind, known.detected_at, published or known.published_at, result.digest or known.digest)
    return Candidate(kind, now, published, result.digest)


def _is_same(known: Result, result: Result) -> bool:
    """Identity of a candidate: tag and digest. A digest that one check could not learn does not make another one."""
    if known.tag != result.tag:
        return False
    if known.digest and result.digest:
        return known.digest == result.digest
    if known.digest or result.digest:
        return True
    return known.created == result.created


def _filtered(tags: Iterable[str], rules: TagRules) -> list[tuple[str, Version]]:
    found = []
    for tag in tags:
        if tag.endswith(_ARTEFACTS) or tag.startswith("sha256-"):
            continue
        if rules.include is None and tag.startswith("sha"):
            continue
        if rules.include is not None and not rules.include.search(tag):
            continue
        if rules.exclude is not None and rules.exclude.search(tag):
            continue
        parsed = versions.parse(rules.transform(tag))
        if parsed is not None:
            found.append((tag, parsed))
    return found


def _decimal_commits(entries: list[tuple[str, Version]], tags: tuple[str, ...], rules: TagRules) -> set[str]:
    """Tags that are commits though they are written in decimal digits: others in their place show it by a letter."""
    suspects = {tag: rules.transform(tag) for tag, version in entries if versions.may_be_commit(version)}
    if not suspects:
        return set()
    others = (text for text in map(rules.transform, tags) if versions.parse(text) is None)
    places = {commit_place(text) for text in others} - {None}
    return {tag for tag, text in suspects.items() if commit_place(text) in places}


def _for_a_word(current: str, pool: list[tuple[str, Version]], rules: TagRules) -> TagChoice:
    if rules.include is not None:
        return TagChoice(_highest(pool, prereleases=False))
    if current != LATEST:
        return TagChoice()
    return TagChoice(suggested=_highest([(tag, found) for tag, found in pool if _is_advice(found)], prereleases=False))


def _is_advice(version: Version) -> bool:
    return versions.is_plain_release(version) and not version.prerelease


def _highest(pool: list[tuple[str, Version]], prereleases: bool) -> str | None:
    """The highest version; a prerelease only when asked for, or when there is nothing else."""
    stable = [entry for entry in pool if not entry[1].prerelease]
    entries = pool if prereleases or not stable else stable
    return max(entries, key=lambda entry: (entry[1].order, entry[0]))[0] if entries else None


def _newer_of_same_kind(running: Version, candidate: Version) -> bool:
    if not versions.same_length(running, candidate):
        return False
    if candidate.prerelease and not running.prerelease:
        return False
    if not (versions.same_variant(running, candidate) or versions.releases(running, candidate)):
        return False
    return candidate.is_newer_than(running)


def _same_family(running: Version, candidate: Version, rules: TagRules) -> bool:
    if rules.include is None and candidate.calendar and not running.calendar:
        return False
    if rules.family == LOOSE:
        return rules.include is not None or _without_v(running.prefix) == _without_v(candidate.prefix)
    return running.prefix == candidate.prefix and not versions.gains_leading_zero(running, candidate)


def _without_v(prefix: str) -> str:
    return prefix[:-1] if prefix[-1:] in ("v", "V") else prefix


def _preference(running: Version, candidate: Version) -> tuple[object, ...]:
    runs, stable, numbers = candidate.order
    return runs, stable, candidate.template == running.template, numbers, candidate.prefix == running.prefix


def _outside_reason(count: int) -> str:
    tags = "1 higher tag belongs" if count == 1 else f"{count} higher tags belong"
    return (
        f"{tags} to another tag family (prefix, zero padding or calendar numbering); "
        "an include filter or the loose family would admit them."
    )
