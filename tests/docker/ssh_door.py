"""Owns an sshd on loopback that lets one key in, as on a host whose engine is reached over ssh."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_runtime.programs import free_port
from tests.docker.packages import program


@dataclass
class SshDoor:
    """`url(socket)` is where an engine behind that socket is found; `key` opens, `stranger` does not."""

    port: int
    key: Path
    stranger: Path
    known_hosts: Path
    other_hosts: Path
    process: subprocess.Popen[bytes]

    def url(self, engine_socket: Path | str) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{engine_socket}"

    def connections(self) -> list[int]:
        """The processes that serve who is connected now."""
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listing.split()]

    def cut(self) -> None:
        """Break off every connection, as a network does."""
        for pid in self.connections():
            os.kill(pid, signal.SIGKILL)


@contextmanager
def ssh_door() -> Iterator[SshDoor]:
    """An sshd for the length of the block."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-sshd-"))
    sshd = program("sshd")
    host_key, key, stranger = (_key(folder / name) for name in ("host", "key", "stranger"))
    (folder / "authorized").write_text(_public(key))
    port = free_port()
    known, other = folder / "known_hosts", folder / "other_hosts"
    known.write_text(f"[127.0.0.1]:{port} {_public(host_key)}")
    other.write_text(f"[127.0.0.1]:{port} {_public(stranger)}")
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": host_key,
        "AuthorizedKeysFile": folder / "authorized",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        # Without PAM nobody may enter a locked account, which root's is on some systems.
        "UsePAM": "yes" if _locked() else "no",
        "StrictModes": "no",
        "PidFile": "none",
    }
    config = folder / "sshd_config"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(config)], stdout=log, stderr=log)
    try:
        _wait_until_open(port, process, folder / "log")
        yield SshDoor(port, key, stranger, known, other, process)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


def _locked() -> bool:
    entries = [line.split(":") for line in Path("/etc/shadow").read_text().splitlines()]
    return any(entry[0] == getpass.getuser() and entry[1].startswith("!") for entry in entries)


def _wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)


def _key(path: Path) -> Path:
    made = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(
        made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )
    public = made.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_bytes(public + b"\n")
    return path


def _public(key: Path) -> str:
    return key.with_suffix(".pub").read_text()
