"""Plain-text e-mail through the server that the environment names, never unencrypted but on this machine."""

import ipaddress
import os
import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import urlsplit

SERVER_VARIABLE = "MINING_PLATFORM_NOTIFY_SMTP"
USER_VARIABLE = "MINING_PLATFORM_NOTIFY_SMTP_USER"
PASSWORD_VARIABLE = "MINING_PLATFORM_NOTIFY_SMTP_PASSWORD"
SENDER_VARIABLE = "MINING_PLATFORM_NOTIFY_SENDER"
SUBMISSION_PORT = 587  # RFC 6409; TLS after STARTTLS
TLS_PORT = 465  # RFC 8314; TLS from the first byte
TIMEOUT_S = 20.0


class MailError(ValueError):
    """An e-mail was not taken; the words have no password."""


@dataclass(frozen=True)
class MailServer:
    """Where e-mails are given, and by whom."""

    host: str
    port: int
    user: str
    password: str
    sender: str

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, where nobody listens between."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def send_mail(recipients: Sequence[str], subject: str, text: str) -> None:
    """Give one message for all recipients to the server; MailError where it is not taken, or not by all.

    TLS is a condition but on loopback, where it is used if it is offered; there is no login without TLS, loopback included.
    """
    server = _server()
    try:
        message = _message(server, recipients, subject, text)
        with _connected(server) as client:
            if server.user:
                client.login(server.user, server.password)
            refused = client.send_message(message)
    except MailError:
        raise
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        raise MailError(_told(server, f"answers {error.smtp_code}")) from None
    except smtplib.SMTPException as error:
        raise MailError(_told(server, f"does not take the message ({type(error).__name__})")) from None
    except (OSError, ValueError) as error:
        raise MailError(_told(server, f"cannot be used ({type(error).__name__})")) from None
    if refused:
        raise MailError(_told(server, f"refuses {', '.join(sorted(refused))}"))


def _server() -> MailServer:
    place = os.environ.get(SERVER_VARIABLE, "")
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port or SUBMISSION_PORT
    except ValueError:
        host, port = "", 0
    if not host:
        raise MailError(f"No mail server is named. Set {SERVER_VARIABLE} to host:port.")
    user = os.environ.get(USER_VARIABLE, "")
    sender = os.environ.get(SENDER_VARIABLE) or (user if "@" in user else f"mining-platform@{socket.gethostname()}")
    return MailServer(host, port, user, os.environ.get(PASSWORD_VARIABLE, ""), sender)


def _message(server: MailServer, recipients: Sequence[str], subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = server.sender, ", ".join(recipients), subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="mining-platform.invalid")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday notices do not answer
    message.set_content(text)
    return message


def _connected(server: MailServer) -> smtplib.SMTP:
    """A connection that is encrypted, but on loopback where the server offers no TLS and nobody logs in."""
    context = ssl.create_default_context()
    if server.port == TLS_PORT:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context)
    client = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    try:
        client.ehlo()
        if client.has_extn("starttls"):
            client.starttls(context=context)
            client.ehlo()
        elif server.user or not server.is_here:
            raise MailError(_told(server, "offers no TLS, and is not told anything without"))
    except BaseException:
        with suppress(smtplib.SMTPException, OSError):
            client.close()
        raise
    return client


def _told(server: MailServer, problem: str) -> str:
    return f"The mail server {server.host}:{server.port} {problem}. Mend {SERVER_VARIABLE} and its login, or the recipients."
