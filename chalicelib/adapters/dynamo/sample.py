"""Samples of containers in DynamoDB: one compact item each, and one with the latest of all of an agent's."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import SampleModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Stale
from chalicelib.domain.stats import RETENTION, Sample
from chalicelib.ports.observation import Armed, ArmedFleet
from chalicelib.wire import stats as wire

_KEPT = 1000
_FLEET = "*"
"""No key of an identity: those hold a watcher and a name."""


class DynamoSamples:
    """The arming and the samples are attributes apart, so that neither write undoes the other.

    What was read is kept for a moment, so that many who look at one container cost no more reads than one.
    """

    def __init__(self) -> None:
        self._kept: dict[Identity, tuple[float, Armed]] = {}
        self._reading = threading.Lock()

    def one(self, identity: Identity, within: float = 0) -> Armed:
        """One container's samples; those read up to `within` seconds ago will do."""
        if not within:
            return _read(identity)
        with self._reading:
            at, armed = self._kept.get(identity, (-math.inf, Armed()))
            if time.monotonic() - at > within:
                armed = _read(identity)
                if len(self._kept) >= _KEPT:
                    self._kept.clear()
                self._kept[identity] = time.monotonic(), armed
            return armed

    def fleet(self, agent: str) -> ArmedFleet:
        """The latest samples of an agent's containers."""
        item = _item(agent, _FLEET)
        if item is None:
            return ArmedFleet()
        latest = blob.unpack(item.samples) if item.samples else {}
        return ArmedFleet(_moment(item.armed_until), {key: wire.unpack(one) for key, one in latest.items()})

    def arm(self, agent: str, key: str | None, seen: datetime | None, until: datetime) -> bool:
        """Write the new end of the lease if nobody has written one since."""
        identity = Identity.of(agent, key) if key is not None else None
        with self._reading:
            at, kept = self._kept.get(identity, (0.0, Armed())) if identity else (0.0, Armed())
            if identity in self._kept and kept.until != seen:
                return False
            if identity in self._kept and identity is not None:
                self._kept[identity] = at, replace(kept, until=until)
        before = SampleModel.armed_until
        unchanged = before.does_not_exist() if seen is None else before == seen.timestamp()
        try:
            with translated("the samples"):
                SampleModel(agent, key or _FLEET).update(
                    actions=[before.set(until.timestamp()), SampleModel.expires_at.set(_expiry(until))],
                    condition=unchanged,
                )
        except Stale:
            return False
        return True

    def armed(self, agent: str, now: datetime) -> tuple[set[str], bool]:
        """The keys armed now, and whether all are; the samples themselves are not read."""
        with translated("the samples"):
            items = SampleModel.query(
                agent,
                filter_condition=SampleModel.armed_until > now.timestamp(),
                attributes_to_get=["key", "armed_until"],
                consistent_read=True,
            )
            keys = {item.key for item in items}
        return keys - {_FLEET}, _FLEET in keys

    def put(self, identity: Identity, samples: Sequence[Sample], now: datetime) -> None:
        """Replace one container's samples."""
        self._write(identity.agent, identity.key, blob.pack([wire.pack(one) for one in samples]), now)

    def put_fleet(self, agent: str, latest: Mapping[str, Sample], now: datetime) -> None:
        """Replace the latest samples of an agent's containers."""
        self._write(agent, _FLEET, blob.pack({key: wire.pack(one) for key, one in latest.items()}), now)

    def _write(self, agent: str, key: str, samples: bytes, now: datetime) -> None:
        with translated("the samples"):
            SampleModel(agent, key).update(
                actions=[SampleModel.samples.set(samples), SampleModel.expires_at.set(_expiry(now))]
            )


def _read(identity: Identity) -> Armed:
    item = _item(identity.agent, identity.key)
    if item is None:
        return Armed()
    samples = blob.unpack(item.samples) if item.samples else ()
    return Armed(_moment(item.armed_until), tuple(wire.unpack(one) for one in samples))


def _item(agent: str, key: str) -> SampleModel | None:
    with translated("the samples"):
        try:
            return SampleModel.get(agent, key, consistent_read=True)
        except SampleModel.DoesNotExist:
            return None


def _expiry(moment: datetime) -> int:
    return int((moment + RETENTION).timestamp())


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
