"""Owns an image of the executor, FROM scratch out of this machine's own Python, as no base image can be pulled here.

How it runs is read from infra/executor.Dockerfile; the layer with Python is made once for a test run.
"""

from __future__ import annotations

import functools
import io
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from tests.docker.images import Image, Layer, digest_of

ROOT = Path(__file__).resolve().parents[2]
PYTHON = str(Path(sys.executable).resolve())
SITE = "/app/site"
_DOCKERFILE = (ROOT / "infra/executor.Dockerfile").read_text().rpartition("\nFROM ")[2]


def _said(instruction: str) -> str:
    """What the Dockerfile says after an instruction of its last stage."""
    return next(line for line in _DOCKERFILE.splitlines() if line.startswith(f"{instruction} ")).partition(" ")[2]


def _program(arguments: str) -> tuple[str, ...]:
    return tuple(PYTHON if part == "python" else part for part in json.loads(arguments))


EXECUTOR = _program(_said("ENTRYPOINT"))
HEALTH = _program(_said("HEALTHCHECK").partition(" CMD ")[2])
USER = _said("USER")
APP = _said("WORKDIR")
DATA = json.loads(_said("VOLUME"))[0]
ENVIRONMENT = _said("ENV").split()

_NOT_OF_THE_LIBRARY = (
    *("idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "pydoc_data"),
    *("site-packages", "dist-packages", "config-"),
)
_NOT_OF_AN_EXECUTOR = tuple(
    re.findall(
        r"[a-z-]+(?=[|)])", (ROOT / "infra/executor.Dockerfile").read_text().partition("grep -vE")[2].split("==")[0]
    )
)
_SERVICES = ("dynamodb", "sqs")
_OWN = ("chalicelib", "local_runtime")


def executor_image(
    version: str, *, entrypoint: Sequence[str] = EXECUTOR, healthcheck: Mapping[str, Any] | None = None
) -> Image:
    """The image of that version; they differ in a label, and in what they run."""
    layers = (_python(), _slipway())
    config: dict[str, Any] = {
        "Entrypoint": list(entrypoint),
        "Env": [*ENVIRONMENT, f"VERSION={version}"],
        "Labels": {"org.opencontainers.image.version": version},
        "User": USER,
        "Volumes": {DATA: {}},
        "WorkingDir": APP,
    }
    if entrypoint is not EXECUTOR:
        config["StopSignal"] = "SIGKILL"  # It takes no time, and what runs there heeds nothing else.
    if healthcheck:
        config["Healthcheck"] = dict(healthcheck)
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer.tar) for layer in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "slipway test rig"} for _ in layers],
    }
    return Image(json.dumps(document, sort_keys=True).encode(), layers)


@functools.cache
def _python() -> Layer:
    """The interpreter, its library, the pinned requirements and every shared library these ask for."""
    library, packages = Path(sysconfig.get_paths()["stdlib"]), Path(sysconfig.get_paths()["purelib"])
    files = {PYTHON: Path(PYTHON)}
    for path in _files(library):
        inside = path.relative_to(library)
        if (
            not {"test", "tests"} & set(inside.parts)
            and not inside.parts[0].startswith(_NOT_OF_THE_LIBRARY)
            and ".opt-" not in path.name
        ):
            files[str(path)] = path
    for path in _requirements():
        files[f"{SITE}/{path.relative_to(packages)}"] = path
    binaries = [path for path in files.values() if path == Path(PYTHON) or re.search(r"\.so(\.|$)", path.name)]
    for path in _shared_libraries(binaries):
        files[path] = Path(path)
    return _layer(files, folders={DATA: (int(USER.partition(":")[0]), 0o700), "/tmp": (0, 0o1777)})


@functools.cache
def _slipway() -> Layer:
    """Our own code."""
    sources = [path for package in _OWN for path in _files(ROOT / package)]
    return _layer({f"{APP}/{path.relative_to(ROOT)}": path for path in sources}, folders={})


def _requirements() -> Iterator[Path]:
    for line in (ROOT / "local_runtime/requirements.txt").read_text().splitlines():
        name = line.partition("==")[0].strip()
        if not name or name.startswith("#") or name in _NOT_OF_AN_EXECUTOR:
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:  # For another system.
            continue
        for file in found.files or ():
            path = Path(str(found.locate_file(file)))
            parts = file.parts
            data = parts[:2] == ("botocore", "data") and len(parts) > 3 and parts[2] not in _SERVICES
            if ".." not in parts and not data and "tests" not in parts and path.is_file():
                yield path


def _shared_libraries(binaries: Sequence[Path]) -> set[str]:
    listed = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, timeout=30, check=False)
    return {path for path in re.findall(r"(/\S+) \(0x", listed.stdout) if "/site-packages/" not in path}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _layer(files: Mapping[str, Path], folders: Mapping[str, tuple[int, int]]) -> Layer:
    """A layer that is not compressed: engines tell by the first bytes, and compressing would take longer than all else.

    `folders` have an owner and a mode.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, (owner, mode) in folders.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
            archive.addfile(entry)
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(name.lstrip("/"))
            status = path.stat()
            # The times matter: compiled modules are trusted as long as their sources are of the same second.
            entry.size, entry.mode, entry.mtime = status.st_size, status.st_mode & 0o777 | 0o444, int(status.st_mtime)
            with path.open("rb") as file:
                archive.addfile(entry, file)
    tar = buffer.getvalue()
    return Layer(tar, tar)
