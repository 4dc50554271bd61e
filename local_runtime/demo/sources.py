"""Where the demo's two programs come from: this machine, Debian's packages, or images that the engine can pull."""

import shutil
import struct
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from local_runtime.host import debian


class Sources:
    """A registry server and a static busybox. Both raise debian.PackagesUnavailable when they cannot be had."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say

    @cached_property
    def registry(self) -> Path:
        """The docker-registry program."""
        return self._find("docker-registry", "docker-registry")

    @cached_property
    def busybox(self) -> Path:
        """A busybox that needs no libraries."""
        return self._find("busybox", "busybox-static")

    def _find(self, program: str, package: str) -> Path:
        # Debian's other busybox, linked dynamically, would not run in an empty image.
        found = shutil.which(program, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        if found is not None and (program != "busybox" or is_static(Path(found))):
            return Path(found)
        unpacked = self._unpacked(program)
        if unpacked is None:
            self._say(f"fetching {package} from apt (unpacked into {self._folder}, not installed)")
            debian.unpack(package, self._folder)
            unpacked = self._unpacked(program)
        if unpacked is None:
            raise debian.PackagesUnavailable(f"the package {package} holds no {program}")
        return unpacked

    def _unpacked(self, program: str) -> Path | None:
        places = (self._folder / folder / program for folder in ("usr/bin", "bin"))
        return next((place for place in places if place.exists()), None)


def is_static(program: Path) -> bool:
    """Whether an ELF program asks for no dynamic loader (it has no PT_INTERP header)."""
    content = program.read_bytes()
    if content[:4] != b"\x7fELF" or content[4] != 2:
        return False
    order = "<" if content[5] == 1 else ">"
    (start,) = struct.unpack_from(f"{order}Q", content, 32)
    size, count = struct.unpack_from(f"{order}HH", content, 54)
    interpreter = 3
    kinds = (struct.unpack_from(f"{order}I", content, start + number * size)[0] for number in range(count))
    return interpreter not in kinds
