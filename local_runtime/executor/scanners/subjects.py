"""Which image is meant: what a container runs, and what it could move to, each bound to a digest where one is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.container import Container, Platform
from chalicelib.domain.reference import Reference, own_digest
from chalicelib.ports.registry import Registry, RegistryDirectory
from chalicelib.ports.scanner import Subject
from chalicelib.usecases.request_update import target

Document = Mapping[str, Any]


def running(container: Container, registries: RegistryDirectory, engine_url: str) -> Subject:
    """The image a container runs. Raises RegistryError when its credentials cannot be had."""
    image = container.image
    if image.digest.repo is None:
        return _local(image.reference or image.id, image.id, image.platform, engine_url)
    return _pulled(Reference.parse(image.digest.repo), image.reference, image.platform, registries, engine_url)


def candidate(container: Container, registry: Registry, registries: RegistryDirectory, engine_url: str) -> Subject:
    """The image a container could move to, bound to what its tag stands for now. Raises RegistryError."""
    wanted = target(container.image.reference, container.update)
    platform = container.image.platform
    digest = wanted.digest or registry.head(wanted) or registry.resolve(wanted, platform).digest
    return _pulled(wanted.with_digest(digest), wanted.familiar, platform, registries, engine_url)


def pulled(reference: Reference, image: Document, registries: RegistryDirectory, engine_url: str) -> Subject:
    """An image as the engine has it after a pull: exactly these bytes will run. Raises RegistryError."""
    platform = Platform(
        image.get("Architecture") or "unknown", image.get("Os") or "linux", image.get("Variant") or None
    )
    own = own_digest(reference, image.get("RepoDigests") or ())
    if own is None:
        return _local(reference.familiar, str(image["Id"]), platform, engine_url)
    return _pulled(Reference.parse(own), reference.familiar, platform, registries, engine_url)


def _pulled(bound: Reference, name: str, platform: Platform, registries: RegistryDirectory, engine_url: str) -> Subject:
    return Subject(
        reference=bound.familiar,
        name=name,
        digest=bound.digest or "",
        platform=platform,
        registry=bound.host,
        auth=registries.pull_credentials(bound),
        engine_url=engine_url,
    )


def _local(name: str, image_id: str, platform: Platform, engine_url: str) -> Subject:
    return Subject(
        reference=image_id.removeprefix("sha256:"),
        name=name,
        digest=image_id,
        platform=platform,
        local=True,
        engine_url=engine_url,
    )
