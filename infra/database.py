"""The database of the cloud's template: one CloudFormation table per model, from the definitions the code uses."""

from __future__ import annotations

from typing import Any

from chalicelib.adapters.dynamo.models import MODELS
from chalicelib.adapters.dynamo.tables import EXPIRY, definition, expires

PREFIX = "slipway-"


def resources() -> dict[str, Any]:
    """The tables by logical name (`AgentsTable`, …); they outlive the stack and can be restored to any second."""
    found: dict[str, Any] = {}
    for model in MODELS:
        table = definition(model, PREFIX)
        properties = table | {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
        if expires(model):
            properties["TimeToLiveSpecification"] = {"AttributeName": EXPIRY, "Enabled": True}
        name = table["TableName"].removeprefix(PREFIX).capitalize() + "Table"
        found[name] = {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": properties,
        }
    return found
