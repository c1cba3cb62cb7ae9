"""One connection to Earth Engine a process: its settings, credentials, and errors in words.

What is configured comes from the environment alone, so that nothing of it gets into run configuration, logs or metadata:

    MINING_PLATFORM_EARTH_ENGINE_PROJECT   the Google Cloud project that requests are counted to
    MINING_PLATFORM_EARTH_ENGINE_KEY       a service account's JSON key file; else the file that
                                           GOOGLE_APPLICATION_CREDENTIALS names, else what `earthengine authenticate` stored
    MINING_PLATFORM_EARTH_ENGINE_URL       another endpoint than the high-volume one; on loopback, without credentials
"""

import ipaddress
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from mining_platform.sources.earth_engine_api.transport import ATTEMPTS, MAX_IN_FLIGHT, REPEATED, Transport
from mining_platform.sources.remote.network import NetworkError

PROJECT_VARIABLE = "MINING_PLATFORM_EARTH_ENGINE_PROJECT"
KEY_VARIABLE = "MINING_PLATFORM_EARTH_ENGINE_KEY"
DEFAULT_KEY_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
URL_VARIABLE = "MINING_PLATFORM_EARTH_ENGINE_URL"
HIGH_VOLUME_URL = "https://earthengine-highvolume.googleapis.com"
LOOPBACK_PROJECT = "loopback"

FAILURE_KEPT_S = 30.0
"""For so long a connection that failed is not tried anew: threads and partitions that wait for it are told the same."""

_REASON_LENGTH = 300
_TOO_LARGE = ("memory limit exceeded", "memory capacity exceeded", "timed out", "total request size")
"""What the service says of a request that may work on fewer pixels; guide Debugging, and Xee's issue 50 for the last."""

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

Answer = TypeVar("Answer")


class EarthEngineError(Exception):
    """Earth Engine did not answer as asked; what happened and what to do, without secrets."""

    def __init__(
        self, problem: str, remedy: str, *, too_large: bool = False, passing: bool = False, missing: bool = False
    ) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.too_large = too_large
        """Whether the same may work on fewer pixels."""
        self.passing = passing
        """Whether the same may work later: the service did not answer, was busy or out of order."""
        self.missing = missing
        """Whether there is no such asset, or none that the account may read."""


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
    client = _CONNECTION.client(_settings())
    with _in_words():
        return question(client)


class _Connection:
    """What the process's one `ee` is initialised for, and what came of the last attempt that failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made_for: Settings | None = None
        self._failed: tuple[Settings, float, str, str, bool] | None = None

    def client(self, settings: Settings) -> Any:
        """The module `ee`, initialised for these settings."""
        import ee

        with self._lock:
            if self._made_for != settings or not ee.data.is_initialized():
                self._made_for = None
                self._tell_again(settings)
                try:
                    with _in_words():
                        _initialise(settings)
                except EarthEngineError as error:
                    told = (error.problem, error.remedy, error.passing)  # and not the error: a traceback holds secrets
                    self._failed = (settings, time.monotonic(), *told)
                    raise
                self._made_for = settings
        return ee

    def _tell_again(self, settings: Settings) -> None:
        if self._failed is not None:
            failed, when_s, problem, remedy, passing = self._failed
            if failed == settings and time.monotonic() - when_s < FAILURE_KEPT_S:
                raise EarthEngineError(problem, remedy, passing=passing)


_CONNECTION = _Connection()


@contextmanager
def _in_words() -> Iterator[None]:
    """Errors of the client and its libraries as EarthEngineError."""
    import ee
    from google.auth.exceptions import GoogleAuthError, TransportError
    from googleapiclient.errors import Error

    try:
        yield
    except GoogleAuthError as error:
        unanswered = isinstance(error, TransportError) or error.retryable
        raise (_unanswered_sign_in() if unanswered else _rejected_credentials()) from None
    except NetworkError as error:
        raise EarthEngineError(error.problem, error.remedy) from None
    except (ee.EEException, Error, OSError) as error:
        raise _explained(error) from None


def _initialise(settings: Settings) -> None:
    import ee

    transport = Transport(settings.url, on_loopback=settings.loopback)
    credentials, own_project = _credentials(settings, transport)
    project = settings.project or own_project
    if not project:
        remedy = f"Set {PROJECT_VARIABLE} to a project registered for Earth Engine."
        raise EarthEngineError("no Google Cloud project is named", remedy)
    ee.data.setMaxRetries(0)
    ee.Initialize(credentials, url=settings.url, project=project, http_transport=transport)


def _settings() -> Settings:
    named = {name: os.environ.get(name) or None for name in (URL_VARIABLE, PROJECT_VARIABLE, KEY_VARIABLE, DEFAULT_KEY_VARIABLE)}
    url = named[URL_VARIABLE] or HIGH_VOLUME_URL
    settings = Settings(url.rstrip("/"), named[PROJECT_VARIABLE], named[KEY_VARIABLE], named[DEFAULT_KEY_VARIABLE])
    if not _may_be_asked(url, settings):
        problem = f"{URL_VARIABLE} is not an https URL without user and query"
        raise EarthEngineError(problem, f"Mend it, or unset it to use {HIGH_VOLUME_URL}.")
    return settings


def _may_be_asked(url: str, settings: Settings) -> bool:
    """Whether an endpoint is safe from eavesdroppers, and its address holds nothing secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or "@" in parts.netloc) and bool(parts.hostname)
    return plain and (parts.scheme == "https" or (parts.scheme == "http" and settings.loopback))


def _credentials(settings: Settings, transport: Transport) -> tuple[Any, str | None]:
    """Credentials and the project they belong to: none on loopback, else as the module's docstring says."""
    import ee
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2.service_account import Credentials
    from google_auth_httplib2 import Request

    if settings.loopback:
        return AnonymousCredentials(), LOOPBACK_PROJECT
    try:
        if settings.key_file:
            account = Credentials.from_service_account_file(settings.key_file, scopes=ee.oauth.SCOPES)
            return account, account.project_id
        if settings.default_key_file:
            return google.auth.default(scopes=ee.oauth.SCOPES, request=Request(transport))
        stored = ee.data.get_persistent_credentials()
        return stored, stored.quota_project_id
    except NetworkError:
        raise
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


def _unanswered_sign_in() -> EarthEngineError:
    return EarthEngineError("Google's sign-in does not answer", "Check the network, and run it again later.", passing=True)


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
        return EarthEngineError(problem, f"Check the network, and {URL_VARIABLE} if it is set.", passing=True)
    problem = f"Earth Engine's client gives up ({_short(str(error))})"
    return EarthEngineError(problem, "Run it again, and mend the request if that does not help.")


def _explained_status(status: int, said: str) -> EarthEngineError:
    if status == HTTPStatus.UNAUTHORIZED:
        return _rejected_credentials()
    if status in _REMEDIES:
        problem, remedy = _REMEDIES[HTTPStatus(status)]
        return EarthEngineError(f"Earth Engine {problem} ({said})", remedy, passing=status in REPEATED)
    if status in REPEATED:
        problem = f"Earth Engine still fails after {ATTEMPTS} attempts (status {status}: {said})"
        return EarthEngineError(problem, "Run it again later.", passing=True)
    too_large = any(words in said.lower() for words in _TOO_LARGE)
    missing = status == HTTPStatus.NOT_FOUND or "not found" in said
    remedy = "Check its id, and whether the account may read it." if missing else "Ask for fewer scenes, bands or pixels."
    return EarthEngineError(f"Earth Engine refuses (status {status}: {said})", remedy, too_large=too_large, missing=missing)


def _short(text: str) -> str:
    return text if len(text) <= _REASON_LENGTH else f"{text[:_REASON_LENGTH]} …"
