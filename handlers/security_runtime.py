"""Whether agents are able to look into images: which tools are configured, and whether they are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.ports.services import Services
from chalicelib.wire import moment
from handlers.http import Request

Json = dict[str, Any]


def get_security_runtime(_request: Request, services: Services) -> object:
    """The tools of the first connected agent that has any, and what is missing anywhere."""
    now = services.clock.now()
    agents = sorted((one for one in services.agents.all() if one.connected(now)), key=lambda one: one.name)
    known = {one.name: one.facts.get("security", {}) for one in agents}
    scanning = [one for one in known.values() if one.get("scanner")]
    facts: Mapping[str, Any] = next(iter(scanning), next((one for one in known.values() if one.get("signatures")), {}))
    missing = [
        f"{tool['command']} is not there on agent {name}"
        for name, one in known.items()
        for tool in one.get("tools", ())
        if not tool["available"]
    ]
    if not scanning:
        missing.append("Set DD_SECURITY_SCANNER on an agent.")
    return {
        "checkedAt": moment.write(now),
        "ready": not missing,
        "scanner": _tool(facts, facts.get("scanner") or "", ("trivy", "grype"))
        | {"scanner": facts.get("scanner") or "", "server": facts.get("server") or ""},
        "signature": _tool(facts, "cosign" if facts.get("signatures") else "", ("cosign",)),
        "sbom": {"enabled": bool(facts.get("sbom")), "formats": list(facts.get("formats") or ())},
        "requirements": missing,
    }


def _tool(facts: Mapping[str, Any], wanted: str, names: tuple[str, ...]) -> Json:
    """One kind of tool: switched on or not, and whether all it takes is there."""
    tools = [tool for tool in facts.get("tools", ()) if tool["name"] in names]
    there = bool(wanted) and all(tool["available"] for tool in tools)
    status = "disabled" if not wanted else "ready" if there else "missing"
    messages = {
        "disabled": "It is not configured.",
        "ready": "It is ready.",
        "missing": "Its program is not on the agent's machine.",
    }
    return {
        "enabled": bool(wanted),
        "command": ", ".join(str(tool["command"]) for tool in tools) if wanted else "",
        "commandAvailable": there,
        "status": status,
        "message": messages[status],
    }
