"""The key of Slipway's own store is shown to that store alone."""

from __future__ import annotations

import pytest

from chalicelib.bootstrap import Services
from chalicelib.config import load

KEY = {"SLIPWAY_STORE_KEY": "mine:secret", "AWS_ACCESS_KEY_ID": "aws", "AWS_SECRET_ACCESS_KEY": "cloud"}
STORE = "http://10.0.0.5:8000"


@pytest.mark.parametrize(
    ("addresses", "store", "queue"),
    [
        ({"AWS_ENDPOINT_URL": STORE}, "mine", "mine"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": STORE, "AWS_ENDPOINT_URL_SQS": STORE}, "mine", "mine"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": STORE}, "mine", "aws"),
        ({"AWS_ENDPOINT_URL_SQS": STORE}, "aws", "mine"),
        ({"AWS_ENDPOINT_URL": STORE, "AWS_ENDPOINT_URL_SQS": "https://sqs.eu-west-1.amazonaws.com"}, "mine", "aws"),
        ({"AWS_ENDPOINT_URL": STORE, "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9"}, "aws", "mine"),
    ],
)
def test_each_service_is_shown_its_own_key(
    addresses: dict[str, str], store: str, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    services = Services(load(KEY | addresses))
    shown = [
        services._client(service, url)._get_credentials().access_key
        for service, url in (("dynamodb", services.settings.dynamodb_url), ("sqs", services.settings.sqs_url))
    ]
    assert shown == [store, queue]
