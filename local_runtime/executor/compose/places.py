"""Where a container's compose files are found on this machine: its labels name them as the engine's host sees them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from chalicelib.domain.compose import NotEditable
from local_runtime.executor.compose.edit import LARGEST

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""What compose looks for in a directory, in its order."""
_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host, and where this executor's own container sees it."""

    source: PurePosixPath
    destination: PurePosixPath


def mounts_of(inspect: Mapping[str, Any]) -> tuple[Mount, ...]:
    """The bind mounts of a container, the narrowest first."""
    binds = [
        Mount(PurePosixPath(one["Source"]), PurePosixPath(one["Destination"]))
        for one in inspect.get("Mounts") or ()
        if one.get("Type") == "bind" and one.get("Source") and one.get("Destination")
    ]
    return tuple(sorted(binds, key=lambda mount: len(mount.source.parts), reverse=True))


def seen_from_here(path: str, mounts: Sequence[Mount] | None) -> Path:
    """The path by which this process reaches a file of the host; `mounts` is None when it runs on the host itself.

    Raises NotEditable when none of our mounts leads there.
    """
    named = PurePosixPath(path)
    if not named.is_absolute() or ".." in named.parts:
        raise NotEditable(f"{path} is no plain absolute path")
    if mounts is None:
        return Path(named)
    for mount in mounts:
        if named.is_relative_to(mount.source):
            return Path(mount.destination / named.relative_to(mount.source))
    raise NotEditable(f"{path} is not mounted into this executor's container; mount its folder there")


def regular_file(path: Path) -> Path:
    """The file itself, behind any link: readable, of bearable size, and not to be written by everybody.

    Raises NotEditable.
    """
    try:
        real = path.resolve(strict=True)
        found = real.lstat()
    except (OSError, RuntimeError) as error:
        raise NotEditable(f"{path} is not there: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(found.st_mode) or real.suffix not in _ENDINGS:
        raise NotEditable(f"{path} is no compose file: a regular file named *.yaml or *.yml is wanted")
    if found.st_size > LARGEST:
        raise NotEditable(f"{path} is larger than {LARGEST // 1024} kB")
    if found.st_mode & stat.S_IWOTH:
        raise NotEditable(f"{path} may be written by everybody, so it is not trusted; chmod o-w it")
    if found.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
        raise NotEditable(f"{path} belongs to another user")
    return real


def configured_file(configured: str) -> Path:
    """The file a trigger's FILE means: itself, or what compose would take in that directory. Raises NotEditable."""
    path = Path(configured)
    if not path.is_absolute():
        raise NotEditable(f"FILE must be an absolute path, not {configured}")
    if not path.is_dir():
        return path
    for name in NAMES:
        if (path / name).is_file():
            return path / name
    raise NotEditable(f"there is no {', '.join(NAMES)} in {configured}")


def within(path: Path, configured: str | None) -> bool:
    """Whether a trigger bound to a file, or to the files of a directory, may touch this one."""
    if configured is None:
        return True
    bound = Path(configured).resolve()
    return path == bound or (bound.is_dir() and path.is_relative_to(bound))


def included(names: Iterable[str], by: Path) -> list[Path]:
    """Files a compose file includes: only those below its own directory are followed."""
    found = []
    for name in names:
        if "$" in name or "://" in name:
            continue
        path = (by.parent / name).resolve()
        if path.is_relative_to(by.parent):
            found.append(path)
    return found
