"""All registries together: which one is in charge of an image, its credentials, and a door for each cycle."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.adapters.registry.client import RegistryClient, base_url_of
from chalicelib.adapters.registry.credentials import Account, DockerConfig, Instance, read_instances
from chalicelib.adapters.registry.cycle import Cycle
from chalicelib.adapters.registry.ecr import EcrAccounts, is_private
from chalicelib.adapters.registry.memory_cache import MemoryCache
from chalicelib.adapters.registry.providers import UNKNOWN
from chalicelib.adapters.registry.published import PublishDates
from chalicelib.adapters.registry.transport import TIMEOUT_SECONDS, Transport
from chalicelib.domain.reference import Reference
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import RegistryAuth
from chalicelib.ports.registry import Registry, RegistryCache, RegistryName, RegistryState

DEFAULT_WINDOW = timedelta(0)
"""A window pays where a cache is shared: each agent then spares the others' questions."""
_ACCOUNT_LIFE = timedelta(minutes=5)
_STRANGER = Instance(UNKNOWN, "unknown")


class Registries:
    """The configured registries; a RegistryDirectory. Make one per process and close it; thread-safe.

    `settings` is `{provider: {name: {key: value}}}`; `docker_config` the path of Docker's config.json.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        clock: Clock,
        *,
        docker_config: Path | DockerConfig | None = None,
        cache: RegistryCache | None = None,
        window: timedelta = DEFAULT_WINDOW,
        timeout: float = TIMEOUT_SECONDS,
        proxy: str | None = None,
    ) -> None:
        self.instances = read_instances(settings)
        self._clock = clock
        self._docker = docker_config if isinstance(docker_config, DockerConfig) else DockerConfig(docker_config)
        self._own = MemoryCache(clock)
        self._shared = cache
        self._window = window
        self._transport = Transport(clock, timeout=timeout, proxy=proxy)
        self._dates = PublishDates(self._transport)
        self._ecr = EcrAccounts(clock)
        self._lock = threading.Lock()
        self._clients: dict[str, RegistryClient] = {}
        self._accounts: dict[str, tuple[Account | None, datetime]] = {}

    def cycle(self, *, fresh: bool = False, since: datetime | None = None, alone: bool = False) -> Registry:
        """The door for one detection cycle.

        A watch by hand asks again what was asked within the window: `since` the moment somebody wished it, so that
        agents told together still share, or `fresh`: from now on. `alone`: there is nobody to share with.
        """
        since = self._clock.now() if fresh else since
        shared = None if alone else self._shared
        window = timedelta(0) if shared is None else self._window
        return Cycle(self._client_for, self._own, shared, self._clock, window, self._dates, since)

    def name_of(self, reference: Reference) -> RegistryName:
        """The registry in charge of an image: its id, `unknown` for none, and its API base ending in `/v2`."""
        instance = self._instance_for(reference.host)
        name = "unknown" if instance is _STRANGER else instance.id
        return RegistryName(name, f"{base_url_of(instance, reference.host)}/v2" if reference.host else "")

    def pull_credentials(self, reference: Reference) -> RegistryAuth | None:
        """What the engine presents to pull an image; None to pull anonymously. Raises RegistryError (Amazon only)."""
        account = self._account_for(reference.host)
        if account is None:
            return None
        if account.identity:
            return RegistryAuth(identity_token=account.secret, server=reference.host)
        return RegistryAuth(account.user, account.secret, server=reference.host)

    def described(self) -> list[dict[str, Any]]:
        """Every configured registry by `type` and `name`, without its credentials, and how the hosts asked so far do.

        `metadata.hosts` is `[{"host", "remaining"?, "limit"?, "limitedUntil"?}]`: the quota a host reported, and until
        when nothing is sent to it because it asked for a pause (ISO 8601). Absent while no host was asked.
        """
        hosts: dict[str, list[dict[str, Any]]] = {}
        for state in self.states():
            hosts.setdefault(self._instance_for(state.host).id, []).append(_written(state))
        return [
            {
                "type": instance.provider.kind,
                "name": instance.name,
                "configuration": {
                    **({"url": instance.url} if instance.url else {}),
                    "anonymous": instance.account is None and instance.access_key is None,
                },
                "metadata": {"hosts": hosts[instance.id]} if instance.id in hosts else {},
            }
            for instance in (*self.instances, *((_STRANGER,) if _STRANGER.id in hosts else ()))
        ]

    def responses(self) -> dict[str, tuple[int, float]]:
        """By registry, such as `hub.public`: requests since this process started, and the seconds they took."""
        found: dict[str, tuple[int, float]] = {}
        for state in self.states():
            name = self._instance_for(state.host).id
            requests, seconds = found.get(name, (0, 0.0))
            found[name] = (requests + state.requests, seconds + state.seconds)
        return found

    def states(self) -> list[RegistryState]:
        """How each host asked so far does: quota left, pause asked for."""
        return self._transport.states()

    def close(self) -> None:
        """Closes every connection."""
        self._transport.close()

    def _instance_for(self, host: str) -> Instance:
        return next((instance for instance in self.instances if instance.owns(host)), _STRANGER)

    def _client_for(self, host: str) -> RegistryClient:
        with self._lock:
            if host not in self._clients:
                self._clients[host] = RegistryClient(
                    host, self._instance_for(host), lambda: self._account_for(host), self._transport, self._clock
                )
            return self._clients[host]

    def _account_for(self, host: str) -> Account | None:
        with self._lock:
            known = self._accounts.get(host)
        if known is not None and known[1] > self._clock.now():
            return known[0]
        account = self._find_account(host)
        with self._lock:
            self._accounts[host] = (account, self._clock.now() + _ACCOUNT_LIFE)
        return account

    def _find_account(self, host: str) -> Account | None:
        instance = self._instance_for(host)
        if instance.access_key is None:
            return instance.account or self._docker.account(host)
        # Keys of Amazon are no password: they buy one, and the public gallery wants none.
        return self._ecr.account(instance, host) if is_private(host) else self._docker.account(host)


def _written(state: RegistryState) -> dict[str, Any]:
    facts = {
        "host": state.host,
        "remaining": state.remaining,
        "limit": state.limit,
        "limitedUntil": state.limited_until.isoformat(timespec="seconds") if state.limited_until else None,
    }
    return {name: value for name, value in facts.items() if value is not None}
