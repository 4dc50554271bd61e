"""Image sets: what an operator asks of every container of certain images, where its own labels say nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.domain.labels import label
from chalicelib.domain.reference import HUB, Reference

_PATTERN = re.compile(r"[A-Za-z0-9*._:/\[\]-]{1,512}")
_LIBRARY = "library/"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """What is asked of the containers of some images: `wishes` are values by label name without `dd.`.

    `image` is a pattern, `[host/]path[:tag]` with `*` for anything. Without a host it is meant on every host, and on
    Docker Hub with or without `library/`.
    """

    name: str
    image: str
    wishes: Mapping[str, str] = field(default_factory=dict)

    @property
    def readable(self) -> bool:
        """Whether the pattern can be one of an image."""
        return bool(_PATTERN.fullmatch(self.image)) and bool(_split(self.image)[1])

    def fits(self, reference: Reference) -> bool:
        """Whether this image is meant."""
        host, path, tag = _split(self.image)
        if host is not None and not _like(host.lower(), reference.host):
            return False
        if tag is not None and not _like(tag, reference.running_tag):
            return False
        familiar = reference.path.removeprefix(_LIBRARY) if reference.host == HUB else reference.path
        return _like(path, reference.path) or _like(path, familiar)

    @property
    def precision(self) -> tuple[int, int, int, str]:
        """What two sets that fit the same image are compared by: the higher one says more."""
        host, path, tag = _split(self.image)
        literal = len(self.image.replace("*", ""))
        return (host is not None) + (tag is not None), -path.count("*"), literal, self.name


def best_fit(sets: Iterable[ImageSet], reference: Reference) -> ImageSet | None:
    """Of those that fit the one that says most about the image."""
    return max((one for one in sets if one.fits(reference)), key=lambda one: one.precision, default=None)


def with_defaults(labels: Mapping[str, str], *tiers: Mapping[str, str]) -> dict[str, str]:
    """The labels, and below them what each tier says that no one before it does; a tier's names lack the `dd.`."""
    found = dict(labels)
    for tier in tiers:
        found |= {f"dd.{name}": value for name, value in tier.items() if label(found, name) is None}
    return found


def _split(pattern: str) -> tuple[str | None, str, str | None]:
    first, slash, rest = pattern.partition("/")
    host: str | None = None
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, pattern = first, rest
    path, colon, tag = pattern.rpartition(":")
    return (host, path, tag) if colon else (host, pattern, None)


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
