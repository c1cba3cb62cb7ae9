"""Whether a file of a service is there, and in which edition, without reading it: for looks that may not take long."""

from http import HTTPStatus
from typing import Any

import requests
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from mining_platform.sources.remote.files import version_identity
from mining_platform.sources.remote.network import BACKOFF_S, CheckedAdapter, NetworkError, guarded_session

PROBE_TIMEOUT_S = (5.0, 10.0)  # to connect, between two packets
PROBE_TRIES = 2
_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.FORBIDDEN)
"""Google Cloud Storage answers 403 for a file that is absent from a bucket which may not be listed."""
_NO_HEAD = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


class ProbeError(ValueError):
    """A service does not tell; the message has no query string, and so no signature."""


def edition_of(url: str) -> dict[str, Any] | None:
    """What tells the edition of a file, as `files.RemoteFile.identity`; None where there is no such file for us.

    Asks by HEAD, and for the first byte where a service knows no HEAD. ProbeError where an address may not be reached, the
    service does not answer, or answers anything else.
    """
    try:
        with probing_session() as session, _asked(session, url) as answer:
            return _told(answer)
    except NetworkError as error:
        raise ProbeError(f"{error.problem}. {error.remedy}") from None
    except (requests.RequestException, HTTPError, OSError) as error:
        raise ProbeError(f"the service does not answer ({type(error).__name__})") from None


def probing_session() -> requests.Session:
    """A checked session that soon gives up."""
    session = guarded_session()
    retries = Retry(total=PROBE_TRIES - 1, backoff_factor=BACKOFF_S, allowed_methods=None, raise_on_status=False)
    for scheme in ("https://", "http://"):
        session.mount(scheme, CheckedAdapter(max_retries=retries))
    return session


def _asked(session: requests.Session, url: str) -> requests.Response:
    plain = {"Accept-Encoding": "identity"}
    answer = session.head(url, headers=plain, timeout=PROBE_TIMEOUT_S, allow_redirects=True)
    if answer.status_code not in _NO_HEAD:
        return answer
    return session.get(url, headers={**plain, "Range": "bytes=0-0"}, stream=True, timeout=PROBE_TIMEOUT_S)


def _told(answer: requests.Response) -> dict[str, Any] | None:
    if answer.status_code in _ABSENT:
        return None
    if answer.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise ProbeError(f"the service answers HTTP {answer.status_code}")
    length = answer.headers.get("Content-Range", "").rpartition("/")[2] or answer.headers.get("Content-Length", "")
    version = answer.headers.get("ETag") or answer.headers.get("Last-Modified", "")
    if not length.isdigit() and not version:
        raise ProbeError("the service tells neither size nor entity tag nor time of the file")
    return version_identity(int(length) if length.isdigit() else None, version)
