"""Samples what containers use, as long as somebody asks: once per interval and container, however many look."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from chalicelib.config import WatcherSettings
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.labels import canonical_name, flag
from chalicelib.domain.operation import original_name
from chalicelib.domain.stats import Reading, Sample, sample
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine, EngineError
from chalicelib.ports.observation import SampleStore

log = logging.getLogger(__name__)

_PARALLEL = 16
_TROUBLE_PAUSE = 5.0

Place = tuple[WatcherSettings, Engine]


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
        sampled = dict(one for one in self._pool.map(self._one, found.items()) if one is not None)
        now = self._clock.now()
        for identity, one in sampled.items():
            with self._keeping:
                ring = self._ring(identity)
                if not ring or ring[-1].at < one.at:
                    ring.append(one)
                history = list(ring)
            if identity.key in keys:
                self._samples.put(identity, history, now)
        if everything:
            self._samples.put_fleet(self._agent, {identity.key: one for identity, one in sampled.items()}, now)
        return found

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

    def _one(self, item: tuple[Identity, tuple[Engine, str]]) -> tuple[Identity, Sample] | None:
        identity, (engine, container_id) = item
        known_id, before = self._readings.get(identity, ("", None))
        if known_id != container_id or (before and self._clock.now() - before.at > 3 * self._interval):
            before = None
        try:
            reading = engine.stats(container_id, at_once=before is not None)
        except EngineError as error:
            log.info("%s cannot be sampled: %s", identity.name, error)
            return None
        if reading is None:
            return None
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
