"""Where the source of an image is published: `host/owner/repository`, as labels or the image's own name tell."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chalicelib.domain.container import Container

_LABELS = ("org.opencontainers.image.source", "org.opencontainers.image.url")
_GHCR = "ghcr.io/"
_HOST = re.compile(r"^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?$")
_SEGMENT = re.compile(r"^[A-Za-z0-9_.-]{1,100}$")
_SCP = re.compile(r"^(?:[\w.-]+@)?([\w.-]+):(?!\d+/)(.+)$")


@dataclass(frozen=True, slots=True)
class SourceRepository:
    """A repository on a forge: `host` may have a port, `path` has at least an owner and a name."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


def source_of(container: Container) -> str | None:
    """The repository of a container's image, as text; an operator's label wins over what the image says."""
    candidates = [container.wishes.source_repo, *(container.labels.get(name) for name in _LABELS)]
    candidates.append(_on_ghcr(container.image.reference))
    found = (parse(text) for text in candidates if text)
    return next((str(repository) for repository in found if repository is not None), None)


def parse(text: str) -> SourceRepository | None:
    """The repository that a URL, `git@host:owner/name` or `host/owner/name` points into; None when it is none."""
    plain = text.strip().partition("#")[0].partition("?")[0]
    scheme, separator, rest = plain.partition("://")
    if separator:
        if scheme.lower().removeprefix("git+") not in ("http", "https", "git", "ssh"):
            return None
        rest = rest.rpartition("@")[2]
    else:
        short = _SCP.match(plain)
        rest = f"{short[1]}/{short[2]}" if short else plain
    host, *path = rest.strip("/").split("/")
    host = host.lower().removeprefix("www.")
    segments = _repository_path(host, path)
    if not _HOST.match(host) or "." not in host.partition(":")[0] or len(segments) < 2:
        return None
    if not all(_SEGMENT.match(one) and one.strip(".") for one in segments):
        return None
    return SourceRepository(host, "/".join(segments))


def _repository_path(host: str, path: list[str]) -> list[str]:
    """Only the part that names the repository: pages of it are cut off, groups within groups are kept."""
    for at, segment in enumerate(path):
        if at >= 2 and segment in ("-", "tree", "blob", "src", "releases", "commit"):
            path = path[:at]
            break
    if host == "github.com":
        path = path[:2]
    return [*path[:-1], path[-1].removesuffix(".git")] if path else path


def _on_ghcr(reference: str) -> str | None:
    """Images on GitHub's registry are named after their repository, more often than not."""
    if not reference.startswith(_GHCR):
        return None
    name = reference.removeprefix(_GHCR).partition("@")[0].partition(":")[0]
    return "github.com/" + "/".join(name.split("/")[:2])
