"""A STAC API with its rasters on loopback, as STAC API 1.0 and RFC 9110 describe them, with faults on demand.

It serves the items and files of a static catalogue. Nothing of the platform is used here, so that agreement with it
means something.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import rasterio
from shapely.geometry import shape

CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#query",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]


@dataclass
class Fault:
    """What the server answers instead, so many times, to requests whose path matches."""

    path: str
    """Regular expression, matched anywhere in the path."""
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    body: bytes = b""
    breaks_off: bool = False
    """Send the true answer and close the connection in the middle of its body."""


@dataclass
class StacApi:
    """The server's state; tests change it while it runs."""

    folder: Path
    items: list[dict[str, Any]]
    url: str = ""
    page_items: int = 100
    careless: bool = False
    """Answer searches with every item, whatever was asked for."""
    repeats: bool = False
    """Give the first page again and again."""
    token: str | None = None
    """Query string without which files are refused."""
    token_lifetime: timedelta = timedelta(hours=1)
    ignores_ranges: bool = False
    validator: str = "strong"
    """What tells a file's version: `strong` or `weak` entity tag, `modified` time, or `none`. Conditions count with the first."""
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """`METHOD path?query` of every request."""
    searches: list[dict[str, Any]] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc

    def files_asked(self) -> list[str]:
        """Paths of the files that were asked for."""
        return [line.split()[1] for line in self.asked if " /files/" in line]


@contextmanager
def stac_api(catalogue: Path, **state: Any) -> Iterator[StacApi]:
    """Serve a static catalogue as an API on a free port of loopback."""
    folder = catalogue.parent
    api = StacApi(folder, [], **state)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    api.items = [_served(api, path) for path in sorted(folder.rglob("*.json")) if _is_item(path)]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


def write_sparse_giant(path: Path) -> None:
    """A GeoTIFF of 30,000 x 30,000 pixels (1.8 GB) in a file of 60 kB."""
    side, tiles = 30_000, {"tiled": True, "blockxsize": 512, "blockysize": 512, "sparse_ok": "TRUE", "compress": "deflate"}
    affine = rasterio.Affine(10, 0, 600_000, 0, -10, 9_300_000)
    raster = {"count": 1, "height": side, "width": side, "dtype": "uint16", "crs": "EPSG:32721", "transform": affine}
    with rasterio.open(path, "w", driver="GTiff", **raster, **tiles):
        pass


def _is_item(path: Path) -> bool:
    return json.loads(path.read_text())["type"] == "Feature"


def _served(api: StacApi, path: Path) -> dict[str, Any]:
    """An item with absolute hrefs."""
    item = json.loads(path.read_text())
    for asset in item["assets"].values():
        target = (path.parent / asset["href"]).resolve().relative_to(api.folder.resolve())
        asset["href"] = f"{api.url}/files/container/{target.as_posix()}"
    return item


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args: Any) -> None:
        """Clients may hang up; tests look at what they say themselves."""


class _Handler(BaseHTTPRequestHandler):
    api: StacApi
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the one before to be acknowledged

    def log_message(self, *_args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}"))

    def _serve(self, body: dict[str, Any]) -> None:
        self.api.asked.append(f"{self.command} {self.path}")
        parts = urlsplit(self.path)
        fault = next((fault for fault in self.api.faults if fault.times and re.search(fault.path, parts.path)), None)
        if fault:
            fault.times -= 1
            if not fault.breaks_off:
                self._send(fault.status, fault.body, fault.headers)
                return
        if parts.path.startswith("/files/"):
            self._file(parts.path.removeprefix("/files/container/"), parts.query, cut=fault is not None)
        elif parts.path.startswith("/token/"):
            expiry = (datetime.now(UTC) + self.api.token_lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._json({"msft:expiry": expiry, "token": self.api.token})
        elif parts.path == "/search":
            self.api.searches.append(body)
            self._json(self._page(body))
        elif parts.path in ("", "/"):
            self._json(self._landing())
        else:
            self._send(404, b"")

    def _landing(self) -> dict[str, Any]:
        links = [
            {"rel": "self", "href": self.api.url, "type": "application/json"},
            {"rel": "root", "href": self.api.url, "type": "application/json"},
            {"rel": "search", "href": f"{self.api.url}/search", "type": "application/geo+json", "method": "POST"},
        ]
        root = {"type": "Catalog", "id": "loopback", "stac_version": "1.0.0", "description": "Tests."}
        return {**root, "conformsTo": CONFORMS, "links": links}

    def _page(self, body: dict[str, Any]) -> dict[str, Any]:
        found = [item for item in self.api.items if self.api.careless or _matches(item, body)]
        start, size = int(body.get("token", 0)), min(self.api.page_items, int(body["limit"]))
        page: dict[str, Any] = {"type": "FeatureCollection", "features": found[start : start + size], "links": []}
        following = 0 if self.api.repeats else start + size
        if self.api.repeats or following < len(found):
            link = {"rel": "next", "href": f"{self.api.url}/search", "method": "POST", "body": {**body, "token": following}}
            page["links"].append(link)
        return page

    def _file(self, name: str, query: str, *, cut: bool) -> None:
        path = self.api.folder / name
        if self.api.token is not None and self.api.token != query:
            self._send(403, b"AuthenticationFailed")
        elif not path.is_file():
            self._send(404, b"BlobNotFound")
        elif self.api.ignores_ranges or "Range" not in self.headers:
            self._send(200, path.read_bytes())
        else:
            self._range(path, cut=cut)

    def _range(self, path: Path, *, cut: bool) -> None:
        content, changed_ns = path.read_bytes(), path.stat().st_mtime_ns
        etag = f'"{changed_ns}"'
        version = {
            "strong": {"ETag": etag},
            "weak": {"ETag": f"W/{etag}"},
            "modified": {"Last-Modified": formatdate(changed_ns // 10**9, usegmt=True)},
            "none": {},
        }[self.api.validator]
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1]
        if self.api.validator == "strong" and self.headers.get("If-Match", etag) != etag:
            self._send(412, b"")
        elif not part:
            self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            span = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
            self._send(206, part, {"Content-Range": span, **version}, cut=cut)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut


def _matches(item: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether an item belongs to a search, by collection, time, place and upper limits of properties."""
    limits = {name: limit["lte"] for name, limit in body.get("query", {}).items()}
    if any(item["properties"][name] > most for name, most in limits.items()):
        return False
    first, _, last = body["datetime"].partition("/")
    moment = item["properties"]["datetime"]
    in_time = first[:19] <= moment[:19] <= last[:19]
    return item["collection"] in body["collections"] and in_time and shape(item["geometry"]).intersects(shape(body["intersects"]))


def query_of(line: str) -> Mapping[str, list[str]]:
    """Query of a line of `StacApi.asked`."""
    return parse_qs(urlsplit(line.split()[1]).query)
