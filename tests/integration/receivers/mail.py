"""An SMTP server of the fewest words a client needs."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class Mailbox:
    """What arrived: envelopes and messages."""

    port: int = 0
    login: str | None = None
    refusal: str = ""
    """What a login is answered with, if it is refused."""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    secured: bool = False
    """Whether the last mail came through TLS."""


@contextmanager
def mail_receiver(tls: tuple[str, str] | None = None, *, at_once: bool = False) -> Iterator[Mailbox]:
    """A mailbox at work; with a certificate and its key it lets log in behind STARTTLS, or behind TLS `at_once`."""
    mailbox = Mailbox()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.secured = False
            if at_once:
                self._secure()
            self._say("220 stand-in")
            while line := self.rfile.readline().decode().strip():
                verb = line.upper().split()[0]
                if verb == "EHLO":
                    self._say("250-stand-in")
                    self._say("250 STARTTLS" if tls and not self.secured else "250 AUTH PLAIN")
                elif verb == "STARTTLS":
                    self._say("220 go on")
                    self._secure()
                elif verb == "AUTH":
                    mailbox.login = base64.b64decode(line.split()[2]).decode().replace("\0", " ").strip()
                    self._say(mailbox.refusal or "235 welcome")
                elif verb == "MAIL":
                    mailbox.sender = line.split("<")[1].split(">")[0]
                    self._say("250 ok")
                elif verb == "RCPT":
                    mailbox.recipients.append(line.split("<")[1].split(">")[0])
                    self._say("250 ok")
                elif verb == "DATA":
                    self._data()
                elif verb == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 ok")

        def _secure(self) -> None:
            assert tls is not None
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
            self.secured = True

        def _data(self) -> None:
            mailbox.secured = self.secured
            self._say("354 go on")
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line)
            mailbox.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))  # type: ignore[arg-type]
            self._say("250 taken")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        mailbox.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield mailbox
        finally:
            server.shutdown()
