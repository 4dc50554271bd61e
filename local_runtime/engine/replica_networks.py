"""Owns the network side of a clone: what of an endpoint the user set, and what the engine will find out again."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]

KEPT = ("IPAMConfig", "Links", "DriverOpts")
SHORT_ID = 12
_MAC_BELONGS_TO_ENDPOINT = (1, 44)
_GATEWAY_PRIORITY = (1, 48)
# Addresses the engine makes up itself begin so, whatever follows.
_GENERATED_MAC = "02:42:"


def primary_network(source: Document) -> str | None:
    """The network to create on: the one of NetworkMode, else the first; None where there are no endpoints."""
    mode = str(source["HostConfig"].get("NetworkMode") or "default")
    networks: Mapping[str, Any] = source["NetworkSettings"].get("Networks") or {}
    if mode in ("host", "none") or mode.startswith("container:") or not networks:
        return None
    wanted = "bridge" if mode == "default" else mode
    if wanted in networks:
        return wanted
    # A network may have been given by its id, whole or cut.
    by_id = [
        name
        for name, endpoint in networks.items()
        if len(mode) >= SHORT_ID and str((endpoint or {}).get("NetworkID") or "").startswith(mode)
    ]
    return by_id[0] if by_id else next(iter(networks))


def endpoints_of(source: Document, version: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """Network name to endpoint settings as create and connect want them; empty where the user set nothing."""
    if primary_network(source) is None:
        return {}
    return {
        name: _own_endpoint(source, name, endpoint or {}, version)
        for name, endpoint in source["NetworkSettings"]["Networks"].items()
    }


def _own_endpoint(source: Document, name: str, endpoint: Document, version: tuple[int, ...]) -> dict[str, Any]:
    kept = {key: copy.deepcopy(endpoint[key]) for key in KEPT if endpoint.get(key)}
    aliases = _own_aliases(source, endpoint)
    # The default bridge has no name service; inspect may list generated names there, create refuses them.
    if aliases and name != "bridge":
        kept["Aliases"] = aliases
    if version >= _GATEWAY_PRIORITY and endpoint.get("GwPriority"):
        kept["GwPriority"] = endpoint["GwPriority"]
    mac = endpoint.get("MacAddress") or ""
    is_primary = name == primary_network(source)
    # On the primary network Config.MacAddress says what the user set; elsewhere only the address itself can tell.
    if version >= _MAC_BELONGS_TO_ENDPOINT and mac and not is_primary and not mac.lower().startswith(_GENERATED_MAC):
        kept["MacAddress"] = mac
    return kept


def _own_aliases(source: Document, endpoint: Document) -> list[str]:
    aliases: list[str] = list(endpoint.get("Aliases") or [])
    short_id = source["Id"][:SHORT_ID]
    generated = {short_id}
    if short_id in aliases:
        # Engines that list the short id list the host name with it, as their own addition.
        generated.add(source["Config"].get("Hostname") or short_id)
    return list(dict.fromkeys(alias for alias in aliases if alias not in generated))
