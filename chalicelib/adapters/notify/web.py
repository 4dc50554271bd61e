"""Services told by one JSON request of our own making: http, Discord, Gotify, Matrix, Mattermost, Pushover and more."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from chalicelib.adapters.notify import guarded
from chalicelib.adapters.notify.secrecy import option
from chalicelib.domain.notice import Event, Message
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import NotSent
from chalicelib.wire import json

PUSHOVER = "https://api.pushover.net"


def http(trigger: Trigger, message: Message) -> None:
    """The containers' documents as they are: one object, or a list for a batch; as query parameters with GET."""
    get = option(trigger, "method") == "GET"
    headers = {"Idempotency-Key": message.key}
    user, password = option(trigger, "auth.user"), option(trigger, "auth.password")
    bearer = option(trigger, "auth.bearer")
    if bearer and (option(trigger, "auth.type") == "BEARER" or not user):
        headers["Authorization"], user = f"Bearer {bearer}", None
    said: dict[str, Any] = {}
    if message.event is not Event.UPDATE_AVAILABLE:
        said = {"event": message.event.value, "title": message.title, "body": message.body}
    each = [{**document, **said} for document in message.documents]
    whole: Any = each if message.batch else next(iter(each), said)
    names = [str(document.get("name", "")) for document in message.documents]
    guarded.request(
        str(option(trigger, "method") or "POST"),
        str(option(trigger, "url")),
        json=None if get else whole,
        params={"event": message.event.value, "name": ",".join(names)} if get else None,
        headers=headers,
        auth=(str(user), str(password or "")) if user else None,
        proxy=option(trigger, "proxy"),
        allow_metadata=bool(option(trigger, "allowmetadata")),
    )


def discord(trigger: Trigger, message: Message) -> None:
    """A webhook: one card in the trigger's colour, the words under its label when it has one."""
    label, body = option(trigger, "cardlabel"), message.body or message.title
    card: dict[str, Any] = {"color": int(option(trigger, "cardcolor") or 0)}
    if not option(trigger, "disabletitle"):
        card["title"] = message.title[:256]
    # Discord refuses a card whose parts are longer than this.
    card |= {"fields": [{"name": str(label)[:256], "value": body[:1024]}]} if label else {"description": body[:4096]}
    named = _named(trigger, {"username": "botusername", "avatar_url": "botavatar"})
    guarded.request("POST", _plain(trigger), json={"embeds": [card]} | named)


def gotify(trigger: Trigger, message: Message) -> str | None:
    """`POST /message`, whose answer names what was made; and `DELETE /message/{id}` of each, when it is resolved."""
    if message.event is Event.UPDATE_RESOLVED:
        # Only a client may delete; an application's token will do for servers that see it otherwise.
        token = option(trigger, "clienttoken") or option(trigger, "token")
        for receipt in message.receipts:
            url = f"{_plain(trigger)}/message/{quote(receipt, safe='')}"
            guarded.request("DELETE", url, headers={"X-Gotify-Key": str(token)}, accepted=(404,))
        return None
    body: dict[str, Any] = {"message": message.body or message.title} | _named(trigger, {"priority": "priority"})
    if not option(trigger, "disabletitle"):
        body["title"] = message.title
    headers = {"X-Gotify-Key": str(option(trigger, "token"))}
    answer = guarded.request("POST", f"{_plain(trigger)}/message", json=body, headers=headers)
    try:
        made = json.loads(answer)
    except ValueError:
        return None
    return str(made["id"]) if isinstance(made, dict) and isinstance(made.get("id"), int) else None


def matrix(trigger: Trigger, message: Message) -> None:
    """`PUT …/send/m.room.message/{key}`: the server itself drops a second one of the same key (client-server API)."""
    room = quote(str(option(trigger, "roomid")), safe="")
    url = f"{_plain(trigger)}/_matrix/client/v3/rooms/{room}/send/m.room.message/{message.key}"
    body = {"msgtype": option(trigger, "msgtype") or "m.notice", "body": _text(trigger, message)}
    guarded.request("PUT", url, json=body, headers={"Authorization": f"Bearer {option(trigger, 'accesstoken')}"})


def mattermost(trigger: Trigger, message: Message) -> None:
    """An incoming webhook."""
    named = {"channel": "channel", "username": "username", "icon_url": "icon"}
    guarded.request("POST", _plain(trigger), json={"text": _text(trigger, message, bold="**")} | _named(trigger, named))


def pushover(trigger: Trigger, message: Message) -> None:
    """`POST /1/messages.json`; an emergency is repeated until somebody has seen it, for an hour if nothing is said."""
    emergency = {"retry": 60, "expire": 3600} if option(trigger, "priority") == 2 else {}
    names = ("user", "token", "device", "sound", "priority", "retry", "expire", "ttl")
    body: dict[str, Any] = {"message": message.body or message.title, "title": message.title, **emergency}
    body |= _named(trigger, {name: name for name in names})
    if option(trigger, "disabletitle"):
        del body["title"]
    if option(trigger, "html"):
        body["html"] = 1
    guarded.request("POST", f"{PUSHOVER}/1/messages.json", json=body)


def rocketchat(trigger: Trigger, message: Message) -> None:
    """`chat.postMessage` of its API with a user's token; an incoming webhook when there is none."""
    named = {"channel": "channel", "alias": "alias", "avatar": "avatar", "emoji": "emoji"}
    body = {"text": _text(trigger, message, bold="*")} | _named(trigger, named)
    token, user = option(trigger, "auth.token"), option(trigger, "user.id")
    if not token:
        guarded.request("POST", _plain(trigger), json=body)
        return
    headers = {"X-Auth-Token": str(token), "X-User-Id": str(user or "")}
    answer = guarded.request("POST", f"{_plain(trigger)}/api/v1/chat.postMessage", json=body, headers=headers)
    if b'"success":false' in answer.replace(b" ", b""):
        raise NotSent("Rocket.Chat refused it")


def teams(trigger: Trigger, message: Message) -> None:
    """An adaptive card, for a workflow's or a connector's webhook."""
    blocks = [{"type": "TextBlock", "text": message.body, "wrap": True}]
    if not option(trigger, "disabletitle"):
        blocks.insert(0, {"type": "TextBlock", "text": message.title, "wrap": True, "weight": "Bolder"})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": option(trigger, "cardversion") or "1.4",
        "body": blocks,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    guarded.request("POST", _plain(trigger), json={"type": "message", "attachments": [attachment]})


def documents(message: Message) -> bytes:
    """What programs are handed: one document, or a list for a batch."""
    return json.dumps(list(message.documents) if message.batch else next(iter(message.documents), {}))


def _plain(trigger: Trigger) -> str:
    return str(option(trigger, "url")).rstrip("/")


def _named(trigger: Trigger, names: dict[str, str]) -> dict[str, Any]:
    return {member: value for member, name in names.items() if (value := option(trigger, name)) is not None}


def _text(trigger: Trigger, message: Message, bold: str = "") -> str:
    if option(trigger, "disabletitle"):
        return message.body
    return f"{bold}{message.title}{bold}\n\n{message.body}"
