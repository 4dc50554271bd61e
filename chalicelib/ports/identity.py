"""Identity providers: somebody else knows who people are, and vouches for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ticket:
    """What ties a log-in to the browser that began it: `state` and `nonce` are seen by others, `verifier` is not."""

    state: str
    nonce: str
    verifier: str


class IdentityProvider(Protocol):
    """One OpenID provider."""

    @property
    def name(self) -> str:
        """As the settings name it."""
        ...

    @property
    def redirect(self) -> bool:
        """Whether login pages should send people there at once."""
        ...

    @property
    def logout_url(self) -> str | None:
        """Where to end the session at the provider."""
        ...

    def authorization_url(self, callback: str, ticket: Ticket) -> str:
        """Where to send the browser. Raises Unavailable when the provider does not answer."""
        ...

    def identify(self, code: str, callback: str, ticket: Ticket) -> str:
        """Whom the code stands for. Raises Unauthenticated, and Unavailable when the provider does not answer."""
        ...

    def identify_bearer(self, token: str) -> str | None:
        """Whom an ID token of the provider, meant for us, stands for. Raises Unavailable."""
        ...
