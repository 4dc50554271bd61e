"""The virtual environment: made once, filled with pinned requirements, safe against interruption and parallel runs."""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_runtime.host import debian

UV = "uv==0.13.9"


class SetupFailed(Exception):
    """The environment could not be made; the text says what to do next."""


class Environment:
    """`.venv` of one checkout. A marker tells an unfinished build, one stamp per requirement file a finished one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".venv"
        self.python = self.path / "bin" / "python"
        self._unfinished = self.path / ".unfinished"
        self._interpreter = self.path / ".interpreter"

    def ensure(self, requirements: str) -> None:
        """Bring in `<requirements>/requirements.txt`, waiting for another run that is at it. Raises SetupFailed."""
        with self._alone():
            if self._holds(requirements):
                return
            started = time.monotonic()
            if not self._usable():
                self._create()
            self._unfinished.touch()
            # uv leaves compiling to the first import, which then costs every start where files cannot be written.
            self._install(self.root / requirements / "requirements.txt", compiled=requirements == "local_runtime")
            self._stamp(requirements)
            self._unfinished.unlink()
            say(f"environment ready in {time.monotonic() - started:.1f} s")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # The lock is the checkout's own directory: nothing is left behind, and .venv may be rebuilt under it.
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another run is setting up .venv; waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _stamp_of(self, requirements: str) -> Path:
        return self.path / f".installed-{requirements}"

    def _holds(self, requirements: str) -> bool:
        wanted = (self.root / requirements / "requirements.txt").read_text()
        stamp = self._stamp_of(requirements)
        return self._usable() and stamp.exists() and stamp.read_text() == wanted and self._same_interpreter()

    def _same_interpreter(self) -> bool:
        return self._interpreter.exists() and self._interpreter.read_text().strip() == os.path.realpath(self.python)

    def _usable(self) -> bool:
        """A finished environment whose Python still is what it was made with (a system upgrade may have moved it)."""
        if self._unfinished.exists() or (self._interpreter.exists() and not self._same_interpreter()):
            return False
        works = self.python.exists() and subprocess.run([self.python, "-c", "import site"], check=False).returncode == 0
        return works and (self.path / "pyvenv.cfg").exists()

    def _create(self) -> None:
        if not _has_venv():
            _install_venv_module()
        say(f"making {self.path} with Python {sys.version.split()[0]}")
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        self._unfinished.touch()
        _run([sys.executable, "-m", "venv", str(self.path)], "could not make the virtual environment")

    def _install(self, file: Path, *, compiled: bool) -> None:
        say(f"installing {file.relative_to(self.root)}")
        uv = self._uv()
        if uv is not None:
            command = [uv, "pip", "install", "--python", str(self.python), "-r", str(file)]
            more = ["--compile-bytecode"] if compiled else []
            if subprocess.run([*command, *more], env=_uv_settings(), check=False).returncode == 0:
                return
            say("uv did not manage; trying pip")
        if not self._has_pip():
            _run([str(self.python), "-m", "ensurepip"], "could not bring in pip")
        pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(file)]
        _run(pip, "pip could not install the requirements; the reason is above. Is the package index reachable?")

    def _uv(self) -> str | None:
        """A uv to install with: found, or brought in by pip (a few seconds that save many)."""
        found = shutil.which("uv") or shutil.which("uv", path=str(self.path / "bin"))
        if found or not self._has_pip():
            return found
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV]
        if subprocess.run(pip, check=False).returncode != 0:
            return None
        return str(self.path / "bin" / "uv")

    def _has_pip(self) -> bool:
        return subprocess.run([str(self.python), "-c", "import pip"], capture_output=True, check=False).returncode == 0

    def _stamp(self, requirements: str) -> None:
        # The tests' pins hold the machine's pins, so they satisfy both.
        for name in {requirements, "local_runtime"}:
            self._stamp_of(name).write_text((self.root / name / "requirements.txt").read_text())
        self._interpreter.write_text(os.path.realpath(self.python) + "\n")


def say(text: str) -> None:
    """Tell the person at the terminal what happens."""
    sys.stderr.write(f"slipway: {text}\n")
    sys.stderr.flush()


def _has_venv() -> bool:
    probe = [sys.executable, "-c", "import ensurepip, venv"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _install_venv_module() -> None:
    package = f"python3.{sys.version_info.minor}-venv"
    if not debian.can_install():
        advice = f"Install it, then try again:  sudo apt-get install -y {package}"
        raise SetupFailed(f"this Python has no venv module. {advice}")
    say(f"this Python has no venv module; installing {package} from apt")
    debian.install([package])


def _uv_settings() -> dict[str, str]:
    """uv's environment: pip's own settings for a private index or certificate, under the names uv knows."""
    settings = dict(os.environ)
    names = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX", "PIP_CERT": "SSL_CERT_FILE"}
    for pip_name, uv_name in names.items():
        if os.environ.get(pip_name):
            settings.setdefault(uv_name, os.environ[pip_name])
    return settings


def _run(command: list[str], failure: str) -> None:
    if subprocess.run(command, check=False).returncode != 0:
        raise SetupFailed(failure)


def main() -> int:
    """Command line: `python -m local_runtime.host.environment --root DIR --requirements local_runtime|tests`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--requirements", choices=["local_runtime", "tests"], default="local_runtime")
    options = parser.parse_args()
    try:
        Environment(options.root.resolve()).ensure(options.requirements)
    except (SetupFailed, debian.PackagesUnavailable) as failure:
        say(str(failure))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next run starts over")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
