"""Buckets of S3, Google and Azure, through obstore; the only place that knows it.

Credentials and endpoint come from the environment alone, in the names that the services' own tools use (`AWS_ACCESS_KEY_ID`,
`AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`, ...). Conditions on writes are `If-Match` and
`If-None-Match` (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html), of Google generations.
Answers 429 and 5xx, lost connections and timeouts are tried again, with growing pauses, a bounded number of times.

A process that used a bucket must not be forked: the client's threads would be gone in the child.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mining_platform.store.refs import ArtifactError, StoreUnreachable
from mining_platform.store.remote import Kept, Listed, Token

SCHEMES = ("s3", "gs", "az")
MAX_RETRIES = 4  # with pauses of 0.2, 0.4, 0.8 and 1.6 s and some jitter
RETRY_TIMEOUT = timedelta(seconds=60)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=200), timedelta(seconds=5)
CONNECT_TIMEOUT, REQUEST_TIMEOUT = timedelta(seconds=5), timedelta(seconds=120)
PART_BYTES = 8 * 2**20
"""Of a part of a large file, and of a piece that is read at a time: 10,000 parts, S3's limit, make 80 GB."""

_STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
_HTTP = re.compile(r"HTTP error: ([^\n]{1,120})")
_TLS_WORDS = "the endpoint has no TLS; set AWS_ALLOW_HTTP=true if that is meant"


@dataclass(frozen=True)
class Bucket:
    """An object store below one place; see `Remote` for what it promises."""

    place: str
    client: Any
    """An obstore client that is bound to the place."""

    def get(self, key: str) -> Kept | None:
        """See `Remote`."""
        import obstore

        try:
            found = obstore.get(self.client, key)
            return Kept(bytes(found.bytes()), _token(found.meta))
        except FileNotFoundError as error:
            self._require_bucket(error)
            return None
        except _failures() as error:
            raise self._unreachable(error) from None

    def chunks(self, key: str) -> Iterator[bytes] | None:
        """See `Remote`."""
        import obstore

        try:
            return self._pieces(iter(obstore.get(self.client, key).stream(min_chunk_size=PART_BYTES)))
        except FileNotFoundError as error:
            self._require_bucket(error)
            return None
        except _failures() as error:
            raise self._unreachable(error) from None

    def _require_bucket(self, error: FileNotFoundError) -> None:
        """StoreUnreachable where not an object is absent but the bucket, of which services say it with the same status."""
        if _NO_BUCKET.search(str(error)):
            raise self._unreachable(error)

    def _pieces(self, stream: Iterator[Any]) -> Iterator[bytes]:
        try:
            for piece in stream:
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

        try:
            return _token(obstore.put(self.client, key, content, mode=mode, chunk_size=PART_BYTES))
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
        return Bucket(place, from_url(place, retry_config=_retries(), client_options=_client_options()))
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


def _client_options() -> Any:
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    return {"connect_timeout": CONNECT_TIMEOUT, "timeout": REQUEST_TIMEOUT, "allow_http": allowed}
