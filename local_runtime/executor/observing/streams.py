"""Logs as they are written: one stream of the engine per container, however many look, and none when nobody does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.command import Command, subject
from chalicelib.domain.connection import BROKEN, NORMAL, NOT_FOUND, NOT_RUNNING, Connection, Ended
from chalicelib.domain.errors import SlipwayError, Unavailable
from chalicelib.domain.log import EVERY_LINE, MOST_LINES, LogLine, LogQuery
from chalicelib.ports.clock import Clock
from chalicelib.ports.connections import Connections, Gone
from chalicelib.ports.engine import Engine, EngineError, EngineNotFound, LogStream
from local_runtime.executor.observing.overlap import Overlap
from local_runtime.executor.observing.viewer import ENOUGH_WAITING, MOST_WAITING, Batch, Viewer

log = logging.getLogger(__name__)

_FRAME_BYTES = 90
"""What a frame adds to its line, about."""
_LOOK_SECONDS = 0.5
_SPACING_SECONDS = 0.002
_WIDEST_SPACING = 0.2

Key = tuple[int, str, int]
"""An engine, a container, and the viewer of a stream that is not shared (else 0)."""


class Streams:
    """Every viewer of this executor's containers."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock
        self._sources: dict[Key, Source] = {}
        self._viewers: set[Viewer] = set()
        self._guard = threading.Lock()

    def open(self, command: Command, engine: Engine) -> None:
        """Begin to serve the viewer a command names, in a thread of its own."""
        identity, container_id = subject(command)
        query = LogQuery.of(command.arguments["query"])
        connection = Connection.of(command.arguments["connection"])
        viewer = Viewer(connection, query, self._connections, identity.name)
        viewer.spacing = self._spacing
        threading.Thread(
            target=self._serve, args=(viewer, engine, container_id), name=f"viewer-{identity.name}", daemon=True
        ).start()

    def stop(self) -> None:
        """Let every viewer go."""
        with self._guard:
            viewers, sources = list(self._viewers), list(self._sources.values())
        for viewer in viewers:
            viewer.finish(BROKEN, "The executor stops")
        for source in sources:
            source.close()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many viewers there are, and how many streams of engines feed them."""
        with self._guard:
            return {"viewers": len(self._viewers), "sources": len(self._sources)}

    def _spacing(self) -> float:
        return min(_SPACING_SECONDS * len(self._viewers), _WIDEST_SPACING)

    def _serve(self, viewer: Viewer, engine: Engine, container_id: str) -> None:
        with self._guard:
            self._viewers.add(viewer)
        try:
            _require_running(engine, container_id)
            if viewer.query.follow:
                self._follow(viewer, engine, container_id)
            else:
                self._give(viewer, engine, container_id)
                viewer.refuse(NORMAL, "End of the log")
        except Ended as ended:
            viewer.refuse(ended.code, str(ended))
        except EngineNotFound:
            viewer.refuse(NOT_FOUND, "Container not found")
        except EngineError as error:
            viewer.refuse(BROKEN, str(error)[:120])
        except Gone as error:
            log.debug("a viewer of %s has left: %s", viewer.name, error)
        except Unavailable as error:
            viewer.give_up(error)
        except Exception:
            log.exception("a viewer of %s cannot be served", viewer.name)
            viewer.refuse(BROKEN, "Something went wrong inside Slipway")
        finally:
            with self._guard:
                self._viewers.discard(viewer)

    def _follow(self, viewer: Viewer, engine: Engine, container_id: str) -> None:
        query = viewer.query
        # The engine gives nothing from before `since`, and the others want what is written until then.
        later = query.since is not None and query.since > self._clock.now()
        source, joined = self._join(viewer, engine, container_id, alone=later)
        try:
            if joined:
                source.await_beginning()
                overlap = self._give(viewer, engine, container_id)
                if not viewer.caught_up(overlap):
                    source.leave(viewer)
                    query = _after(overlap)
                    source, joined = self._join(viewer, engine, container_id, alone=True)
            if not joined:
                source.begin(query)
            viewer.run()
        finally:
            source.leave(viewer)

    def _join(self, viewer: Viewer, engine: Engine, container_id: str, *, alone: bool) -> tuple[Source, bool]:
        """The stream that feeds it from now on, and whether that has been under way.

        The first viewer's own beginning is where the shared stream begins.
        """
        key = id(engine), container_id, id(viewer) if alone else 0
        with self._guard:
            source = self._sources.get(key)
            viewer.join(catching_up=source is not None)
            if source is not None and source.join(viewer):
                return source, True
            source = Source(engine, container_id, self._connections, lambda gone: self._forget(key, gone))
            self._sources[key] = source
            viewer.join(catching_up=False)
            source.join(viewer)
            return source, False

    def _give(self, viewer: Viewer, engine: Engine, container_id: str) -> Overlap:
        """Send what is in the log by now."""
        overlap = Overlap()
        stream = engine.logs(container_id, replace(viewer.query, follow=False))
        try:
            for lines in stream:
                viewer.send(lines)
                overlap.had(lines)
        finally:
            stream.close()
        return overlap

    def _forget(self, key: Key, source: Source) -> None:
        with self._guard:
            if self._sources.get(key) is source:
                del self._sources[key]


class Source:
    """One stream of the engine and the viewers it feeds."""

    def __init__(
        self, engine: Engine, container_id: str, connections: Connections, forget: Callable[[Source], None]
    ) -> None:
        self._engine = engine
        self._container_id = container_id
        self._connections = connections
        self._forget = forget
        self._viewers: list[Viewer] = []
        self._changed = threading.Condition()
        self._stream: LogStream | None = None
        self._ended = False
        self._begun = threading.Event()

    def join(self, viewer: Viewer) -> bool:
        """Feed this viewer as well; False when the stream is over."""
        with self._changed:
            if self._ended:
                return False
            viewer.drained = self._wake
            self._viewers.append(viewer)
            return True

    def leave(self, viewer: Viewer) -> None:
        """Feed it no more; without viewers the stream ends."""
        with self._changed:
            if viewer in self._viewers:
                self._viewers.remove(viewer)
            last = not self._viewers
            self._changed.notify_all()
        if last:
            self.close()

    def begin(self, query: LogQuery) -> None:
        """Follow the log from there, both streams of it. Raises EngineError."""
        try:
            self._stream = self._engine.logs(self._container_id, replace(query, stdout=True, stderr=True, follow=True))
        except BaseException:
            self._end(BROKEN, "The log cannot be read")
            raise
        finally:
            self._begun.set()
        threading.Thread(target=self._read, name=f"log-{self._container_id[:12]}", daemon=True).start()

    def await_beginning(self) -> None:
        """Return when the stream is open: a history read earlier may end before the stream begins."""
        self._begun.wait()

    def close(self) -> None:
        """End the stream of the engine."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._forget(self)
        if self._stream is not None:
            self._stream.close()

    def _read(self) -> None:
        assert self._stream is not None
        code, reason = NORMAL, "End of the log"
        given = Overlap()
        try:
            for lines in self._stream:
                given.had(lines)
                self._offer(lines)
                self._hold_back()
            self._offer(self._missed(given))
        except SlipwayError as error:
            code, reason = BROKEN, str(error)[:120]
        except Exception:
            log.exception("the log of %s cannot be followed", self._container_id[:12])
            code, reason = BROKEN, "Something went wrong inside Slipway"
        self._end(code, reason)

    def _missed(self, given: Overlap) -> list[LogLine]:
        """The container's last words: the engine may stop following before it has read them."""
        since = given.latest
        if self._ended or since is None:
            return []
        query = LogQuery(tail=MOST_LINES, since=datetime.fromisoformat(since))
        try:
            stream = self._engine.logs(self._container_id, query)
            try:
                return given.new([line for lines in stream for line in lines])
            finally:
                stream.close()
        except EngineError:
            # Removed with its log: what the engine gave is all there is.
            return []

    def _offer(self, lines: Sequence[LogLine]) -> None:
        if not lines:
            return
        batch = Batch(lines, self._connections)
        size = sum(len(line.line) for line in lines) + _FRAME_BYTES * len(lines)
        with self._changed:
            viewers = list(self._viewers)
        for viewer in viewers:
            viewer.offer(batch, size)

    def _end(self, code: int, reason: str) -> None:
        with self._changed:
            self._ended = True
            viewers = list(self._viewers)
        for viewer in viewers:
            viewer.finish(code, reason)
        self.close()

    def _hold_back(self) -> None:
        """Read no faster than the quickest viewer takes it: how far behind that one others are shows how slow they are.

        Were it the slowest, every viewer would always be as far behind as one may be, and whoever came would oust it.
        """
        with self._changed:
            while not self._ended and self._waits():
                self._changed.wait(_LOOK_SECONDS)

    def _waits(self) -> bool:
        """Whether all have enough for now. Whoever would hold up the others is let go or left behind."""
        present = [viewer for viewer in self._viewers if not viewer.over]
        quickest = min((viewer.backlog for viewer in present if not viewer.catching_up), default=0)
        for viewer in present:
            if viewer.stalled and viewer.backlog > ENOUGH_WAITING:
                viewer.drop("The viewer is too slow")
            elif viewer.backlog > MOST_WAITING and viewer.catching_up:
                viewer.leave_behind()
            elif viewer.backlog > MOST_WAITING and quickest < MOST_WAITING / 2:
                viewer.drop("The viewer is too slow")
        return quickest > ENOUGH_WAITING or any(viewer.backlog > MOST_WAITING for viewer in present)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _after(overlap: Overlap) -> LogQuery:
    """Everything from the last line a viewer has had; from now on when it has had none."""
    since = overlap.latest
    return LogQuery(tail=0) if since is None else LogQuery(tail=EVERY_LINE, since=datetime.fromisoformat(since))


def _require_running(engine: Engine, container_id: str) -> None:
    state = engine.inspect(container_id)["State"]
    if not state.get("Running"):
        raise Ended(NOT_RUNNING, "Container is not running")
