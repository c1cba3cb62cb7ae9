"""Buckets of S3, Google and Azure, through obstore; the only place that knows it.

Credentials and endpoint come from the environment alone, in the names that the services' own tools use (`AWS_ACCESS_KEY_ID`,
`AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`, ...). Conditions on writes are `If-Match` and
`If-None-Match` (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html), of Google generations.
Answers 429 and 5xx, lost connections and timeouts are tried again, with growing pauses, a bounded number of times. What bounds
a request is how long nothing moves, and how long a part of a file takes: a version may take as long as its size needs.

A process that used a bucket must not be forked: the client's threads would be gone in the child.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mining_platform.store.refs import ArtifactError, StoreUnreachable
from mining_platform.store.remote import Kept, Listed, Token

SCHEMES = ("s3", "gs", "az")
MAX_RETRIES = 4  # with pauses of 0.2, 0.4, 0.8 and 1.6 s and some jitter
FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=200), timedelta(seconds=5)
CONNECT_TIMEOUT = timedelta(seconds=5)
STALL_TIMEOUT = timedelta(seconds=30)
"""Without a byte of the answer, which includes the time that a small content takes to be sent."""
REQUEST_TIMEOUT = timedelta(seconds=240)
"""Of a part that is sent or read: eight at once, 64 MB, need a line of 2.3 Mbit/s."""
RETRY_TIMEOUT = timedelta(seconds=300)
"""After this nothing is tried again; longer than one request, and as short as credentials may live."""
PART_BYTES = 8 * 2**20
"""Of a large file, that is sent or read by a request of its own: 10,000 parts, S3's limit, make 80 GB."""
PARTS_AT_ONCE = 1  # of a file: several files travel at the same time, and each part that does so is in memory
PIECE_BYTES = 2**20  # of a part, handed on while the rest is on its way

_STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)")
_BEYOND_ITS_END = re.compile(r"status code: 416|Invalid range")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
_HTTP = re.compile(r"HTTP error: ([^\n]{1,120})")
_TLS_WORDS = "the endpoint has no TLS; set AWS_ALLOW_HTTP=true if that is meant"


@dataclass(frozen=True)
class Bucket:
    """An object store below one place; see `Remote` for what it promises."""

    place: str
    client: Any
    """An obstore client that is bound to the place."""
    sender: Any = field(default=None, kw_only=True)
    """A client for large files, which waits for the answer until a part is sent; None for `client`."""

    def get(self, key: str) -> Kept | None:
        """See `Remote`."""
        found = self._ask(key)
        return None if found is None else Kept(b"".join(self._received(found)), _token(found.meta))

    def chunks(self, key: str, size: int) -> Iterator[bytes] | None:
        """See `Remote`."""
        found = self._ask(key, None if size <= PART_BYTES else 0)
        return None if found is None else self._pieces(key, found)

    def _pieces(self, key: str, found: Any) -> Iterator[bytes]:
        """An object from the part that was answered on; where it goes meanwhile it ends."""
        size = found.meta["size"]
        while found is not None:
            end = found.range[1]
            yield from self._received(found)
            found = self._ask(key, end) if end < size else None

    def _ask(self, key: str, start: int | None = None) -> Any | None:
        """The answer for an object, or for its part from `start` on, of which the content is still to come; None without one."""
        import obstore

        part = None if start is None else (start, start + PART_BYTES)
        try:
            return obstore.get(self.client, key, options=None if part is None else {"range": part})
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):  # services say with the same status that the bucket is absent
                raise self._unreachable(error) from None
            return None
        except _failures() as error:
            if part and _BEYOND_ITS_END.search(str(error)):
                return self._ask(key)
            raise self._unreachable(error) from None

    def _received(self, found: Any) -> Iterator[bytes]:
        try:
            for piece in found.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)
        except _failures() as error:
            raise self._unreachable(error) from None

    def put(self, key: str, content: Path | bytes) -> None:
        """See `Remote`."""
        self._put(key, content, "overwrite")

    def put_new(self, key: str, content: bytes) -> Token | None:
        """See `Remote`."""
        return self._put(key, content, "create") or self._own(key, content)

    def swap(self, key: str, content: bytes, token: Token) -> Token | None:
        """See `Remote`."""
        return self._put(key, content, dict(token)) or self._own(key, content)

    def _put(self, key: str, content: Path | bytes, mode: Any) -> Token | None:
        """The object's new state; None where the condition did not hold."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        client = self.sender if self.sender is not None and isinstance(content, Path) else self.client
        try:
            done = obstore.put(client, key, content, mode=mode, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
            return _token(done)
        except (AlreadyExistsError, PreconditionError):
            return None
        except _failures() as error:
            raise self._unreachable(error) from None

    def _own(self, key: str, content: bytes) -> Token | None:
        kept = self.get(key)
        return kept.token if kept and kept.content == content else None

    def folders(self, prefix: str) -> list[str]:
        """See `Remote`."""
        import obstore

        try:
            found = obstore.list_with_delimiter(self.client, prefix or None)["common_prefixes"]
        except _failures() as error:
            raise self._unreachable(error) from None
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def list(self, prefix: str) -> Iterator[Listed]:
        """See `Remote`."""
        import obstore

        try:
            for batch in obstore.list(self.client, prefix):
                yield from (Listed(each["path"], each["size"]) for each in batch)
        except _failures() as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: BaseException) -> StoreUnreachable:
        return StoreUnreachable(
            f"The artifact store {self.place} {_cause(error)}. Nothing was changed by this request. "
            "Check the address, the network and the credentials in the environment, and run again."
        )


def _failures() -> tuple[type[BaseException], ...]:
    """What obstore raises for all that is no plain absence of an object."""
    from obstore.exceptions import BaseError

    return (BaseError, ValueError, OSError)


def _token(told: Any) -> Token:
    return {name: told[name] for name in ("e_tag", "version") if told.get(name) is not None}


def _cause(error: BaseException) -> str:
    """What went wrong, in words that hold no URL, header or answer of the service, where secrets may be."""
    told = str(error)
    if _NO_BUCKET.search(told):
        return "has no such bucket"
    if status := _STATUS.search(told):
        return f"answered {status[1].strip()}"
    if "BadScheme" in told:
        return f"was not asked: {_TLS_WORDS}"
    kind = _HTTP.search(told)
    return f"cannot be reached ({kind[1].strip() if kind and '://' not in kind[1] else type(error).__name__})"


def open_bucket(url: str) -> Bucket:
    """The store at `s3://bucket/prefix`, `gs://…` or `az://container/prefix`; no request is made yet.

    Raises ArtifactError for another address, one with a secret in it, and where obstore is not installed or lacks settings.
    """
    place = checked_address(url)
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise ArtifactError(f"{place} needs the package obstore. Install it: pip install 'mining-platform[cloud]'.") from None
    try:
        reading, sending = (from_url(place, retry_config=_retries(), client_options=each) for each in _client_options())
        return Bucket(place, reading, sender=sending)
    except (BaseError, ValueError) as error:
        told = str(error).partition("\n")[0]
        raise ArtifactError(f"{place} cannot be opened ({told}). Set what is missing in the environment and run again.") from None


def checked_address(url: str) -> str:
    """An address without a slash at its end; ArtifactError where it is none of a bucket, or holds what belongs elsewhere."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ArtifactError(
            "The address of an artifact store holds a user, a query or a fragment. Credentials come from the environment."
        )
    if parts.scheme not in SCHEMES or not parts.hostname or {"..", "."} & set(parts.path.split("/")):
        known = ", ".join(f"{each}://bucket/prefix" for each in SCHEMES)
        raise ArtifactError(f"{url!r} is no address of an artifact store. Known are {known}.")
    return url.rstrip("/")


def _retries() -> Any:
    backoff = {"init_backoff": FIRST_PAUSE, "max_backoff": LONGEST_PAUSE, "base": 2}
    return {"max_retries": MAX_RETRIES, "retry_timeout": RETRY_TIMEOUT, "backoff": backoff}


def _client_options() -> tuple[Any, Any]:
    """Of the client for all that is small or read, and of the one that sends large files.

    The client counts the time in which a request is sent as waiting for its answer, so that one alone would give up a part on a
    slow line, or wait as long for a pointer as for a part.
    """
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    sending = {"connect_timeout": CONNECT_TIMEOUT, "timeout": REQUEST_TIMEOUT, "allow_http": allowed}
    return {**sending, "read_timeout": STALL_TIMEOUT}, sending
