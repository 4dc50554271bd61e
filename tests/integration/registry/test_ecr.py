"""Amazon's private registries: a password for each region, fetched with keys and kept until it nears its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from moto import mock_aws

from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.reference import Reference
from chalicelib.ports.registry import RegistryDenied
from tests.fakes.services import StillClock

IMAGE = Reference.parse("123456789012.dkr.ecr.eu-central-1.amazonaws.com/app:1.0")
KEYS = {"ecr": {"own": {"accesskeyid": "AKIA", "secretaccesskey": "s3cret"}}}


@pytest.fixture
def amazon() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.mark.usefixtures("amazon")
def test_keys_are_exchanged_for_a_password() -> None:
    registries = Registries(KEYS, StillClock(datetime.now(UTC)))
    found = registries.pull_credentials(IMAGE)
    assert found is not None and found.username == "AWS" and found.password
    assert registries.name_of(IMAGE).name == "ecr.own"


@pytest.mark.usefixtures("amazon")
def test_the_public_gallery_needs_no_keys() -> None:
    registries = Registries({}, StillClock())
    assert registries.pull_credentials(Reference.parse("public.ecr.aws/docker/library/redis:7")) is None


@pytest.mark.usefixtures("amazon")
def test_keys_are_no_password_and_are_never_sent_as_one() -> None:
    gallery = Reference.parse("public.ecr.aws/docker/library/redis:7")
    assert Registries(KEYS, StillClock()).pull_credentials(gallery) is None


@pytest.mark.parametrize("key", ["accesskeyid", "secretaccesskey"])
def test_half_of_a_pair_of_keys_is_left_out(key: str) -> None:
    registries = Registries({"ecr": {"own": {key: "x"}}}, StillClock())
    assert registries.name_of(IMAGE).name == "ecr.public"
    assert registries.pull_credentials(IMAGE) is None


def test_keys_that_amazon_refuses_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    class Refusing:
        def get_authorization_token(self) -> None:
            raise ClientError({"Error": {"Code": "UnrecognizedClientException"}}, "GetAuthorizationToken")

    monkeypatch.setattr(boto3, "client", lambda *names, **keys: Refusing())
    with pytest.raises(RegistryDenied, match="UnrecognizedClientException"):
        Registries(KEYS, StillClock()).pull_credentials(IMAGE)
