"""Checks one container against its registry: which tag or digest it could move to, and since when."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain import candidate as candidates
from chalicelib.domain.candidate import TagChoice, TagRules, Transform
from chalicelib.domain.container import NO_UPDATE, Container, Image, Result
from chalicelib.domain.errors import Invalid
from chalicelib.domain.link import render_link
from chalicelib.domain.reference import LATEST, UNKNOWN_TAG, Reference
from chalicelib.ports.patterns import BadPattern, PatternCompiler
from chalicelib.ports.registry import Registry, RegistryError, RegistryNotFound

log = logging.getLogger(__name__)
NOT_FROM_A_REGISTRY = "This image was built or loaded on its host, so no registry can tell of a newer one."
DIGEST_NOT_WATCHED = "'{tag}' is not a version and its digest is not watched, so there is nothing to compare."
_PINNED = "sha256:"


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The digests on both sides as far as they are known, or the reason why they are not."""

    local: str | None = None
    remote: str | None = None
    created: datetime | None = None
    error: str | None = None


def detect(container: Container, registry: Registry, *, compile: PatternCompiler, now: datetime) -> Container:
    """The container with the outcome of a check at `now`.

    Registry trouble never raises: `error` says what went wrong, and what the last good check found stays. A trouble
    with digests alone leaves the tags found. The clock of a candidate that is known already runs on.
    """
    try:
        rules = tag_rules(container, compile)
    except BadPattern as error:
        return replace(container, error=str(error), result=container.result or Result())
    container = _reread(container, rules.transform)
    image = container.image
    if not image.digest.repo_digests or image.tag.value == UNKNOWN_TAG:
        return _settle(container, Result(image.tag.value, no_update_reason=NOT_FROM_A_REGISTRY), rules, None, now)
    try:
        source = _source(container)
    except Invalid as error:
        return failed(container, str(error))
    return _ask(container, source, registry, rules, now)


def _ask(container: Container, source: Reference, registry: Registry, rules: TagRules, now: datetime) -> Container:
    image, known = container.image, container.result
    error = None
    choice = TagChoice(suggested=known.suggested_tag if known else None)
    tags: tuple[str, ...] = ()
    if _needs_tags(image, rules):
        try:
            tags = tuple(registry.tags(source.repository))
            choice = candidates.choose_tag(image.tag.value, tags, rules)
        except RegistryError as trouble:
            # Without its tags nothing is known of a version; a word can still be compared by digest.
            if image.tag.semver or rules.include or not image.digest.watch:
                return failed(container, str(trouble))
            error = str(trouble)
    result = Result(choice.tag or image.tag.value, choice.suggested, no_update_reason=_reason(image, choice))
    if image.digest.watch:
        compared = _compare(
            image, source.with_tag(_compared_tag(image, choice, tags)), registry, choice.tag is not None
        )
        error = compared.error or error
        if compared.error is None:
            result = replace(result, digest=compared.remote, created=compared.created)
            image = replace(image, digest=replace(image.digest, value=compared.local))
        elif known is not None and known.tag == result.tag:
            result = replace(result, digest=known.digest, created=known.created)
    container = replace(container, image=image)
    result = _dated(container, result, source, registry, rules)
    return _settle(container, result, rules, error, now)


def tag_rules(container: Container, compile: PatternCompiler) -> TagRules:
    """The operator's patterns, compiled. A broken filter is ignored with a warning, a broken transform raises."""
    wishes = container.wishes
    found = {}
    for name, pattern in (("include", wishes.include_tags), ("exclude", wishes.exclude_tags)):
        try:
            found[name] = compile.matcher(pattern) if pattern else None
        except BadPattern as error:
            log.warning("The %s filter of %s is ignored: %s", name, container.name, error)
            found[name] = None
    transform = compile.transform(wishes.transform_tags) if wishes.transform_tags else candidates.unchanged
    family = candidates.LOOSE if (wishes.tag_family or "").lower() == candidates.LOOSE else candidates.STRICT
    return TagRules(found["include"], found["exclude"], transform, family)


def _reread(container: Container, transform: Transform) -> Container:
    """The container with everything derived from its tag derived anew: rules and labels may have changed."""
    image = container.image
    tag = candidates.read_tag(image.tag.value, transform)
    watch = candidates.watches_digest(container.wishes.watch_digest, tag)
    link = render_link(container.wishes.link_template, tag.value, transform)
    return replace(container, image=replace(image, tag=tag, digest=replace(image.digest, watch=watch)), link=link)


def _source(container: Container) -> Reference:
    """Where tags and digests are read; what is deployed never changes by it. Raises Invalid."""
    lookup = container.image.lookup_image or container.wishes.lookup_image
    return Reference.parse(lookup or container.image.reference)


def _needs_tags(image: Image, rules: TagRules) -> bool:
    return image.tag.semver or rules.include is not None or image.tag.value == LATEST or _is_pinned(image)


def _reason(image: Image, choice: TagChoice) -> str | None:
    if choice.tag is not None or image.digest.watch:
        return None
    if image.tag.semver:
        return choice.reason
    return DIGEST_NOT_WATCHED.format(tag=image.tag.value)


def _compared_tag(image: Image, choice: TagChoice, tags: tuple[str, ...]) -> str:
    """The tag whose digest counts. What runs by digest alone is compared with where its repository stands now."""
    if choice.tag is not None:
        return choice.tag
    if not _is_pinned(image):
        return image.tag.value
    if LATEST in tags or not tags:
        return LATEST
    return choice.suggested or tags[-1]


def _is_pinned(image: Image) -> bool:
    return image.tag.value.startswith(_PINNED)


def _compare(image: Image, target: Reference, registry: Registry, tag_differs: bool) -> _Comparison:
    """Compares at platform level (engine-spec §3.4), with as few requests as it takes: a HEAD when nothing moved."""
    ours = {digest.rpartition("@")[2] for digest in image.digest.repo_digests} | {image.id}
    known = image.digest.value
    try:
        served = registry.head(target)
        if served in ours:
            return _Comparison(known or served, known or served, image.created)
        # By digest, so that a tag that moves meanwhile cannot mix two images.
        remote = registry.manifest(target.with_digest(served) if served else target, image.platform)
    except RegistryError as trouble:
        return _Comparison(error=str(trouble))
    same = {remote.digest, remote.platform_digest, remote.config_digest} & ours
    if same:
        return _Comparison(remote.platform_digest, remote.platform_digest, remote.created)
    if tag_differs:
        return _Comparison(known, remote.platform_digest, remote.created)
    return _against_local(
        image, target, registry, _Comparison(None, remote.platform_digest, remote.created), remote.config_digest
    )


def _against_local(
    image: Image, target: Reference, registry: Registry, remote: _Comparison, config_digest: str | None
) -> _Comparison:
    """Resolves what the engine says the image came from: an index it was pulled by may hold the very manifest."""
    local: str | None = None
    trouble: RegistryError | None = None
    gone = True
    for text in image.digest.repo_digests:
        digest = text.rpartition("@")[2]
        try:
            resolved = registry.resolve(target.with_digest(digest), image.platform).platform_digest
        except RegistryError as error:
            trouble = error
            gone = gone and isinstance(error, RegistryNotFound)
            continue
        if resolved == remote.remote:
            return replace(remote, local=resolved)
        local = local or resolved
    if local is not None:
        return replace(remote, local=local)
    first = image.digest.repo_digests[0].rpartition("@")[2]
    # Old manifests are deleted from registries. Where the image id is a config digest it proves the change by itself.
    if gone and config_digest is not None and image.id not in {d.rpartition("@")[2] for d in image.digest.repo_digests}:
        return replace(remote, local=image.digest.value or first)
    return _Comparison(error=str(trouble) if trouble else "The running image cannot be compared")


def _dated(container: Container, result: Result, source: Reference, registry: Registry, rules: TagRules) -> Result:
    """The result with its link and, while there is an update, the date it was pushed."""
    link = render_link(container.wishes.link_template, result.tag or container.image.tag.value, rules.transform)
    result = replace(result, link=link)
    if result.tag is None or candidates.update_kind(container.image, result, rules.transform) is None:
        return result
    if not result.tag.startswith(_PINNED):
        trusted = registry.published(source.with_tag(result.tag))
        if trusted is not None:
            return replace(result, published_at=trusted, published_at_trusted=True)
    return replace(result, published_at=result.created)


def _settle(container: Container, result: Result, rules: TagRules, error: str | None, now: datetime) -> Container:
    kind = candidates.update_kind(container.image, result, rules.transform)
    candidate = candidates.offer(kind, result, container.candidate, container.result, now)
    return replace(container, result=result, error=error, update=kind or NO_UPDATE, candidate=candidate)


def failed(container: Container, error: str) -> Container:
    """The third state: neither up to date nor not. What the last good check found stays."""
    return replace(container, error=error, result=container.result or Result(container.image.tag.value))
