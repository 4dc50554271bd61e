"""Owns the system packages of the docker tests: finds what is missing and, as root on Debian, installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = {
    "dockerd": "docker.io",
    "docker-registry": "docker-registry",
    "busybox": "busybox-static",
    "iptables": "iptables",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
}
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
INSTALL_SECONDS = 600


class RigUnavailable(RuntimeError):
    """This machine cannot run a Docker engine of our own; the message says what to do."""


def program(name: str) -> str:
    """Path of a program of PACKAGES; installs its package when it is missing. Raises RigUnavailable."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        install_missing()
        found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise RigUnavailable(f"{name} is not installed: apt-get install {PACKAGES[name]}")
    return found


def client() -> str:
    """Path of the `docker` command that belongs to the engine; a newer one refuses some options on an older engine."""
    beside = Path(program("dockerd")).parent.parent / "bin" / "docker"
    found = str(beside) if beside.exists() else shutil.which("docker", path=SEARCH_PATH)
    if found is None:
        # Since Debian 13 the command is a package apart.
        _apt_get("install", "-q", "-y", "--no-install-recommends", "docker-cli")
        found = shutil.which("docker", path=SEARCH_PATH)
    if found is None:
        raise RigUnavailable("the docker command is not installed: apt-get install docker-cli")
    return found


def require_root() -> None:
    """Raises RigUnavailable unless we may start an engine."""
    if os.geteuid() != 0:
        raise RigUnavailable("the docker tests start an engine of their own and must run as root")


def install_missing() -> None:
    """Installs with apt-get whatever of PACKAGES is missing. Raises RigUnavailable when that cannot be done here."""
    missing = sorted({package for name, package in PACKAGES.items() if not shutil.which(name, path=SEARCH_PATH)})
    if not missing:
        return
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        raise RigUnavailable(f"please install: {' '.join(missing)}")
    _apt_get("update", "-q")
    _apt_get("install", "-q", "-y", "--no-install-recommends", *missing)


def _apt_get(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", *arguments], env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        raise RigUnavailable(f"apt-get {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
