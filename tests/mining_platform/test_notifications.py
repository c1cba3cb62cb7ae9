"""People are told by webhook and e-mail, on real servers of loopback; what cannot be told fails nothing and tells no secret."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mining_platform import webhooks
from mining_platform.mail import PASSWORD_VARIABLE, SENDER_VARIABLE, SERVER_VARIABLE, USER_VARIABLE
from mining_platform.notifications import EMAIL_VARIABLE, WEBHOOK_VARIABLE, Notice, configured, notify
from tests.file_service import FileService, file_service
from tests.mail_server import certified, mail_server

NOTICE = Notice("Refresh of 2024:\n2 of 9 partitions were not made, of baixo", "land_cover@baixo|2024: no map", {"run": "r1"})
PASSWORD = "canary-5f3a9c1e"


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "WAIT_S", 0.0)
    for name in (WEBHOOK_VARIABLE, EMAIL_VARIABLE, SERVER_VARIABLE, USER_VARIABLE, PASSWORD_VARIABLE, SENDER_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileService]:
    with file_service() as service:
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"{service.url}/hooks/{PASSWORD}")
        yield service


def problems() -> dict[str, str | None]:
    return {each.way: each.problem for each in notify(NOTICE)}


def test_nobody_is_told_where_nothing_is_configured() -> None:
    assert not configured()
    assert notify(NOTICE) == []


def test_a_webhook_gets_text_for_people_and_facts_for_programs(chat: FileService) -> None:
    assert problems() == {"webhook": None}
    ((headers, body),) = chat.posted
    told = json.loads(body)
    assert headers["Content-Type"] == "application/json"
    assert told["subject"] == "Refresh of 2024: 2 of 9 partitions were not made, of baixo"
    assert told["text"] == f"{told['subject']}\nland_cover@baixo|2024: no map"
    assert told["facts"] == {"run": "r1"}


def test_a_busy_webhook_is_asked_again_and_gets_the_message_once(chat: FileService) -> None:
    chat.statuses += [503, 0]
    assert problems() == {"webhook": None}
    assert (len(chat.asked), len(chat.posted)) == (3, 1)


@pytest.mark.parametrize(
    ("statuses", "problem", "tries"),
    [([500] * 9, "answers HTTP 500", 3), ([404] * 9, "answers HTTP 404", 1), ([0] * 9, "does not answer", 3)],
)
def test_a_webhook_that_takes_nothing_is_told_by_its_host_alone(
    chat: FileService, statuses: list[int], problem: str, tries: int
) -> None:
    chat.statuses += statuses
    told = problems()["webhook"] or ""
    assert f"The webhook on {chat.host} {problem}" in told
    assert PASSWORD not in told
    assert len(chat.asked) == tries


def test_a_redirect_is_not_followed(chat: FileService) -> None:
    chat.statuses += [307]
    assert "answers HTTP 307" in (problems()["webhook"] or "")
    assert chat.posted == []


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.org/hook/x", "The webhook on example.org is not https"),
        ("ftp://127.0.0.1/hook", "The webhook on 127.0.0.1 is not https"),
        ("hook", "The webhook is no address"),
        ("https://[bad/hook", "The webhook is no address"),
    ],
)
def test_a_webhook_without_encryption_is_refused(monkeypatch: pytest.MonkeyPatch, url: str, problem: str) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, url)
    assert (problems()["webhook"] or "").startswith(problem)


def test_secrets_in_what_is_told_are_hidden(chat: FileService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINING_PLATFORM_TOKEN", "another-canary-77")
    text = f"GET https://host/a.tif?sig=abc with another-canary-77 failed, told to {chat.url}/hooks/{PASSWORD}"
    notify(Notice("subject", text, {"why": text}))
    body = chat.posted[0][1].decode()
    assert "canary" not in body
    assert "sig=abc" not in body
    assert "[hidden] failed" in body


def test_an_email_reaches_all_recipients_with_subject_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EMAIL_VARIABLE, "ana@example.org, bia@example.org")
    monkeypatch.setenv(SENDER_VARIABLE, "maps@example.org")
    with mail_server() as server:
        monkeypatch.setenv(SERVER_VARIABLE, f"127.0.0.1:{server.port}")
        assert problems() == {"e-mail": None}
    (message,) = server.taken
    assert (message["From"], message["To"]) == ("maps@example.org", "ana@example.org, bia@example.org")
    assert message["Subject"] == "Refresh of 2024: 2 of 9 partitions were not made, of baixo"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().strip() == "land_cover@baixo|2024: no map"
    assert server.commands.count("RCPT") == 2


def test_a_login_goes_over_tls_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context, chain = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    monkeypatch.setenv(EMAIL_VARIABLE, "ana@example.org")
    monkeypatch.setenv(USER_VARIABLE, "maps@example.org")
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with mail_server(tls=context, login=("maps@example.org", PASSWORD)) as server:
        monkeypatch.setenv(SERVER_VARIABLE, f"localhost:{server.port}")
        assert problems() == {"e-mail": None}
    assert server.encrypted == [True]
    assert server.taken[0]["From"] == "maps@example.org"
    with mail_server(login=("maps@example.org", PASSWORD)) as plain:
        monkeypatch.setenv(SERVER_VARIABLE, f"localhost:{plain.port}")
        assert "offers no TLS, and is not told anything without" in (problems()["e-mail"] or "")
    assert "AUTH" not in plain.commands


def test_a_server_with_an_unknown_certificate_is_told_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context, _ = certified(tmp_path)
    monkeypatch.setenv(EMAIL_VARIABLE, "ana@example.org")
    with mail_server(tls=context) as server:
        monkeypatch.setenv(SERVER_VARIABLE, f"localhost:{server.port}")
        assert "cannot be used (SSLCertVerificationError)" in (problems()["e-mail"] or "")
    assert server.taken == []


def test_a_rejected_login_names_the_server_and_not_the_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context, chain = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    monkeypatch.setenv(EMAIL_VARIABLE, "ana@example.org")
    monkeypatch.setenv(USER_VARIABLE, "maps@example.org")
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with mail_server(tls=context, login=("maps@example.org", "another")) as server:
        monkeypatch.setenv(SERVER_VARIABLE, f"localhost:{server.port}")
        told = problems()["e-mail"] or ""
    assert f"The mail server localhost:{server.port} answers 535" in told
    assert PASSWORD not in told


def test_a_recipient_that_the_server_does_not_know_is_named_and_the_others_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EMAIL_VARIABLE, "ana@example.org,gone@example.org")
    with mail_server(unknown=frozenset({"gone@example.org"})) as server:
        monkeypatch.setenv(SERVER_VARIABLE, f"127.0.0.1:{server.port}")
        assert "refuses gone@example.org" in (problems()["e-mail"] or "")
        assert len(server.taken) == 1
        monkeypatch.setenv(EMAIL_VARIABLE, "gone@example.org")
        assert "refuses gone@example.org" in (problems()["e-mail"] or "")


def test_no_mail_server_and_none_that_answers_are_told(monkeypatch: pytest.MonkeyPatch, chat: FileService) -> None:
    monkeypatch.setenv(EMAIL_VARIABLE, "ana@example.org")
    told = problems()
    assert told["webhook"] is None, "one way does not keep the other from being tried"
    assert "No mail server is named. Set MINING_PLATFORM_NOTIFY_SMTP" in (told["e-mail"] or "")
    monkeypatch.setenv(SERVER_VARIABLE, "127.0.0.1:9")
    assert "127.0.0.1:9 cannot be used (ConnectionRefusedError)" in (problems()["e-mail"] or "")
    assert len(chat.posted) == 2
