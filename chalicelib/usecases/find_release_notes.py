"""Finds the release notes of a container's newer version, asking each forge at most once an hour for the same."""

from __future__ import annotations

import logging

from chalicelib.domain import release as releases
from chalicelib.domain.errors import NotFound, Unavailable
from chalicelib.domain.release import ReleaseNotes
from chalicelib.domain.source import parse
from chalicelib.ports.clock import Clock
from chalicelib.ports.release_notes import ReleaseNotesCache, ReleaseNotesSource

log = logging.getLogger(__name__)


def find_release_notes(
    source: str | None, tag: str | None, forges: ReleaseNotesSource, cache: ReleaseNotesCache, clock: Clock
) -> ReleaseNotes:
    """The notes of the release of `tag` in the repository `source`.

    Raises NotFound when there are none, when nobody knows where the source is, or when its forge does not answer.
    """
    repository = parse(source) if source else None
    if repository is None:
        raise NotFound("No release notes: it is not known where the source is. The label dd.source.repo can say so.")
    if not tag:
        raise NotFound("No release notes: no version has been found yet.")
    key = f"{repository}@{tag}"
    now = clock.now()
    kept, notes = cache.get(key, now)
    if not kept:
        notes = None
        try:
            for name in releases.spellings(tag):
                notes = notes or forges.find(repository, name)
        except Unavailable as error:
            log.warning("release notes of %s: %s", key, error)
        cache.put(key, notes, now + (releases.KEPT if notes is not None else releases.MISS_KEPT))
    if notes is None:
        raise NotFound(f"No release notes were found for {tag} at {repository}.")
    return notes
