"""Samples what containers use, as long as somebody asks: once per interval and container, however many look."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

from chalicelib.config import WatcherSettings
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.labels import canonical_name, flag
from chalicelib.domain.operation import original_name
from chalicelib.domain.stats import Reading, Sample, is_fresh, sample
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine, EngineError
from chalicelib.ports.observation import SampleStore

log = logging.getLogger(__name__)

_PARALLEL = 64
"""An engine that cannot give one reading alone takes up to two seconds over it, and most of that it waits."""
_FEW = 16
"""So many new containers are measured over the engine's own second; of more, we take two readings ourselves."""
_APART = 1.0
"""Seconds between those two."""
_PART = 1.0
"""After so many seconds what has been sampled is shown, while the rest is still being sampled."""
_TROUBLE_PAUSE = 5.0

Place = tuple[WatcherSettings, Engine]
Item = tuple[Identity, tuple[Engine, str]]
First = tuple[Reading | None, float]
"""A reading, and by `time.monotonic` when it was taken."""


class Sampler:
    """Reads the meters of armed containers every `interval` and keeps the last `history` samples of each."""

    def __init__(
        self,
        agent: str,
        places: Sequence[Place],
        samples: SampleStore,
        clock: Clock,
        interval: timedelta,
        history: int,
    ) -> None:
        self._agent = agent
        self._places = places
        self._samples = samples
        self._clock = clock
        self._interval = interval
        self._history = history
        self._readings: dict[Identity, tuple[str, Reading]] = {}
        self._rings: dict[Identity, deque[Sample]] = {}
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="sample")
        # First readings are waited for in the pool above, so they need one of their own.
        self._firsts = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="first-sample")
        self._keeping = threading.Lock()
        self._begun = -math.inf
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="sampler", daemon=True)

    def start(self) -> None:
        """Go on with what was armed before this executor began."""
        self._wanted.set()
        self._thread.start()

    def stop(self) -> None:
        """Sample no more."""
        self._stopping.set()
        self._wanted.set()
        self._firsts.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def wake(self) -> None:
        """Something may be armed that was not: look at once, then every interval as long as anything is."""
        self._wanted.set()

    def sample_first(self, identities: Sequence[Identity] | None) -> None:
        """Sample what has just been armed (None: all containers) at once. Raises Unavailable."""
        keys, everything = self._samples.armed(self._agent, self._clock.now())
        if identities is not None:
            keys, everything = keys & {identity.key for identity in identities}, False
        self._sample(keys, everything)

    def sample_armed(self) -> bool:
        """Sample everything that is armed and store it; whether anything is. Raises Unavailable."""
        keys, everything = self._samples.armed(self._agent, self._clock.now())
        if not keys and not everything:
            with self._keeping:
                self._readings.clear()
                self._rings.clear()
            return False
        self._forget(self._sample(keys, everything))
        return True

    def _sample(self, keys: set[str], everything: bool) -> Mapping[Identity, object]:
        """Sample these, and what was found to be running of them."""
        self._begun = time.monotonic()
        found = self._running(None if everything else keys)
        latest: dict[str, Sample] = {}
        waiting = self._begin(found)
        while waiting and not self._stopping.is_set():
            ended, waiting = wait(waiting, _PART)
            now = self._clock.now()
            for identity, one in (task.result() or (None, None) for task in ended):
                if identity is not None and one is not None:
                    latest[identity.key] = one
                    self._keep(identity, one, now if identity.key in keys else None)
            if everything and (ended or not waiting):
                self._samples.put_fleet(self._agent, self._latest(found, latest) if waiting else latest, now)
        return found

    def _begin(self, found: Mapping[Identity, tuple[Engine, str]]) -> set[Future[tuple[Identity, Sample] | None]]:
        """Sampling under way. First readings come before all else, and their waits pass together."""
        new = [item for item in found.items() if self._before(item) is None]
        firsts = {item[0]: self._firsts.submit(self._read, item) for item in new} if len(new) > _FEW else {}
        return {self._pool.submit(self._one, item, firsts.get(item[0])) for item in found.items()}

    def _keep(self, identity: Identity, one: Sample, now: datetime | None) -> None:
        with self._keeping:
            ring = self._ring(identity)
            if not ring or ring[-1].at < one.at:
                ring.append(one)
            history = list(ring)
        if now is not None:
            self._samples.put(identity, history, now)

    def _latest(self, found: Mapping[Identity, object], sampled: Mapping[str, Sample]) -> dict[str, Sample]:
        """What has been sampled so far, and of the others what was the last before, where that is no old story."""
        now = self._clock.now()
        with self._keeping:
            before = {one.key: self._rings[one][-1] for one in found if self._rings.get(one)}
        return {key: one for key, one in before.items() if is_fresh(one, now, self._interval)} | dict(sampled)

    def _running(self, keys: set[str] | None) -> Mapping[Identity, tuple[Engine, str]]:
        found: dict[Identity, tuple[Engine, str]] = {}
        for settings, engine in self._places:
            try:
                summaries = engine.containers()
            except EngineError as error:
                log.warning("the containers of %s cannot be sampled: %s", settings.name, error)
                continue
            for summary in summaries:
                name = str((summary.get("Names") or [""])[0]).lstrip("/")
                identity = Identity(self._agent, settings.name, canonical_name(name))
                if original_name(name) is not None or (keys is not None and identity.key not in keys):
                    continue
                wish = flag(summary.get("Labels") or {}, "watch")
                if settings.watch_by_default if wish is None else wish:
                    found[identity] = engine, summary["Id"]
        return found

    def _one(self, item: Item, first: Future[First] | None) -> tuple[Identity, Sample] | None:
        identity, (engine, container_id) = item
        before = self._before(item)
        try:
            if first is not None:
                before, taken = first.result()
                if before is None or before.earlier_cpu is not None:
                    return self._sampled(item, before, None)
                self._stopping.wait(taken + _APART - time.monotonic())
            reading = engine.stats(container_id, at_once=before is not None)
        except EngineError as error:
            log.info("%s cannot be sampled: %s", identity.name, error)
            return None
        return self._sampled(item, reading, before)

    def _read(self, item: Item) -> First:
        _, (engine, container_id) = item
        return engine.stats(container_id, at_once=True), time.monotonic()

    def _before(self, item: Item) -> Reading | None:
        """The reading before, unless it is of another container or of long ago."""
        identity, (_, container_id) = item
        known_id, before = self._readings.get(identity, ("", None))
        if known_id != container_id or (before and self._clock.now() - before.at > 3 * self._interval):
            return None
        return before

    def _sampled(self, item: Item, reading: Reading | None, before: Reading | None) -> tuple[Identity, Sample] | None:
        if reading is None:
            return None
        identity, (_, container_id) = item
        self._readings[identity] = container_id, reading
        return identity, sample(reading, before)

    def _ring(self, identity: Identity) -> deque[Sample]:
        ring = self._rings.get(identity)
        if ring is None:
            # An earlier life of this executor, or an earlier lease, may have left some.
            oldest = self._clock.now() - self._history * self._interval
            stored = [one for one in self._samples.one(identity).samples if one.at > oldest]
            ring = self._rings[identity] = deque(stored, self._history)
        return ring

    def _forget(self, found: Mapping[Identity, object]) -> None:
        with self._keeping:
            for identity in [one for one in self._readings if one not in found]:
                self._readings.pop(identity, None)
                self._rings.pop(identity, None)

    def _repeat(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            since = time.monotonic() - self._begun
            if self._stopping.wait(max(0.0, self._interval.total_seconds() - since)):
                return
            self._wanted.clear()
            try:
                if self.sample_armed():
                    self._wanted.set()
            except Exception as error:
                if isinstance(error, SlipwayError):
                    log.warning("containers cannot be sampled: %s", error)
                else:
                    log.exception("containers cannot be sampled")
                self._wanted.set()
                self._stopping.wait(_TROUBLE_PAUSE)
