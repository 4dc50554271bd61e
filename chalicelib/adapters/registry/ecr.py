"""Passwords for Amazon's private registries: fetched with AWS keys, good for twelve hours."""

from __future__ import annotations

import base64
import re
import threading
from datetime import datetime, timedelta

from chalicelib.adapters.registry.credentials import Account, Instance
from chalicelib.ports.clock import Clock
from chalicelib.ports.registry import RegistryDenied, RegistryUnavailable

_EARLY = timedelta(minutes=5)
_HOST = re.compile(r"(?P<account>[0-9]+)\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


def is_private(host: str) -> bool:
    """Whether this is a private registry; the public gallery has tokens like everybody else."""
    return bool(_HOST.fullmatch(host))


class EcrAccounts:
    """Registry passwords by key and region; thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[Account, datetime]] = {}

    def account(self, instance: Instance, host: str) -> Account | None:
        """The password for a host; None for an instance without keys. Raises RegistryError."""
        found = _HOST.fullmatch(host)
        if instance.account is None or instance.access_key is None or found is None:
            return None
        region = instance.region or found["region"]
        with self._lock:
            known = self._known.get((instance.id, region))
            if known is None or known[1] - _EARLY <= self._clock.now():
                known = _fetch(instance.access_key, instance.account.secret, region)
                self._known[(instance.id, region)] = known
            return known[0]


def _fetch(access_key: str, secret_key: str, region: str) -> tuple[Account, datetime]:
    # Half a second of import that nobody needs who has no image there.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client("ecr", region_name=region, aws_access_key_id=access_key, aws_secret_access_key=secret_key)
    try:
        data = client.get_authorization_token()["authorizationData"][0]
    except ClientError as error:
        raise RegistryDenied(f"Amazon refuses our keys for {region}: {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise RegistryUnavailable(f"Amazon gives no registry password for {region}: {error}") from error
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return Account(user, password), data["expiresAt"]
