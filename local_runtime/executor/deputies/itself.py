"""Which container this process runs in, if any: guessed from /proc, proven by the engine, never told by a name."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.ports.engine import Engine
from local_runtime.executor.inspection import inspect_optional

Document = Mapping[str, Any]

_OF_A_GROUP = re.compile(r"[/-]([0-9a-f]{64})(?:\.scope)?(?:/|$)")
_OF_A_MOUNT = re.compile(r"/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf)$")
_MOUNTED = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
_HOST_NAME = re.compile(r"[0-9a-f]{12}")


class Itself:
    """What this process knows of its own container; asked of each watched engine once."""

    def __init__(self, proc: Path = Path("/proc/self"), host_name: str | None = None) -> None:
        self._proc = proc
        self._host_name = platform.node() if host_name is None else host_name
        self._known: dict[str, tuple[str, ...]] = {}

    def on(self, watcher: str, engine: Engine) -> tuple[str, ...]:
        """The id of our container on that engine, or nothing when we are in none of its containers.

        Several when it cannot be told which of them it is: containers that share one network share what /proc shows.
        Raises EngineError while the engine cannot be asked.
        """
        if watcher not in self._known:
            self._known[watcher] = self._proven(engine)
        return self._known[watcher]

    def _proven(self, engine: Engine) -> tuple[str, ...]:
        for guess, certain in self._guesses():
            document = inspect_optional(engine, guess)
            if document is None or not document["Id"].startswith(guess) or not document["State"].get("Running"):
                continue
            return (document["Id"],) if certain else self._told_apart(engine, document)
        return ()

    def _guesses(self) -> list[tuple[str, bool]]:
        """Ids we may have, the surest first, and whether each is ours for certain if it is a container's at all."""
        found: dict[str, bool] = {}
        for line in self._lines("cgroup"):
            # The innermost: an engine may itself run in a container.
            for guess in _OF_A_GROUP.findall(line)[-1:]:
                found.setdefault(guess, True)
        for line in self._lines("mountinfo"):
            fields = line.split()
            if len(fields) > 4 and fields[4] in _MOUNTED and (mount := _OF_A_MOUNT.search(fields[3])):
                found.setdefault(mount[1], False)
        if _HOST_NAME.fullmatch(self._host_name):
            found.setdefault(self._host_name, False)
        return list(found.items())

    def _told_apart(self, engine: Engine, document: Document) -> tuple[str, ...]:
        """Whoever shares the network of this container has its host name and its files in /etc as well."""
        alike = [document]
        mode = f"container:{document['Id']}"
        for summary in engine.containers():
            if (summary.get("HostConfig") or {}).get("NetworkMode") == mode:
                other = inspect_optional(engine, summary["Id"])
                alike += [other] if other is not None else []
        if len(alike) > 1:
            root = next((line for line in self._lines("mountinfo") if line.split()[4:5] == ["/"]), "")
            ours = [
                one for one in alike if _folder_of(one) and f"upperdir={_folder_of(one)}" in re.split(r"[ ,]", root)
            ]
            alike = ours or alike
        return tuple(str(one["Id"]) for one in alike)

    def _lines(self, name: str) -> list[str]:
        try:
            return (self._proc / name).read_text(errors="replace").splitlines()
        except OSError:
            return []


def _folder_of(document: Document) -> str:
    """Where the engine keeps what this container writes, with the overlay drivers."""
    return str(((document.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir") or "")
