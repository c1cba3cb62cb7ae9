"""Requests to Earth Engine: not too many at once, repeated where that may help, and sent nowhere else.

A request carries a token of the account, and signing in carries more: what a key signs, or a client's secret. So each address
is checked before it is asked, the connection once more, and an answer that sends a request on to another host is refused.

Limits: https://developers.google.com/earth-engine/guides/usage.
"""

import random
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from mining_platform.sources.remote.network import MAX_REDIRECTS, CheckedAdapter, NetworkError, checked_url

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
SIGN_IN_HOSTS: Mapping[str, str] = MappingProxyType(
    {
        "oauth2.googleapis.com": "tokens for service accounts and logins",
        "accounts.google.com": "the same, in key files of before 2018",
        "www.googleapis.com": "the same, in key files of before 2018",
        "sts.googleapis.com": "tokens for identities of other providers",
        "iamcredentials.googleapis.com": "tokens for a service account that another account acts as",
        "cloudresourcemanager.googleapis.com": "the project of an identity of another provider",
    }
)
"""Hosts of Google that give tokens; a key file names the one to ask (`token_uri`). The endpoint is asked beside them."""

_IN_FLIGHT = threading.BoundedSemaphore(MAX_IN_FLIGHT)


def wait_s(attempt: int, chance: float) -> float:
    """Seconds to wait before an attempt (the second is 1), where `chance` lies in 0 to 1."""
    return FIRST_WAIT_S * 2.0 ** (attempt - 1) * (0.5 + chance)


class Transport:
    """HTTP for the client library: as many connections as may be in flight, and repeated attempts.

    Stands where it expects an `httplib2.Http`, which threads cannot share.
    """

    def __init__(self, url: str, *, on_loopback: bool = False) -> None:
        """For an endpoint; only one on loopback may be asked without encryption."""
        self._session = _Session(url, on_loopback=on_loopback)

    def request(self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_ignored: Any) -> tuple[Any, bytes]:
        """The answer to a request as (httplib2.Response, content), whatever its status; ConnectionError if there is none.

        NetworkError where the address, or one that an answer sends the request on to, is not to be asked.
        """
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


class _Session(requests.Session):
    """Asks an endpoint, SIGN_IN_HOSTS and hosts that the environment lists; adds no passwords, not even those of ~/.netrc."""

    def __init__(self, url: str, *, on_loopback: bool) -> None:
        super().__init__()
        self.auth = lambda request: request
        self.max_redirects = MAX_REDIRECTS
        self._endpoint = _origin(url)
        for scheme in ("https://", "http://"):
            self.mount(scheme, CheckedAdapter(pool_maxsize=MAX_IN_FLIGHT))
        if on_loopback:
            self.mount(f"{url}/", HTTPAdapter(pool_maxsize=MAX_IN_FLIGHT))

    def get_adapter(self, url: str) -> BaseAdapter:
        return super().get_adapter(url if _origin(url) == self._endpoint else checked_url(url, SIGN_IN_HOSTS))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer sends the request on to, on the same host; NetworkError for another: it would be given the token."""
        target = super().get_redirect_target(resp)
        here, there = _origin(resp.url), _origin(target or "", resp.url)
        if target is not None and here != there:
            problem = f"{_shown(here)} sends requests on to {_shown(there)}, which is not to get what they hold"
            raise NetworkError(problem, "Check the network and its proxies, and MINING_PLATFORM_EARTH_ENGINE_URL if it is set.")
        return target


_Origin = tuple[str, str | None, int | None]


def _origin(url: str, base: str = "") -> _Origin:
    """Scheme, host and port of a URL, which may be relative to another; those of nobody where it is not well-formed."""
    try:
        parts = urlsplit(urljoin(base, url))
        return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", None, None


def _shown(origin: _Origin) -> str:
    _, host, port = origin
    return f"{host}:{port}" if host and port else host or "nowhere"
