"""What others may tell us unasked: a registry's news of a push, signed, and orders that carry a token."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.errors import Invalid
from chalicelib.domain.reference import HUB, Reference

SIGNATURES = ("x-hub-signature-256", "x-dd-signature")
_MOST = 100
"""A body names few images; more are a mistake or an attack."""

NEWS = timedelta(hours=1)
"""What was told longer ago is no news: whoever sends it now repeats it."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """Who may call: registries that sign with `secret`, and whoever has a token: of `watchall`, `watch`, `update`."""

    enabled: bool = False
    secret: str | None = field(default=None, repr=False)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)


NO_WEBHOOKS = WebhookRules()


@dataclass(frozen=True, slots=True)
class Push:
    """The news: who told, in which dialect (`hub`, `ghcr`, `harbor`, `quay`, `acr`, `ecr`), and what was pushed."""

    provider: str
    images: tuple[Reference, ...]
    told_at: datetime | None = None
    """When it happened, where the dialect tells."""
    once: bool = False
    """The body tells a time, so that the same body again is the same news."""

    def old(self, now: datetime) -> bool:
        """Whether this was told too long ago to be news."""
        return self.told_at is not None and now - self.told_at > NEWS


def signed(secret: str, body: bytes, signature: str) -> bool:
    """Whether `sha256=` and the HMAC-SHA256 of the body in hex, or the hex alone, is what it should be."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return same_secret(expected, signature.strip().lower().removeprefix("sha256="))


def same_secret(ours: str, theirs: str) -> bool:
    """Compares in a time that tells nothing."""
    return hmac.compare_digest(ours.encode(), theirs.encode())


def read_push(body: object) -> Push:
    """What a registry tells. Events that are no push name no image. Raises Invalid when no dialect fits."""
    if isinstance(body, Mapping):
        for provider, fits, read, when in _DIALECTS:
            if fits(body):
                try:
                    images = dict.fromkeys(image for image in read(body) if image is not None)
                except (TypeError, KeyError, AttributeError) as error:
                    raise Invalid(f"This is not what {provider} tells of a push: {error!r}") from error
                at = _moment(_at(body, when))
                # A package's time is that of the package: it may be old though the news is not.
                dated = None if provider == "ghcr" else at
                return Push(provider, tuple(images)[:_MOST], dated, once=at is not None)
    raise Invalid("No registry we know tells of a push like this: Docker Hub, GHCR, Harbor, Quay, ACR and ECR do.")


def concerns(image: Reference, running: Reference) -> bool:
    """Whether a pushed image may matter to a container: the same repository, whatever the tag."""
    return image.repository == running.repository


def _at(body: object, places: tuple[str, ...]) -> object:
    """The first of these places in the body that holds something, such as `push_data.pushed_at`."""
    for place in places:
        found = body
        for name in place.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is not None:
            return found
    return None


def _moment(told: object) -> datetime | None:
    """A time in seconds since 1970 or as RFC 3339 has it."""
    try:
        if isinstance(told, str):
            found = datetime.fromisoformat(told)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        if isinstance(told, int | float) and not isinstance(told, bool):
            return datetime.fromtimestamp(told, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _image(host: str, path: str, tag: object) -> Reference | None:
    """The image of that name; None when there is none, or when it is an artefact beside an image."""
    text = f"{host}/{path}".strip("/").lower()
    try:
        parsed = Reference.parse(f"{text}:{tag}" if tag else text)
    except Invalid:
        return None
    return None if parsed.running_tag.endswith((".sig", ".att", ".sbom")) else parsed


def _hub(body: Json) -> Iterator[Reference | None]:
    yield _image(HUB, body["repository"]["repo_name"], body["push_data"].get("tag"))


def _ghcr(body: Json) -> Iterator[Reference | None]:
    if "hook_id" in body:
        # GitHub tries a new address out with a proverb.
        return
    package = body.get("registry_package") or body["package"]
    kind = str(package.get("ecosystem") or package.get("package_type") or "").lower()
    if kind not in ("container", "docker") or body.get("action") not in ("published", "updated"):
        return
    owner = package.get("namespace") or package["owner"]["login"]
    version = package.get("package_version") or {}
    metadata = version.get("container_metadata") or {}
    yield _image("ghcr.io", f"{owner}/{package['name']}", (metadata.get("tag") or {}).get("name"))


def _harbor(body: Json) -> Iterator[Reference | None]:
    if body.get("type") not in ("PUSH_ARTIFACT", "harbor.artifact.pushed", "pushImage"):
        return
    for resource in (body.get("event_data") or body["data"])["resources"]:
        name = str(resource["resource_url"]).partition("@")[0]
        head, _, tail = name.rpartition("/")
        yield _image(head, tail.partition(":")[0], resource.get("tag") or tail.partition(":")[2])


def _quay(body: Json) -> Iterator[Reference | None]:
    host, _, path = str(body["docker_url"]).partition("/")
    tags = body["updated_tags"]
    for tag in tags if isinstance(tags, list) else [tags]:
        yield _image(host, path or str(body["repository"]), tag)


def _acr(body: Json) -> Iterator[Reference | None]:
    if body["action"] == "push":
        yield _image(str(body["request"]["host"]), body["target"]["repository"], body["target"].get("tag"))


def _ecr(body: Json) -> Iterator[Reference | None]:
    detail = body["detail"]
    if detail.get("action-type") == "PUSH" and detail.get("result") == "SUCCESS":
        region = str(body["region"])
        domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        host = f"{body['account']}.dkr.ecr.{region}.{domain}"
        yield _image(host, detail["repository-name"], detail.get("image-tag"))


_Dialect = tuple[str, Callable[[Json], bool], Callable[[Json], Iterator[Reference | None]], tuple[str, ...]]
_GITHUB = frozenset({"registry_package", "package", "hook_id"})
_PACKAGE_TIMES = ("registry_package.package_version.updated_at", "package.package_version.updated_at")
_DIALECTS: tuple[_Dialect, ...] = (
    ("hub", lambda body: "push_data" in body, _hub, ("push_data.pushed_at",)),
    ("ghcr", lambda body: not _GITHUB.isdisjoint(body), _ghcr, _PACKAGE_TIMES),
    (
        "harbor",
        lambda body: "event_data" in body or str(body.get("type", "")).startswith("harbor."),
        _harbor,
        ("occur_at", "time"),
    ),
    ("quay", lambda body: "docker_url" in body, _quay, ()),
    ("ecr", lambda body: body.get("source") == "aws.ecr", _ecr, ("time",)),
    (
        "acr",
        lambda body: "request" in body and ("target" in body or body.get("action") == "ping"),
        _acr,
        ("timestamp",),
    ),
)
