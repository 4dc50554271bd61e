"""The sender: a message and a trigger in, one delivery out; errors are told without the trigger's secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chalicelib.adapters.notify.lengths import fitted
from chalicelib.adapters.notify.secrecy import scrubbed
from chalicelib.domain.notice import Message
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import NotSent

Deliver = Callable[[Trigger, Message], str | None]


class ProviderSender:
    """Delivers by every type of trigger; what a type needs is imported when it is first used."""

    def __init__(self, passed: Mapping[str, str] | None = None) -> None:
        """`passed` are the environment variables that commands may ask for."""
        self._passed = passed or {}

    def send(self, trigger: Trigger, message: Message) -> str | None:
        """Deliver it; what names the message there, if anything does. Raises NotSent, with nothing secret in it."""
        try:
            return _provider(trigger.type, self._passed)(trigger, fitted(trigger.type, message))
        except NotSent as error:
            raise NotSent(f"{trigger.id}: {scrubbed(str(error), trigger)}") from None
        except Exception as error:
            # A provider's own mistake must not stop the others, and its words may name a secret.
            what = scrubbed(f"{type(error).__name__} {error}", trigger)
            raise NotSent(f"{trigger.id} could not be told: {what}") from None


def _provider(kind: str, passed: Mapping[str, str]) -> Deliver:
    from chalicelib.adapters.notify import command, web

    own: Mapping[str, Deliver] = {
        "http": web.http,
        "discord": web.discord,
        "gotify": web.gotify,
        "matrix": web.matrix,
        "mattermost": web.mattermost,
        "pushover": web.pushover,
        "rocketchat": web.rocketchat,
        "teams": web.teams,
        "command": lambda trigger, message: command.send(trigger, message, passed),
    }
    if kind in own:
        return own[kind]
    if kind == "mqtt":
        from chalicelib.adapters.notify import mqtt

        return mqtt.send
    if kind == "smtp":
        from chalicelib.adapters.notify import mail

        return mail.send
    if kind == "kafka":
        from chalicelib.adapters.notify import kafka

        return kafka.send
    from chalicelib.adapters.notify import apprised

    if kind in apprised.TYPES:
        return apprised.send
    raise NotSent(f"there is no way to tell by {kind}")
