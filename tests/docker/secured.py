"""Owns a place where the safety of images can be tried: an API, an executor with stand-in tools, an engine."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.config import load
from chalicelib.domain.agent import Agent
from handlers.dispatch import dispatch, table
from local_runtime.executor.executor import Executor
from tests.builders.requests import request
from tests.builders.tools import NAMES, StandIns
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.site import Site, Subject

BASE = "/api/v1/containers"
OLD, NEW, NEWEST = "1.0.0", "1.1.0", "1.2.0"
_NUMBERS = itertools.count(1)


class Place:
    """Containers `web` and `twin` run the image OLD. The API is open to everybody."""

    def __init__(self, services: Services, site: Site, tools: StandIns, subjects: Mapping[str, Subject]) -> None:
        self.services = services
        self.site = site
        self.tools = tools
        self.subjects = subjects
        self.finds()

    def call(self, method: str, path: str) -> tuple[int, Any]:
        """Status and body of a request."""
        answer = dispatch(request(method, path, authorization=""), self.services, table())
        body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        return answer.status, json.loads(body) if body else None

    def get(self, path: str) -> Any:
        """The body of a GET that answers 200."""
        status, body = self.call("GET", path)
        assert status == 200, body
        return body

    def container(self, name: str = "web") -> Any:
        """One container of the list."""
        return {one["name"]: one for one in self.get(BASE)["data"]}[self.subjects[name].name]

    def path(self, name: str = "web") -> str:
        """Where one container is found."""
        return f"{BASE}/{self.container(name)['id']}"

    def post(self, action: str, name: str = "web") -> tuple[int, Any]:
        """POST an action on a container."""
        return self.call("POST", f"{self.path(name)}/{action}")

    def watch(self) -> None:
        """Have everything checked."""
        status, body = self.call("POST", f"{BASE}/watch")
        assert status == 200, body

    def audit(self, action: str) -> list[str]:
        """The details of this action's rows, newest first."""
        rows = self.services.audit.newest([self.services.settings.agent], 100)
        return [row.details or "" for row in rows if row.action == action]

    def digest(self, tag: str) -> str:
        """What a tag stands for in the registry."""
        return str(self.site.registry.manifest(self.site.repository, tag).headers["Docker-Content-Digest"])

    def scanned(self) -> list[str]:
        """The digests that Trivy has scanned, oldest first."""
        calls = [call["argv"] for call in self.tools.calls("trivy") if "vuln" in call["argv"]]
        return [argv[-1].partition("@")[2] for argv in calls]

    def finds(self, **scenes: str | Mapping[str, Any]) -> None:
        """What Trivy finds in each image: the name of a document, or a whole scene."""
        tags = {"old": OLD, "new": NEW, "newest": NEWEST}
        played: list[dict[str, Any]] = [
            {"when": "--download-db-only"},
            {"when": "spdx-json", "output": "trivy-spdx.json"},
            {"when": "cyclonedx", "output": "trivy-cyclonedx.json"},
        ]
        for name, scene in scenes.items():
            what = {"output": scene} if isinstance(scene, str) else scene
            played.append({"when": self.digest(tags[name]), **what})
        self.tools.play("trivy", *played)

    def publish(self, tag: str) -> None:
        """One more version."""
        _publish(self.site, tag)

    def has_image(self, tag: str) -> bool:
        """Whether the engine has an image under this tag."""
        return not self.site.host.http.get(f"/images/{self.site.reference(tag)}/json").is_error

    def runs(self, name: str = "web") -> Mapping[str, Any]:
        """The inspect document of a container."""
        return self.site.inspect(self.subjects[name].name)


@contextmanager
def place_on(
    engine: EngineHost,
    registry: ImageRegistry,
    store: str,
    folder: Path,
    files: Mapping[str, Mapping[str, str]] | None = None,
    **settings: str,
) -> Iterator[Place]:
    """Everything at work, with the update to NEW on offer. Labels of `web` are `label`s of the settings.

    `files` are what the images have by tag, besides what every image has.
    """
    number = next(_NUMBERS)
    site = Site(engine, registry, f"secured-{number}")
    tools = StandIns(folder / "bin")
    tools.play("trivy", {"when": "--download-db-only"})
    for tag in (OLD, NEW):
        _publish(site, tag, (files or {}).get(tag, {}))
    label = {"dd.security.gate": settings.pop("label")} if "label" in settings else {}
    labels = {"dd.watch": "true", **label}
    subjects = {name: site.run(f"{name}-{number}", OLD, Labels=labels) for name in ("web", "twin")}
    services = Services(load(_environment(engine, store, folder, tools, number) | settings))
    executor = Executor(services, f"owner-{number}")
    try:
        executor.start()
        place = Place(services, site, tools, subjects)
        place.watch()
        yield place
    finally:
        executor.stop(3)
        # Nobody is to wait for this agent or to see its containers any more.
        agent = services.settings.agent
        services.containers.remove(one.identity for one in services.containers.of_watcher(agent, "local"))
        services.agents.report(Agent(agent), datetime(2020, 1, 1, tzinfo=UTC))
        site.remove(*(subject.name for subject in subjects.values()))


def _publish(site: Site, tag: str, files: Mapping[str, str] | None = None) -> None:
    # Unlike the images of every other place: results are kept by digest.
    site.publish(tag, env={"VERSION": tag, "PLACE": site.repository}, files=files or {})


def _environment(engine: EngineHost, store: str, folder: Path, tools: StandIns, number: int) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": store,
        "SLIPWAY_DATA": str(folder / "data"),
        "SLIPWAY_AGENT": f"secured-{number}",
        "DD_ANONYMOUS_AUTH_CONFIRM": "true",
        "DD_WATCHER_LOCAL_SOCKET": str(engine.socket),
        "DD_WATCHER_LOCAL_WATCHBYDEFAULT": "false",
        "DD_WATCHER_LOCAL_WATCHATSTART": "false",
        "DD_UPDATE_POST_START_LIVENESS_GRACE_MS": "100",
        "DD_SECURITY_SCANNER": "trivy",
        "PATH": "/usr/bin:/bin",
        **{f"DD_SECURITY_{name.upper()}_COMMAND": tools.path(name) for name in NAMES},
    }
