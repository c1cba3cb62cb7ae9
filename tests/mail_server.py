"""A mail server on loopback (RFC 5321 as far as senders use it), with STARTTLS and a login where tests want them."""

import base64
import datetime
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class MailServer:
    """The server's state."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    """Offers STARTTLS with it."""
    login: tuple[str, str] | None = None
    """User and password that it wants."""
    unknown: frozenset[str] = frozenset()
    """Recipients that it refuses."""
    taken: list[EmailMessage] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    """Of each message: whether it came over TLS."""
    commands: list[str] = field(default_factory=list)


@contextmanager
def mail_server(**state: object) -> Iterator[MailServer]:
    """A server on a free port of loopback."""
    server = MailServer(**state)  # type: ignore[arg-type]
    listening = _Listening(("127.0.0.1", 0), type("Session", (_Session,), {"server_state": server}))
    server.port = listening.server_address[1]
    threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a new certificate for `localhost`, and the file by which clients know it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    unencrypted = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context, chain


class _Listening(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_args: object) -> None:
        """Clients that do not trust the certificate hang up."""


class _Session(socketserver.StreamRequestHandler):
    server_state: MailServer

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
        self.wfile.flush()

    def handle(self) -> None:
        self.say("220 localhost")
        self.recipients: list[str] = []
        while line := self.rfile.readline():
            command = line.decode().strip()
            self.server_state.commands.append(command.split()[0].upper())
            if command.upper() == "QUIT":
                self.say("221 bye")
                return
            self.obey(command)

    def obey(self, command: str) -> None:
        verb = command.split(maxsplit=1)[0].upper()
        if verb == "EHLO":
            self.greet()
        elif verb == "STARTTLS" and self.server_state.tls:
            self.encrypt(self.server_state.tls)
        elif verb == "AUTH":
            self.let_in(command)
        elif verb == "RCPT":
            self.receive(command.partition("<")[2].partition(">")[0])
        elif verb == "DATA":
            self.take()
        else:
            self.say("250 ok" if verb in ("MAIL", "RSET", "NOOP") else "500 what?")

    def greet(self) -> None:
        offers = ["localhost"]
        if self.server_state.tls and not self.is_encrypted():
            offers.append("STARTTLS")
        if self.server_state.login:
            offers.append("AUTH PLAIN")
        for offer in offers[:-1]:
            self.say(f"250-{offer}")
        self.say(f"250 {offers[-1]}")

    def is_encrypted(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket)

    def encrypt(self, context: ssl.SSLContext) -> None:
        self.say("220 go on")
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")  # type: ignore[assignment]

    def let_in(self, command: str) -> None:
        _, user, password = base64.b64decode(command.split()[2]).decode().split("\0")
        self.say("235 come in" if (user, password) == self.server_state.login else f"535 {password} is not the password")

    def receive(self, recipient: str) -> None:
        known = recipient not in self.server_state.unknown
        self.recipients += [recipient] if known else []
        self.say("250 ok" if known else "550 nobody of that name")

    def take(self) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        self.server_state.taken.append(message_from_bytes(b"".join(lines), _class=EmailMessage, policy=policy.default))
        self.server_state.encrypted.append(self.is_encrypted())
        self.say("250 taken")
