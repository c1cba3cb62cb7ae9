"""The review page on the loopback address: pictures on demand, decisions by JSON POST from the page itself and nobody else.

Guards, as the server has no login: it listens on 127.0.0.1; the Host must be its own, so that no name that was bound to the
address reaches it; a POST needs the page's Origin, JSON, and the token that only the page holds; no GET changes anything.
"""

import json
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, TypeVar

from mining_platform import guards
from mining_platform.artifacts import ArtifactError
from mining_platform.reviews.chains import Link
from mining_platform.reviews.decisions import ReviewError
from mining_platform.reviews.shown import Shown
from mining_platform.zarr_arrays import ArrayError

HOST = "127.0.0.1"
LARGEST_BODY_BYTES = 16_384
IDLE_CONNECTION_S = 60
QUIET_S = 1.0  # without a decision before decisions are published, so that a version holds a run of them
POLL_S = 0.1

E = TypeVar("E", bound=Link)


class ReviewServer(ThreadingHTTPServer, Generic[E]):
    """One subject of review, served on the loopback address; port 0 takes a free one. OSError where the port is in use."""

    daemon_threads = True
    block_on_close = False  # an idle connection of a browser does not keep the server alive
    timeout = POLL_S

    def __init__(self, shown: Shown[E], port: int) -> None:
        self.shown = shown
        self.token = secrets.token_urlsafe(32)
        super().__init__((HOST, port), _Handler)
        names = (HOST, "localhost")
        self.hosts = {f"{name}:{self.server_port}" for name in names} | (set(names) if self.server_port == 80 else set())  # noqa: PLR2004 - HTTP
        self.taken: list[E] = []
        self.decided_at = 0.0

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.server_port}/"

    def take(self, told: dict[str, str]) -> E:
        """As `Shown.take`, for `serve` to publish."""
        entry = self.shown.take(told)
        self.taken.append(entry)
        self.decided_at = time.monotonic()
        return entry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell what went wrong with a connection, but not that a browser left early."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def serve(server: ReviewServer[E], publish: Callable[[Sequence[E]], None], ended: Callable[[], bool]) -> list[E]:
    """Answer requests until `ended`; `publish` gets the decisions of each run.

    Returns the decisions taken down. They are published before this returns.
    """
    published = 0
    try:
        while not ended():
            server.handle_request()
            if len(server.taken) > published and time.monotonic() - server.decided_at > QUIET_S:
                published = _published(server, publish, published)
    finally:
        server.server_close()
        _published(server, publish, published)
    return server.taken


def _published(server: ReviewServer[E], publish: Callable[[Sequence[E]], None], published: int) -> int:
    """Publish the decisions from number `published` on; how many are published now."""
    waiting = server.taken[published:]
    if waiting:
        publish(waiting)
    return published + len(waiting)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: ReviewServer[Any]
    protocol_version = "HTTP/1.1"
    server_version = "mining-platform"
    sys_version = ""
    timeout = IDLE_CONNECTION_S

    def do_GET(self) -> None:
        """The page, its pictures and the decisions in force; changes nothing."""
        if self._is_foreign():
            return
        folder, _, name = self.path.lstrip("/").partition("/")
        try:
            if self.path == "/favicon.ico":
                self._answer(b"", "image/x-icon", {}, HTTPStatus.NO_CONTENT)
            elif self.path == "/":
                page, policy = self.server.shown.page(self.server.token)
                self._answer(
                    page.encode(), "text/html; charset=utf-8", {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"}
                )
            elif self.path == "/decisions":
                self._answer_json(self.server.shown.decisions())
            else:
                self._answer_picture(folder, name.rpartition(".")[0])
        except (ReviewError, ArtifactError, ArrayError, OSError) as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def _answer_picture(self, folder: str, name: str) -> None:
        picture = self.server.shown.picture(folder, name)
        if picture is None:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")
            return
        kept = {"Cache-Control": "private, max-age=3600", "Content-Security-Policy": "default-src 'none'"}
        self._answer(picture.content, picture.media_type, kept)

    def do_POST(self) -> None:
        """Take one decision down."""
        if self._is_foreign() or self._is_not_the_page():
            return
        try:
            entry = self.server.take(self._body())
        except ReviewError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        except ArtifactError as error:  # the object store in which the log lies
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        self._answer_json(self.server.shown.described(entry))

    def _body(self) -> dict[str, str]:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            told = None
        fields = self.server.shown.fields
        if not isinstance(told, dict) or told.keys() != fields or not all(isinstance(value, str) for value in told.values()):
            raise ReviewError(f"A decision is a JSON object of the texts {', '.join(sorted(fields))}.")
        return told

    def _is_foreign(self) -> bool:
        """Refuse requests that name another host."""
        if guards.is_own_host(self.headers.get("Host", ""), self.server.hosts):
            return False
        self._refuse(HTTPStatus.FORBIDDEN, f"This server answers to {self.server.url} only.")
        return True

    def _is_not_the_page(self) -> bool:
        """Refuse what the page itself does not send."""
        length, token = self.headers.get("Content-Length", ""), self.headers.get("X-Review-Token", "")
        if self.path != "/decisions":
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")
        elif not guards.is_same_origin(self.headers.get("Origin", ""), self.headers["Host"]):
            self._refuse(HTTPStatus.FORBIDDEN, "Decisions are taken from the review page only.")
        elif self.headers.get_content_type() != guards.JSON:
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "A decision is sent as application/json.")
        elif not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "The page is of an earlier start of the server; load it again.")
        elif not length.isdecimal() or len(length) > len(str(LARGEST_BODY_BYTES)) or int(length) > LARGEST_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A decision is at most {LARGEST_BODY_BYTES:,} bytes.")
        else:
            return False
        return True

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True  # a body that was not read would be taken for the next request
        self._answer_json({"error": reason}, status)

    def _answer_json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._answer(json.dumps(value).encode(), "application/json", {}, status)

    def _answer(self, content: bytes, media_type: str, headers: dict[str, str], status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, text in {"Cache-Control": "no-store", **guards.HEADERS, **headers, "Content-Type": media_type}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is the person's."""
