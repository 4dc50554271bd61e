"""MQTT: one retained topic per container, and Home Assistant's discovery of each as an update entity."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from chalicelib.adapters.notify.guarded import judged_connections, resolve
from chalicelib.adapters.notify.secrecy import option
from chalicelib.domain.notice import Event, Message, key_of, topic_words
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import NotSent
from chalicelib.wire import json

_PATIENCE = 10.0
_PLAIN, _SECURE = 1883, 8883
INSTALL = "install"
_ICON = re.compile(r"mdi[:-]([a-z0-9-]+)")

Document = Mapping[str, Any]


def send(trigger: Trigger, message: Message) -> None:
    """Publish every container of the message, and wait until the broker has each. Raises NotSent."""
    client = connect(trigger, f"-{message.key[:8]}")
    try:
        for topic, payload in publications(trigger, message):
            info = client.publish(topic, payload, qos=1, retain=True)
            info.wait_for_publish(_PATIENCE)
            if not info.is_published():
                raise NotSent("the broker did not take it in time")
    except (ValueError, RuntimeError) as error:
        raise NotSent(f"the broker did not take it: {error}") from None
    finally:
        client.disconnect()
        client.loop_stop()


def publications(trigger: Trigger, message: Message) -> Iterator[tuple[str, bytes]]:
    """What is published where: first how Home Assistant finds it, then how it stands."""
    for document in message.documents:
        if not document:
            continue
        topic = topic_of(trigger, document)
        if message.event is Event.CONTAINER_REMOVED:
            # A broker forgets what it kept under a topic when something empty takes its place.
            yield topic, b""
            yield _discovery_topic(trigger, document), b""
            continue
        if option(trigger, "hass.enabled") and option(trigger, "hass.discovery"):
            yield _discovery_topic(trigger, document), json.dumps(discovery(document, topic))
        yield topic, json.dumps(state(document))


def topic_of(trigger: Trigger, document: Document) -> str:
    """`{topic}/{watcher}/{name}`, with `{agent}.{watcher}` for those of other agents than the local one."""
    words = topic_words(document.get("agent"), document.get("watcher"), document.get("name"))
    return "/".join((str(option(trigger, "topic")).strip("/"), *words))


def state(document: Document) -> dict[str, Any]:
    """The document flat, in snake case, and what an update entity reads."""
    flat = dict(_flat(document))
    kind, result = document.get("updateKind") or {}, document.get("result") or {}
    installed = str(((document.get("image") or {}).get("tag") or {}).get("value", ""))
    digest_only = kind.get("kind") == "digest"
    if digest_only:
        installed = str(kind.get("localValue") or installed)[:19]
    latest = str(kind.get("remoteValue") or "")[:19] if digest_only else str(result.get("tag") or installed)
    link = result.get("link") or document.get("link")
    named = {"installed_version": installed, "latest_version": latest or installed, "release_url": link}
    return flat | {name: value for name, value in named.items() if value is not None}


def discovery(document: Document, topic: str) -> dict[str, Any]:
    """What Home Assistant's MQTT update platform expects of an entity."""
    unique = _id_of(topic)
    agent = document.get("agent")
    return {
        "unique_id": unique,
        "default_entity_id": f"update.{unique.lower()}",
        "name": str(document.get("displayName") or document.get("name")),
        "icon": _icon(document),
        "device": {
            "identifiers": [_id_of(topic.rpartition("/")[0])],
            "name": " ".join(str(part) for part in ("Slipway", agent, document.get("watcher")) if part),
            "manufacturer": "Slipway",
            "model": "Docker containers",
        },
        "state_topic": topic,
        "value_template": "{{ {'installed_version': value_json.installed_version, "
        "'latest_version': value_json.latest_version, 'release_url': value_json.release_url|default('')}|to_json }}",
        "json_attributes_topic": topic,
        "force_update": True,
        "command_topic": f"{topic}/{INSTALL}",
        "payload_install": INSTALL,
    }


def connect(trigger: Trigger, suffix: str, on_connect: Callable[[paho.Client], None] | None = None) -> paho.Client:
    """A client whose broker has let it in, at work in a thread of its own. Raises NotSent."""
    parts = urlsplit(str(option(trigger, "url")))
    secure = parts.scheme in ("mqtts", "ssl", "tls")
    if parts.scheme not in ("mqtt", "tcp", "mqtts", "ssl", "tls") or not parts.hostname:
        raise NotSent("its address must begin with mqtt:// or mqtts://")
    port = parts.port or (_SECURE if secure else _PLAIN)
    resolve(parts.hostname, port)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"{option(trigger, 'clientid') or 'slipway'}{suffix}")
    client.connect_timeout = _PATIENCE
    user = option(trigger, "user") or parts.username
    if user:
        client.username_pw_set(str(user), str(option(trigger, "password") or parts.password or ""))
    if secure:
        client.tls_set_context(_tls(trigger))
    answered = threading.Event()
    refusal: list[str] = []

    def connected(_client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any = None) -> None:
        if reason.is_failure:
            refusal[:] = [str(reason)]
        elif on_connect is not None:
            on_connect(client)
        answered.set()

    client.on_connect = connected
    with judged_connections():
        try:
            client.connect(parts.hostname, port, keepalive=60)
        except (OSError, ValueError) as error:
            raise NotSent(f"the broker does not answer: {error}") from None
    client.loop_start()
    if not answered.wait(_PATIENCE) or refusal:
        client.disconnect()
        client.loop_stop()
        raise NotSent(f"the broker did not let us in: {refusal[0] if refusal else 'no answer'}")
    return client


def _tls(trigger: Trigger) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=option(trigger, "tls.cachain") or None)
    if option(trigger, "tls.clientcert"):
        context.load_cert_chain(str(option(trigger, "tls.clientcert")), option(trigger, "tls.clientkey") or None)
    if option(trigger, "tls.rejectunauthorized") is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _discovery_topic(trigger: Trigger, document: Document) -> str:
    unique = _id_of(topic_of(trigger, document))
    return f"{str(option(trigger, 'hass.prefix')).strip('/')}/update/{unique}/config"


def _id_of(topic: str) -> str:
    """A topic as an id of Home Assistant's, which knows no dots: where one was, a few letters tell ids apart."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", topic)
    return plain if plain == topic.replace("/", "_") else f"{plain}_{key_of(topic)[:6]}"


def _icon(document: Document) -> str:
    """Home Assistant refuses an entity whose icon is none of its own kind."""
    found = _ICON.fullmatch(str(document.get("displayIcon") or ""))
    return f"mdi:{found[1]}" if found else "mdi:docker"


def _flat(document: Document, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()).strip("_")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{plain}_")
        elif isinstance(value, str | int | float):
            yield before + plain, value
