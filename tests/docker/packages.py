"""Owns where the docker tests find the programs they start, and whether they may start them."""

from __future__ import annotations

import shutil
from pathlib import Path

from local_runtime.host import debian
from local_runtime.host.requisites import PACKAGES, SEARCH_PATH


class RigUnavailable(RuntimeError):
    """This machine cannot run a Docker engine of our own; the message says what to do."""


def program(name: str) -> str:
    """Path of a program of PACKAGES. Raises RigUnavailable."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise RigUnavailable(f"{name} is not installed: run script/test, or apt-get install {PACKAGES[name]}")
    return found


def client() -> str:
    """Path of the `docker` command that belongs to the engine; a newer one refuses some options on an older engine."""
    beside = Path(program("dockerd")).parent.parent / "bin" / "docker"
    return str(beside) if beside.exists() else program("docker")


def require_root() -> None:
    """Raises RigUnavailable unless we may start an engine."""
    if not debian.is_root():
        raise RigUnavailable("the docker tests start an engine of their own and must run as root")
