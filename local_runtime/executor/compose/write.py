"""Changing a file so that a crash leaves the old one or the new one, and whoever changes it does so alone."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chalicelib.domain.compose import NotEditable

_ATTEMPTS, _PAUSE = 5, 0.2
_LOCK_SECONDS = 30.0
_LOCK_PAUSE = 0.05
_NOT_REPLACEABLE = {errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS}
"""A single file that is mounted cannot be renamed over, and its folder may not be ours to write in."""
_locks: dict[Path, threading.Lock] = {}
_guard = threading.Lock()


class Files:
    """Writes compose files; what is written in place is first kept in `folder`, so that a torn write is mended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def rehearse(self, path: Path, content: bytes) -> None:
        """Prove that the change could be written now: there is room for it, and it is allowed. Raises NotEditable."""
        try:
            with locked(path):
                try:
                    draft = _draft(path, content)
                except OSError as error:
                    if error.errno not in _NOT_REPLACEABLE:
                        raise
                    os.close(os.open(path, os.O_RDWR | os.O_NOFOLLOW))
                else:
                    draft.unlink()
        except OSError as error:
            raise NotEditable(f"{path} cannot be written: {error.strerror or error}") from error

    def replace(self, path: Path, before: bytes, after: bytes, *, backup: bool) -> None:
        """Put `after` in the place of `before`. The caller holds the lock. Raises OSError; the file is then as before.

        With `backup` the file as it was is kept beside it, as `*.back`.
        """
        if backup:
            self._write(path.with_name(f"{path.name}.back"), before, like=path)
        self._write(path, after, like=path)

    def mend(self, path: Path) -> None:
        """Finish a write in place that was cut off. The caller holds the lock."""
        kept = self._kept(path)
        try:
            told = json.loads(kept.read_text())
            before, after = bytes.fromhex(told["before"]), bytes.fromhex(told["after"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            kept.unlink(missing_ok=True)
            return
        if _torn(path.read_bytes(), before, after):
            _overwrite(path, after)
        kept.unlink(missing_ok=True)

    def _write(self, path: Path, content: bytes, like: Path) -> None:
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE)
            try:
                _draft(path, content, like).replace(path)
                _sync_folder(path)
                return
            except OSError as error:
                trouble = error
                with suppress(OSError):
                    _draft_of(path).unlink(missing_ok=True)
            if trouble.errno in _NOT_REPLACEABLE and trouble.errno != errno.EBUSY:
                break
        if trouble.errno not in _NOT_REPLACEABLE or not path.exists():
            raise trouble
        self._write_in_place(path, content)

    def _write_in_place(self, path: Path, content: bytes) -> None:
        before = path.read_bytes()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = self._kept(path)
        draft = kept.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"before": before.hex(), "after": content.hex()}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(kept)
        try:
            _overwrite(path, content)
        except OSError:
            with suppress(OSError):
                _overwrite(path, before)
                kept.unlink(missing_ok=True)
            raise
        kept.unlink(missing_ok=True)

    def _kept(self, path: Path) -> Path:
        return self._folder / f"{hashlib.sha256(bytes(path)).hexdigest()}.json"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Change the files of this folder alone: no other thread, and no other executor on this machine.

    Raises NotEditable when another does not let go of it in time.
    """
    folder = path.parent
    with _guard:
        lock = _locks.setdefault(folder, threading.Lock())
    if not lock.acquire(timeout=_LOCK_SECONDS):
        raise NotEditable(f"another change in {folder} does not end")
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _flock(descriptor, folder)
            yield
        finally:
            os.close(descriptor)
    finally:
        lock.release()


def _flock(descriptor: int, folder: Path) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise NotEditable(f"another program holds {folder}") from None
            time.sleep(_LOCK_PAUSE)
        except OSError:
            # Some network file systems lock no folders; our own threads are kept apart all the same.
            return None


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.slipway")


def _draft(path: Path, content: bytes, like: Path | None = None) -> Path:
    """The content in a file beside `path`, on the disk, with the mode and owner of the file it will replace."""
    draft = _draft_of(path)
    draft.unlink(missing_ok=True)
    found = (like or path).stat()
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), found.st_uid, found.st_gid)
            os.fchmod(file.fileno(), found.st_mode & 0o7777)
            os.fsync(file.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _overwrite(path: Path, content: bytes) -> None:
    """Write in place; one that can be taken up again when it is cut off."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        written = 0
        while written < len(content):
            written += os.pwrite(descriptor, content[written:], written)
        os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _torn(found: bytes, before: bytes, after: bytes) -> bool:
    """Whether the file is what a cut off write leaves: the new beginning and the old rest, or too long an end."""
    if found == after:
        return False
    if found == before:
        return True
    same = next((at for at, (one, other) in enumerate(zip(found, after, strict=False)) if one != other), None)
    reached = min(len(found), len(after)) if same is None else same
    return found[reached:] == before[reached:]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
