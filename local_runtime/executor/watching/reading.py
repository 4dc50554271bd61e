"""Reading a whole engine: what runs is stored, what is gone is forgotten, and what has not changed costs nothing."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import SlipwayError
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine
from chalicelib.ports.stores import OperationStore
from local_runtime.executor.busy import Busy
from local_runtime.executor.inspection import inspect_optional
from local_runtime.executor.watching.images import Images
from local_runtime.executor.watching.inventory import runtime_facts
from local_runtime.executor.watching.records import Records
from local_runtime.executor.watching.settling import Settling
from local_runtime.executor.watching.survey import Survey

log = logging.getLogger(__name__)

PARALLEL = 10
_HEALTH = re.compile(r"\((healthy|unhealthy|health: starting)\)")
_LASTING = re.compile(r"(?P<number>\d+|Less than a|About an?) (?P<unit>second|minute|hour|day|week|month|year)s?\b")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000}

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Look:
    """A container as it was found, and what the list and its image said then."""

    listed: bytes
    image: tuple[Any, ...]
    found: Container
    at: datetime


class Reading:
    """Reads the engine of one watcher. `followed`: its events are, so that a container nobody told of is as it was.

    Then it is not looked at again while the engine's list says the same of it; one call answers for all of them.
    """

    def __init__(
        self,
        engine: Engine,
        survey: Survey,
        records: Records,
        settling: Settling,
        operations: OperationStore,
        busy: Busy,
        agent: str,
        clock: Clock,
        *,
        followed: bool,
    ) -> None:
        self._engine = engine
        self._survey = survey
        self._records = records
        self._settling = settling
        self._operations = operations
        self._busy = busy
        self._agent = agent
        self._clock = clock
        self._followed = followed
        self._looks: dict[str, _Look] = {}
        self._forgotten: Counter[str] = Counter()
        self._all_forgotten = 0
        self._doubted_at: datetime | None = None
        self._remembering = threading.Lock()

    def forget_look(self, container_id: str) -> None:
        """Something happened to this container: it is looked at next time."""
        with self._remembering:
            self._forgotten[container_id] += 1
            self._looks.pop(container_id, None)

    def forget_looks(self) -> None:
        """Something may have happened to any of them."""
        with self._remembering:
            self._all_forgotten += 1
            self._forgotten.clear()
            self._looks.clear()

    def doubt_looks(self) -> None:
        """Events may have been missed: what has been as it is for less long than since its look is looked at."""
        with self._remembering:
            self._doubted_at = self._clock.now()

    def read(self, only: Sequence[Identity] | None) -> list[Container]:
        """Store what the engine says now; the containers to ask about. Raises EngineError, and then nothing is lost."""
        before = self._busy.changes()
        with self._records.writing:
            stored = {one.identity: one for one in self._records.all()}
            spoken = self._records.spoken()
        # What an operation is about, perhaps since an earlier life of this executor, is told when that has ended.
        held = {operation.identity for operation in self._operations.open_of(self._agent)}
        images = Images(self._engine)
        listed = {one: summary for one, summary in self._survey.listed(only, images).items() if one not in held}
        wanted = self._settled(listed, stored)
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="inspect") as pool:
            described = pool.map(lambda item: self._describe_listed(item[0], item[1], stored, images), wanted.items())
        present = [container for container in described if container is not None]
        current = [one for one in present if self._busy.unchanged(one.identity, before)]
        with self._records.writing:
            # An event that came since its container was read has been stored, and is the later word.
            now = self._records.spoken()
            overtaken = {one.identity for one in current if now[one.identity] != spoken[one.identity]}
            read = [one for one in current if one.identity not in overtaken]
            self._records.save([one for one in read if one != stored.get(one.identity)])
            self._records.add([one for one in read if one.identity not in stored])
            current = read + self._records.several(overtaken)
        if only is None:
            self._prune({identity: one for identity, one in stored.items() if identity not in held}, listed)
        return current

    def _settled(
        self, listed: Mapping[Identity, Document], stored: Mapping[Identity, Container]
    ) -> dict[Identity, Document]:
        """Those to be shown now: what is stored already, and what is new and has been there for a while."""
        ids = {one.id for one in stored.values()}

        def waits(identity: Identity, summary: Document) -> bool:
            if identity in stored or summary["Id"] in ids:
                return False
            made = summary.get("Created")
            created = datetime.fromtimestamp(made, UTC) if isinstance(made, int | float) else None
            return self._settling.waits(summary["Id"], summary["Names"][0].lstrip("/"), created)

        return {identity: summary for identity, summary in listed.items() if not waits(identity, summary)}

    def _describe_listed(
        self, identity: Identity, summary: Document, stored: Mapping[Identity, Container], images: Images
    ) -> Container | None:
        """One container of a scan. Whatever is wrong with it stays its own problem."""
        known = stored.get(identity)
        try:
            fresh = self._fresh(identity, summary, images)
        except (SlipwayError, KeyError, ValueError) as error:
            log.warning("container %s cannot be read: %s", identity.name, error)
            return replace(known, error=f"The container cannot be read: {error}") if known is not None else None
        if fresh is None:
            return None
        return runtime_facts(known, fresh) if known is not None else fresh

    def _fresh(self, identity: Identity, summary: Document, images: Images) -> Container | None:
        container_id, said = summary["Id"], _said(summary)
        began = self._age(container_id)
        last, now = self._looks.get(container_id), self._clock.now()
        if last is not None and self._doubted(last) and _changed_within(summary.get("Status"), now - last.at):
            last = None
        if last is not None and last.listed == said and last.found.identity == identity:
            image = images.get(last.found.image.id)
            if last.image == _facts(image, images.labels(summary.get("Labels") or {})):
                return last.found
        document = inspect_optional(self._engine, container_id)
        if document is None:
            return None
        found = self._survey.describe(document, identity, images)
        facts = _facts(images.get(document["Image"]), images.labels(document["Config"].get("Labels") or {}))
        with self._remembering:
            # What was told meanwhile came after this look.
            if self._followed and self._age(container_id) == began:
                self._looks[container_id] = _Look(said, facts, found, now)
        return found

    def _doubted(self, look: _Look) -> bool:
        return self._doubted_at is not None and self._doubted_at >= look.at

    def _age(self, container_id: str) -> tuple[int, int]:
        return self._all_forgotten, self._forgotten[container_id]

    def _prune(self, stored: Mapping[Identity, Container], listed: Mapping[Identity, Document]) -> None:
        """Forget what is gone or no longer to be watched. The list was read in full, or we would not be here."""
        gone = []
        for identity, known in stored.items():
            if identity in listed or self._busy.held(identity):
                continue
            try:
                if not self._still_there(known):
                    gone.append(known)
            except (SlipwayError, KeyError, ValueError) as error:
                # What could not be looked at is not known to be gone.
                log.warning("container %s cannot be read: %s", identity.name, error)
        self._records.remove(gone)
        there = {summary["Id"] for summary in listed.values()}
        with self._remembering:
            for container_id in self._looks.keys() - there:
                del self._looks[container_id]

    def _still_there(self, known: Container) -> bool:
        """Whether a container that was not listed exists all the same, and is to be watched; then it is refreshed."""
        document = inspect_optional(self._engine, known.id)
        if document is None or self._survey.identity(document["Name"]) != known.identity:
            return False
        images = Images(self._engine)
        if not self._survey.watched(images.labels(document["Config"].get("Labels") or {})):
            return False
        container = runtime_facts(known, self._survey.describe(document, known.identity, images))
        if container != known:
            self._records.save([container])
        return True


def _said(summary: Document) -> bytes:
    """What the list says of a container, but for how long it has been so."""
    lasting = {name: value for name, value in summary.items() if name != "Status"}
    # The engine names ports in any order.
    lasting["Ports"] = sorted(json.dumps(port, sort_keys=True) for port in summary.get("Ports") or ())
    health = _HEALTH.search(str(summary.get("Status") or ""))
    text = json.dumps([lasting, health and health[1]], sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=16).digest()


def _changed_within(status: object, period: timedelta) -> bool:
    """Whether a container may have started or ended that lately, by words such as `Up 5 minutes (healthy)`."""
    if not isinstance(status, str):
        return True
    found = _LASTING.search(status)
    if found is None:
        # One that was never started has been so since it was made.
        return not status.startswith("Created")
    number = int(found["number"]) if found["number"].isdecimal() else 1
    # The engine rounds; what it calls 5 minutes is less than 6.
    return timedelta(seconds=(number + 1) * _SECONDS[found["unit"]]) < period


def _facts(image: Document, labels: Mapping[str, str]) -> tuple[Any, ...]:
    """What may change of an image and a service while the container stays as it is."""
    return (
        tuple(sorted(image.get("RepoTags") or ())),
        tuple(image.get("RepoDigests") or ()),
        tuple(sorted(labels.items())),
    )
