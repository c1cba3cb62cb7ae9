"""One connection to Earth Engine a process: credentials, requests, retries, limits.

What is configured comes from the environment alone, so that nothing of it gets into run configuration, logs or metadata:

    MINING_PLATFORM_EARTH_ENGINE_PROJECT   the Google Cloud project that requests are counted to
    MINING_PLATFORM_EARTH_ENGINE_KEY       a service account's JSON key file; else the file that
                                           GOOGLE_APPLICATION_CREDENTIALS names, else what `earthengine authenticate` stored
    MINING_PLATFORM_EARTH_ENGINE_URL       another endpoint than the high-volume one; on loopback, without credentials

Limits: https://developers.google.com/earth-engine/guides/usage.
"""

import ipaddress
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

PROJECT_VARIABLE = "MINING_PLATFORM_EARTH_ENGINE_PROJECT"
KEY_VARIABLE = "MINING_PLATFORM_EARTH_ENGINE_KEY"
DEFAULT_KEY_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
URL_VARIABLE = "MINING_PLATFORM_EARTH_ENGINE_URL"
HIGH_VOLUME_URL = "https://earthengine-highvolume.googleapis.com"
LOOPBACK_PROJECT = "loopback"

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

_REASON_LENGTH = 300
_TOO_LARGE = ("memory limit exceeded", "memory capacity exceeded", "timed out")
"""What the service says of a computation that may work on fewer pixels; guide Debugging."""

_REMEDIES = {
    HTTPStatus.FORBIDDEN: (
        "forbids it",
        f"Register the project of {PROJECT_VARIABLE} for Earth Engine, and give the account a role in it that may use it.",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: (
        f"still has too many requests after {ATTEMPTS} attempts",
        f"Wait and run it again, or run less beside it: a project may have {MAX_IN_FLIGHT} requests in flight.",
    ),
}

_CONNECTING = threading.Lock()
_IN_FLIGHT = threading.BoundedSemaphore(MAX_IN_FLIGHT)

Answer = TypeVar("Answer")


class EarthEngineError(Exception):
    """Earth Engine did not answer as asked; what happened and what to do, without secrets."""

    def __init__(self, problem: str, remedy: str, *, too_large: bool = False) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.too_large = too_large
        """Whether the same may work on fewer pixels."""


@dataclass(frozen=True)
class Settings:
    """What a connection is made of, as the environment says."""

    url: str
    project: str | None
    key_file: str | None
    """Path of a service account's key; its content is not kept."""
    default_key_file: str | None
    """Path of the key of any kind of account that all of Google's libraries use."""

    @property
    def loopback(self) -> bool:
        """Whether the endpoint is on this machine, where no credentials are sent."""
        host = urlsplit(self.url).hostname or ""
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def ask(question: Callable[[Any], Answer]) -> Answer:
    """What a function of the connected module `ee` returns; may be called from several threads at once.

    EarthEngineError where the service cannot be reached, refuses the credentials or the request, or stays busy.
    """
    import ee
    from google.auth.exceptions import GoogleAuthError
    from googleapiclient.errors import Error

    try:
        return question(_connected())
    except GoogleAuthError:
        raise _rejected_credentials() from None
    except (ee.EEException, Error, OSError) as error:
        raise _explained(error) from None


def wait_s(attempt: int, chance: float) -> float:
    """Seconds to wait before an attempt (the second is 1), where `chance` lies in 0 to 1."""
    return FIRST_WAIT_S * 2.0 ** (attempt - 1) * (0.5 + chance)


def _connected() -> Any:
    """The module `ee`, initialised once for the settings of the environment."""
    import ee

    with _CONNECTING:
        if not ee.data.is_initialized():
            _initialise.cache_clear()
        _initialise(_settings())
    return ee


@lru_cache(maxsize=1)
def _initialise(settings: Settings) -> None:
    import ee

    credentials, own_project = _credentials(settings)
    project = settings.project or own_project
    if not project:
        remedy = f"Set {PROJECT_VARIABLE} to a project registered for Earth Engine."
        raise EarthEngineError("no Google Cloud project is named", remedy)
    ee.data.setMaxRetries(0)
    ee.Initialize(credentials, url=settings.url, project=project, http_transport=_Transport())


def _settings() -> Settings:
    named = {name: os.environ.get(name) or None for name in (URL_VARIABLE, PROJECT_VARIABLE, KEY_VARIABLE, DEFAULT_KEY_VARIABLE)}
    url = named[URL_VARIABLE] or HIGH_VOLUME_URL
    settings = Settings(url.rstrip("/"), named[PROJECT_VARIABLE], named[KEY_VARIABLE], named[DEFAULT_KEY_VARIABLE])
    parts = urlsplit(url)
    if parts.username or parts.query or not (parts.scheme == "https" or (parts.scheme == "http" and settings.loopback)):
        problem = f"{URL_VARIABLE} is not an https URL without user and query"
        raise EarthEngineError(problem, f"Mend it, or unset it to use {HIGH_VOLUME_URL}.")
    return settings


def _credentials(settings: Settings) -> tuple[Any, str | None]:
    """Credentials and the project they belong to: none on loopback, else as the module's docstring says."""
    import ee
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2.service_account import Credentials

    if settings.loopback:
        return AnonymousCredentials(), LOOPBACK_PROJECT
    try:
        if settings.key_file:
            account = Credentials.from_service_account_file(settings.key_file, scopes=ee.oauth.SCOPES)
            return account, account.project_id
        if settings.default_key_file:
            return google.auth.default(scopes=ee.oauth.SCOPES)
        stored = ee.data.get_persistent_credentials()
        return stored, stored.quota_project_id
    except (GoogleAuthError, ValueError, LookupError, TypeError, AttributeError, OSError, ee.EEException):
        raise _no_credentials(settings) from None


def _no_credentials(settings: Settings) -> EarthEngineError:
    if settings.key_file:
        problem = f"the file that {KEY_VARIABLE} names is no JSON key of a service account"
        return EarthEngineError(problem, "Download the key from Google Cloud, IAM, Service accounts.")
    if settings.default_key_file:
        problem = f"the file that {DEFAULT_KEY_VARIABLE} names holds no credentials"
        return EarthEngineError(problem, f"Mend it, or set {KEY_VARIABLE} to the key file of a service account.")
    remedy = f"Run `earthengine authenticate`, or set {KEY_VARIABLE} to the key file of a service account."
    return EarthEngineError("no usable credentials for Earth Engine are found", remedy)


def _rejected_credentials() -> EarthEngineError:
    problem = "the credentials are rejected: they are expired, revoked or not meant for Earth Engine"
    return EarthEngineError(problem, f"Run `earthengine authenticate` anew, or renew the key file of {KEY_VARIABLE}.")


def _explained(error: Exception) -> EarthEngineError:
    """The error of a call, told by its HTTP status and the service's own words."""
    from googleapiclient.errors import HttpError

    answer = error if isinstance(error, HttpError) else error.__context__
    if isinstance(answer, HttpError):
        return _explained_status(int(answer.resp.status), _short(str(answer.reason)))
    if isinstance(error, OSError):
        problem = f"Earth Engine cannot be reached in {ATTEMPTS} attempts ({type(error).__name__})"
        return EarthEngineError(problem, f"Check the network, and {URL_VARIABLE} if it is set.")
    problem = f"Earth Engine's client gives up ({_short(str(error))})"
    return EarthEngineError(problem, "Run it again, and mend the request if that does not help.")


def _explained_status(status: int, said: str) -> EarthEngineError:
    if status == HTTPStatus.UNAUTHORIZED:
        return _rejected_credentials()
    if status in _REMEDIES:
        problem, remedy = _REMEDIES[HTTPStatus(status)]
        return EarthEngineError(f"Earth Engine {problem} ({said})", remedy)
    if status in REPEATED:
        problem = f"Earth Engine still fails after {ATTEMPTS} attempts (status {status}: {said})"
        return EarthEngineError(problem, "Run it again later.")
    too_large = any(words in said.lower() for words in _TOO_LARGE)
    missing = status == HTTPStatus.NOT_FOUND or "not found" in said
    remedy = "Check its id, and whether the account may read it." if missing else "Ask for fewer scenes, bands or pixels."
    return EarthEngineError(f"Earth Engine refuses (status {status}: {said})", remedy, too_large=too_large)


def _short(text: str) -> str:
    return text if len(text) <= _REASON_LENGTH else f"{text[:_REASON_LENGTH]} …"


class _Transport:
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
