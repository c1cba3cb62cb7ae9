"""Requests to Earth Engine: not too many at once, repeated where that may help.

Limits: https://developers.google.com/earth-engine/guides/usage.
"""

import random
import threading
import time
from typing import Any

MAX_IN_FLIGHT = 40
"""Requests at once, of this process: the service's limit a project."""
ATTEMPTS = 6
"""How often a request is sent before it is given up; the client library itself does not repeat any."""
FIRST_WAIT_S = 1.0
"""Wait before the second attempt; it doubles, half to one and a half times by chance: 31 s in all, 47 s at most."""
TIMEOUT_S = 330.0
"""Silence after which a connection counts as dropped; the service stops computing an answer after 5 minutes."""
REPEATED = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses that may go away: too many requests, and trouble of the server."""

_IN_FLIGHT = threading.BoundedSemaphore(MAX_IN_FLIGHT)


def wait_s(attempt: int, chance: float) -> float:
    """Seconds to wait before an attempt (the second is 1), where `chance` lies in 0 to 1."""
    return FIRST_WAIT_S * 2.0 ** (attempt - 1) * (0.5 + chance)


class Transport:
    """HTTP for the client library: as many connections as may be in flight, and repeated attempts.

    Stands where it expects an `httplib2.Http`, which threads cannot share.
    """

    def __init__(self) -> None:
        from requests import Session
        from requests.adapters import HTTPAdapter

        self._session = Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=MAX_IN_FLIGHT))

    def request(self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_ignored: Any) -> tuple[Any, bytes]:
        """The answer to a request as (httplib2.Response, content), whatever its status; ConnectionError if there is none."""
        import httplib2

        response = self._attempt(method, uri, body, headers)
        for attempt in range(1, ATTEMPTS):
            if response is not None and response.status_code not in REPEATED:
                break
            time.sleep(wait_s(attempt, random.random()))
            response = self._attempt(method, uri, body, headers)
        if response is None:
            raise ConnectionError("no answer")
        return httplib2.Response({**response.headers, "status": response.status_code}), response.content

    def _attempt(self, method: str, uri: str, body: Any, headers: Any) -> Any:
        """A whole answer, or None where the connection failed or was dropped."""
        from requests.exceptions import ChunkedEncodingError, ConnectionError, Timeout

        try:
            with _IN_FLIGHT:
                return self._session.request(method, uri, data=body, headers=headers, timeout=TIMEOUT_S)
        except (ChunkedEncodingError, ConnectionError, Timeout):
            return None
