"""Owns the making of small images from scratch: a busybox layer, a layer of files, a config and a manifest."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.docker.packages import program

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_DOCKER_PARTS = (
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
_OCI_PARTS = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
_FOREIGN_BASE = b"\x7fELF of another machine\n"


@dataclass(frozen=True)
class Layer:
    """One layer: the plain tar and its gzip form, which is what a registry keeps."""

    tar: bytes
    gzip: bytes


@dataclass(frozen=True)
class Image:
    """A whole image in memory: config document and layers, bottom first."""

    config: bytes
    layers: tuple[Layer, ...]
    oci: bool = False

    @property
    def id(self) -> str:
        """What the engine calls it: the digest of the config."""
        return digest_of(self.config)

    def manifest(self) -> tuple[str, bytes]:
        """Media type and bytes of the manifest that a registry serves."""
        config_type, layer_type = _OCI_PARTS if self.oci else _DOCKER_PARTS
        media_type = OCI_MANIFEST if self.oci else DOCKER_MANIFEST
        document = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {"mediaType": config_type, "size": len(self.config), "digest": self.id},
            "layers": [
                {"mediaType": layer_type, "size": len(layer.gzip), "digest": digest_of(layer.gzip)}
                for layer in self.layers
            ],
        }
        return media_type, json.dumps(document).encode()

    def archive(self, reference: str) -> bytes:
        """The image as the tar that `docker load` reads, tagged with `reference`."""
        layer_files = {f"{number}/layer.tar": layer.tar for number, layer in enumerate(self.layers)}
        config_name = f"{self.id.removeprefix('sha256:')}.json"
        manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": list(layer_files)}]
        return _tar({**layer_files, config_name: self.config, "manifest.json": json.dumps(manifest).encode()})


@functools.lru_cache(maxsize=16)
def digest_of(data: bytes) -> str:
    """`sha256:…` of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_image(
    *,
    files: Mapping[str, str | bytes] | None = None,
    cmd: Sequence[str] | None = ("sleep", "3600"),
    entrypoint: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    healthcheck: Mapping[str, Any] | None = None,
    user: str = "",
    workdir: str = "",
    volumes: Sequence[str] = (),
    expose: Sequence[str] = (),
    stopsignal: str = "",
    shell: Sequence[str] | None = None,
    created: str | None = None,
    architecture: str = "amd64",
    variant: str | None = None,
    os: str = "linux",
    oci: bool = False,
) -> Image:
    """An image FROM scratch with busybox (every applet linked in /bin) and `files` (path: content).

    `healthcheck` is the engine's document (`{"Test": [...], "Interval": nanoseconds, ...}`), `created` RFC 3339.
    Images of another architecture hold no program that could run. PATH is set unless `env` sets it.
    """
    layers = (_busybox_layer() if architecture == "amd64" else _layer({"bin/busybox": _FOREIGN_BASE}),)
    if files:
        contents = {name.lstrip("/"): body.encode() if isinstance(body, str) else body for name, body in files.items()}
        layers += (_layer(contents),)
    defaults = {
        "Cmd": list(cmd) if cmd is not None else None,
        "Entrypoint": list(entrypoint) if entrypoint is not None else None,
        "Env": [f"{name}={value}" for name, value in {"PATH": "/bin", **(env or {})}.items()],
        "Labels": dict(labels) if labels else None,
        "Healthcheck": dict(healthcheck) if healthcheck else None,
        "User": user,
        "WorkingDir": workdir,
        "Volumes": {path: {} for path in volumes} or None,
        "ExposedPorts": {port: {} for port in expose} or None,
        "StopSignal": stopsignal,
        "Shell": list(shell) if shell else None,
    }
    document: dict[str, Any] = {
        "architecture": architecture,
        "os": os,
        "created": created or "2024-01-01T00:00:00Z",
        "config": {key: value for key, value in defaults.items() if value not in (None, "")},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer.tar) for layer in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "slipway test rig"} for _ in layers],
    }
    if variant:
        document["variant"] = variant
    return Image(json.dumps(document, sort_keys=True).encode(), layers, oci)


@functools.cache
def _busybox_layer() -> Layer:
    busybox = program("busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True, timeout=10).stdout.split()
    links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    passwd = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
    return _layer({"bin/busybox": Path(busybox).read_bytes(), "etc/passwd": passwd.encode()}, links, ("tmp", "root"))


def _layer(files: Mapping[str, bytes], links: Mapping[str, str] | None = None, folders: Sequence[str] = ()) -> Layer:
    tar = _tar(files, links, folders)
    return Layer(tar, gzip.compress(tar, compresslevel=1, mtime=0))


def _tar(files: Mapping[str, bytes], links: Mapping[str, str] | None = None, folders: Sequence[str] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            archive.addfile(entry)
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(body), 0o755
            archive.addfile(entry, io.BytesIO(body))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()
