"""Rules of notifications in DynamoDB: one item for each that was changed."""

from __future__ import annotations

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import AccessModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.notice import Event, Rule, Rules

_KIND = "rule"


class DynamoRules:
    """Beside accounts: what operators say about who hears what."""

    def rules(self) -> Rules:
        """All of them."""
        with translated("the rules"):
            stored = {item.name: blob.unpack(item.value) for item in AccessModel.query(_KIND, consistent_read=True)}
        known = [event for event in Event if event.value in stored]
        found = {event: stored[event.value] for event in known}
        return Rules({event: Rule(bool(one["enabled"]), tuple(one["triggers"])) for event, one in found.items()})

    def put(self, event: Event, rule: Rule) -> None:
        """Change one."""
        value = blob.pack({"enabled": rule.enabled, "triggers": list(rule.triggers)})
        with translated("a rule"):
            AccessModel(_KIND, event.value, value=value).save()
