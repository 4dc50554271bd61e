"""Owns a private image registry for tests: Debian's docker-registry on a free loopback port, filled over plain HTTP."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.docker.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    digest_of,
    make_image,
)
from tests.docker.packages import program

START_SECONDS = 15
STOP_SECONDS = 5
EVERY_MANIFEST = ", ".join([OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST])
USER, PASSWORD = "tester", "secret"
_HTPASSWD = "tester:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
_ACCESS = re.compile(
    r'\] "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[\d.]+" (?P<status>\d{3}) \S+ "[^"]*" "(?P<agent>[^"]*)"'
)


@dataclass(frozen=True)
class Access:
    """One request the registry answered."""

    method: str
    path: str
    status: int
    user_agent: str


@dataclass(frozen=True)
class IndexEntry:
    """One member of a multi-platform index."""

    digest: str
    architecture: str = "amd64"
    os: str = "linux"
    variant: str | None = None


class ImageRegistry:
    """A running registry. `address` is "127.0.0.1:PORT", the first part of every reference into it."""

    def __init__(self, address: str, log: Path, auth: tuple[str, str] | None) -> None:
        self.address = address
        self._log = log
        self.http = httpx.Client(base_url=f"http://{address}", auth=auth, timeout=10)

    def reference(self, repository: str, tag_or_digest: str = "latest") -> str:
        """The full reference of an image in this registry."""
        separator = "@" if tag_or_digest.startswith("sha256:") else ":"
        return f"{self.address}/{repository}{separator}{tag_or_digest}"

    def push_image(self, repository: str, tag: str | None = None, **image: Any) -> str:
        """Makes an image (arguments of `make_image`) and pushes it, without `tag` by digest only: its digest."""
        return self.push(repository, tag, make_image(**image))

    def push(self, repository: str, tag: str | None, made: Image) -> str:
        """Pushes an image: its digest."""
        for blob in (made.config, *(layer.gzip for layer in made.layers)):
            self.push_blob(repository, blob)
        media_type, manifest = made.manifest()
        return self.put_manifest(repository, tag, media_type, manifest)

    def push_index(
        self,
        repository: str,
        tag: str | None,
        entries: Sequence[IndexEntry],
        *,
        oci: bool = True,
        attested: bool = False,
    ) -> str:
        """Pushes an index over manifests (or indexes) already pushed to the repository: the index digest.

        `attested` adds the `unknown/unknown` members that buildx writes, one for each entry, in front.
        """
        members = [self._member(repository, entry) for entry in entries]
        if attested:
            members = [self._attestation(repository, entry.digest) for entry in entries] + members
        media_type = OCI_INDEX if oci else DOCKER_LIST
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": members}
        return self.put_manifest(repository, tag, media_type, json.dumps(document).encode())

    def push_nested(self, repository: str, tag: str | None, entries: Sequence[IndexEntry], *, depth: int = 1) -> str:
        """Pushes an index whose only member is an index (`depth` times) over `entries`: the outermost digest."""
        digest = self.push_index(repository, None, entries)
        for level in range(depth):
            outermost = level == depth - 1
            inner = IndexEntry(digest, entries[0].architecture, entries[0].os, entries[0].variant)
            digest = self.push_index(repository, tag if outermost else None, [inner])
        return digest

    def put_manifest(self, repository: str, tag: str | None, media_type: str, manifest: bytes) -> str:
        """Stores manifest bytes under a tag, or under their digest only: the digest."""
        digest = digest_of(manifest)
        self.http.put(
            f"/v2/{repository}/manifests/{tag or digest}", content=manifest, headers={"Content-Type": media_type}
        ).raise_for_status()
        return digest

    def manifest(self, repository: str, tag_or_digest: str) -> httpx.Response:
        """What the registry answers for a manifest, every media type accepted."""
        answer = self.http.get(f"/v2/{repository}/manifests/{tag_or_digest}", headers={"Accept": EVERY_MANIFEST})
        return answer.raise_for_status()

    def retag(self, repository: str, tag_or_digest: str, tag: str) -> str:
        """Points `tag` to a manifest that is already there: its digest."""
        found = self.manifest(repository, tag_or_digest)
        return self.put_manifest(repository, tag, found.headers["Content-Type"], found.content)

    def delete(self, repository: str, digest: str) -> None:
        """Deletes a manifest and every tag that points to it."""
        self.http.delete(f"/v2/{repository}/manifests/{digest}").raise_for_status()

    def delete_image(self, repository: str, digest: str) -> None:
        """Deletes a manifest and its configuration: an engine that still holds the manifest cannot pull it either."""
        config = self.manifest(repository, digest).json()["config"]["digest"]
        self.delete(repository, digest)
        self.http.delete(f"/v2/{repository}/blobs/{config}").raise_for_status()

    def access_log(self) -> list[Access]:
        """Every request answered so far, oldest first, the rig's own included."""
        lines = self._log.read_text(errors="replace").splitlines()
        found = (_ACCESS.search(line) for line in lines)
        return [Access(m["method"], m["path"], int(m["status"]), m["agent"]) for m in found if m]

    def requests_since(self, mark: int) -> list[Access]:
        """The requests after `mark`, a length of `access_log()` taken earlier."""
        return self.access_log()[mark:]

    def push_blob(self, repository: str, blob: bytes) -> None:
        """Stores bytes under their digest, once."""
        digest = digest_of(blob)
        if self.http.head(f"/v2/{repository}/blobs/{digest}").status_code == 200:
            return
        place = self.http.post(f"/v2/{repository}/blobs/uploads/").raise_for_status().headers["Location"]
        self.http.put(place, params=dict(httpx.URL(place).params) | {"digest": digest}, content=blob).raise_for_status()

    def _member(self, repository: str, entry: IndexEntry) -> dict[str, Any]:
        found = self.manifest(repository, entry.digest)
        platform = {"architecture": entry.architecture, "os": entry.os}
        if entry.variant:
            platform["variant"] = entry.variant
        return _descriptor(found.headers["Content-Type"], found.content) | {"platform": platform}

    def _attestation(self, repository: str, subject: str) -> dict[str, Any]:
        config, layer = b"{}", json.dumps({"subject": subject}).encode()
        for blob in (config, layer):
            self.push_blob(repository, blob)
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.in-toto+json", layer)],
        }
        manifest = json.dumps(document).encode()
        self.put_manifest(repository, None, OCI_MANIFEST, manifest)
        return _descriptor(OCI_MANIFEST, manifest) | {
            "platform": {"architecture": "unknown", "os": "unknown"},
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": subject,
            },
        }


@contextmanager
def image_registry(*, password: bool = False) -> Iterator[ImageRegistry]:
    """A registry for the length of the block; with `password` it demands basic auth as USER with PASSWORD."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-registry-"))
    process: subprocess.Popen[bytes] | None = None
    registry: ImageRegistry | None = None
    try:
        process, address = _start(folder, password)
        registry = ImageRegistry(address, folder / "log", (USER, PASSWORD) if password else None)
        yield registry
    finally:
        if registry:
            registry.http.close()
        if process:
            _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, password: bool) -> tuple[subprocess.Popen[bytes], str]:
    # The port is chosen before the registry binds it, so somebody may be quicker: then another one is taken.
    for _ in range(5):
        address = f"127.0.0.1:{_free_port()}"
        (folder / "config.yml").write_text(json.dumps(_configuration(folder, address, password)))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program("docker-registry"), "serve", str(folder / "config.yml")], stdout=log, stderr=log
            )
        if _answers(address, process):
            return process, address
        _stop(process)
    raise RuntimeError(f"docker-registry did not start:\n{(folder / 'log').read_text(errors='replace')}")


def _configuration(folder: Path, address: str, password: bool) -> Mapping[str, Any]:
    (folder / "htpasswd").write_text(_HTPASSWD)
    auth = {"auth": {"htpasswd": {"realm": "slipway tests", "path": str(folder / "htpasswd")}}}
    return {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        # Without a secret the registry writes one warning and its uploads work all the same, but not across restarts.
        "http": {"addr": address, "secret": "slipway"},
    } | (auth if password else {})


def _answers(address: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://{address}/v2/", timeout=2).status_code in (200, 401) and process.poll() is None:
                return True
        except httpx.TransportError:
            time.sleep(0.02)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(content), "digest": digest_of(content)}
