"""Home Assistant's install buttons: who is asked to update over MQTT, by the topic of its container."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from paho.mqtt import client as paho

from chalicelib.adapters.notify.mqtt import INSTALL, connect
from chalicelib.adapters.notify.secrecy import option, scrubbed
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import NotSent

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 300.0


class Installs:
    """Listens on `{topic}/+/+/install` of one mqtt trigger; `install` gets the words of a watcher and of a container.

    The library keeps the connection up and its subscription with it; until there is a first one it is tried for.
    """

    def __init__(self, trigger: Trigger, install: Callable[[str, str], object], suffix: str) -> None:
        self._trigger = trigger
        self._install = install
        self._suffix = suffix
        self._stopping = threading.Event()
        self._client: paho.Client | None = None
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{trigger.name}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._stopping.set()
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()

    def _run(self) -> None:
        pause = 1.0
        while not self._stopping.is_set():
            try:
                self._client = connect(self._trigger, f"-installs-{self._suffix}", self._subscribe)
                return
            except NotSent as error:
                log.warning("%s hears no install button: %s", self._trigger.id, scrubbed(str(error), self._trigger))
            self._stopping.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _subscribe(self, client: paho.Client) -> None:
        client.on_message = self._heard
        client.subscribe(f"{self._base}/+/+/{INSTALL}", qos=1)

    def _heard(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        parts = message.topic.removeprefix(f"{self._base}/").split("/")
        # A retained order would be carried out again at every start.
        if message.retain or message.payload.strip() != INSTALL.encode() or len(parts) != 3:
            return
        try:
            self._install(parts[0], parts[1])
        except Exception:
            log.exception("an install button was pressed in vain")

    @property
    def _base(self) -> str:
        return str(option(self._trigger, "topic")).strip("/")
