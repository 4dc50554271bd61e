"""The composition root: settings and adapters put together, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING

from chalicelib.adapters.passwords_argon2 import Argon2Passwords
from chalicelib.adapters.sessions_signed import SignedSessions
from chalicelib.bootstrap_stores import Stores
from chalicelib.config import BadSetting, Settings, load
from chalicelib.ports.connections import Connections
from chalicelib.ports.identity import IdentityProvider
from chalicelib.ports.notifications import Author, Sender
from chalicelib.ports.patterns import PatternCompiler
from chalicelib.ports.queues import Queue
from chalicelib.ports.release_notes import ReleaseNotesSource
from chalicelib.ports.services import Feed, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.adapters.notify.mqtt_installs import Installs
    from chalicelib.adapters.registry.registries import Registries


class Services(Stores):
    """Everything an entry point may reach."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.started_at: datetime = self.clock.now()

    @cached_property
    def forges(self) -> ReleaseNotesSource:
        """Where release notes are asked for."""
        from chalicelib.adapters.forges.releases import ForgeReleases, forges

        configured = [(one.kind, one.url, one.api, one.token) for one in self.settings.forges]
        return ForgeReleases(forges(self.settings.github_token, configured), self.settings.version)

    @cached_property
    def connections(self) -> Connections:
        """Viewers' connections; executors send to them."""
        from chalicelib.adapters.connections import ManagementApi

        return ManagementApi(self.settings.region, self.settings.access_key)

    @cached_property
    def queue(self) -> Queue:
        """Wake-ups."""
        from chalicelib.adapters.sqs.queue import SqsQueue

        client = self._client("sqs", self.settings.sqs_url)
        return SqsQueue(client, self.settings.queue_prefix, create=self.settings.create_tables)

    @cached_property
    def passwords(self) -> Argon2Passwords:
        """Password hashes."""
        return Argon2Passwords()

    @cached_property
    def sessions(self) -> SignedSessions:
        """Session cookies, signed with the configured secret or with one all instances share."""
        secret = self.settings.session_secret
        return SignedSessions(secret.encode() if secret else self.accounts.secret("session"))

    @cached_property
    def providers(self) -> Mapping[str, IdentityProvider]:
        """Identity providers; what they need is not installed everywhere."""
        if not self.settings.oidc:
            return {}
        try:
            from chalicelib.adapters.oidc import OidcProvider
        except ImportError as missing:
            raise BadSetting(f"DD_AUTH_OIDC_* needs authlib and httpx in requirements.txt: {missing}") from missing

        return {
            one.name: OidcProvider(
                one.name,
                one.client_id,
                one.client_secret,
                one.discovery,
                redirect=one.redirect,
                logout_url=one.logout_url,
                timeout=one.timeout_ms / 1000,
            )
            for one in self.settings.oidc
        }

    @cached_property
    def feed(self) -> Feed:
        """News of the fleet."""
        from chalicelib.usecases.follow_fleet import Feed as FleetFeed

        return FleetFeed(self.fleet, self.agents, self.operations, self.clock)

    @cached_property
    def tally(self) -> Tally:
        """Counts of what was done."""
        from chalicelib.adapters.dynamo.tally import DynamoTallies
        from chalicelib.usecases.tally_audit import AuditTally

        return AuditTally(self.audit, self.agents, DynamoTallies(), self.clock)

    @cached_property
    def sender(self) -> Sender:
        """Delivers what notices say."""
        from chalicelib.adapters.notify.sender import ProviderSender

        return ProviderSender(self.settings.triggers.handed_on)

    def installs(self, install: Callable[[str, str], object]) -> list[Installs]:
        """Listeners for the install buttons of every mqtt trigger that has them."""
        found = [one for one in self.settings.triggers.triggers if one.type == "mqtt"]
        offering = [one for one in found if (one.configuration.get("hass") or {}).get("discovery")]
        if not offering:
            return []
        from chalicelib.adapters.notify.mqtt_installs import Installs

        return [Installs(one, install, self.settings.agent) for one in offering]

    @cached_property
    def author(self) -> Author:
        """Puts notices into words."""
        from chalicelib.wire.notice import Words

        return Words()

    @cached_property
    def registries(self) -> Registries:
        """Image registries; only executors ask them."""
        from chalicelib.adapters.dynamo.registry_cache import DynamoRegistryCache
        from chalicelib.adapters.registry.registries import Registries

        window = timedelta(seconds=self.settings.registry_window_seconds)
        return Registries(
            self.settings.registries,
            self.clock,
            docker_config=self.settings.docker_config,
            cache=DynamoRegistryCache(self.tables, self.clock) if window else None,
            window=window,
            timeout=self.settings.registry_timeout_ms / 1000,
        )

    @cached_property
    def patterns(self) -> PatternCompiler:
        """What operators write in labels, compiled."""
        from chalicelib.adapters.patterns import Re2Patterns

        return Re2Patterns()


@cache
def services() -> Services:
    """The services of this process, by its environment. Raises BadSetting."""
    return Services(load())
