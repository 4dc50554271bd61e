"""Puts the demo up, shows it and takes it away: the registry, and the containers on this machine's engine."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests.exceptions

from local_runtime.demo.catalog import APPLICATIONS, Application
from local_runtime.demo.images import IMAGE_LABEL, Builder
from local_runtime.demo.registry import Publisher, Registry, RegistryFailed
from local_runtime.demo.sources import Sources
from local_runtime.host import debian, engine

DEMO_LABEL = "slipway.demo"
REGISTRY_LABEL = "slipway.demo.registry"
Say = Callable[[str], None]


class DemoFailed(Exception):
    """The demo could not be put up or taken away; the text says why and what to do."""


@dataclass(frozen=True)
class Line:
    """One container as `--status` shows it."""

    name: str
    image: str
    state: str


class Stage:
    """The demo of one data directory on the engine behind one socket."""

    def __init__(self, socket: Path, data: Path, say: Say) -> None:
        self._client = docker.DockerClient(base_url=f"unix://{socket}", version="auto", timeout=60)
        self._folder = data / "demo"
        self._registry = Registry(self._folder / "registry")
        self._say = say

    @classmethod
    def at(cls, socket: Path, data: Path, say: Say) -> "Stage":
        """The demo on the engine behind the socket. Raises DemoFailed when no engine answers."""
        try:
            return cls(socket, data, say)
        except docker.errors.DockerException as failure:
            raise DemoFailed(engine.advice(socket)) from failure

    def close(self) -> None:
        """End the connections to the engine."""
        self._client.close()

    def up(self) -> None:
        """Bring everything up; what is there already is reused, what is missing or stopped is repaired."""
        try:
            address = self._open_registry()
            present = {container.name: container for container in self._containers()}
            for application, digest in self._publish(address):
                self._set_up(application, address, digest, present.get(application.name))
        except (docker.errors.DockerException, requests.exceptions.RequestException) as failure:
            raise DemoFailed(f"the engine refused: {failure}") from failure
        except (RegistryFailed, debian.PackagesUnavailable) as failure:
            raise DemoFailed(str(failure)) from failure

    def down(self) -> None:
        """Remove the containers, networks, volumes and images of the demo, its registry and all its files."""
        everything = {"label": f"{DEMO_LABEL}=true"}
        try:
            for container in self._containers():
                container.remove(force=True, v=True)
            for network in self._client.networks.list(filters=everything):
                network.remove()
            for volume in self._client.volumes.list(filters=everything):
                volume.remove()
            for image in self._client.images.list(filters={"label": f"{IMAGE_LABEL}=true"}):
                self._remove_image(image)
        except (docker.errors.DockerException, requests.exceptions.RequestException) as failure:
            raise DemoFailed(f"the engine refused: {failure}") from failure
        self._registry.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def status(self) -> list[Line]:
        """The demo's containers, in the order of their names."""
        lines = []
        for container in sorted(self._containers(), key=lambda one: str(one.name)):
            state = container.attrs["State"]
            health = state.get("Health", {}).get("Status")
            shown = f"{state['Status']} ({health})" if health else state["Status"]
            lines.append(Line(str(container.name), container.attrs["Config"]["Image"], shown))
        return lines

    def registry_address(self) -> str | None:
        """Where the demo's registry listens, None when it does not run."""
        return self._registry.address() if self._registry.running() else None

    def _containers(self) -> list[Any]:
        # One that vanishes between listing and inspecting is none of the demo's any more.
        return list(
            self._client.containers.list(all=True, filters={"label": f"{DEMO_LABEL}=true"}, ignore_removed=True)
        )

    def _open_registry(self) -> str:
        if not self._registry.running():
            self._say("starting the demo's registry")
        return self._registry.start(self._sources().registry)

    def _sources(self) -> Sources:
        return Sources(self._folder / "packages", self._say)

    def _publish(self, address: str) -> list[tuple[Application, str]]:
        """Fill the registry; each application with the digest of the version it shall run."""
        builder = Builder(self._sources().busybox, self._client.version()["Arch"])
        publisher = Publisher(address)
        started = []
        try:
            for application in APPLICATIONS:
                name, indexed = application.name, application.indexed
                for tag, version in application.tags.items():
                    publisher.publish(application.repository, builder.image(name, version, indexed=indexed), tag)
                first = builder.image(name, application.runs, indexed=indexed)
                started.append((application, publisher.publish(application.repository, first, None)))
        finally:
            publisher.close()
        return started

    def _set_up(self, application: Application, address: str, digest: str, present: Any | None) -> None:
        if present is not None and present.labels.get(REGISTRY_LABEL) != address:
            present.remove(force=True, v=True)
            present = None
        if present is None:
            self._say(f"starting {application.name} ({application.repository}:{application.tag})")
            present = self._create(application, address, digest)
            present.start()
        elif not application.stopped and present.status in ("exited", "created", "dead"):
            self._say(f"starting {application.name} again")
            present.start()

    def _create(self, application: Application, address: str, digest: str) -> Any:
        repository = f"{address}/{application.repository}"
        # By digest: the tag itself may have moved on in the registry, which is what the demo is about.
        self._pull(repository, digest).tag(repository, application.tag)
        options: dict[str, Any] = {"restart_policy": {"Name": "no" if application.stopped else "unless-stopped"}}
        if application.network is not None:
            options["network"] = self._network(application.network)
        if application.volume is not None:
            name, target = application.volume
            self._client.volumes.create(name, labels={DEMO_LABEL: "true"})
            options["volumes"] = {name: {"bind": target, "mode": "rw"}}
        labels = {**application.labels, DEMO_LABEL: "true", REGISTRY_LABEL: address}
        try:
            return self._client.containers.create(
                f"{repository}:{application.tag}", name=application.name, labels=labels, **options
            )
        except docker.errors.APIError as failure:
            if failure.status_code != 409:
                raise
            taken = f"a container named {application.name} exists and is not the demo's; rename or remove it"
            raise DemoFailed(taken) from failure

    def _pull(self, repository: str, digest: str) -> Any:
        # The SDK's own pull passes over what the engine says when it fails on the way.
        for said in self._client.api.pull(repository, tag=digest, stream=True, decode=True):
            if "error" in said:
                raise DemoFailed(f"the engine could not pull {repository}: {said['error']}")
        return self._client.images.get(f"{repository}@{digest}")

    def _network(self, name: str) -> str:
        if not self._client.networks.list(names=[f"^{name}$"]):
            self._client.networks.create(name, labels={DEMO_LABEL: "true"})
        return name

    def _remove_image(self, image: Any) -> None:
        for name in [*image.attrs.get("RepoTags", []), *image.attrs.get("RepoDigests", [])]:
            if "<none>" in name:
                continue
            try:
                self._client.images.remove(name, noprune=False)
            except docker.errors.ImageNotFound:
                continue  # Its last name took the image along.
            except docker.errors.APIError as failure:
                if failure.status_code != 409:
                    raise
                self._say(f"{name} stays: a container that is not the demo's uses it")
