"""Files of a web service, read by ranges through checked sessions, and handed to GDAL as if they were local.

GDAL's own network reader would follow redirects to any host, keep signatures in its caches and remember a failure for the
life of the process; this one asks `network` before every request, signs late and starts afresh with every file.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import requests
from rasterio.abc import MultiByteRangeResourceContainer
from urllib3.exceptions import HTTPError

from mining_platform.sources.remote import signing
from mining_platform.sources.remote.network import (
    BACKOFF_S,
    MAX_TRIES,
    TIMEOUT_S,
    NetworkError,
    checked_url,
    session,
    without_query,
)

HEAD_BYTES = 32_768
"""Read first and kept: holds the header and the tile index of a scene's COG."""
MAX_HEADS = 1_024  # of which 32 MiB are kept at most
_BODY_TRIES = 3
_DENIED = (requests.codes.unauthorized, requests.codes.forbidden)
_GONE = (requests.codes.not_found, requests.codes.gone)
_BUSY = (requests.codes.too_many_requests, requests.codes.service_unavailable)


class RemoteError(ValueError):
    """A file of a service cannot be read; the message has no query string, and so no signature."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        """Whether the same may work later: the service is busy or out of order, or the file is just being replaced."""


@dataclass(frozen=True)
class _Head:
    """First bytes of a file, and what tells its version."""

    content: bytes
    size: int
    """Bytes of the whole file."""
    version: str
    """Entity tag, else the time of the last change (RFC 9110, section 8.8); empty where the service tells neither."""


_heads: OrderedDict[str, _Head] = OrderedDict()
_lock = threading.Lock()


class RemoteFile(MultiByteRangeResourceContainer):
    """One file as rasterio's `opener`. GDAL swallows what fails in it, so `failure` is to be raised after reading."""

    def __init__(self, url: str) -> None:
        """Ask for the file's head; RemoteError where it cannot be had."""
        self.url = url
        self.failure: RemoteError | None = None
        self._head = _kept_head(url)
        self.size_bytes = self._head.size

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this version of the file: `bytes`, and `etag` or `last_modified` where the service tells one."""
        return version_identity(self.size_bytes, self._head.version)

    def read_range(self, offset: int, count: int) -> bytes:
        """Bytes from `offset`, fewer only at the end of the file; after a failure, kept in `failure`, none at all."""
        count = min(count, self.size_bytes - offset)
        if count <= 0 or self.failure:
            return b""
        if offset + count <= len(self._head.content):
            return self._head.content[offset : offset + count]
        try:
            return _fetched(self.url, offset, count, self._head)[0]
        except RemoteError as error:
            _forget_head(self.url)
            self.failure = error
            return b""

    def open(self, path: str, mode: str = "rb", **_options: Any) -> "_Handle":  # noqa: ARG002 - there is one file
        """A new reading position."""
        return _Handle(self)

    def isfile(self, path: str) -> bool:  # noqa: D102, ARG002 - what rasterio's opener asks of a file system
        return True

    def isdir(self, path: str) -> bool:  # noqa: D102, ARG002
        return False

    def ls(self, path: str) -> list[str]:  # noqa: D102, ARG002
        return []

    def mtime(self, path: str) -> int:  # noqa: D102, ARG002
        return 0

    def rm(self, path: str) -> None:  # noqa: D102
        raise PermissionError(path)

    def size(self, path: str) -> int:  # noqa: D102, ARG002
        return self.size_bytes


class _Handle:
    """A reading position in a remote file, with the methods that rasterio calls."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._file.size_bytes)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, count: int = -1) -> bytes:
        content = self._file.read_range(self._position, self._file.size_bytes if count < 0 else count)
        self._position += len(content)
        return content

    def get_byte_ranges(self, offsets: list[int], sizes: list[int]) -> list[bytes]:
        return [self._file.read_range(offset, count) for offset, count in zip(offsets, sizes, strict=True)]

    def close(self) -> None:
        pass

    def __enter__(self) -> "_Handle":
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()


def version_identity(size: int | None, version: str) -> dict[str, Any]:
    """What tells a version of a file: `bytes`, and `etag` or `last_modified`, each where it is told."""
    kind = "etag" if version.startswith(('"', 'W/"')) else "last_modified"
    return {**({} if size is None else {"bytes": size}), **({kind: version} if version else {})}


def _kept_head(url: str) -> _Head:
    """The file's head, from the last MAX_HEADS that were read.

    Every range that is fetched later must be of the version of the head, so that a file is not read half old, half new. A
    file that is all head is fetched again for that; and nothing is kept of one whose version cannot be told.
    """
    with _lock:
        kept = _heads.get(url)
        if kept:
            _heads.move_to_end(url)
    if kept and len(kept.content) < kept.size:
        return kept
    try:
        _, head = _fetched(url, 0, HEAD_BYTES, kept)
    except RemoteError:
        _forget_head(url)
        raise
    _keep_head(url, head)
    return head


def _keep_head(url: str, head: _Head) -> None:
    if not head.version:
        return
    with _lock:
        _heads[url] = head
        while len(_heads) > MAX_HEADS:
            _heads.popitem(last=False)


def _forget_head(url: str) -> None:
    with _lock:
        _heads.pop(url, None)


def _fetched(url: str, offset: int, count: int, head: _Head | None) -> tuple[bytes, _Head]:
    """A range, and the head it would be; a broken answer is asked for again, a refused signature renewed once."""
    renewed = False
    for attempt in range(1, _BODY_TRIES + 1):
        place = _signed(url)
        try:
            with session().get(place, headers=_headers(offset, count, head), stream=True, timeout=TIMEOUT_S) as answer:
                if answer.status_code in _DENIED and not renewed and signing.forget(place):
                    renewed = True
                    continue
                _check_status(answer, renewed=renewed)
                return _body(answer, offset, count, head)
        except NetworkError as error:
            raise RemoteError(str(error)) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            if attempt == _BODY_TRIES:
                raise RemoteError(f"cannot be fetched: {without_query(str(error))}. Run it again later") from None
            sleep(BACKOFF_S * attempt)
    raise RemoteError("is refused whatever signature it gets. Run it again later")


def _signed(url: str) -> str:
    try:
        return signing.signed(checked_url(url))
    except (signing.SigningError, NetworkError) as error:
        raise RemoteError(str(error)) from None


def _headers(offset: int, count: int, head: _Head | None) -> dict[str, str]:
    wanted = {"Range": f"bytes={offset}-{offset + count - 1}", "Accept-Encoding": "identity"}
    return wanted | ({"If-Match": head.version} if head and head.version.startswith('"') else {})


def _check_status(answer: requests.Response, *, renewed: bool) -> None:
    """RemoteError for anything but the range that was asked for."""
    status, codes = answer.status_code, requests.codes
    if status == codes.partial_content:
        return
    if status in _GONE:
        raise RemoteError(f"is listed but missing (HTTP {status}). List the scenes again; the provider may have moved it")
    if status in _DENIED:
        tried = "although its signature is new" if renewed else "and needs no signature that is known"
        advice = "It may have been moved: list the scenes again, or use another provider or collection"
        raise RemoteError(f"may not be read (HTTP {status}), {tried}. {advice}")
    if status in _BUSY:
        raise RemoteError(f"is held back by a busy service (HTTP {status}, {MAX_TRIES} tries). Run it again later", passing=True)
    if status == codes.precondition_failed:
        raise RemoteError("changed while it was read (HTTP 412). Run it again", passing=True)
    if status == codes.requested_range_not_satisfiable:
        raise RemoteError("is empty or shorter than it was (HTTP 416). List the scenes again")
    if status == codes.ok:
        raise RemoteError("comes from a service that gives no parts of files (HTTP 200). Fetch it into a local archive")
    raise RemoteError(
        f"cannot be fetched (HTTP {status}). Run it again later", passing=status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _body(answer: requests.Response, offset: int, count: int, head: _Head | None) -> tuple[bytes, _Head]:
    """The bytes of an answer with a range; OSError where they break off or are not those that were asked for."""
    unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
    given, _, total = span.partition("/")
    if unit != "bytes" or not total.isdigit() or given.split("-")[0] != str(offset):
        raise RemoteError(f"comes with the range {span!r} where {offset} was asked for. Fetch it into a local archive")
    if head and int(total) != head.size:
        raise RemoteError(f"changed while it was read: {total} bytes where there were {head.size}. Run it again", passing=True)
    version = answer.headers.get("ETag") or answer.headers.get("Last-Modified", "")
    if head and version != head.version:
        raise RemoteError("changed while it was read: its entity tag or its time is another. Run it again", passing=True)
    expected = min(count, int(total) - offset)
    content: bytes = answer.raw.read(expected + 1, decode_content=False)
    if len(content) != expected:
        raise OSError(f"{len(content)} bytes came where {expected} were asked for")
    return content, _Head(content, int(total), version)


def file_name(url: str) -> str:
    """Last part of a URL's path."""
    return urlsplit(url).path.rpartition("/")[2]
