"""Debian and Ubuntu packages: whether apt may be used here, installing, and unpacking one without installing it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

DOCKER_CLI = "docker-cli"
"""The engine's command line where it has a package of its own, as since Debian 13; elsewhere docker.io brings it."""


class PackagesUnavailable(Exception):
    """apt could not deliver; the text says what to do instead."""


def is_debian() -> bool:
    """Whether this machine installs its software with apt."""
    return shutil.which("apt-get") is not None


def is_root() -> bool:
    """Whether this process may install packages."""
    return os.geteuid() == 0


def can_install() -> bool:
    """Whether `install` has a chance: apt is here and we are root."""
    return is_debian() and is_root()


def install(packages: Sequence[str], *, if_known: Sequence[str] = (), start_services: bool = True) -> None:
    """Install packages with apt, showing apt's own progress; those `if_known` where this release has them.

    With `start_services=False` no service of theirs is started (policy-rc.d says no while apt runs).
    Raises PackagesUnavailable when apt fails.
    """
    with _service_policy(start_services):
        _apt("update", "-qq")
        known = [package for package in if_known if knows(package)]
        _apt("install", "-y", "-qq", "--no-install-recommends", *packages, *known)


def knows(package: str) -> bool:
    """Whether apt's lists hold an installable version of the package."""
    shown = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False)
    return "Candidate:" in shown.stdout and "Candidate: (none)" not in shown.stdout


def unpack(package: str, target: Path) -> None:
    """Download a package and unpack it below `target`, without installing it and without being root.

    No service is started and nothing on the system changes (busybox-static, for one, would replace busybox).
    Raises PackagesUnavailable when apt or dpkg cannot.
    """
    if not is_debian():
        raise PackagesUnavailable(f"{package} comes from apt, which this machine does not have")
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        _give_to_apt(Path(folder))
        if is_root() and not knows(package):
            _apt("update", "-qq")
        fetched = subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=False)
        archives = list(Path(folder).glob("*.deb"))
        if fetched.returncode != 0 or not archives:
            raise PackagesUnavailable(f"apt could not download {package}; `sudo apt-get update` may help")
        target.mkdir(parents=True, exist_ok=True)
        if subprocess.run(["dpkg", "-x", str(archives[0]), str(target)], check=False).returncode != 0:
            raise PackagesUnavailable(f"dpkg could not unpack {package}")


def _give_to_apt(folder: Path) -> None:
    """Let apt's own download user write there, and nobody else: what lies there is unpacked as root."""
    if is_root():
        # Without such a user apt downloads as root.
        with suppress(LookupError):
            shutil.chown(folder, "_apt")


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(["apt-get", *arguments], env=environment, check=False).returncode != 0:
        raise PackagesUnavailable(f"`apt-get {' '.join(arguments)}` failed; its own message is above")


class _service_policy:
    """Keeps apt from starting services, through the policy file Debian asks; an existing policy stays untouched."""

    POLICY = Path("/usr/sbin/policy-rc.d")

    def __init__(self, start_services: bool) -> None:
        self._deny = not start_services and not self.POLICY.exists()

    def __enter__(self) -> None:
        if self._deny:
            self.POLICY.write_text("#!/bin/sh\nexit 101\n")
            self.POLICY.chmod(0o755)

    def __exit__(self, *_: object) -> None:
        if self._deny:
            self.POLICY.unlink(missing_ok=True)
