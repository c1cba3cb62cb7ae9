"""The stand-in over HTTP, on the loopback interface.

with serve(archive, faults={"computePixels": [TOO_MANY_REQUESTS, DROPPED]}) as server:
    ...  # server.url, server.requests, server.peak_concurrent
"""

import json
import re
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.earth_engine import assets, requests
from tests.earth_engine.archive import FakeArchive
from tests.earth_engine.discovery import algorithms, discovery_document
from tests.earth_engine.errors import RefusedError, error_body
from tests.earth_engine.faults import METHODS, TOO_MANY, Fault, Faults
from tests.earth_engine.requests import REAL_LIMITS, Limits, Size

COMPUTING = ("computePixels", "value", "computeFeatures")
"""Methods that count as requests in flight."""

_ROUTES = (
    ("GET", r"/\$discovery/rest", "discovery"),
    ("GET", r"/v1/projects/[^/]+/algorithms", "algorithms"),
    ("GET", r"/v1/(?P<name>projects/.+):list(Assets|Images)", "listAssets"),
    ("GET", r"/v1/(?P<name>projects/[^/]+/assets/.+)", "getAsset"),
    ("POST", r"/v1/projects/[^/]+/image:computePixels", "computePixels"),
    ("POST", r"/v1/projects/[^/]+/value:compute", "value"),
    ("POST", r"/v1/projects/[^/]+/table:computeFeatures", "computeFeatures"),
)


@dataclass
class Request:
    """A request as it arrived and what became of it."""

    method: str
    """One of faults.METHODS, or `unknown`."""
    path: str
    """Without the query."""
    started: float
    """Seconds on the monotonic clock."""
    concurrent: int
    """Computing requests in flight when it arrived, itself included."""
    workload_tag: str = ""
    authorised: bool = False
    """Whether it carried credentials (which are not kept)."""
    user_project: str = ""
    size: Size | None = None
    """Of a request for pixels that was understood."""
    status: int = 0
    """0 where the connection was dropped."""
    ended: float = 0


@dataclass
class Server:
    """A running stand-in."""

    url: str
    archive: FakeArchive
    limits: Limits
    faults: dict[str, list[Fault]]
    """Those still to come, by method."""
    token: str | None
    latency_s: float
    requests: list[Request] = field(default_factory=list)
    """Finished requests, in the order in which they ended."""
    peak_concurrent: int = 0
    in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, method: str) -> list[Request]:
        """Finished requests of a method, in the order in which they arrived."""
        return sorted((request for request in self.requests if request.method == method), key=lambda request: request.started)


@contextmanager
def serve(
    archive: FakeArchive,
    *,
    faults: Faults | None = None,
    limits: Limits = REAL_LIMITS,
    token: str | None = None,
    latency_s: float = 0,
) -> Iterator[Server]:
    """A stand-in on a free port of 127.0.0.1 until the block ends.

    `token`: the bearer token that requests must carry, else 401. `latency_s`: how long every computation takes at least.
    """
    unknown = set(faults or {}) - set(METHODS)
    if unknown:
        raise ValueError(f"Faults name the methods {sorted(unknown)}; known are {METHODS}.")
    httpd = _Listener(("127.0.0.1", 0), _Handler)
    url = f"http://127.0.0.1:{httpd.server_address[1]}"
    pending = {method: list(some) for method, some in (faults or {}).items()}
    httpd.stand_in = Server(url, archive, limits, pending, token, latency_s)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield httpd.stand_in
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


class _Listener(ThreadingHTTPServer):
    stand_in: Server
    daemon_threads = True
    block_on_close = False  # clients keep idle connections open
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body leave in one packet: two would wait 40 ms for each other
    server: _Listener

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr: requests are in Server.requests."""

    def _handle(self, verb: str) -> None:
        server, split = self.server.stand_in, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = _route(verb, unquote(split.path))
        method = found[0] if found else "unknown"
        with server.lock:
            server.in_flight += method in COMPUTING
            server.peak_concurrent = max(server.peak_concurrent, server.in_flight)
            fault = server.faults[method].pop(0) if server.faults.get(method) else None
            request = Request(method, unquote(split.path), time.monotonic(), server.in_flight)
        request.authorised = "Authorization" in self.headers
        request.user_project = self.headers.get("X-Goog-User-Project", "")
        try:
            code, kind, content = self._answer(request, fault, found, dict(parse_qsl(split.query)), body)
        finally:
            with server.lock:
                server.in_flight -= method in COMPUTING
        with server.lock:
            request.ended, request.status = time.monotonic(), 0 if fault and fault.kind == "drop" else code
            server.requests.append(request)
        self._send(code, kind, content, fault)

    def _answer(
        self, request: Request, fault: Fault | None, found: tuple[str, str] | None, query: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        server = self.server.stand_in
        try:
            if found is None:
                raise RefusedError(f"The requested URL {request.path} was not found on this server.", 404)
            _admit(server, request, self.headers.get("Authorization"), len(body))
            if fault and fault.kind == "status":
                raise RefusedError(fault.message, fault.code)
            time.sleep((server.latency_s if request.method in COMPUTING else 0) + (fault.seconds if fault else 0))
            return 200, *_content(server, request, found[1], query, json.loads(body or b"{}"))
        except RefusedError as refused:
            return refused.code, "application/json", _json(error_body(refused.message, refused.code))
        except Exception:  # a defect of the stand-in: 400, which the client does not retry
            return 400, "application/json", _json(error_body(f"The stand-in failed: {traceback.format_exc(limit=-3)}", 400))

    def _send(self, code: int, kind: str, content: bytes, fault: Fault | None) -> None:
        if fault and fault.kind == "drop":
            self.close_connection = True
            return
        sent = content[: len(content) // 2] if fault and fault.kind in {"truncate", "cut"} else content
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content if fault and fault.kind == "truncate" else sent)))
        self.end_headers()
        self.wfile.write(sent)
        self.close_connection = self.close_connection or bool(fault and fault.kind == "truncate")


def _route(verb: str, path: str) -> tuple[str, str] | None:
    """Method and the asset's name in the path."""
    for known, pattern, method in _ROUTES:
        match = re.fullmatch(pattern, path) if verb == known else None
        if match:
            return method, match.groupdict().get("name") or ""
    return None


def _admit(server: Server, request: Request, authorization: str | None, payload_bytes: int) -> None:
    """Refuse what Earth Engine refuses before it looks at the request."""
    if server.token is not None and request.method != "discovery" and authorization != f"Bearer {server.token}":
        raise RefusedError("Request had invalid authentication credentials. Expected OAuth 2 access token.", 401)
    if request.method in COMPUTING and request.concurrent > server.limits.concurrent:
        raise RefusedError(TOO_MANY, 429)
    if payload_bytes > server.limits.payload_bytes:
        raise RefusedError(f"Request payload size exceeds the limit: {server.limits.payload_bytes} bytes.")


def _content(server: Server, request: Request, name: str, query: dict[str, str], body: dict[str, Any]) -> tuple[str, bytes]:
    """Content type and body of a successful answer."""
    request.workload_tag = body.get("workloadTag", "")
    match request.method:
        case "computePixels":
            grid = requests.grid_of(body, server.limits)
            image = requests.image_of(body, server.archive)
            request.size = requests.size_of(image, grid, server.limits)
            return "application/octet-stream", requests.pixels(image, grid, body.get("fileFormat", ""))
        case "value":
            found: Any = requests.value(body, server.archive)
        case "computeFeatures":
            found = requests.features(body, server.archive)
        case "getAsset":
            found = assets.asset(server.archive, name)
        case "listAssets":
            found = assets.listing(server.archive, name, query)
        case "discovery":
            found = discovery_document(server.url)
        case _:
            return "application/json", algorithms()
    return "application/json", _json(found)


def _json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False).encode()
