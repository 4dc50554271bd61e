"""Requests to the store, signed by botocore's own signer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from unittest import mock

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.store_process import KEY


def signed(
    body: str | bytes,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    path: str = "/",
    key: tuple[str, str] = KEY,
    at: datetime | None = None,
    service: str | None = None,
) -> dict[str, str]:
    """These headers, and those that sign the request; `at` is the date it bears."""
    if service is None:
        service = "sqs" if headers.get("X-Amz-Target", "").startswith("AmazonSQS") else "dynamodb"
    request = AWSRequest(method, f"http://{headers['Host'] or 'localhost'}{path}", dict(headers), body)
    with mock.patch.object(auth, "get_current_datetime", lambda: (at or datetime.now(UTC)).replace(tzinfo=None)):
        auth.SigV4Auth(Credentials(*key), service, "us-east-1").add_auth(request)
    return dict(request.headers.items())
