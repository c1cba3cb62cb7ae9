"""Signatures of the Planetary Computer: its rasters lie in Azure blob storage and open with a token of less than an hour.

https://planetarycomputer.microsoft.com/docs/concepts/sas. Addresses are signed when a raster is read, never before, so
that tables, lineage and errors hold the plain ones.
"""

import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests

from mining_platform.sources.remote import bucket_signing
from mining_platform.sources.remote.network import TIMEOUT_S, NetworkError, session, without_query

TOKEN_URL = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
"""`/<account>/<container>` gives a token as JSON, without an account of one's own."""
BLOB_HOST = re.compile(r"([a-z0-9]{3,24})\.blob\.core\.windows\.net")  # group 1: storage account
_CONTAINER = re.compile(r"/([a-z0-9-]{3,63})/")
_SIGNATURES = frozenset({"sig", "signature", "x-amz-signature", "x-goog-signature"})  # Azure, CloudFront, S3, GCS
MARGIN = timedelta(minutes=1)
"""A token this near to its end is not used any more."""


class SigningError(ValueError):
    """The service gives no token; the message has none either."""


@dataclass(frozen=True)
class _Token:
    query: str = field(repr=False)
    expires: datetime


_tokens: dict[tuple[str, str], _Token] = {}
_lock = threading.Lock()


def signed(url: str) -> str:
    """The URL with a token that holds for another MARGIN, where its host wants one; else the URL itself.

    One token serves a container and all threads until it runs out. SigningError where there is none to be had. Files of buckets
    of one's own are signed by `bucket_signing`.
    """
    try:
        own = bucket_signing.signed(url)
    except bucket_signing.BucketSigningError as error:
        raise SigningError(str(error)) from None
    if own is not None:
        return own
    blob = _blob(url)
    if blob is None:
        return url
    with _lock:
        token = _tokens.get(blob)
        if token is None or token.expires - MARGIN <= datetime.now(UTC):
            token = _tokens[blob] = _fetched(*blob)
    return f"{url}{'&' if urlsplit(url).query else '?'}{token.query}"


def unsigned(url: str) -> str:
    """The URL without its query, where that holds a signature: one that runs out, and that no table may keep."""
    names = {pair.partition("=")[0].lower() for pair in urlsplit(url).query.split("&")}
    return without_query(url) if names & _SIGNATURES else url


def forget(used: str) -> bool:
    """Drop the token that a refused URL carries, so that the next one is new; False where the URL carries none."""
    blob = _blob(used)
    if blob is None:
        return False
    with _lock:
        if blob in _tokens and used.endswith(_tokens[blob].query):
            del _tokens[blob]
    return True


def _blob(url: str) -> tuple[str, str] | None:
    """Storage account and container of a URL of blob storage."""
    parts = urlsplit(url)
    host, container = BLOB_HOST.fullmatch(parts.hostname or ""), _CONTAINER.match(parts.path)
    return (host.group(1), container.group(1)) if host and container else None


def _fetched(account: str, container: str) -> _Token:
    place = f"{TOKEN_URL}/{account}/{container}"
    try:
        answer = session().get(place, timeout=TIMEOUT_S)
    except (requests.RequestException, NetworkError) as error:
        raise _no_token(place, without_query(str(error))) from None
    if answer.status_code != requests.codes.ok:
        raise _no_token(place, f"it answers HTTP {answer.status_code}")
    try:
        told = answer.json()
        return _Token(str(told["token"]), datetime.fromisoformat(told["msft:expiry"]).astimezone(UTC))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _no_token(place, "its answer is no token") from None


def _no_token(place: str, problem: str) -> SigningError:
    return SigningError(f"no signature from {place}: {problem}. Run it again later, or use the provider earth-search")
