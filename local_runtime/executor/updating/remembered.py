"""Find the image a rollback returns to: it is the remembered one, or there is no rollback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from chalicelib.domain.errors import Failed, SlipwayError
from chalicelib.domain.operation import Operation
from chalicelib.domain.reference import Reference, is_image_id
from chalicelib.ports.engine import Engine, EngineNotFound, EngineUnavailable
from chalicelib.ports.registry import RegistryError
from local_runtime.executor.host import Host

Document = Mapping[str, Any]


def remembered(host: Host, operation: Operation) -> tuple[str, Document]:
    """The reference to create the container from, and the image; pulled when it is no longer here.

    By its digest first, then by the engine's id, then by its tag; what is found under the tag counts only when it is
    the same image, or when neither digest nor id is known. Raises Failed with what was tried.
    """
    troubles: list[str] = []
    for look in (_here, _by_digest, _by_tag):
        for image in look(host, operation, troubles):
            return _reference(host.engine, operation, image), image
    name = operation.target_image or "the image"
    raise Failed(f"{name} is no longer to be had as it was remembered: {'; '.join(troubles) or 'it was removed'}.")


def _here(host: Host, operation: Operation, _troubles: list[str]) -> Iterator[Document]:
    for name in (_digest_name(operation), operation.wanted_image_id):
        if name is not None:
            with suppress(EngineNotFound):
                yield host.engine.image(name)


def _by_digest(host: Host, operation: Operation, troubles: list[str]) -> Iterator[Document]:
    name = _digest_name(operation)
    if name is not None and _pulled(host, name, troubles):
        with suppress(EngineNotFound):
            yield host.engine.image(name)


def _by_tag(host: Host, operation: Operation, troubles: list[str]) -> Iterator[Document]:
    """What the tag leads to in its registry today, when that is the remembered image.

    Pulled by its digest: a pull by the tag would move the name on this host, also when nothing comes of the rollback.
    """
    if operation.target_image is None or is_image_id(operation.target_image):
        return
    target = replace(Reference.parse(operation.target_image), digest=None)
    if target.tag is None:
        return
    digest = _digest_today(host, target, troubles)
    if digest is None:
        return
    name = target.with_digest(digest).familiar
    if not _pulled(host, name, troubles):
        return
    image = host.engine.image(name)
    known = {one for one in (operation.wanted_image_id, operation.wanted_digest) if one}
    digests = {text.partition("@")[2] for text in image.get("RepoDigests") or ()}
    if not known or image["Id"] in known or digests & known:
        yield image
        return
    troubles.append(f"{target.familiar} is another image today")


def _digest_today(host: Host, target: Reference, troubles: list[str]) -> str | None:
    try:
        digest = host.registries.cycle().head(target)
    except RegistryError as error:
        troubles.append(f"{target.familiar} cannot be looked up: {error}")
        return None
    if digest is None:
        troubles.append(f"the registry does not tell which image {target.familiar} is")
    return digest


def _pulled(host: Host, name: str, troubles: list[str]) -> bool:
    try:
        host.engine.pull(name, auth=host.registries.pull_credentials(Reference.parse(name)))
    except EngineUnavailable:
        raise
    except SlipwayError as error:
        troubles.append(f"{name} cannot be pulled: {error}")
        return False
    return True


def _reference(engine: Engine, operation: Operation, image: Document) -> str:
    """The name the container is known by, if the engine can find or give it; else the image's id."""
    wanted = operation.target_image or ""
    if not wanted or is_image_id(wanted):
        return str(image["Id"])
    target = Reference.parse(wanted)
    if target.digest is None or _id_of(engine, wanted) == image["Id"]:
        return wanted
    # An image that came without its digest, from an archive say, is found by a tag only.
    return replace(target, digest=None).familiar if target.tag else str(image["Id"])


def _digest_name(operation: Operation) -> str | None:
    if not operation.wanted_digest or operation.target_image is None or is_image_id(operation.target_image):
        return None
    return Reference.parse(operation.target_image).with_digest(operation.wanted_digest).familiar


def _id_of(engine: Engine, name: str) -> str | None:
    with suppress(EngineNotFound):
        return str(engine.image(name)["Id"])
    return None
