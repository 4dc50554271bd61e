"""This executor's own log as it is written, sent to whoever follows it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from chalicelib.domain.command import Command
from chalicelib.domain.connection import Connection
from chalicelib.domain.log import LogQuery
from chalicelib.domain.log_entry import KEPT, EntryQuery, LogEntry
from chalicelib.ports.connections import Connections
from local_runtime.executor.observing.viewer import MOST_WAITING, Viewer

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
PAUSE_SECONDS = 15.0
"""After which a gateway that did not answer is tried again."""


class Entries:
    """Entries that were logged together, as a viewer's queue takes them."""

    def __init__(self, entries: Sequence[LogEntry], connections: Connections) -> None:
        self._frames = connections.encode_entries(entries)

    @property
    def size(self) -> int:
        """Bytes of their frames."""
        return len(self._frames)

    def frames(self, *_: object) -> bytes:
        """Their frames: they were chosen before."""
        return self._frames


class OwnLog:
    """Every viewer of this executor's log. What is sent may itself make log: it is looked at once a second only."""

    def __init__(
        self,
        agent: str,
        entries: Callable[[], list[LogEntry]],
        connections: Connections,
        look: float = LOOK_SECONDS,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._agent = agent
        self._entries = entries
        self._connections = connections
        self._look = look
        self._pause = pause
        self._stopping = threading.Event()

    def open(self, command: Command) -> None:
        """Begin to serve the viewer a command names, in threads of its own."""
        query = EntryQuery.of(command.arguments["query"])
        connection = Connection.of(command.arguments["connection"])
        had = dict(command.arguments.get("after", {}))
        threading.Thread(target=self._serve, args=(connection, query, had), name="own-log", daemon=True).start()

    def stop(self) -> None:
        """Send no more. Viewers stay: the others of whom they hear go on."""
        self._stopping.set()

    def _serve(self, connection: Connection, query: EntryQuery, had: dict[str, int]) -> None:
        """Until the viewer has left. Our own server asks for a new line by itself; API Gateway may only be busy."""
        while True:
            viewer = Viewer(connection, LogQuery(), self._connections, "the executor's own log", shared=True)
            threading.Thread(target=viewer.run, name="own-log-viewer", daemon=True).start()
            query = self._feed(viewer, query, had)
            if connection.many or not viewer.given_up or self._stopping.wait(self._pause):
                return

    def _feed(self, viewer: Viewer, query: EntryQuery, had: dict[str, int]) -> EntryQuery:
        while not viewer.over:
            news = [entry for entry in self._entries() if entry.number > had.get(entry.source, 0)]
            if news:
                had[news[-1].source] = news[-1].number
                named = (replace(entry, component=f"{self._agent}.{entry.component}") for entry in news)
                chosen = query.choose(named)
                # The tail is of what was there when the viewer came.
                query = replace(query, tail=KEPT)
                if chosen:
                    batch = Entries(chosen, self._connections)
                    viewer.offer(batch, batch.size)
            if viewer.stalled or viewer.backlog > MOST_WAITING:
                viewer.drop("The viewer is too slow")
            if self._stopping.wait(self._look):
                viewer.leave()
        return query
