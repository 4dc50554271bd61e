"""An MQTT 3.1.1 broker of the fewest packets: CONNECT, PUBLISH at QoS 0 and 1, SUBSCRIBE, PINGREQ, DISCONNECT."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Broker:
    """What was published: (topic, payload, qos, retained), and who logged in."""

    port: int = 0
    refusal: int = 0
    published: list[tuple[str, bytes, int, bool]] = field(default_factory=list)
    login: tuple[str, str, str] | None = None
    subscribed: list[str] = field(default_factory=list)
    readers: list[socket.socket] = field(default_factory=list)
    shown: bytes | None = None
    """The certificate of the last client that showed one."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def push(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """Send it to everybody who listens."""
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + payload
        for reader in self.readers:
            reader.sendall((b"\x31" if retained else b"\x30") + _length(len(body)) + body)

    def wait_for(self, seconds: float = 10) -> None:
        """Until somebody listens."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.subscribed, seconds)


@contextmanager
def mqtt_broker(tls: tuple[str, str] | None = None) -> Iterator[Broker]:
    """A broker at work; behind TLS with a certificate and its key, where clients may show that same certificate."""
    broker = Broker()

    class Session(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            if tls:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls[0])
                context.load_cert_chain(*tls)
                context.verify_mode = ssl.CERT_OPTIONAL
                try:
                    self.request = context.wrap_socket(self.request, server_side=True)
                except OSError:
                    # Whoever does not trust us has gone.
                    self.request, gone = socket.socketpair()
                    gone.close()
                else:
                    broker.shown = self.request.getpeercert(binary_form=True)
            super().setup()

        def handle(self) -> None:
            while packet := self._packet():
                kind, flags, body = packet
                if kind == 1:
                    broker.login = _login(body)
                    self.wfile.write(bytes([0x20, 2, 0, broker.refusal]))
                elif kind == 3:
                    self._published(flags, body)
                elif kind == 8:
                    self._subscribed(body)
                elif kind == 12:
                    self.wfile.write(b"\xd0\x00")
                elif kind == 14:
                    return

        def _packet(self) -> tuple[int, int, bytes] | None:
            first = self.rfile.read(1)
            if not first:
                return None
            length = shift = 0
            while True:
                byte = self.rfile.read(1)[0]
                length |= (byte & 127) << shift
                shift += 7
                if not byte & 128:
                    return first[0] >> 4, first[0] & 15, self.rfile.read(length)

        def _published(self, flags: int, body: bytes) -> None:
            qos, retained = (flags >> 1) & 3, bool(flags & 1)
            topic, rest = _text(body)
            if qos:
                number, rest = rest[:2], rest[2:]
            broker.published.append((topic, rest, qos, retained))
            if qos:
                self.wfile.write(b"\x40\x02" + number)

        def _subscribed(self, body: bytes) -> None:
            topic, _ = _text(body[2:])
            self.wfile.write(b"\x90\x03" + body[:2] + b"\x01")
            with broker.changed:
                broker.readers.append(self.connection)
                broker.subscribed.append(topic)
                broker.changed.notify_all()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        broker.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield broker
        finally:
            server.shutdown()


def _login(body: bytes) -> tuple[str, str, str]:
    _, rest = _text(body)
    flags, rest = rest[1], rest[4:]
    client, rest = _text(rest)
    user, rest = _text(rest) if flags & 0x80 else ("", rest)
    password, _ = _text(rest) if flags & 0x40 else ("", rest)
    return client, user, password


def _text(body: bytes) -> tuple[str, bytes]:
    length = int.from_bytes(body[:2], "big")
    return body[2 : 2 + length].decode(), body[2 + length :]


def _length(number: int) -> bytes:
    found = bytearray()
    while True:
        number, byte = divmod(number, 128)
        found.append(byte | (128 if number else 0))
        if not number:
            return bytes(found)
