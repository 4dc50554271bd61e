"""The shape of a tag: prefix, digit runs, suffix; what makes two tags comparable, and which one is newer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from chalicelib.domain import tag_parts

SPECIFIC = "specific"
FLOATING = "floating"
CALENDAR_YEAR = 1000
"""A first number from here on is a year, not a major version."""

PRERELEASE_WORDS = frozenset(
    {"rc", "alpha", "beta", "pre", "preview", "prerelease", "dev", "next", "canary", "snapshot", "nightly", "edge"}
    | {"ea", "unstable", "test", "testing", "experimental"}
)
_ROLLING = frozenset(
    {"latest", "stable", "edge", "nightly", "canary", "rolling", "main", "master", "develop", "dev", "next", "beta"}
    | {"alpha", "preview", "experimental", "test", "testing", "rc", "lts"}
)

_RUNS = re.compile(rf"\d+(?:\.(?!{tag_parts.ANY_COMMIT})\d+)*", re.IGNORECASE)
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DASHED_DATE = re.compile(rf"((?:19|20)\d\d)-({_MONTH})-({_DAY})(?!\d)")
# The second image of a day is 20231211.1.
_COMPACT_DATE = re.compile(rf"((?:19|20)\d\d)({_MONTH})({_DAY})(?:\.(\d{{1,3}})(?![\w.]))?(?!\d)")
_HASH = re.compile(r"sha(?:1|256|512)?[-:_].*", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")
_GLUED_PRERELEASE = re.compile(r"(?:a|b|rc)\d+(?![a-z0-9])")
_EXTENSION = re.compile(r"(?:[-._+]?(?:r|rev|ls|build|p|patch)?#)+")


_REMEMBERED = 16384
"""Tags whose shape is kept: containers of one repository read the same list one after the other."""


class Spelling(IntEnum):
    """How the digit runs are written; dates only compare with dates written alike."""

    DOTTED = 0
    DASHED_DATE = 1
    COMPACT_DATE = 2


@dataclass(frozen=True, slots=True)
class Version:
    """A tag taken apart. `digits` are the runs as written, `runs` their values; `template` is the suffix in lower case
    with its numbers as `#`, which `numbers` holds; commits become `<commit>` and are never compared."""

    text: str
    prefix: str
    spelling: Spelling
    digits: tuple[str, ...]
    runs: tuple[int, ...]
    suffix: str
    template: str
    numbers: tuple[int, ...]
    prerelease: bool

    @property
    def calendar(self) -> bool:
        """Whether the first number is a year."""
        return self.runs[0] >= CALENDAR_YEAR

    @property
    def order(self) -> tuple[tuple[int, ...], bool, tuple[int, ...]]:
        """Sorts versions: numbers first, a release after its prereleases, then the numbers inside the suffix."""
        # Trailing zeros carry no news: 3.3 and 3.3.0 are aliases.
        runs = self.runs
        while len(runs) > 1 and runs[-1] == 0:
            runs = runs[:-1]
        return runs, not self.prerelease, self.numbers

    def is_newer_than(self, other: Version) -> bool:
        """Strictly greater by number. Only suffixes of one template are compared, and only by their shared numbers."""
        if self.order[:2] != other.order[:2]:
            return self.order[:2] > other.order[:2]
        # Where one spells a commit in decimals the numbers of the two do not stand side by side.
        if tag_parts.COMMIT in self.template + other.template and self.template != other.template:
            return False
        shared = min(len(self.numbers), len(other.numbers))
        return self.numbers[:shared] > other.numbers[:shared]


@lru_cache(maxsize=_REMEMBERED)
def parse(tag: str) -> Version | None:
    """A tag as a version, or None for words, digests and bare commits, which have no order."""
    start = None if _HASH.fullmatch(tag) else tag_parts.version_start(tag)
    if start is None:
        return None
    spelling, digits, end = _runs_at(tag, start)
    prefix, suffix = tag_parts.without_commits(tag[:start]), tag[end:]
    template, numbers = tag_parts.template_of(suffix)
    return Version(
        text=tag,
        prefix=prefix,
        spelling=spelling,
        digits=digits,
        runs=tuple(int(run) for run in digits),
        suffix=suffix,
        template=template,
        numbers=numbers,
        prerelease=_is_prerelease(prefix, suffix),
    )


def precision(tag: str) -> str:
    """`specific` for three or more numbers, `floating` for anything that is meant to move."""
    version = parse(tag)
    first = _WORD.match(tag.lower())
    if version is None or len(version.runs) < 3 or (first and first.group() in _ROLLING):
        return FLOATING
    return SPECIFIC


def same_length(current: Version, other: Version) -> bool:
    """Whether two versions have as many numbers; a date may have one more for the second image of a day."""
    dates = current.spelling is other.spelling is Spelling.COMPACT_DATE
    return dates or (current.spelling is other.spelling and len(current.runs) == len(other.runs))


def same_variant(current: Version, other: Version) -> bool:
    """Whether two suffixes name the same flavour: equal templates, or one is the other and more numbers."""
    if current.template == other.template:
        return True
    if tag_parts.differ_by_commit(current.template, current.numbers, other.template, other.numbers):
        return True
    if not current.template or not other.template:
        return False
    short, long = sorted((current.template, other.template), key=len)
    return long.startswith(short) and bool(_EXTENSION.fullmatch(long[len(short) :]))


def releases(current: Version, other: Version) -> bool:
    """Whether `other` is the release that the prerelease `current` leads to, in the same flavour."""
    return current.prerelease and not other.prerelease and _without_prerelease(current.template) == other.template


def gains_leading_zero(current: Version, other: Version) -> bool:
    """Whether a number of `other` is zero-padded where that of `current` is not: another numbering family.

    Calendar versions pad their months (2024.12, then 2025.01; also 24.10, then 25.04).
    """
    if current.calendar or (_is_year_month(current) and _is_year_month(other)):
        return False
    pairs = zip(current.digits, other.digits, strict=False)
    return any(_padded(theirs) and not _padded(ours) for ours, theirs in pairs)


def difference(current: str, candidate: str) -> str:
    """How far apart two tags are: major, minor, patch, prerelease, or unknown when they do not say."""
    old, new = parse(current), parse(candidate)
    if old is None or new is None or current == candidate:
        return "unknown"
    low, high = sorted((old, new), key=lambda version: version.order)
    if low.prerelease and not high.prerelease and low.runs[:3] == high.runs[:3]:
        return _level_of_release(high)
    for level, ours, theirs in zip(("major", "minor", "patch"), _three(old), _three(new), strict=True):
        if ours != theirs:
            return level
    return "prerelease" if min(len(old.runs), len(new.runs)) >= 3 else "unknown"


def may_be_commit(version: Version) -> bool:
    """Whether a tag may be a commit that is written in decimal digits by chance."""
    lone = version.spelling is Spelling.DOTTED and len(version.runs) == 1 and not version.suffix
    return lone and len(version.digits[0]) >= tag_parts.SHORTEST_COMMIT


def is_plain_release(version: Version) -> bool:
    """Whether the tag is a release and nothing else: `1.2.3` or `v1.2.3`."""
    plain = version.spelling is Spelling.DOTTED and len(version.runs) == 3
    return plain and version.prefix in ("", "v") and not version.suffix


def _runs_at(tag: str, start: int) -> tuple[Spelling, tuple[str, ...], int]:
    for spelling, pattern in ((Spelling.DASHED_DATE, _DASHED_DATE), (Spelling.COMPACT_DATE, _COMPACT_DATE)):
        date = pattern.match(tag, start)
        if date:
            return spelling, tuple(part for part in date.groups() if part is not None), date.end()
    found = _RUNS.match(tag, start)
    if found is None:
        raise ValueError(f"{tag!r} has no number at {start}")
    return Spelling.DOTTED, tuple(found.group().split(".")), found.end()


@lru_cache(maxsize=_REMEMBERED)
def _is_prerelease(prefix: str, suffix: str) -> bool:
    words = _WORD.findall(f"{prefix} {suffix}".lower())
    return not PRERELEASE_WORDS.isdisjoint(words) or bool(_GLUED_PRERELEASE.match(suffix))


def _without_prerelease(template: str) -> str:
    words = "|".join(sorted(PRERELEASE_WORDS | {"a", "b"}, key=len, reverse=True))
    return re.sub(rf"(?:^[-._~+]?#(?=[a-z]))?[-._~+]?(?<![a-z])(?:{words})(?![a-z])(?:[-._]?#)*", "", template, count=1)


def _is_year_month(version: Version) -> bool:
    if len(version.digits) < 2 or any(len(run) != 2 for run in version.digits[:2]):
        return False
    return 14 <= version.runs[0] <= 60 and 1 <= version.runs[1] <= 12


def _padded(run: str) -> bool:
    return len(run) > 1 and run.startswith("0")


def _three(version: Version) -> tuple[int, int, int]:
    major, minor, patch = (*version.runs, 0, 0, 0)[:3]
    return major, minor, patch


def _level_of_release(release: Version) -> str:
    _, minor, patch = _three(release)
    if patch:
        return "patch"
    return "minor" if minor else "major"
