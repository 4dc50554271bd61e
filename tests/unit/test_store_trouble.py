"""What the store's errors become: strangers read them, too."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.errors import Stale, Unavailable

DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/slipway-api/x is not authorized to perform: dynamodb:GetItem on "
    "resource: arn:aws:dynamodb:eu-central-1:123456789012:table/slipway-access"
)


def test_a_refusal_names_no_account_and_no_role() -> None:
    with pytest.raises(Unavailable) as caught, translated("the session"):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": DENIED}}, "GetItem")
    said = str(caught.value)
    assert "123456789012" not in said and "assumed-role" not in said
    assert "AccessDeniedException" in said and "dynamodb:GetItem" in said
    assert isinstance(caught.value.__cause__, ClientError)


def test_a_lost_condition_is_stale() -> None:
    with pytest.raises(Stale, match="the session has changed"), translated("the session"):
        raise ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, "PutItem")
