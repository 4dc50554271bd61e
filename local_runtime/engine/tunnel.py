"""Owns the way to an engine on another machine: one `ssh` that forwards its socket to a socket here."""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chalicelib.ports.engine import EngineUnavailable

DEFAULT_SOCKET = "/var/run/docker.sock"
CONNECT_SECONDS = 10
_OPEN_SECONDS = 20.0
"""Until the socket must be there: to connect, and to prove who one is."""
_CLOSE_SECONDS = 5.0
_LAST_WORDS = 5
_WORDS_SECONDS = 1.0
"""For ssh to say why a connection was closed, which we may see before we have read that."""
_OPTIONS = {
    # Nobody is there to be asked, and a host that is not known is not spoken to.
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ExitOnForwardFailure": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    # A connection that has died is given up, and opened anew by the next call.
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
    # One's own settings for ssh are used, but not what would hand the forwarding to another process.
    "ControlMaster": "no",
    "ControlPath": "none",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "LogLevel": "INFO",
}


@dataclass(frozen=True, slots=True)
class Ssh:
    """Files to reach an engine over ssh: our private key, and the keys of hosts we know. Else ssh's own."""

    key: str | None = None
    known_hosts: str | None = None


class Tunnel:
    """A way to the engine at `ssh://[user@]host[:port][/path/of/socket]`, opened when it is needed; thread-safe.

    Hosts must be known (`known_hosts`), and let us in by a key: no password is asked for or sent.
    """

    def __init__(self, url: str, ssh: Ssh) -> None:
        self._url = url
        self._ssh = ssh
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._folder: Path | None = None
        self._words: list[str] = []
        self._spoken = threading.Condition()
        atexit.register(self.close)

    def open(self) -> str:
        """The address of the socket here (`unix://…`). Raises EngineUnavailable with what ssh says."""
        with self._lock:
            if self._process is None or self._process.poll() is not None or self._folder is None:
                self._close()
                self._start()
            return f"unix://{self._folder}/engine.sock"

    def complaint(self) -> str | None:
        """What ssh said since one asked last, such as why the other side has no such socket; None after a second."""
        with self._spoken:
            self._spoken.wait_for(lambda: self._words, _WORDS_SECONDS)
            said = "; ".join(self._words)
            self._words.clear()
        return said or None

    def close(self) -> None:
        """End ssh."""
        with self._lock:
            self._close()

    def _start(self) -> None:
        program = shutil.which("ssh")
        if program is None:
            raise EngineUnavailable(f"{self._url}: there is no ssh on this machine. Please install openssh-client.")
        self._folder = Path(tempfile.mkdtemp(prefix="slipway-ssh-"))
        self._words = []
        started = threading.Event()
        # Its keeper starts it and lives as long: the death signal below comes with the end of the thread that asked.
        threading.Thread(target=self._keep, args=([program, *self._arguments()], started), daemon=True).start()
        started.wait(_OPEN_SECONDS)
        deadline = time.monotonic() + _OPEN_SECONDS
        while not _answers(self._folder / "engine.sock"):
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                # What it said is read by its keeper, which may be a moment behind.
                time.sleep(0.05)
                said = "; ".join(self._words) or "no answer in time"
                self._close()
                raise EngineUnavailable(f"{self._url}: ssh cannot connect: {said}")
            time.sleep(0.02)

    def _keep(self, command: list[str], started: threading.Event) -> None:
        """Start ssh and read what it has to say, until it ends."""
        setpriv = shutil.which("setpriv")
        # Where there is setpriv, a killed executor leaves no ssh behind.
        if setpriv is not None:
            command = [setpriv, "--pdeathsig", "TERM", *command]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            self._words.append(str(error))
            started.set()
            return
        self._process = process
        words = self._words
        started.set()
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                if line.strip():
                    with self._spoken:
                        words.append(line.strip())
                        del words[:-_LAST_WORDS]
                        self._spoken.notify_all()
        process.wait()

    def _arguments(self) -> list[str]:
        parts = urlsplit(self._url)
        found = ["-N", "-T"]
        for name, value in _OPTIONS.items():
            found += ["-o", f"{name}={value}"]
        if self._ssh.key:
            found += ["-o", "IdentitiesOnly=yes", "-i", self._ssh.key]
        if self._ssh.known_hosts:
            found += ["-o", f"UserKnownHostsFile={self._ssh.known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null"]
        if parts.port:
            found += ["-p", str(parts.port)]
        if parts.username:
            found += ["-l", parts.username]
        remote = parts.path if len(parts.path) > 1 else DEFAULT_SOCKET
        return [*found, "-L", f"{self._folder}/engine.sock:{remote}", "--", parts.hostname or ""]

    def _close(self) -> None:
        process, folder = self._process, self._folder
        self._process = self._folder = None
        if process is not None and process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_CLOSE_SECONDS)
            if process.poll() is None:
                process.kill()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.settimeout(1)
        try:
            door.connect(str(path))
        except OSError:
            return False
        return True
