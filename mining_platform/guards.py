"""Who may ask a web server that has no login: its own pages, under names that are its own.

Whoever opens a page of somebody else in a browser lends that page the way to every server of the machine. Three things tell
such a request: the Host names something else (a name that was bound to the address, "DNS rebinding"), the Origin is another
page's, or it is of a kind that browsers send anywhere without asking first (a GET, a form, a POST of plain text). A request
without an Origin comes from no browser but from a program of this machine, which could read the files themselves.

References: Fetch standard, https://fetch.spec.whatwg.org/#cors-safelisted-request-header and #origin-header; Sec-Fetch-Site,
https://www.w3.org/TR/fetch-metadata/.
"""

import ipaddress
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
JSON = "application/json"
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""On every answer: no foreign page frames, reads or steers a page of the server."""

_QUERIES = "/graphql"
_REPORTS = "/report_asset_"
"""Dagster's endpoints that take down an event without a run."""
_NOTEBOOKS = ("/notebook", "/dagit/notebook")
"""Dagster's endpoints that show any notebook of this machine as a page of the server's own, scripts included."""
_POLICY_VIOLATION = 1008  # close code of a websocket, RFC 6455 section 7.4.1

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered."""

    status: HTTPStatus
    reason: str


def is_loopback(host: str) -> bool:
    """Whether a server that listens on a host is reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_every_address(host: str) -> bool:
    """Whether a host stands for all addresses of the machine, and so is no name that a browser uses."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def in_url(host: str) -> str:
    """A host as URLs and the header Host write it: IPv6 in brackets, lower case."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host.lower()


def own_names(host: str, allowed: Iterable[str] = ()) -> frozenset[str]:
    """Names that a server on `host` answers to: the loopback's, its own, and those of a proxy (`name` or `name:port`)."""
    return frozenset({*LOOPBACK_NAMES, in_url(host), *(name.lower() for name in allowed)})


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Whether the header Host is among the names; a name without a port stands for every port."""
    told = host.lower()
    return told in names or told.rpartition(":")[0] in names


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an Origin is the server's own page. A proxy may have taken the TLS off, so either scheme is right."""
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def refusal(kind: str, method: str, path: str, headers: Iterable[tuple[str, str]], names: Collection[str]) -> Refusal | None:
    """Why a request may not be answered; None where it may.

    `kind` is `http` or `websocket`; names of headers are in lower case, and one that is sent twice counts as none of both.
    """
    told = _once(headers)
    host, origin = told.get("host", ""), told.get("origin")
    if not is_own_host(host, names):
        return Refusal(HTTPStatus.FORBIDDEN, "This server answers to its own names only; add one with --allow-host.")
    if kind == "http" and method in ("GET", "HEAD"):
        return _by_get(path)
    if (origin is not None and not is_same_origin(origin, host)) or told.get("sec-fetch-site", "none") not in (
        "same-origin",
        "none",
    ):
        return Refusal(HTTPStatus.FORBIDDEN, "Only pages of this server may ask this.")
    return None if kind == "websocket" else _by_other_method(method, path, told)


def _once(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Value of each header; empty, which fits nothing, for one that is sent more than once."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = "" if name in found else value
    return found


def _by_get(path: str) -> Refusal | None:
    if path.rstrip("/").endswith(_QUERIES) or _REPORTS in path:
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "GraphQL is asked by POST: a GET changes nothing here.")
    if path.rstrip("/") in _NOTEBOOKS:
        return Refusal(HTTPStatus.NOT_FOUND, "Notebooks are not shown: what they hold would run as a page of this server.")
    return None


def _by_other_method(method: str, path: str, told: Mapping[str, str]) -> Refusal | None:
    if method != "POST":
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Use GET or POST.")
    if told.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"A POST is sent as {JSON}.")
    if _REPORTS in path and "origin" not in told:
        return Refusal(HTTPStatus.FORBIDDEN, "Materializations are recorded by runs, or by a person in the UI's own pages.")
    return None


def guarded(app: Application, names: Collection[str]) -> Application:
    """An ASGI application that answers only what `refusal` lets through, with HEADERS on every answer."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        refused = refusal(scope["type"], scope.get("method", ""), scope["path"], headers, names)
        if refused is None:
            await app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refused.reason})
        else:
            await _refuse(refused, _with_headers(send))

    return answer


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower().encode(): value.encode() for name, value in HEADERS.items()}
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in own]
            message = {**message, "headers": [*kept, *own.items()]}
        await send(message)

    return sent


async def _refuse(refused: Refusal, send: Send) -> None:
    content = json.dumps({"error": refused.reason}).encode()
    headers = [(b"content-type", JSON.encode()), (b"content-length", str(len(content)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": int(refused.status), "headers": headers})
    await send({"type": "http.response.body", "body": content})
