"""Services told through Apprise: its own addresses, made from each type's options."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from apprise import Apprise, AppriseAsset, AppriseConfig, NotifyFormat

from chalicelib.adapters.notify.guarded import judged_connections
from chalicelib.adapters.notify.secrecy import hush, option
from chalicelib.domain.notice import Message
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import NotSent

hush("apprise", "urllib3", "requests")
_ONE_AT_A_TIME = threading.Lock()
_ASSET = AppriseAsset(
    async_mode=False, app_id="Slipway", app_desc="Slipway", app_url="", http_redirects=False, secure_logging=True
)


def send(trigger: Trigger, message: Message) -> None:
    """Deliver it to every address of the trigger. Raises NotSent when one of them fails."""
    with judged_connections():
        _send(trigger, message)


def _send(trigger: Trigger, message: Message) -> None:
    target = Apprise(asset=_ASSET)
    for address in _addresses(trigger):
        if not target.add(address):
            raise NotSent("Apprise does not know an address of this form")
    if option(trigger, "config"):
        target.add(AppriseConfig(paths=str(option(trigger, "config")), asset=_ASSET))
    title = "" if option(trigger, "disabletitle") else message.title
    with _listening() as said:
        sent = target.notify(
            body=message.body or message.title,
            title=title,
            body_format=NotifyFormat.TEXT,
            tag=option(trigger, "tag") or "all",
        )
    if not sent:
        raise NotSent("; ".join(said) or "there is nobody to tell")


def _addresses(trigger: Trigger) -> list[str]:
    if trigger.type == "apprise":
        both = f"{option(trigger, 'url') or ''},{option(trigger, 'urls') or ''}"
        return [one.strip() for one in both.split(",") if one.strip()]
    return [_BY_TYPE[trigger.type](trigger)]


def _googlechat(trigger: Trigger) -> str:
    url = str(option(trigger, "url"))
    return url + (f"&threadKey={_quoted(key)}" if (key := option(trigger, "threadkey")) else "")


def _ifttt(trigger: Trigger) -> str:
    return f"ifttt://{_quoted(option(trigger, 'key'))}@{_quoted(option(trigger, 'event'))}"


def _ntfy(trigger: Trigger) -> str:
    place, secure = _place(trigger)
    token, user = option(trigger, "auth.token"), option(trigger, "auth.user")
    at = f"{_quoted(token)}@" if token else ""
    if user:
        at = f"{_quoted(user)}:{_quoted(option(trigger, 'auth.password') or '')}@"
    named = {"priority": option(trigger, "priority") or None, "auth": "token" if token else None, "mode": "private"}
    schema = "ntfys" if secure else "ntfy"
    return f"{schema}://{at}{place}/{_quoted(option(trigger, 'topic'))}{_query(named | {'image': 'no'})}"


def _slack(trigger: Trigger) -> str:
    channel = str(option(trigger, "channel") or "")
    if option(trigger, "url"):
        return str(option(trigger, "url"))
    where = f"/{_quoted(channel if channel[:1] in '#+@' else '#' + channel)}" if channel else ""
    return f"slack://{_quoted(option(trigger, 'token'))}{where}{_query({'image': 'no', 'footer': 'no'})}"


def _telegram(trigger: Trigger) -> str:
    style = "html" if option(trigger, "messageformat") == "HTML" else "markdown"
    # Its older Markdown cannot escape what stands in bold, as titles do.
    named = {"format": style, "mdv": "v2", "image": "no", "detect": "no"}
    return f"tgram://{option(trigger, 'bottoken')}/{_quoted(option(trigger, 'chatid'))}/{_query(named)}"


_BY_TYPE: Mapping[str, Callable[[Trigger], str]] = {
    "googlechat": _googlechat,
    "ifttt": _ifttt,
    "ntfy": _ntfy,
    "slack": _slack,
    "telegram": _telegram,
}
TYPES = ("apprise", *_BY_TYPE)


def _place(trigger: Trigger) -> tuple[str, bool]:
    """Host, port and path of a server's address, and whether it is https."""
    parts = urlsplit(str(option(trigger, "url")))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotSent("its address must begin with http:// or https://")
    return (parts.netloc + parts.path).rstrip("/"), parts.scheme == "https"


def _quoted(value: Any) -> str:
    return quote(str(value or ""), safe="")


def _query(named: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in named.items() if value is not None}
    return f"?{urlencode(kept, quote_via=quote)}" if kept else ""


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What Apprise warns of, in whatever thread it works. It says it nowhere else, for it may name what is secret."""
    said: list[str] = []

    def listen(record: logging.LogRecord) -> bool:
        said.append(record.getMessage())
        return False

    logger = logging.getLogger("apprise")
    with _ONE_AT_A_TIME:
        logger.addFilter(listen)
        try:
            yield said
        finally:
            logger.removeFilter(listen)
