"""Who a server without a login answers."""

import asyncio
from typing import Any

import pytest

from mining_platform import guards
from mining_platform.servers import OpenDoor, check_host

NAMES = guards.own_names("127.0.0.1", ["maps.example.org", "other.example:8443"])
JSON = ("content-type", "application/json")


def status(kind: str, method: str, path: str, *headers: tuple[str, str]) -> int | None:
    refused = guards.refusal(kind, method, path, headers, NAMES)
    return int(refused.status) if refused else None


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:3000", "localhost:3000", "LOCALHOST:1", "[::1]:3000", "localhost", "maps.example.org", "other.example:8443"],
)
def test_its_own_names_are_answered_at_any_port_unless_one_is_named(host: str) -> None:
    assert status("http", "GET", "/assets", ("host", host)) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example:3000",
        "127.0.0.1.nip.io",
        "",
        "other.example:1",
        "[::1]evil:1",
    ],
)
def test_foreign_names_are_refused_whatever_they_ask(host: str) -> None:
    asked = [("http", "GET"), ("http", "POST"), ("websocket", "")]
    assert [status(kind, method, "/graphql", ("host", host), JSON) for kind, method in asked] == [403] * 3
    assert status("http", "GET", "/") == 403


def test_a_host_that_is_sent_twice_is_refused() -> None:
    assert status("http", "GET", "/", ("host", "localhost"), ("host", "localhost")) == 403


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([JSON], None),
        ([("content-type", "application/json; charset=utf-8"), ("origin", "http://localhost:3000")], None),
        ([JSON, ("origin", "https://localhost:3000"), ("sec-fetch-site", "same-origin")], None),
        ([JSON, ("origin", "http://localhost:8000")], 403),
        ([JSON, ("origin", "http://evil.example")], 403),
        ([JSON, ("origin", "null")], 403),
        ([JSON, ("origin", "")], 403),
        ([JSON, ("origin", "http://localhost:3000"), ("origin", "http://evil.example")], 403),
        ([JSON, ("sec-fetch-site", "cross-site")], 403),
        ([JSON, ("sec-fetch-site", "same-site")], 403),
        ([], 415),
        ([("content-type", "text/plain")], 415),
        ([("content-type", "text/plain; application/json")], 415),
        ([("content-type", "application/graphql")], 415),
        ([("content-type", "application/x-www-form-urlencoded")], 415),
        ([JSON, JSON], 415),
    ],
)
def test_a_post_is_json_and_of_its_own_pages(headers: list[tuple[str, str]], expected: int | None) -> None:
    assert status("http", "POST", "/graphql", ("host", "localhost:3000"), *headers) == expected


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/prefix/graphql", "/report_asset_materialization/mosaic"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_get_reaches_graphql_or_a_report(path: str, method: str) -> None:
    assert status("http", method, path, ("host", "localhost:3000")) == 405


@pytest.mark.parametrize("path", ["/notebook", "/notebook/", "/dagit/notebook"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_notebook_of_this_machine_becomes_a_page_of_the_server(method: str, path: str) -> None:
    assert status("http", method, path, ("host", "localhost:3000")) == 404
    assert status("http", method, "/assets/notebook", ("host", "localhost:3000")) is None


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get", "post", "GET ", "x" * 9_000, ""]
)
def test_other_methods_are_refused(method: str) -> None:
    assert status("http", method, "/graphql", ("host", "localhost:3000"), JSON) == 405


def test_a_report_needs_an_origin_and_it_is_the_servers_own() -> None:
    host = ("host", "localhost:3000")
    assert status("http", "POST", "/report_asset_materialization/mosaic", host, JSON) == 403
    assert status("http", "POST", "/report_asset_check/mosaic", host, JSON, ("origin", "http://evil.example")) == 403
    assert status("http", "POST", "/report_asset_materialization/mosaic", host, JSON, ("origin", "http://localhost:3000")) is None


def test_a_websocket_of_a_foreign_page_is_refused() -> None:
    host = ("host", "localhost:3000")
    assert status("websocket", "", "/graphql", host, ("origin", "http://localhost:3000")) is None
    assert status("websocket", "", "/graphql", host, ("origin", "http://evil.example")) == 403


def answered(scope: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """What a guarded application sends, and what reached the application."""
    sent: list[dict[str, Any]] = []
    reached: list[str] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        reached.append(scope["type"])
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"ALLOWALL")]})
            await send({"type": "http.response.body", "body": b"page"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("a refusal reads no body")

    asyncio.run(guards.guarded(app, NAMES)(scope, receive, send))
    return sent, reached


def test_what_is_let_through_reaches_the_application_and_no_page_may_frame_it() -> None:
    sent, reached = answered({"type": "http", "method": "GET", "path": "/", "headers": [(b"Host", b"localhost:3000")]})
    assert reached == ["http"]
    assert [value for name, value in sent[0]["headers"] if name == b"x-frame-options"] == [b"DENY"]
    assert sent[1]["body"] == b"page"


def test_what_is_refused_never_reaches_the_application() -> None:
    sent, reached = answered({"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"evil.example")]})
    assert (reached, sent[0]["status"]) == ([], 403)
    assert b"answers to its own names only" in sent[1]["body"]
    sent, reached = answered({"type": "websocket", "path": "/graphql", "headers": [(b"host", b"evil.example")]})
    assert (reached, [message["type"] for message in sent]) == ([], ["websocket.close"])


def test_the_servers_own_start_and_end_pass() -> None:
    assert answered({"type": "lifespan"}) == ([], ["lifespan"])


def test_listening_beyond_the_machine_has_to_be_said() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        check_host(host, [], open_to_network=False)
    for host in ("0.0.0.0", "192.168.1.4", "::", "maps.example.org"):
        with pytest.raises(OpenDoor, match=r"has no login.*proxy with a login.*--open-to-network"):
            check_host(host, [], open_to_network=False)
    check_host("192.168.1.4", [], open_to_network=True)


def test_a_server_on_every_address_needs_a_name_that_it_answers_to() -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(OpenDoor, match="--allow-host"):
            check_host(host, [], open_to_network=True)
        check_host(host, ["maps.example.org"], open_to_network=True)


def test_an_address_of_ipv6_is_written_in_brackets_as_browsers_ask_for_it() -> None:
    assert guards.in_url("::1") == "[::1]"
    assert guards.is_own_host("[fd00::1]:3000", guards.own_names("fd00::1"))
