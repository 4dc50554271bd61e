"""Read what containers use: each read keeps its containers sampled for a while, with one small write per while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from chalicelib.domain.command import Command, CommandKind, about_each
from chalicelib.domain.container import Identity
from chalicelib.domain.stats import Sample, is_fresh, lease
from chalicelib.ports.observation import Armed, SampleStore
from chalicelib.usecases.order import Ordering


def read_one(identity: Identity, samples: SampleStore, ordering: Ordering, interval: timedelta) -> Armed:
    """One container's samples, oldest first. The very first reader waits for the first of them."""
    armed = samples.one(identity)
    command = keep_sampled(identity.agent, identity.key, armed.until, samples, ordering, interval)
    now = ordering.clock.now()
    if command is None or (armed.samples and is_fresh(armed.samples[-1], now, interval)):
        return armed
    ordering.wait(command)
    return samples.one(identity)


def read_fleet(
    agent: str, samples: SampleStore, ordering: Ordering, interval: timedelta
) -> tuple[Mapping[str, Sample], Command | None]:
    """The latest samples of an agent's containers by key, and the command that will bring the first of them."""
    armed = samples.fleet(agent)
    command = keep_sampled(agent, None, armed.until, samples, ordering, interval)
    now = ordering.clock.now()
    fresh = _fresh(armed.latest, now, interval)
    return fresh, command if not fresh else None


def fresh_fleet(agent: str, samples: SampleStore, now: datetime, interval: timedelta) -> Mapping[str, Sample]:
    """The latest samples of an agent's containers by key, without those of long ago."""
    return _fresh(samples.fleet(agent).latest, now, interval)


def _fresh(latest: Mapping[str, Sample], now: datetime, interval: timedelta) -> Mapping[str, Sample]:
    return {key: one for key, one in latest.items() if is_fresh(one, now, interval)}


def keep_sampled(
    agent: str,
    key: str | None,
    until: datetime | None,
    samples: SampleStore,
    ordering: Ordering,
    interval: timedelta,
) -> Command | None:
    """Renew the lease once half of it is gone; the command that wakes the executor if nothing was sampled any more."""
    now = ordering.clock.now()
    length = lease(interval)
    if until is not None and until - now > length / 2:
        return None
    if not samples.arm(agent, key, until, now + length) or (until is not None and until > now):
        return None
    if all(one.name != agent for one in ordering.connected()):
        return None
    arguments = about_each([Identity.of(agent, key)]) if key is not None else {}
    return ordering.order(agent, CommandKind.SAMPLE, arguments)
