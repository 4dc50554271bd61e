"""script/bootstrap on a checkout of its own, with a small package of its own instead of the package index."""

import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Checkout:
    """The files script/bootstrap needs, and requirements that are met from this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "script" / "bootstrap"
        self.venv = folder / ".venv"
        shutil.copytree(ROOT / "script", folder / "script", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "local_runtime/host", folder / "local_runtime/host")
        shutil.copy(ROOT / "local_runtime/__init__.py", folder / "local_runtime")
        (folder / "tests").mkdir()
        self.require("local_runtime", wheel(folder, "machine", "1"))
        self.require("tests", wheel(folder, "machine", "1"), wheel(folder, "tested", "1"))

    def require(self, part: str, *wheels: Path) -> None:
        lines = [f"{file.name.split('-')[0]} @ {file.as_uri()}\n" for file in wheels]
        (self.folder / part / "requirements.txt").write_text("".join(lines))

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))}
        # No index: only what is named by file can be installed.
        environment |= {"PIP_NO_INDEX": "1", "UV_OFFLINE": "1", "SLIPWAY_PYTHON": sys.executable, **settings}
        return subprocess.Popen(
            [self.script, *arguments],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **settings: str) -> str:
        process = self.start(*arguments, **settings)
        told, _ = process.communicate(timeout=100)
        assert process.returncode == 0, told
        return told

    def versions(self) -> dict[str, str]:
        """What is importable in the environment, of our two small packages."""
        ask = "import importlib.metadata as m; print(*(f'{d.name}={d.version}' for d in m.distributions()))"
        told = subprocess.run([self.venv / "bin/python", "-c", ask], capture_output=True, text=True, check=True).stdout
        found = dict(item.split("=", 1) for item in told.split())
        return {name: version for name, version in found.items() if name in ("machine", "tested")}


def wheel(folder: Path, name: str, version: str) -> Path:
    """A package with one module, as a wheel."""
    file = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return file


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_first_run_makes_the_environment_and_the_second_does_nothing(checkout: Checkout) -> None:
    assert "installing local_runtime/requirements.txt" in checkout.run()
    assert checkout.versions() == {"machine": "1"}
    started = time.monotonic()
    assert checkout.run() == ""
    assert time.monotonic() - started < 5


def test_tests_bring_more_and_satisfy_the_machine_too(checkout: Checkout) -> None:
    checkout.run("--tests")
    assert checkout.versions() == {"machine": "1", "tested": "1"}
    assert checkout.run() == ""


def test_changed_requirements_are_installed(checkout: Checkout) -> None:
    checkout.run()
    checkout.require("local_runtime", wheel(checkout.folder, "machine", "2"))
    checkout.run()
    assert checkout.versions() == {"machine": "2"}


def test_an_interrupted_run_is_started_over(checkout: Checkout) -> None:
    checkout.run()
    (checkout.venv / ".unfinished").touch()
    (checkout.venv / "half.txt").touch()
    checkout.run()
    assert not (checkout.venv / "half.txt").exists()
    assert checkout.versions() == {"machine": "1"}


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    checkout.run()
    python = checkout.venv / "bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    checkout.run()
    assert checkout.versions() == {"machine": "1"}


def test_two_runs_at_once_both_end_well(checkout: Checkout) -> None:
    both = [checkout.start(), checkout.start()]
    told = [process.communicate(timeout=100)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sum("installing" in text for text in told) == 1
    assert checkout.versions() == {"machine": "1"}


def test_what_cannot_be_installed_is_an_error_and_is_tried_again(checkout: Checkout) -> None:
    (checkout.folder / "local_runtime/requirements.txt").write_text("slipway-nowhere-to-be-found==1\n")
    process = checkout.start()
    told, _ = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "could not install the requirements" in told
    checkout.require("local_runtime", wheel(checkout.folder, "machine", "1"))
    checkout.run()
    assert checkout.versions() == {"machine": "1"}


def test_without_a_suitable_python_it_says_what_to_install(checkout: Checkout, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    # Without apt-get in reach it must not try to install one.
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "dirname", "id", "cat", "cmp", "readlink"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    process = checkout.start(SLIPWAY_PYTHON=str(old), PATH=str(tools))
    told, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "needs Python 3.11 or newer" in told
    assert "apt-get install" in told


def test_an_unknown_option_is_refused(checkout: Checkout) -> None:
    process = checkout.start("--nonsense")
    told, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "unknown option --nonsense" in told
