"""Signatures for files in buckets of one's own, which are read like public ones by their https address.

Addresses come out of region files and catalogues that others wrote, so nothing is asked with this machine's credentials but what
lies in a bucket that the environment lists. A signature allows one GET of one object for a quarter of an hour; it is made on this
machine when the file is read, so that tables, lineage and errors hold the plain address. The host has to be allowed as any other.
"""

import os
from datetime import timedelta
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from mining_platform.sources.remote.network import without_query
from mining_platform.store.buckets import Bucket, open_bucket
from mining_platform.store.refs import ArtifactError

SIGNED_VARIABLE = "MINING_PLATFORM_SIGNED_BUCKETS"
"""Environment variable with buckets whose files are signed: `s3://name`, `gs://name` separated by commas."""
LASTING = timedelta(minutes=15)
_ANY_KEY = "x"


class BucketSigningError(ValueError):
    """A listed bucket cannot be used; the message holds no secret."""


def signed(url: str) -> str | None:
    """The URL with a signature, where it is that of a file in a listed bucket; None where it is not.

    BucketSigningError where an entry of the variable is no bucket, or its credentials are missing.
    """
    for place in filter(None, map(str.strip, os.environ.get(SIGNED_VARIABLE, "").split(","))):
        base = _base(place)
        if url.startswith(base) and len(url) > len(base):
            return _sign(_bucket(place), unquote(urlsplit(url).path.removeprefix(urlsplit(base).path)))
    return None


def _base(place: str) -> str:
    """The https address of a bucket, a slash at its end."""
    return without_query(_sign(_bucket(place), _ANY_KEY)).removesuffix(_ANY_KEY)


@lru_cache(maxsize=16)
def _bucket(place: str) -> Bucket:
    try:
        return open_bucket(place)
    except ArtifactError as error:
        raise BucketSigningError(f"{SIGNED_VARIABLE}: {error}") from None


def _sign(bucket: Bucket, key: str) -> str:
    from obstore import sign
    from obstore.exceptions import BaseError

    try:
        return sign(bucket.client, "GET", key, LASTING)
    except (BaseError, ValueError, TypeError) as error:
        kind = type(error).__name__
        raise BucketSigningError(f"{bucket.place} gives no signature ({kind}). Set its credentials in the environment.") from None
