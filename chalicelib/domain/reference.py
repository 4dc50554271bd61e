"""The name of an image: parsed once at the edge into host, path, tag and digest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.errors import Invalid

HUB = "docker.io"
LATEST = "latest"
UNKNOWN_TAG = "unknown"
"""The tag of an image the engine knows by nothing but its id."""

_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?"
)
_SHORT_ID = re.compile(r"[0-9a-f]{4,64}")
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}|[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """Where the tags of one image live: `docker.io` and `library/nginx`, say."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


@dataclass(frozen=True, slots=True)
class Reference:
    """An image by name. `host` is lower case with its port, `path` is complete (`library/nginx`).

    `tag` is absent only for a name that is pinned by digest alone.
    """

    host: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Reads `[host[:port]/]path[:tag][@digest]`; raises Invalid with the reason."""
        name, pinned, digest = text.strip().partition("@")
        if pinned and not _DIGEST.fullmatch(digest):
            raise Invalid(f"'{text}' is not an image: '{digest}' is not a digest")
        slash = name.rfind("/")
        colon = name.find(":", slash + 1)
        name, tag = (name[:colon], name[colon + 1 :]) if colon >= 0 else (name, None)
        if tag is not None and not _TAG.fullmatch(tag):
            raise Invalid(f"'{text}' is not an image: '{tag}' is not a tag")
        host, path = _split(name)
        if not _HOST.fullmatch(host):
            raise Invalid(f"'{text}' is not an image: '{host}' is not a registry host")
        if not _PATH.fullmatch(path):
            raise Invalid(f"'{text}' is not an image: '{path}' is not a repository")
        return cls(host, path, tag if tag or digest else LATEST, digest or None)

    @property
    def repository(self) -> Repository:
        return Repository(self.host, self.path)

    @property
    def running_tag(self) -> str:
        """What stands for the tag: the tag, else the digest it is pinned to."""
        return self.tag or self.digest or LATEST

    @property
    def target(self) -> str:
        """What a registry is asked for: the digest when there is one, else the tag."""
        return self.digest or self.tag or LATEST

    @property
    def familiar(self) -> str:
        """What the engine pulls, in the words people use: `nginx:1.25`, `127.0.0.1:5000/web:1`."""
        name = f"{self.host}/{self.path}" if self.host else self.path
        if self.host == HUB:
            name = self.path.removeprefix("library/")
        tag = f":{self.tag}" if self.tag else ""
        return f"{name}{tag}@{self.digest}" if self.digest else f"{name}{tag}"

    def with_tag(self, tag: str) -> Reference:
        """The same image under another tag, bound to no digest. A digest in place of a tag pins the name."""
        return self.with_digest(tag) if _DIGEST.fullmatch(tag) else replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> Reference:
        """The same repository at exactly this digest; a tag would be ornament, so it goes."""
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        return self.familiar


def choose_reference(
    configured: str, repo_tags: Sequence[str], repo_digests: Sequence[str], image_id: str = ""
) -> Reference:
    """The name a container's image goes by (engine-spec §2.5).

    `configured` is what the container was created with: a name, or an image id, which people shorten (`image_id`
    tells such a beginning from a name). Only an id or a bare `name@digest` needs what the engine knows of the image.
    A container pinned to a digest never takes the tag of another repository: updating it would deploy that image.
    """
    if is_image_id(configured) or _begins_id(configured, image_id, repo_tags):
        return _of_bare_id(configured, repo_tags, repo_digests)
    reference = Reference.parse(configured)
    if reference.tag is not None:
        return reference
    for tagged in _parsed(repo_tags):
        if tagged.repository == reference.repository:
            return replace(tagged, digest=reference.digest)
    return reference


def own_digest(reference: Reference, repo_digests: Sequence[str]) -> str | None:
    """The first of the engine's RepoDigests that belongs to the reference's own repository, as the engine wrote it."""
    for text in repo_digests:
        parsed = _parsed([text])
        if parsed and parsed[0].repository == reference.repository:
            return text
    return None


def is_tag(text: object) -> bool:
    """Whether a tag may be spelled like this."""
    return isinstance(text, str) and bool(_TAG.fullmatch(text))


def is_image_id(text: str) -> bool:
    """Whether this names an image by id (64 hex digits, with or without `sha256:`, or the short 12)."""
    return bool(_IMAGE_ID.fullmatch(text))


def _begins_id(configured: str, image_id: str, repo_tags: Sequence[str]) -> bool:
    if not _SHORT_ID.fullmatch(configured) or not image_id.removeprefix("sha256:").startswith(configured):
        return False
    named = Reference.parse(configured).repository
    return all(tagged.repository != named for tagged in _parsed(repo_tags))


def _of_bare_id(configured: str, repo_tags: Sequence[str], repo_digests: Sequence[str]) -> Reference:
    for known in (*_parsed(repo_tags), *_parsed(repo_digests)):
        return known
    return Reference("", configured.removeprefix("sha256:"), UNKNOWN_TAG)


def _parsed(texts: Sequence[str]) -> list[Reference]:
    # The engine writes `<none>:<none>` for an image whose last tag moved on.
    found = []
    for text in texts:
        try:
            found.append(Reference.parse(text))
        except Invalid:
            continue
    return found


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        host, path = HUB, name
    else:
        host, path = first.lower(), rest
    if host in _HUB_ALIASES:
        host = HUB
        if "/" not in path:
            path = f"library/{path}"
    return host, path
