"""Mail by SMTP: over TLS from the first byte, or by STARTTLS wherever a server offers it."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, getaddresses

from chalicelib.adapters.notify.guarded import TIMEOUT, judged_connections
from chalicelib.adapters.notify.secrecy import option
from chalicelib.domain.notice import Message
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import NotSent


def send(trigger: Trigger, message: Message) -> None:
    """Hand it to the server, for everybody it is for. Raises NotSent."""
    mail = _mail(trigger, message)
    with judged_connections():
        try:
            with _server(trigger) as server:
                user = option(trigger, "user")
                if user:
                    server.login(str(user), str(option(trigger, "pass") or ""))
                server.send_message(mail)
        except smtplib.SMTPResponseException as refusal:
            raise NotSent(f"the server answered {refusal.smtp_code} {_said(refusal.smtp_error)}") from None
        except smtplib.SMTPRecipientsRefused as refusal:
            answers = {f"{code} {_said(text)}" for code, text in refusal.recipients.values()}
            raise NotSent(f"the server takes nothing for them: {'; '.join(sorted(answers))}") from None
        except ssl.SSLCertVerificationError as error:
            raise NotSent(f"its certificate is not trusted (`tls.verify`): {error.verify_message}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotSent(f"it does not answer: {type(error).__name__} {error}") from None


@contextmanager
def _server(trigger: Trigger) -> Iterator[smtplib.SMTP]:
    host, port = str(option(trigger, "host")), int(option(trigger, "port"))
    context = ssl.create_default_context()
    if option(trigger, "tls.verify") is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if option(trigger, "tls.enabled"):
        with smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context) as server:
            yield server
        return
    with smtplib.SMTP(host, port, timeout=TIMEOUT) as server:
        server.ehlo_or_helo_if_needed()
        if server.has_extn("starttls"):
            server.starttls(context=context)
        yield server


def _mail(trigger: Trigger, message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = _addresses(trigger, "from")[:1]
    mail["To"] = _addresses(trigger, "to")
    # A header is one line, whatever a template makes of a label.
    mail["Subject"] = " ".join("".join(each if each.isprintable() else " " for each in message.title).split())
    mail["Date"] = formatdate()
    # Mailboxes know a second copy by it.
    mail["Message-ID"] = f"<{message.key}@slipway>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body or message.title)
    return mail


def _addresses(trigger: Trigger, name: str) -> list[Address]:
    """Those of an option: `ops@example.com`, `Operations <ops@example.com>`, several with commas between."""
    found = [(shown, spec) for shown, spec in getaddresses([str(option(trigger, name) or "")]) if spec]
    try:
        return [Address(shown, addr_spec=spec) for shown, spec in found] or _nobody(name)
    except (ValueError, IndexError):
        return _nobody(name)


def _nobody(name: str) -> list[Address]:
    raise NotSent(f"`{name}` holds no address of mail")


def _said(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
