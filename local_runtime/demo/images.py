"""The demo's images, laid out byte by byte: busybox and a script. The same input gives the same digest on every run."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_runtime.demo.catalog import Health, Version

APPLETS = ("sh", "cat", "date", "echo", "env", "false", "httpd", "kill", "ls", "mkdir", "ps", "sleep", "true", "wget")
IMAGE_LABEL = "slipway.demo.image"
"""Not the containers' label: a container inherits its image's, and one a person makes from it is not the demo's."""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
STATEMENT = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Blob:
    """Bytes in a registry, known by their digest."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hex digits."""
        return _digest(self.content)

    def descriptor(self, **more: object) -> dict[str, object]:
        """How a manifest refers to it."""
        return {"mediaType": self.media_type, "size": len(self.content), "digest": self.digest, **more}


@dataclass(frozen=True)
class Image:
    """What to put into a registry: blobs first, then the manifests the top one refers to, the top manifest last."""

    blobs: tuple[Blob, ...]
    manifests: tuple[Blob, ...]

    @property
    def top(self) -> Blob:
        """The manifest or index a tag points to."""
        return self.manifests[-1]


class Builder:
    """Makes images for one architecture from a static busybox."""

    def __init__(self, busybox: Path, architecture: str) -> None:
        self._architecture = architecture
        self._base = _tar(
            {"bin/busybox": (0o755, busybox.read_bytes())}, {f"bin/{name}": "/bin/busybox" for name in APPLETS}
        )
        self._base_layer = gzip.compress(self._base, mtime=0)

    def image(self, application: str, version: Version, *, indexed: bool) -> Image:
        """The image of one version: a Docker manifest, or an OCI index with an attestation as BuildKit makes it."""
        page = f"<!doctype html><title>{application}</title><h1>{application} {version.name}</h1>\n".encode()
        files = {"app/run": (0o755, b"#!/bin/sh\n" + version.script.encode()), "www/index.html": (0o644, page)}
        if version.healthy:
            files["www/healthz"] = (0o644, b"ok\n")
        top = _tar(files, {})
        layer_type, config_type, manifest_type = (
            (OCI_LAYER, OCI_CONFIG, OCI_MANIFEST) if indexed else (LAYER, CONFIG, MANIFEST)
        )
        layers = [Blob(layer_type, self._base_layer), Blob(layer_type, gzip.compress(top, mtime=0))]
        config = Blob(config_type, _json(self._config(application, version, [self._base, top])))
        manifest = Blob(manifest_type, _manifest(manifest_type, config, layers))
        image = Image((*layers, config), (manifest,))
        return self._with_index(image) if indexed else image

    def _config(self, application: str, version: Version, layers: list[bytes]) -> dict[str, Any]:
        run: dict[str, Any] = {
            "Env": ["PATH=/bin", f"NAME={application}", f"VERSION={version.name}", "API_TOKEN=demo-secret"],
            "Cmd": ["/bin/sh", "/app/run"],
            "WorkingDir": "/",
            "Labels": {
                IMAGE_LABEL: "true",
                "org.opencontainers.image.title": application,
                "org.opencontainers.image.version": version.name,
            },
        }
        if version.health is not None:
            run |= {"Healthcheck": _healthcheck(version.health), "ExposedPorts": {"8080/tcp": {}}}
        created = f"{version.created}T08:00:00Z"
        steps = ("busybox", f"{application} {version.name}")
        return {
            "architecture": self._architecture,
            "os": "linux",
            "created": created,
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
            "history": [{"created": created, "created_by": step} for step in steps],
        }

    def _with_index(self, image: Image) -> Image:
        own = image.top
        statement = Blob(
            STATEMENT,
            _json({"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": {"sha256": own.digest[7:]}}]}),
        )
        nowhere = {"architecture": "unknown", "os": "unknown"}
        layers = {"type": "layers", "diff_ids": [statement.digest]}
        config = Blob(OCI_CONFIG, _json({**nowhere, "config": {}, "rootfs": layers}))
        attestation = Blob(OCI_MANIFEST, _manifest(OCI_MANIFEST, config, [statement]))
        notes = {"vnd.docker.reference.digest": own.digest, "vnd.docker.reference.type": "attestation-manifest"}
        entries = [
            own.descriptor(platform={"architecture": self._architecture, "os": "linux"}),
            attestation.descriptor(platform=nowhere, annotations=notes),
        ]
        index = Blob(OCI_INDEX, _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}))
        return Image((*image.blobs, statement, config), (own, attestation, index))


def _manifest(media_type: str, config: Blob, layers: list[Blob]) -> bytes:
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.descriptor(),
            "layers": [layer.descriptor() for layer in layers],
        }
    )


def _healthcheck(health: Health) -> dict[str, object]:
    nanoseconds = 1_000_000_000
    return {
        "Test": ["CMD", "/bin/wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:8080{health.path}"],
        "Interval": int(health.interval * nanoseconds),
        "Timeout": int(health.timeout * nanoseconds),
        "Retries": health.retries,
    }


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _tar(files: Mapping[str, tuple[int, bytes]], links: Mapping[str, str]) -> bytes:
    """An archive without times, owners or order of its own."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in sorted({name.rpartition("/")[0] for name in (*files, *links)}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, (mode, data) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = mode, len(data)
            archive.addfile(entry, io.BytesIO(data))
        for name, target in sorted(links.items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return content.getvalue()
