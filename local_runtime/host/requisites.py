"""What the tests need of the machine: Docker Engine, a registry and static programs, from apt where missing."""

import os
import shutil
import sys

from local_runtime.host import debian

PACKAGES = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "busybox": "busybox-static",
    "iptables": "iptables",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "git": "git",
}
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def main() -> int:
    """Install what is missing, starting no service; 1 when it cannot be had, since no test may be skipped."""
    missing = {name: package for name, package in PACKAGES.items() if shutil.which(name, path=SEARCH_PATH) is None}
    packages = sorted(set(missing.values()))
    try:
        if missing and debian.can_install():
            _say(f"installing {' '.join(packages)} from apt")
            debian.install(packages, if_known=[debian.DOCKER_CLI], start_services=False)
        elif missing:
            wanted = f"sudo apt-get install -y {' '.join(packages)}" if debian.is_debian() else ", ".join(missing)
            _say(f"the tests need {', '.join(sorted(missing))}. Please install:  {wanted}")
            return 1
    except debian.PackagesUnavailable as failure:
        _say(str(failure))
        return 1
    if not debian.is_root():
        _say("not root: the tests that start a private Docker Engine will fail. Run  sudo script/test")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"slipway: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
