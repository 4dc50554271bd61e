"""Keeps store, server and executor up in one process: starts them in order, restarts what dies, stops all in 5 s."""

import asyncio
import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from local_runtime.child import Child, Show
from local_runtime.programs import (
    EXECUTOR,
    SERVER,
    STORE,
    Address,
    Program,
    free_port,
    settings,
    store_is_elsewhere,
)

STOP_SECONDS = 3.5
ALL_STOP_SECONDS = 4.3
"""Server and executor are stopped first; the store has what they leave of this."""
SLOW_SECONDS = 30.0


class DataInUse(Exception):
    """Another supervisor works on this data directory; its text names the pid."""


class DataOpen(Exception):
    """Others on this machine could put files of their own into this data directory; its text says what would help."""


class DataDirectory:
    """The directory everything is kept in: private to the user, and held by one supervisor at a time.

    It may be root's or our own, or that of the user `on_behalf_of`.
    """

    def __init__(self, path: Path, on_behalf_of: int = 0) -> None:
        self.path = path
        self._owners = (0, os.geteuid(), on_behalf_of)
        self._lock: int | None = None

    def __enter__(self) -> Path:
        """Create it (0700) and take its lock. Raises DataInUse, DataOpen, or OSError when it cannot be made."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._require_own()
        self._lock = os.open(self.path / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 20, 0).decode().strip() or "unknown"
            self.__exit__()
            raise DataInUse(f"another Slipway (process {holder}) works on {self.path}") from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        return self.path

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _require_own(self) -> None:
        # Whoever can replace the key or the database here can order anything of the executor.
        found = self.path.stat()
        if found.st_uid not in self._owners:
            raise DataOpen(f"{self.path} belongs to another user; if that is meant, chown it")
        if found.st_mode & stat.S_IWOTH:
            raise DataOpen(
                f"everybody on this machine may write in {self.path}; if it is Slipway's alone, chmod 700 it"
            )


class Supervisor:
    """Runs the programs until a signal says stop.

    `announce(url, password)` is called once, when server and executor are ready; the password is there on the very
    first start only. `show(name, line)` gets everything else the programs say.
    """

    def __init__(
        self,
        address: Address,
        data: Path,
        environment: Mapping[str, str],
        show: Show,
        announce: Callable[[str, str | None], None],
        programs: Mapping[str, Program] | None = None,
    ) -> None:
        self._address = address
        self._data = data
        self._environment = environment
        self._show = show
        self._announce = announce
        self._programs = {"store": STORE, "server": SERVER, "executor": EXECUTOR, **(programs or {})}
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._store: Child | None = None
        self._others: list[Child] = []
        self._password: str | None = None

    async def run(self) -> None:
        """Start everything, keep it up, and return when all is stopped again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        try:
            if await self._start():
                await self._stop.wait()
        finally:
            await self._stop_all()

    def _on_signal(self) -> None:
        if self._stop.is_set():  # A second Ctrl-C: no more patience.
            self._hurry.set()
        self._stop.set()

    async def _start(self) -> bool:
        store_url = None if store_is_elsewhere(self._environment) else await self._start_store()
        if self._stop.is_set():
            return False
        environment = settings(self._environment, self._address, self._data, store_url)
        server = Child(
            self._programs["server"], environment, self._show, notices={"admin-password": self._keep_password}
        )
        executor = Child(self._programs["executor"], environment, self._show)
        self._others = [server, executor]
        for child in self._others:
            child.start()
        for child in self._others:
            await self._until_ready(child)
        if self._stop.is_set():
            return False
        self._announce(server.ready_text, self._password)
        self._password = None
        return True

    async def _start_store(self) -> str:
        port = free_port()
        arguments = ["--data", str(self._data), "--host", "127.0.0.1", "--port", str(port)]
        environment = settings(self._environment, self._address, self._data, None)
        self._store = Child(self._programs["store"], environment, self._show, arguments)
        self._store.start()
        await self._until_ready(self._store)
        return f"http://127.0.0.1:{port}"

    async def _until_ready(self, child: Child) -> None:
        """Wait for the child to be ready, or for the signal to stop."""
        waits = {asyncio.create_task(child.ready.wait()), asyncio.create_task(self._stop.wait())}
        while not (child.ready.is_set() or self._stop.is_set()):
            done, _ = await asyncio.wait(waits, timeout=SLOW_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                self._show(child.program.name, f"is not ready after {SLOW_SECONDS:g} s; still waiting")
        for wait in waits:
            wait.cancel()
            with suppress(asyncio.CancelledError):
                await wait

    async def _stop_all(self) -> None:
        end = time.monotonic() + ALL_STOP_SECONDS
        await asyncio.gather(*(child.stop(STOP_SECONDS, self._hurry) for child in self._others))
        if self._store is not None:  # Last, so that the others can write until their end.
            await self._store.stop(end - time.monotonic(), self._hurry)

    def _keep_password(self, password: str) -> None:
        self._password = password
