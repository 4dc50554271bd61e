"""What registries serve: manifests, indexes and configs, read without trust."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from chalicelib.domain.container import Platform
from chalicelib.ports.registry import NoSuchPlatform, RegistryGarbled

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
ACCEPT = ", ".join([DOCKER_LIST, OCI_INDEX, DOCKER_MANIFEST, OCI_MANIFEST, f"{SCHEMA_1};q=0.5"])
MAX_DEPTH = 3
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_FRACTION = re.compile(r"(\.\d{6})\d+")


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an index. A nested index may tell no platform of its own."""

    digest: str
    is_index: bool
    architecture: str | None
    os: str | None
    variant: str | None


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest (`members` None) or an index, with the digest of its bytes."""

    digest: str
    members: tuple[Member, ...] | None
    config_digest: str | None = None
    image_id: str | None = None
    created: datetime | None = None


def read(body: bytes, served_digest: str | None, asked: str) -> Document:
    """A manifest document. `asked` is the tag or digest asked for: bytes of another digest raise RegistryGarbled."""
    try:
        document = orjson.loads(body)
    except ValueError:
        raise RegistryGarbled(f"The manifest of {asked} is not JSON") from None
    if not isinstance(document, dict):
        raise RegistryGarbled(f"The manifest of {asked} is not a manifest")
    if document.get("schemaVersion") == 1:
        return _schema_1(document, served_digest or asked)
    digest = digest_of(body, asked if is_digest(asked) else "sha256:")
    if is_digest(asked) and digest != asked:
        raise RegistryGarbled(f"The manifest served for {asked} has another digest")
    if isinstance(document.get("manifests"), list):
        return Document(digest, tuple(_members(document["manifests"])))
    config = document.get("config")
    if not isinstance(config, dict) or not is_digest(config.get("digest")):
        raise RegistryGarbled(f"The manifest of {asked} is neither an image nor an index")
    return Document(digest, None, config["digest"])


def members_for(members: tuple[Member, ...], platform: Platform) -> list[Member]:
    """The members worth following for a platform, best first. Raises NoSuchPlatform when there is none."""
    fitting = [m for m in members if (m.architecture, m.os) == (platform.architecture, platform.os)]
    wanted = platform.variant or _DEFAULT_VARIANTS.get(platform.architecture)
    exact = [m for m in fitting if (m.variant or _DEFAULT_VARIANTS.get(platform.architecture)) == wanted]
    nested = [m for m in members if m.is_index and m.architecture is None]
    found = (exact or fitting) + nested
    if not found:
        raise no_platform(platform)
    return found


def no_platform(platform: Platform) -> NoSuchPlatform:
    """The error for an image that is not made for a platform."""
    name = "/".join(part for part in (platform.os, platform.architecture, platform.variant) if part)
    return NoSuchPlatform(f"There is no manifest for {name}")


def read_created(config: bytes) -> datetime | None:
    """The creation date in an image's config; None when it tells none."""
    try:
        document = orjson.loads(config)
    except ValueError:
        return None
    return read_date(document.get("created")) if isinstance(document, dict) else None


def read_config(config: bytes) -> Mapping[str, Any]:
    """An image's config document."""
    try:
        document = orjson.loads(config)
    except ValueError:
        raise RegistryGarbled("The config of an image is not JSON") from None
    if not isinstance(document, dict):
        raise RegistryGarbled("The config of an image is not an object")
    return document


def read_date(text: object) -> datetime | None:
    """An RFC 3339 date (nanoseconds are cut), or None. Dates without a zone are none."""
    if not isinstance(text, str):
        return None
    try:
        date = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
    except ValueError:
        return None
    return date if date.tzinfo is not None else None


def is_digest(text: object) -> bool:
    """Whether this is a digest and not a tag."""
    return isinstance(text, str) and bool(_DIGEST.fullmatch(text))


def digest_of(body: bytes, like: str = "sha256:") -> str:
    """The digest of some bytes, with the algorithm of another digest."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def _members(entries: list[Any]) -> list[Member]:
    found = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not is_digest(entry.get("digest")):
            continue
        platform = entry.get("platform")
        platform = platform if isinstance(platform, Mapping) else {}
        architecture, os = platform.get("architecture"), platform.get("os")
        if architecture == "unknown" or os == "unknown":
            continue
        is_index = entry.get("mediaType") in (DOCKER_LIST, OCI_INDEX)
        found.append(Member(str(entry["digest"]), is_index, architecture, os, platform.get("variant")))
    return found


def _schema_1(document: Mapping[str, Any], digest: str) -> Document:
    try:
        newest = orjson.loads(document["history"][0]["v1Compatibility"])
    except (KeyError, IndexError, TypeError, ValueError):
        newest = {}
    newest = newest if isinstance(newest, dict) else {}
    config = newest.get("config")
    image_id = config.get("Image") if isinstance(config, dict) else None
    return Document(digest, None, None, image_id if is_digest(image_id) else None, read_date(newest.get("created")))
