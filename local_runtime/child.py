"""One supervised process: started, read line by line, started again when it dies, stopped in bounded time."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress

from local_runtime.programs import Program

FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
STEADY_SECONDS = 30.0
"""A process that ran this long starts over with the shortest delay."""
LONGEST_LINE = 64 * 1024

Show = Callable[[str, str], None]


class Child:
    """Keeps one program running until told to stop.

    A line starting with `ready ` says that it serves; the rest of that line is kept in `ready_text`.
    `notices` are further first words that are handed to a callback instead of being shown (`admin-password`).
    """

    def __init__(
        self,
        program: Program,
        environment: Mapping[str, str],
        show: Show,
        arguments: Sequence[str] = (),
        notices: Mapping[str, Callable[[str], None]] | None = None,
    ) -> None:
        self.program = program
        self.ready = asyncio.Event()
        self.ready_text = ""
        self._environment = dict(environment)
        self._arguments = list(arguments)
        self._show = show
        self._notices = dict(notices or {})
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the running process."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def start(self) -> None:
        """Begin; the event `ready` tells when it serves for the first time."""
        self._task = asyncio.create_task(self._keep_running())

    async def stop(self, seconds: float, hurry: asyncio.Event) -> None:
        """TERM now, KILL after `seconds` or as soon as `hurry` is set; return when it is gone."""
        self._stopping.set()
        if self._task is None:
            return
        self._signal(signal.SIGTERM)
        impatience = asyncio.create_task(hurry.wait())
        await asyncio.wait({self._task, impatience}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        impatience.cancel()
        if not self._task.done():
            self._show(self.program.name, "does not stop; killed")
            self._signal(signal.SIGKILL)
        await self._task

    async def _keep_running(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            reason = await self._run_once()
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - started > STEADY_SECONDS else failures
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2**failures)
            failures += 1
            self._show(self.program.name, f"{reason}; starting it again in {delay:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _run_once(self) -> str:
        """Run the program until it ends; say how it ended."""
        # A session of its own: Ctrl-C reaches the supervisor alone, which then stops everything in order.
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "local_runtime.tether", str(os.getpid()), self.program.module),
            *self._arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        reading = asyncio.create_task(self._read())
        status = await self._process.wait()
        # A grandchild may hold the pipe open: what has been written by now is enough.
        await asyncio.wait({reading}, timeout=0.5)
        reading.cancel()
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        async for line in _lines(self._process.stdout):
            word, _, rest = line.partition(" ")
            if word == "ready":
                self._now_ready(rest)
            elif word in self._notices:
                self._notices[word](rest)
            else:
                self._show(self.program.name, line)

    def _now_ready(self, text: str) -> None:
        if self.ready.is_set():
            self._show(self.program.name, f"is back: {text}")
        self.ready_text = text
        self.ready.set()

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is None:
            return
        with suppress(ProcessLookupError):
            if number == signal.SIGKILL:  # With whatever it started itself: the group is its own.
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of a stream, however long: one beyond the limit comes in pieces."""
    rest = b""
    while chunk := await stream.read(LONGEST_LINE):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
        if len(rest) > LONGEST_LINE:
            yield rest.decode(errors="replace")
            rest = b""
    if rest:
        yield rest.decode(errors="replace")
