"""Whether a failure was that of a network or a busy service, so that the same may work later.

Sources tell what went wrong in words of their own, which name region and remedy; Python keeps what led to them beside
(`__cause__` and `__context__`), and that is looked at here. A file that is damaged or absent is no outage: it fails again.
"""

from collections.abc import Iterator
from http import HTTPStatus

import requests
from pystac_client.exceptions import APIError
from urllib3 import exceptions as of_urllib3

from mining_platform.sources.earth_engine_api.session import EarthEngineError
from mining_platform.sources.remote.files import RemoteError

_CONNECTIONS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.RetryError,
    of_urllib3.ProtocolError,
    of_urllib3.TimeoutError,
    of_urllib3.NewConnectionError,
    of_urllib3.IncompleteRead,
)
_REFUSED = (requests.exceptions.SSLError, requests.exceptions.InvalidURL)
"""A certificate that is not valid, an address that is none: kinds of the above that come again."""
_BUSY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def is_outage(error: BaseException) -> bool:
    """Whether an error comes of a service that could not be reached, broke off, or was busy."""
    led_to_it = list(_behind(error))
    return not any(isinstance(each, _REFUSED) for each in led_to_it) and any(map(_passes, led_to_it))


def _passes(error: BaseException) -> bool:
    if isinstance(error, (RemoteError, EarthEngineError)):
        return error.passing
    if isinstance(error, APIError):
        return getattr(error, "status_code", None) in _BUSY  # not all of them have one
    return isinstance(error, _CONNECTIONS)


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that led to it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, *(each.exceptions if isinstance(each, BaseExceptionGroup) else ())]
