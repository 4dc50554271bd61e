"""Answers of forges in DynamoDB, kept for a while."""

from __future__ import annotations

from datetime import datetime

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import CacheModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.release import ReleaseNotes
from chalicelib.wire import release as wire

_KIND = "release-notes"


class DynamoReleaseNotes:
    """One item per release that was asked for; one past its time counts as absent, deleted or not."""

    def get(self, key: str, now: datetime) -> tuple[bool, ReleaseNotes | None]:
        """Whether an answer is kept, and which."""
        with translated("release notes"):
            try:
                item = CacheModel.get(_KIND, key)
            except CacheModel.DoesNotExist:
                return False, None
        if item.expires_at <= now.timestamp():
            return False, None
        body = blob.unpack(item.value)
        return True, wire.read(body) if body else None

    def put(self, key: str, notes: ReleaseNotes | None, until: datetime) -> None:
        """Keep an answer until then."""
        value = blob.pack(wire.write(notes) if notes is not None else None)
        with translated("release notes"):
            CacheModel(_KIND, key, value=value, expires_at=int(until.timestamp())).save()
