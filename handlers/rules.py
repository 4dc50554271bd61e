"""Which events are told, and to which triggers."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.domain.errors import NotFound
from chalicelib.domain.notice import Rule
from chalicelib.ports.services import Services
from chalicelib.wire.notice import RULES, write_rule
from handlers.http import Request

RULES_PATH = "/api/v1/notifications"


def list_rules(_request: Request, services: Services) -> object:
    """All rules, in the order of the events."""
    rules = services.rules.rules()
    return {"data": [write_rule(event, rules.of(event)) for event in RULES], "total": len(RULES)}


def change_rule(request: Request, services: Services) -> object:
    """Switch a rule on or off, or name the triggers it tells; the rule as it is then."""
    event = next((one for one in RULES if one.value == request.path_params["ruleId"]), None)
    if event is None:
        raise NotFound(f"No rule has this id; there are {', '.join(RULES)}.")
    asked = request.payload if isinstance(request.payload, Mapping) else {}
    rule = _changed(services.rules.rules().of(event), asked)
    services.rules.put(event, rule)
    return write_rule(event, rule)


def _changed(rule: Rule, asked: Mapping[str, object]) -> Rule:
    named = asked.get("triggers")
    triggers = tuple(dict.fromkeys(str(one) for one in named)) if isinstance(named, list) else rule.triggers
    return Rule(bool(asked.get("enabled", rule.enabled)), triggers)
