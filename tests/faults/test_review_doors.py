"""The review page's server answers its own page alone, whatever comes over the wire."""

import json
import socket
from collections.abc import Iterator
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from mining_platform.reviews.pages import shown_patches
from mining_platform.reviews.server import LARGEST_BODY_BYTES, ReviewServer
from mining_platform.store.refs import StoreUnreachable

TAKEN: list[Any] = []
"""Decisions that were let through."""


@pytest.fixture(scope="module")
def server() -> Iterator[ReviewServer]:
    """A server of a desk without patches."""
    served = ReviewServer(shown_patches(SimpleNamespace(places={}, stores={})), 0)  # type: ignore[arg-type]
    served.take = TAKEN.append  # type: ignore[assignment, method-assign]
    thread = Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()
    assert TAKEN == []


def sent(server: ReviewServer, *lines: str, body: str = "") -> tuple[int, str]:
    """Status and text of the answer to a request as it is written; status 0 where the connection is closed without one."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        text = b""
        while part := connection.recv(65_536):
            text += part
    words = text.decode("latin-1")
    return int(words.split()[1]) if words.startswith("HTTP/") else 0, words


def host(server: ReviewServer) -> str:
    return f"Host: 127.0.0.1:{server.server_port}"


def posted(server: ReviewServer, body: str, **changes: str) -> int:
    """Status of a decision with the page's own headers, some of them changed; an empty one is left out."""
    headers = {
        "Host": f"127.0.0.1:{server.server_port}",
        "Origin": f"http://127.0.0.1:{server.server_port}",
        "Content-Type": "application/json",
        "X-Review-Token": server.token,
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return sent(server, "POST /decisions HTTP/1.1", *lines, body=body)[0]


@pytest.mark.parametrize("foreign", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:1", "", "localhost", "[::1]"])
def test_a_foreign_name_is_answered_nothing(server: ReviewServer, foreign: str) -> None:
    for path in ("/", "/decisions", "/favicon.ico", "/pictures/a.png"):
        status, text = sent(server, f"GET {path} HTTP/1.1", f"Host: {foreign}")
        assert (status, server.token in text) == (403, False)
    assert posted(server, "{}", Host=foreign or "x") == 403


@pytest.mark.parametrize(
    "method", ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get", "X" * 9_000, "<script>"]
)
def test_a_method_that_is_none_of_its_own_does_nothing(server: ReviewServer, method: str) -> None:
    status, text = sent(server, f"{method} /decisions HTTP/1.1", host(server))
    assert status == 501
    assert "<script>" not in text.partition("\r\n\r\n")[2]


@pytest.mark.parametrize(
    "path",
    [
        *("/pictures/../../../../etc/passwd", "/pictures/..%2f..%2fetc%2fpasswd.png", "/outlines//etc/passwd.svg", "/pictures/"),
        *("//127.0.0.1/", "/decisions?token=1", "/../review.html", "/x" * 20_000, "http://evil.example/"),
    ],
)
def test_there_is_nothing_beside_the_page_its_pictures_and_its_decisions(server: ReviewServer, path: str) -> None:
    status, text = sent(server, f"GET {path} HTTP/1.1", host(server))
    assert status == 404
    assert "root:" not in text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Origin": ""}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": ""}, 415),
        ({"X_Review_Token": ""}, 403),
        ({"X_Review_Token": "é" * 40}, 403),
        ({"Content_Length": ""}, 413),
        ({"Content_Length": "-1"}, 413),
        ({"Content_Length": "0x10"}, 413),
        ({"Content_Length": str(LARGEST_BODY_BYTES + 1)}, 413),
        ({"Content_Length": "9" * 5_000}, 413),
        ({"Content_Length": "", "Transfer_Encoding": "chunked"}, 413),
        ({}, 400),
    ],
)
def test_a_decision_that_the_page_would_not_send_is_refused(server: ReviewServer, changes: dict[str, str], status: int) -> None:
    assert posted(server, json.dumps({"window_id": "x"}), **changes) == status


@pytest.mark.parametrize("body", ["[" * 16_000, "9" * 16_000, "{", "\x00", '{"window_id": 1}', "null", '"a"'])
def test_a_body_that_is_no_decision_is_refused(server: ReviewServer, body: str) -> None:
    assert posted(server, body) == 400


def test_a_store_of_logs_that_does_not_answer_is_told_to_the_page(server: ReviewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_told: dict[str, str]) -> None:
        raise StoreUnreachable("The artifact store s3://bucket cannot be reached. Run again.")

    monkeypatch.setattr(server, "take", unreachable)
    assert posted(server, json.dumps(dict.fromkeys(server.shown.fields, ""))) == 503
