"""Owns the cloning of a container: from inspect documents to the create call of its successor on another image."""

from __future__ import annotations

import copy
import posixpath
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from local_runtime.engine.image_defaults import own_settings
from local_runtime.engine.replica_networks import endpoints_of, primary_network

Document = Mapping[str, Any]

COMPOSE_IMAGE_LABEL = "com.docker.compose.image"
SHARED_NAMESPACES = ("NetworkMode", "PidMode", "IpcMode")
SHORT_ID = 12
_FULL_ID = re.compile(r"[0-9a-f]{64}\Z")
_MAC_BELONGS_TO_ENDPOINT = (1, 44)


@dataclass(frozen=True, slots=True)
class Replica:
    """What to send to the engine: create `name` with `body`, then connect each (network, endpoint) before the start.

    `volumes` are the anonymous volumes that the body now attaches by name: those the old container must not take along.
    """

    name: str
    body: dict[str, Any]
    connect: tuple[tuple[str, dict[str, Any]], ...] = ()
    volumes: tuple[str, ...] = ()


def plan_replica(
    source: Document,
    old_image: Document,
    new_image: Document,
    *,
    name: str,
    image: str,
    api_version: str = "1.41",
    default_runtime: str | None = None,
    host_name: str | None = None,
    resolve_container: Callable[[str], str | None] = lambda _id: None,
    volumes_of: Callable[[str], Collection[str]] = lambda _container: (),
) -> Replica:
    """The create call for a copy of `source` (container inspect) called `name` that runs `image`.

    What `source` only had from `old_image` is left out, so that `new_image` (both image inspects) gives its own; an
    empty `old_image` means it is unknown, and everything is kept. `api_version`, `default_runtime` and `host_name` are
    the engine's (`/version`, `/info`). `resolve_container` turns a container id into its present name; `volumes_of`
    names the volumes of a container that others take theirs from: they come with it, and are not attached by name.
    """
    version = _numbers(api_version)
    config = own_settings(source, old_image)
    host_config = copy.deepcopy(dict(source["HostConfig"]))
    config["Image"] = image
    if COMPOSE_IMAGE_LABEL in config["Labels"]:
        config["Labels"][COMPOSE_IMAGE_LABEL] = new_image["Id"]
    _follow_names(host_config, resolve_container)
    _plain_links(host_config)
    if host_config.get("Runtime") in (default_runtime, "", None):
        host_config.pop("Runtime", None)
    volumes = _attach_by_name(source, host_config, volumes_of)
    _own_identity(source, config, host_config, host_name)
    endpoints = endpoints_of(source, version)
    body = {**config, "HostConfig": host_config}
    primary = primary_network(source)
    if primary is not None:
        _move_to(primary, source, host_config)
        first = endpoints.pop(primary)
        if version >= _MAC_BELONGS_TO_ENDPOINT and body.pop("MacAddress", None):
            first["MacAddress"] = config["MacAddress"]
        if first:
            if host_config.get("NetworkMode") == "default":
                host_config["NetworkMode"] = primary
            body["NetworkingConfig"] = {"EndpointsConfig": {primary: first}}
    return Replica(name, body, tuple(endpoints.items()), volumes)


def providers_of(container: Document) -> list[str]:
    """The containers whose namespaces a container lives in, by id: it must be created anew when one is replaced."""
    modes = (str((container.get("HostConfig") or {}).get(key) or "") for key in SHARED_NAMESPACES)
    return [mode.removeprefix("container:") for mode in modes if mode.startswith("container:")]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _follow_names(host_config: dict[str, Any], resolve: Callable[[str], str | None]) -> None:
    """An id dies with its container; the name is handed on, so references by id become references by name."""
    for key in SHARED_NAMESPACES:
        mode = host_config.get(key) or ""
        if mode.startswith("container:"):
            target = mode.removeprefix("container:")
            host_config[key] = f"container:{_name_of(target, resolve)}"
    if host_config.get("VolumesFrom"):
        parts = [entry.partition(":") for entry in host_config["VolumesFrom"]]
        host_config["VolumesFrom"] = [f"{_name_of(target, resolve)}{colon}{mode}" for target, colon, mode in parts]


def _name_of(target: str, resolve: Callable[[str], str | None]) -> str:
    if not _FULL_ID.match(target):
        return target
    return (resolve(target) or target).lstrip("/")


def _plain_links(host_config: dict[str, Any]) -> None:
    """`/db:/web/alias`, as inspect shows a link, becomes `db:alias`, as create wants it."""
    if host_config.get("Links"):
        parts = [link.partition(":") for link in host_config["Links"]]
        host_config["Links"] = [
            f"{target.lstrip('/')}:{posixpath.basename(alias)}" if alias else target.lstrip("/")
            for target, _, alias in parts
        ]


def _attach_by_name(
    source: Document, host_config: dict[str, Any], volumes_of: Callable[[str], Collection[str]]
) -> tuple[str, ...]:
    """Names every volume that only its container knew, so that the data moves along; gives their names."""
    providers = (entry.partition(":")[0] for entry in host_config.get("VolumesFrom") or ())
    borrowed = {name for provider in providers for name in volumes_of(provider)}
    mounted = {
        _folder(mount["Destination"]): mount
        for mount in source.get("Mounts") or []
        if mount.get("Type") == "volume" and mount.get("Name")
    }
    binds = list(host_config.get("Binds") or [])
    taken = {_folder(bind.split(":")[1]) for bind in binds if ":" in bind}
    attached: list[str] = []
    for wanted in host_config.get("Mounts") or []:
        target = _folder(wanted["Target"])
        taken.add(target)
        if wanted.get("Type") == "volume" and not wanted.get("Source") and target in mounted:
            wanted["Source"] = mounted[target]["Name"]
            attached.append(wanted["Source"])
    for target, mount in mounted.items():
        if target not in taken and mount["Name"] not in borrowed:
            binds.append(f"{mount['Name']}:{mount['Destination']}" + ("" if mount.get("RW", True) else ":ro"))
            attached.append(mount["Name"])
    if binds:
        host_config["Binds"] = binds
    return tuple(attached)


def _folder(path: str) -> str:
    return posixpath.normpath(path)


def _own_identity(source: Document, config: dict[str, Any], host_config: dict[str, Any], host_name: str | None) -> None:
    """Drops what the engine derives for each container anew: its host name, and what a shared network rules out."""
    generated = config.get("Hostname") in ("", None, source["Id"][:SHORT_ID])
    of_the_host = host_config.get("UTSMode") == "host" or (
        host_config.get("NetworkMode") == "host" and config.get("Hostname") == host_name
    )
    if generated or of_the_host:
        config.pop("Hostname", None)
    if str(host_config.get("NetworkMode") or "").startswith("container:"):
        for key in ("Hostname", "Domainname", "ExposedPorts", "MacAddress"):
            config.pop(key, None)
        host_config["PortBindings"] = {}


def _move_to(primary: str, source: Document, host_config: dict[str, Any]) -> None:
    """A container that has left the network it was created on must not be put back there."""
    mode = host_config.get("NetworkMode") or "default"
    endpoint = source["NetworkSettings"]["Networks"][primary] or {}
    network_id = str(endpoint.get("NetworkID") or "")
    known = {primary} | ({"default", "bridge"} if primary == "bridge" else set())
    if mode not in known and not (network_id and len(mode) >= SHORT_ID and network_id.startswith(mode)):
        host_config["NetworkMode"] = primary
