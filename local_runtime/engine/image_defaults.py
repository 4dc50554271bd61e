"""Owns the difference between what a container was given and what it only had from its image."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]

ENTRYPOINT_ORIGIN = "dd.runtime.entrypoint.origin"
CMD_ORIGIN = "dd.runtime.cmd.origin"
EXPLICIT, INHERITED = "explicit", "inherited"
PLAIN = ("WorkingDir", "User", "StopSignal", "Shell")
_NO_ENTRYPOINT = [""]


def own_settings(source: Document, old_image: Document) -> dict[str, Any]:
    """The container's Config without what equals the old image's: `Labels` and `Env` are always there.

    The origin of command and entrypoint is noted in labels, for the next time.
    """
    config: dict[str, Any] = copy.deepcopy(dict(source["Config"]))
    defaults: Document = old_image.get("Config") or {}
    # Triggers of an image build; no container has any of its own.
    config.pop("OnBuild", None)
    for key in PLAIN:
        if not config.get(key) or config.get(key) == defaults.get(key):
            config.pop(key, None)
    _own_environment(config, defaults)
    _own_labels(config, defaults)
    _own_healthcheck(config, defaults)
    _own_volumes(config, defaults)
    _own_ports(config, defaults, source["HostConfig"].get("PortBindings") or {})
    _own_command(config, defaults)
    return config


def _own_environment(config: dict[str, Any], defaults: Document) -> None:
    inherited = set(defaults.get("Env") or [])
    config["Env"] = [entry for entry in config.get("Env") or [] if entry not in inherited]


def _own_labels(config: dict[str, Any], defaults: Document) -> None:
    inherited = defaults.get("Labels") or {}
    labels: Mapping[str, str] = config.get("Labels") or {}
    config["Labels"] = {key: value for key, value in labels.items() if inherited.get(key) != value}


def _own_healthcheck(config: dict[str, Any], defaults: Document) -> None:
    """The engine fills a partial health check from the image, field by field; so it is taken apart field by field."""
    inherited = defaults.get("Healthcheck") or {}
    check = {key: value for key, value in (config.pop("Healthcheck", None) or {}).items() if value}
    own = {key: value for key, value in check.items() if inherited.get(key) != value}
    if own:
        config["Healthcheck"] = own


def _own_volumes(config: dict[str, Any], defaults: Document) -> None:
    inherited = defaults.get("Volumes") or {}
    own: dict[str, Any] = {path: {} for path in config.pop("Volumes", None) or {} if path not in inherited}
    if own:
        config["Volumes"] = own


def _own_ports(config: dict[str, Any], defaults: Document, published: Document) -> None:
    inherited = defaults.get("ExposedPorts") or {}
    ports = config.pop("ExposedPorts", None) or {}
    own: dict[str, Any] = {port: {} for port in ports if port not in inherited or port in published}
    if own:
        config["ExposedPorts"] = own


def _own_command(config: dict[str, Any], defaults: Document) -> None:
    labels = config["Labels"]
    own_entrypoint = _is_own(config, defaults, "Entrypoint", labels.get(ENTRYPOINT_ORIGIN))
    # An entrypoint of its own cuts the container off from the image's command, so its command goes with it.
    own_cmd = own_entrypoint or _is_own(config, defaults, "Cmd", labels.get(CMD_ORIGIN))
    cmd_origin = EXPLICIT if own_cmd and config.get("Cmd") else INHERITED
    if not own_cmd or not config.get("Cmd"):
        config.pop("Cmd", None)
    if not own_entrypoint:
        config.pop("Entrypoint", None)
    elif not config.get("Entrypoint"):
        # The user emptied the image's entrypoint; this is how create is told.
        config["Entrypoint"] = list(_NO_ENTRYPOINT)
    labels[ENTRYPOINT_ORIGIN] = EXPLICIT if own_entrypoint else INHERITED
    labels[CMD_ORIGIN] = cmd_origin


def _is_own(config: Document, defaults: Document, key: str, origin: str | None) -> bool:
    if origin in (EXPLICIT, INHERITED):
        return origin == EXPLICIT
    return list(config.get(key) or []) != list(defaults.get(key) or [])
