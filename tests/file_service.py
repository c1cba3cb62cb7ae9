"""A service of files on loopback: entity tags, ranges, HEAD, and failures in the order in which they are to come."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FileService:
    """The server's state; tests change it while it runs."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By path, with its first slash."""
    statuses: list[int] = field(default_factory=list)
    """Answers to the next requests instead of files; 0 closes the connection without any."""
    knows_head: bool = True
    asked: list[str] = field(default_factory=list)
    """`METHOD path` of every request."""
    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """Headers and body of every POST that was taken."""

    @property
    def host(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")


@contextmanager
def file_service() -> Iterator[FileService]:
    """A service on a free port of loopback."""
    service = FileService()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": service}))
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args: Any) -> None:
        """Clients may hang up; tests look at what they say themselves."""


class _Handler(BaseHTTPRequestHandler):
    service: FileService
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        if self.service.knows_head:
            self._serve()
        else:
            self._answer(405, b"")

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._fails():
            self.service.posted.append((dict(self.headers), body))
            self._answer(200, b"ok")

    def _fails(self) -> bool:
        self.service.asked.append(f"{self.command} {self.path}")
        status = self.service.statuses.pop(0) if self.service.statuses else None
        if status == 0:
            self.close_connection = True
        elif status is not None:
            self._answer(status, b"")
        return status is not None

    def _serve(self) -> None:
        if self._fails():
            return
        content = self.service.files.get(self.path)
        if content is None:
            self._answer(404, b"")
            return
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        span = self.headers.get("Range", "").removeprefix("bytes=")
        if not span:
            self._answer(200, content, {"ETag": etag})
            return
        first, last = (int(each) for each in span.split("-"))
        part = content[first : last + 1]
        self._answer(206, part, {"ETag": etag, "Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
