"""One detached process with its pid file and log: started, found again by a later run, and stopped by that pid only."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_KILL_SECONDS = 10.0


class Daemon:
    """A background program whose pid file lives in `folder`; only the very process that was started counts as it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._pid_file = folder / f"{name}.pid"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str]) -> None:
        """Start the program in a session of its own, output to the log."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        self._pid_file.write_text(f"{self._process.pid} {_start_time(self._process.pid)}\n")

    def pid(self) -> int | None:
        """The pid of the running program, or None. A pid that another process has taken since does not count."""
        try:
            recorded, started = self._pid_file.read_text().split(maxsplit=1)
        except (OSError, ValueError):
            return None
        pid = int(recorded)
        if self._process is not None:
            self._process.poll()
        return pid if started.strip() == _start_time(pid) != "gone" else None

    def running(self) -> bool:
        """Whether the program that was started still runs."""
        return self.pid() is not None

    def stop(self, seconds: float) -> None:
        """End the program: TERM, then KILL when it takes longer. Nothing happens when it does not run."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            if not self._gone_within(seconds):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                # Until it is gone, so is neither its port nor its files.
                self._gone_within(_KILL_SECONDS)
        self._pid_file.unlink(missing_ok=True)

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def last_words(self, lines: int) -> str:
        """The end of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def _start_time(pid: int) -> str:
    """When the process started, as the system tells it; "gone" when it does not run (a zombie does not)."""
    try:
        # Field 2, the name, may hold spaces and brackets: count from its closing bracket.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "gone" if fields[0] == "Z" else fields[19]
    except OSError:
        return "gone" if Path("/proc/self").exists() else _start_time_from_ps(pid)


def _start_time_from_ps(pid: int) -> str:
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "gone"
