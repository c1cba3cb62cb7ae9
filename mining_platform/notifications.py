"""Telling people that work failed, or that there is something to decide: by webhook and by e-mail, as the environment says.

    MINING_PLATFORM_NOTIFY_WEBHOOK         https address (or http on loopback) that takes a JSON POST with `text`, as chats do
    MINING_PLATFORM_NOTIFY_EMAIL           whom to write to, separated by commas
    MINING_PLATFORM_NOTIFY_SMTP            the mail server, host[:port]; port 587 unless told
    MINING_PLATFORM_NOTIFY_SMTP_USER       who logs in to it, and
    MINING_PLATFORM_NOTIFY_SMTP_PASSWORD   with what; no login without the two
    MINING_PLATFORM_NOTIFY_SENDER          address of the sender; that of the login unless told

A notification never raises: what keeps it from arriving is told in words, without secrets.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mining_platform.disclosure import scrubbed
from mining_platform.mail import MailError, send_mail
from mining_platform.webhooks import WebhookError, post_json

WEBHOOK_VARIABLE = "MINING_PLATFORM_NOTIFY_WEBHOOK"
EMAIL_VARIABLE = "MINING_PLATFORM_NOTIFY_EMAIL"
MOST_CHARACTERS = 20_000  # of a notification's text; chats take 40,000


@dataclass(frozen=True)
class Notice:
    """What people are to be told."""

    subject: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For programs, JSON-able."""


@dataclass(frozen=True)
class Delivery:
    """What came of one way to tell."""

    way: str
    """`webhook` or `e-mail`."""
    problem: str | None
    """Why it did not arrive, with a remedy; None where it did."""

    def __str__(self) -> str:
        return f"{self.way}: {self.problem or 'told'}"


def configured() -> bool:
    """Whether anybody wants to be told."""
    return bool(os.environ.get(WEBHOOK_VARIABLE) or os.environ.get(EMAIL_VARIABLE))


def notify(notice: Notice) -> list[Delivery]:
    """Tell people in every way that is configured; nothing raises."""
    told = _discreet(notice)
    ways: list[tuple[str, str, Callable[[str, Notice], None]]] = [
        ("webhook", os.environ.get(WEBHOOK_VARIABLE, ""), _post),
        ("e-mail", os.environ.get(EMAIL_VARIABLE, ""), _write),
    ]
    return [Delivery(way, _tried(tell, place, told)) for way, place, tell in ways if place]


def _tried(tell: Callable[[str, Notice], None], place: str, notice: Notice) -> str | None:
    try:
        tell(place, notice)
    except (WebhookError, MailError) as error:
        return scrubbed(str(error))
    except Exception as error:  # whatever it is, the work that is told of is done, and is not to fail by it
        return f"{type(error).__name__}: {scrubbed(str(error))}"
    return None


def _discreet(notice: Notice) -> Notice:
    """Without secrets, on one line, and not longer than people read."""
    text = scrubbed(notice.text)
    cut = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}\n… {len(text) - MOST_CHARACTERS} characters more"
    facts = {name: scrubbed(value) if isinstance(value, str) else value for name, value in notice.facts.items()}
    return Notice(" ".join(scrubbed(notice.subject).split()), cut, facts)


def _post(place: str, notice: Notice) -> None:
    body = {"text": f"{notice.subject}\n{notice.text}", "subject": notice.subject, "facts": dict(notice.facts)}
    post_json(place, body)


def _write(recipients: str, notice: Notice) -> None:
    send_mail([each.strip() for each in recipients.split(",") if each.strip()], notice.subject, notice.text)
