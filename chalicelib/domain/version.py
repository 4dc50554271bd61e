"""The shape of a tag: prefix, digit runs, suffix; what makes two tags comparable, and which one is newer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

SPECIFIC = "specific"
FLOATING = "floating"
CALENDAR_YEAR = 1000
"""A first number from here on is a year, not a major version."""

PRERELEASE_WORDS = frozenset(
    {"rc", "alpha", "beta", "pre", "preview", "prerelease", "dev", "next", "canary", "snapshot", "nightly", "edge"}
    | {"unstable", "test", "testing", "experimental"}
)
_ROLLING = frozenset(
    {"latest", "stable", "edge", "nightly", "canary", "rolling", "main", "master", "develop", "dev", "next", "beta"}
    | {"alpha", "preview", "experimental", "test", "testing", "rc", "lts"}
)

_ARCHITECTURE = (
    r"(?:amd64|x86[_-]64|x64|x86|i[3-6]86|arm(?:32|64)?v?\d?|arm(?:32|64)v\d|aarch64|armhf|armel|ppc64(?:le|el)?"
    r"|s390x?|riscv64|mips(?:64)?(?:le|el)?|loong(?:arch)?64)"
)
# What the image is built on or for, where another number is another product: a database's data directory, a
# language's runtime, a Windows host's kernel.
_COMPANION = (
    r"(?:pg|postgres(?:ql)?|pgsql|mysql|mariadb|mongo(?:db)?|jdk|jre|java|openjdk|temurin|corretto|zulu|graalvm|semeru"
    r"|php|fpm|python|py|cp|node(?:js)?|ruby|golang|go|dotnet|aspnet|cuda|cudnn|rocm|ltsc|nanoserver|windowsservercore"
    r"|scala|spark|hadoop|erlang|otp|elixir|perl|lua|tf|torch|gcc|llvm|clang|qt)"
)
_LITERAL = rf"(?<![a-z0-9]){_ARCHITECTURE}(?![a-z0-9])|(?<![a-z]){_COMPANION}[-_]?\d+(?:\.\d+)*"
_COMMIT = r"(?<![a-z0-9])g?(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,40}(?![a-z0-9])"
_SUFFIX_TOKEN = re.compile(rf"(?P<literal>{_LITERAL})|(?P<commit>{_COMMIT})|(?P<number>\d+)")
_LEADING_LITERAL = re.compile(
    rf"{_ARCHITECTURE}(?:[-_.]|$)|{_COMPANION}[-_]?\d+(?:\.\d+)*[-_.](?=v?[a-z.-]*\d)", re.IGNORECASE
)
_SHAPE = re.compile(r"(?P<prefix>\D*)(?P<runs>\d+(?:\.\d+)*)(?P<suffix>.*)", re.DOTALL)
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DASHED_DATE = re.compile(rf"((?:19|20)\d\d)-({_MONTH})-({_DAY})(?!\d)")
_COMPACT_DATE = re.compile(rf"((?:19|20)\d\d)({_MONTH})({_DAY})(?!\d)")
_HASH = re.compile(r"(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,64}|sha(?:1|256|512)?[-:_].*", re.IGNORECASE)
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
        shared = min(len(self.numbers), len(other.numbers))
        return self.numbers[:shared] > other.numbers[:shared]


@lru_cache(maxsize=_REMEMBERED)
def parse(tag: str) -> Version | None:
    """A tag as a version, or None for words, digests and bare commits, which have no order."""
    if _HASH.fullmatch(tag):
        return None
    led = _LEADING_LITERAL.match(tag)
    start = led.end() if led else 0
    found = _SHAPE.match(tag, start)
    if found is None:
        return None
    prefix = tag[: found.start("runs")]
    spelling, digits, end = _runs_at(tag, found)
    suffix = tag[end:]
    template, numbers = _template(suffix)
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


def same_variant(current: Version, other: Version) -> bool:
    """Whether two suffixes name the same flavour: equal templates, or one is the other and more numbers."""
    if current.template == other.template:
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


def is_plain_release(version: Version) -> bool:
    """Whether the tag is a release and nothing else: `1.2.3` or `v1.2.3`."""
    plain = version.spelling is Spelling.DOTTED and len(version.runs) == 3
    return plain and version.prefix in ("", "v") and not version.suffix


def _runs_at(tag: str, found: re.Match[str]) -> tuple[Spelling, tuple[str, ...], int]:
    for spelling, pattern in ((Spelling.DASHED_DATE, _DASHED_DATE), (Spelling.COMPACT_DATE, _COMPACT_DATE)):
        date = pattern.match(tag, found.start("runs"))
        if date:
            return spelling, date.groups(), date.end()
    return Spelling.DOTTED, tuple(found.group("runs").split(".")), found.end("runs")


def _template(suffix: str) -> tuple[str, tuple[int, ...]]:
    numbers: list[int] = []

    def fold(token: re.Match[str]) -> str:
        if token.lastgroup == "literal":
            return token.group()
        if token.lastgroup == "commit":
            return "<commit>"
        numbers.append(int(token.group()))
        return "#"

    return _SUFFIX_TOKEN.sub(fold, suffix.lower()), tuple(numbers)


def _is_prerelease(prefix: str, suffix: str) -> bool:
    words = _WORD.findall(f"{prefix} {suffix}".lower())
    return not PRERELEASE_WORDS.isdisjoint(words) or bool(_GLUED_PRERELEASE.match(suffix))


def _without_prerelease(template: str) -> str:
    words = "|".join(sorted(PRERELEASE_WORDS | {"a", "b"}, key=len, reverse=True))
    return re.sub(rf"[-._~+]?(?<![a-z])(?:{words})(?![a-z])(?:[-._]?#)*", "", template, count=1)


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
