"""The Docker Engine of this machine: whether it answers, and bringing one up where Debian, root and nobody else can."""

import http.client
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from local_runtime.host import debian
from local_runtime.host.daemon import Daemon

DEFAULT_SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 40.0
Say = Callable[[str], None]


class EngineUnavailable(Exception):
    """No engine answers and we may not bring one up; the text says what the person can do."""


def chosen_socket() -> Path | None:
    """The socket of the engine on this machine that the settings mean; None when they mean no engine here."""
    watchers = {name.split("_")[2] for name in os.environ if name.startswith("DD_WATCHER_")}
    elsewhere = bool(watchers) and "LOCAL" not in watchers
    if elsewhere or os.environ.get("DD_LOCAL_WATCHER", "").lower() == "false" or "DD_WATCHER_LOCAL_HOST" in os.environ:
        return None
    if "DD_WATCHER_LOCAL_SOCKET" in os.environ:
        return Path(os.environ["DD_WATCHER_LOCAL_SOCKET"])
    address = os.environ.get("DOCKER_HOST", "")
    if address.startswith("unix://"):
        return Path(address.removeprefix("unix://"))
    return None if address else DEFAULT_SOCKET


def answers(path: Path, seconds: float = 2.0) -> bool:
    """Whether a Docker Engine answers a ping on the socket."""
    connection = _UnixConnection(path, seconds)
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ensure(path: Path, data: Path, say: Say) -> None:
    """Return when an engine answers on the socket; install and start one when this machine lets us.

    `data` keeps what is needed to stop again what we started. Raises EngineUnavailable with advice.
    """
    if answers(path):
        return
    installed = shutil.which("dockerd") is not None
    if path != DEFAULT_SOCKET or not debian.is_root() or not (installed or debian.is_debian()):
        raise EngineUnavailable(advice(path))
    if not installed:
        _install(say)
    if answers(path, seconds=1.0):
        return
    if Path("/run/systemd/system").is_dir():
        _start_with_systemd(path, say)
    else:
        _start_daemon(path, data, say)


def stop(data: Path, say: Say) -> bool:
    """Stop the engine if it is one that `ensure` started with this data directory. Returns whether it did."""
    daemon = _daemon(data)
    if not daemon.running():
        return False
    say("stopping the Docker Engine that Slipway started")
    daemon.stop(seconds=30)
    return True


def _daemon(data: Path) -> Daemon:
    return Daemon("dockerd", data / "engine")


def _install(say: Say) -> None:
    say("no Docker Engine here; installing docker.io from apt (about a minute)")
    try:
        debian.install(["docker.io", "iptables"], if_known=[debian.DOCKER_CLI])
    except debian.PackagesUnavailable as failure:
        raise EngineUnavailable(str(failure)) from failure


def _start_with_systemd(path: Path, say: Say) -> None:
    say("starting the Docker Engine: systemctl start docker")
    subprocess.run(["systemctl", "start", "docker"], check=False)
    if not _wait(path, lambda: True):
        raise EngineUnavailable("systemd could not start the Docker Engine; `journalctl -u docker` says why")


def _start_daemon(path: Path, data: Path, say: Say) -> None:
    daemon = _daemon(data)
    say(f"starting the Docker Engine itself, as no service manager runs here (log: {daemon.log})")
    command = ["dockerd", "-H", f"unix://{path}", "--pidfile", str(daemon.folder / "dockerd.own.pid")]
    for attempt in (command, [*command, "--iptables=false", "--ip6tables=false"]):
        daemon.start(attempt)
        if _wait(path, daemon.running):
            return
        daemon.stop(seconds=10)
        if "iptables" not in daemon.last_words(40):
            break
        say("this kernel has no usable iptables; trying without it (published ports will not work)")
    raise EngineUnavailable(f"the Docker Engine did not start; the end of {daemon.log}:\n{daemon.last_words(5)}")


def _wait(path: Path, alive: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and alive():
        if answers(path):
            return True
        time.sleep(0.1)
    return answers(path)


def advice(path: Path) -> str:
    """What a person can do where no engine answers on the socket and we may not bring one up."""
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return f"you may not use {path}. Join its group and log in again:  sudo usermod -aG docker $USER"
    if path != DEFAULT_SOCKET:
        return f"no Docker Engine answers on {path}; start it, or set DOCKER_HOST to its unix:// socket"
    if shutil.which("dockerd") is not None:
        return f"no Docker Engine answers on {path}. Start it:  sudo systemctl start docker"
    if debian.is_debian():
        return f"no Docker Engine answers on {path}. Install one:  sudo apt-get install -y docker.io"
    return f"no Docker Engine answers on {path}. Install Docker Engine, or set DOCKER_HOST to the unix:// socket of one"


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
