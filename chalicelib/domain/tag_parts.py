"""What in a tag is a name although it holds digits: architectures, what it is built on, commits, pull requests."""

from __future__ import annotations

import re
from functools import lru_cache

COMMIT = "<commit>"
"""Stands for a commit wherever tags are compared: each build has another, and none is higher."""
NUMBER = "#"
"""Stands for a number in a template."""

_CPU = (
    r"(?:amd64(?:v[1-4])?|x86[_-]64(?:[-_]v[1-4](?![a-z0-9.]))?|x64|x86|i[3-6]86"
    r"|arm(?:32|64)?(?:[-_]?v[5-9](?:l|a|hf)?(?![a-z0-9.]))?|arm(?:32|64)?v?\d?|aarch64|armhf|armel"
    r"|ppc64(?:le|el)?|s390x?|riscv64|mips(?:64)?(?:le|el)?|loong(?:arch)?64"
    r"|(?:raspberry[-_]?pi|rpi)\d(?:[-_]64)?"
    r"|(?:linux|win(?:dows)?|darwin|mac(?:os)?)[-_]?(?:32|64)(?:bit)?|(?:32|64)[-_]?bit)"
)
_ARCHITECTURE = rf"(?<![a-z0-9]){_CPU}(?![a-z0-9])"
# What the image is built on or for, where another number is another product: a database's data directory, a
# language's runtime, a Windows host's kernel, a board's system software.
_COMPANION = (
    r"(?<![a-z])(?:pg|postgres(?:ql)?|pgsql|mysql|mariadb|mongo(?:db)?|jdk|jre|java|openjdk|temurin|corretto|zulu"
    r"|graalvm|semeru|php|fpm|python|py|cp|node(?:js)?|ruby|golang|go|rust|dotnet|aspnet|cuda|cudnn|rocm|jp|jetpack"
    r"|(?:windows)?ltsc|windows|nanoserver|windowsservercore|scala|spark|hadoop|es|elasticsearch|opensearch|erlang|otp"
    r"|elixir|perl|lua|tf|torch|gcc|llvm|clang|qt|fips)[-_]?\d++(?:\.\d++)*+"
)
# Where the image comes from; next to a companion the number of that is the version, not this one.
_SYSTEM = (
    r"(?<![a-z])(?:alpine|debian|ubuntu|ubi|rhel|centos|rocky(?:linux)?|alma(?:linux)?|oracle(?:linux)?|ol|fedora"
    r"|amazonlinux|al|photon|suse|leap)[-_]?\d++(?:\.\d++)*+"
)
_DATE = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
# After `g`, as `git describe` writes it, digits alone will do. A date and a letter is a second build of that day.
ANY_COMMIT = (
    rf"(?<![a-z0-9])(?!{_DATE}[a-f]\d?(?![a-z0-9]))"
    r"(?:g[0-9a-f]{7,40}|(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,64})(?![a-z0-9])"
)
_ONE_OF_MANY = (
    r"(?<![a-z0-9])(?:pr|pull|mr|(?:pull|merge)[-_]?request|issue|feature|feat|bugfix)[-_.]?\d++(?!\.\d)(?![a-z])"
)
_LEADING_PART = re.compile(
    rf"(?P<name>{_ARCHITECTURE}|{_ONE_OF_MANY}|{ANY_COMMIT})|(?P<companion>{_COMPANION})|(?P<system>{_SYSTEM})|(?P<number>\d)",
    re.IGNORECASE,
)
_SUFFIX_PART = re.compile(rf"(?P<name>{_ARCHITECTURE}|{_COMPANION})|(?P<commit>{ANY_COMMIT})|(?P<number>\d+)")
_COMMIT = re.compile(ANY_COMMIT, re.IGNORECASE)
_LAST_PART = re.compile(r"(?P<before>(?:.*[-_.])?)g?(?P<hash>[0-9a-f]{7,64})", re.IGNORECASE)
# Words for the newest there is, and Windows releases, whose images run on no other.
_UNVERSIONED = re.compile(
    r"(?<![a-z])(?:latest|stable|lts|rolling|main|master|nightly|edge|(?:windows)?ltsc|windows|nanoserver|windowsservercore)(?![a-z])",
    re.IGNORECASE,
)
_FIRST_DIGIT = re.compile(r"\d")
_PLAINLY = re.compile(r"[vV]?(?=\d{1,6}\.\d)")
"""How most tags begin, and no name does."""
_PLACEHOLDER = re.compile(f"({COMMIT}|{NUMBER})")
SHORTEST_COMMIT = 7
_LEAST_COMMIT = 10**5
"""What a commit is at least, should all its digits be decimal: two zeros in front are rare enough."""

_REMEMBERED = 4096
"""Suffixes whose template is kept: a repository has few of them for its many tags."""


def version_start(tag: str) -> int | None:
    """Where the version of a tag begins; None when all its digits belong to names.

    The number of what an image is built on is its version only where there is no other, nor a word in its place.
    """
    plainly = _PLAINLY.match(tag)
    if plainly:
        return plainly.end()
    companion: re.Match[str] | None = None
    for part in _LEADING_PART.finditer(tag):
        if part.lastgroup == "number" or (part.lastgroup == "system" and companion is None):
            return _first_digit(tag, part)
        if part.lastgroup == "companion" and companion is None:
            companion = part
    if companion is None or _UNVERSIONED.search(tag):
        return None
    return _first_digit(tag, companion)


def _first_digit(tag: str, part: re.Match[str]) -> int | None:
    digit = _FIRST_DIGIT.search(tag, part.start())
    return digit.start() if digit else None


def without_commits(text: str) -> str:
    """The text with `<commit>` for each commit."""
    return _COMMIT.sub(COMMIT, text)


@lru_cache(maxsize=_REMEMBERED)
def template_of(suffix: str) -> tuple[str, tuple[int, ...]]:
    """A suffix in lower case, with `#` for its numbers and `<commit>` for commits; and the numbers."""
    numbers: list[int] = []

    def fold(part: re.Match[str]) -> str:
        if part.lastgroup == "name":
            return part.group()
        if part.lastgroup == "commit":
            return COMMIT
        numbers.append(int(part.group()))
        return NUMBER

    return _SUFFIX_PART.sub(fold, suffix.lower()), tuple(numbers)


def differ_by_commit(template: str, numbers: tuple[int, ...], other: str, others: tuple[int, ...]) -> bool:
    """Whether two templates are alike but for a commit that one of them spells in decimal digits alone."""
    ours, theirs = _PLACEHOLDER.split(template), _PLACEHOLDER.split(other)
    if len(ours) != len(theirs):
        return False
    mine, yours = iter(numbers), iter(others)
    for one, another in zip(ours, theirs, strict=True):
        values = [next(values) for part, values in ((one, mine), (another, yours)) if part == NUMBER]
        if one != another and ({one, another} != {COMMIT, NUMBER} or values[0] < _LEAST_COMMIT):
            return False
    return True


def commit_place(tag: str) -> tuple[str, int] | None:
    """What stands before the hex digits a tag ends with, and their number: a commit's place, if they are one."""
    found = _LAST_PART.fullmatch(tag)
    return (found["before"], len(found["hash"])) if found else None
