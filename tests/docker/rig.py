"""Owns a private Docker engine for tests: starts dockerd by pid beside any other, and leaves nothing of it behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.docker.images import make_image
from tests.docker.network import EngineNetwork, add_network, one_rig_at_a_time, remove_network
from tests.docker.packages import SEARCH_PATH, RigUnavailable, client, program, require_root
from tests.docker.registry import Access, ImageRegistry, IndexEntry, image_registry

__all__ = [
    "Access",
    "EngineHost",
    "ImageRegistry",
    "IndexEntry",
    "RigUnavailable",
    "docker_engine",
    "image_registry",
]

START_SECONDS = 30
STOP_SECONDS = 20
_LIBC_DEATH_SIGNAL = ["setpriv", "--pdeathsig", "TERM"]


class EngineHost:
    """A machine with one private engine. `base_url` is what a Docker client is given (unix:///…/docker.sock).

    `http` speaks to the engine's API directly, apart from the adapter under test.
    """

    def __init__(self, folder: Path, network: EngineNetwork, *, live_restore: bool) -> None:
        self.folder = folder
        self.network = network
        self.socket = folder / "docker.sock"
        self.base_url = f"unix://{self.socket}"
        self.http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.socket)), base_url="http://engine", timeout=30
        )
        self._live_restore = live_restore
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of dockerd, or None while it is down."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def cgroup(self) -> str:
        return f"slipway-{self.network.bridge}"

    def start(self) -> None:
        """Starts dockerd and returns when it answers; raises RuntimeError with its log when it does not."""
        config = self.folder / "daemon.json"
        config.write_text("{}")
        command = [
            program("dockerd"),
            f"--config-file={config}",
            f"--data-root={self.folder / 'data'}",
            f"--exec-root={self.folder / 'exec'}",
            f"--pidfile={self.folder / 'docker.pid'}",
            f"--host={self.base_url}",
            # Not --default-address-pool: with it a restarted dockerd deletes docker0, another engine's bridge.
            f"--bridge={self.network.bridge}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{self.cgroup}",
            "--insecure-registry=127.0.0.0/8",
            f"--live-restore={str(self._live_restore).lower()}",
        ]
        # A killed test run must not leave an engine behind. The signal comes with the death of the starting thread,
        # so only the main thread may ask for it.
        if threading.current_thread() is threading.main_thread() and shutil.which(_LIBC_DEATH_SIGNAL[0]):
            command = _LIBC_DEATH_SIGNAL + command
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | {"PATH": SEARCH_PATH}, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.pid is None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"dockerd did not start:\n{self.log()[-6000:]}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Whether the engine answers a ping now."""
        try:
            return self.http.get("/_ping", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """Stops dockerd as a service manager would: SIGTERM, and SIGKILL when it takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kills dockerd and its containerd at once, as a crash would; containers lose their keeper."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def log(self) -> str:
        """What dockerd has written so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def build_image(self, reference: str, **image: Any) -> str:
        """Makes an image (arguments of `tests.docker.images.make_image`) and loads it, tagged `reference`: its id."""
        made = make_image(**image)
        answer = self.http.post("/images/load", params={"quiet": "1"}, content=made.archive(reference))
        if answer.is_error or '"errorDetail"' in answer.text:
            raise RuntimeError(f"loading {reference}: {answer.text}")
        return made.id

    def api(self, method: str, path: str, **request: Any) -> Any:
        """One call to the engine's API, for example `api("GET", "/containers/json", params={"all": "1"})`: its JSON."""
        answer = self.http.request(method, path, **request)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.headers.get("Content-Type", "").startswith("application/json") else answer.text

    def cli(self, *arguments: str, timeout: float = 60) -> str:
        """What the `docker` command prints, for cross-checks; raises RuntimeError when it fails."""
        done = subprocess.run(
            [client(), "--host", self.base_url, "--config", str(self.folder / "cli"), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def clear(self) -> None:
        """Removes every container, network and volume on this engine; the images stay."""
        for container in self.api("GET", "/containers/json", params={"all": "1"}):
            # Another removal (of a --rm container, for one) may be quicker.
            with suppress(RuntimeError):
                self.api("DELETE", f"/containers/{container['Id']}", params={"force": "1", "v": "1"})
        for kind in ("networks", "volumes"):
            self.api("POST", f"/{kind}/prune")
        for volume in self.api("GET", "/volumes")["Volumes"] or []:
            with suppress(RuntimeError):
                self.api("DELETE", f"/volumes/{volume['Name']}", params={"force": "1"})

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        _end_containerd(self.folder)


@contextmanager
def docker_engine(*, live_restore: bool = False, disk_megabytes: int | None = None) -> Iterator[EngineHost]:
    """A private Docker engine for the length of the block. Needs root.

    With `disk_megabytes` its data lie on a disk of their own that is no larger.
    """
    require_root()
    folder = Path(tempfile.mkdtemp(prefix="slipway-rig-"))
    folder.chmod(0o700)
    host: EngineHost | None = None
    try:
        if disk_megabytes is not None:
            (folder / "data").mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={disk_megabytes}m", "tmpfs", str(folder / "data")]
            subprocess.run([program("busybox"), *mount], check=True, capture_output=True, timeout=10)
        with one_rig_at_a_time():
            host = EngineHost(folder, add_network(), live_restore=live_restore)
            host.start()
        yield host
    finally:
        if host:
            with suppress(httpx.HTTPError, RuntimeError):
                host.clear()
            host.stop()
            host.http.close()
            _kill_leftovers(host)
            with one_rig_at_a_time():
                remove_network(host.network)
        _remove(folder)


def _end_containerd(folder: Path) -> None:
    """Waits until the containerd of a stopped dockerd is gone, and takes its pid file away.

    Where nobody reaps it, it stays a zombie; the next dockerd would take it for a living one and wait in vain.
    """
    pid_file = folder / "exec/containerd/containerd.pid"
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        pid = int(pid_file.read_text())
        deadline = time.monotonic() + 5
        while _serves(pid, folder):
            os.kill(pid, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
            time.sleep(0.02)
    pid_file.unlink(missing_ok=True)


def _serves(pid: int, folder: Path) -> bool:
    """Whether a process is a containerd or a shim of the engine in `folder`."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"containerd" in command.split(b"\0")[0] and str(folder).encode() in command


def _kill_leftovers(host: EngineHost) -> None:
    """Kills shims and containers of an engine that could not clean up: ours by folder or by control group."""
    pids = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    ours = {pid for pid in pids if _serves(pid, host.folder)}
    groups = [Path("/sys/fs/cgroup") / host.cgroup, *Path("/sys/fs/cgroup").glob(f"*/{host.cgroup}")]
    for group in groups:
        for listing in group.glob("**/cgroup.procs"):
            ours |= {int(line) for line in listing.read_text().split()}
    for pid in ours:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # A group can only be removed once the kernel has buried its last process.
    deadline = time.monotonic() + 2
    while any(group.exists() for group in groups) and time.monotonic() < deadline:
        for group in groups:
            for folder in sorted((path for path in group.glob("**/") if path.is_dir()), reverse=True):
                with suppress(OSError):
                    folder.rmdir()
        time.sleep(0.02)


def _remove(folder: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        subprocess.run([program("busybox"), "umount", "-l", mount], capture_output=True, timeout=10, check=False)
    shutil.rmtree(folder, ignore_errors=True)
