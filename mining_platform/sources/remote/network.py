"""What may be reached over the network, and sessions that reach nothing else.

Addresses come out of catalogues that others wrote, so each one is checked: its scheme, its host against a list, and the
machine behind the name, which must be a public one. The check is repeated for every request, redirects included, and once
more on the connection itself, so that a name which is answered differently the second time (DNS rebinding) gains nothing.
Behind a proxy named by the environment the proxy resolves names, and only scheme and host are checked here.
"""

import ipaddress
import logging
import os
import re
import socket
import threading
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

HOSTS_VARIABLE = "MINING_PLATFORM_ALLOWED_HOSTS"
"""Environment variable with further hosts, `host[:port]` separated by commas; those may be private ones."""

ALLOWED_HOSTS: Mapping[str, str] = MappingProxyType(
    {
        "earth-search.aws.element84.com": "STAC API Earth Search v1",
        "sentinel-cogs.s3.us-west-2.amazonaws.com": "rasters of Earth Search, sentinel-2-l2a",
        "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com": "rasters of Earth Search, sentinel-2-c1-l2a",
        "planetarycomputer.microsoft.com": "STAC API and signatures of the Planetary Computer",
        "sentinel2l2a01.blob.core.windows.net": "rasters of the Planetary Computer, sentinel-2-l2a",
        "landsateuwest.blob.core.windows.net": "rasters of the Planetary Computer, landsat-c2-l2",
        "sentinel1euwestrtc.blob.core.windows.net": "rasters of the Planetary Computer, sentinel-1-rtc",
        "elevationeuwest.blob.core.windows.net": "rasters of the Planetary Computer, cop-dem-glo-30",
        "storage.googleapis.com": "land-cover maps of MapBiomas",
    }
)
"""Host -> what is there. Public services, over https on port 443."""

TIMEOUT_S = (20.0, 60.0)  # to connect, between two packets
MAX_TRIES = 6
BACKOFF_S = 0.5  # waits 0, 2, 4, 8 … times this between tries, and up to once this more by chance
MAX_RETRY_AFTER_S = 60
_RETRIED_STATUS = (429, 500, 502, 503, 504)
MAX_REDIRECTS = 5
_PORTS = {"https": 443, "http": 80}
_OTHER_SCHEMES = {
    "file": "it names a file of this machine",
    "s3": "S3 addresses need an account and may cost money",
    "gs": "GCS addresses need an account",
    "ftp": "FTP is neither private nor verified",
    "http": "it is not encrypted",
}
_QUERY = re.compile(r"\?[^\s'\")]*")
_USER = re.compile(r"(?<=//)[^/\s'\"]*@")
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")


class NetworkError(ValueError):
    """An address may not be reached; the message has no query string, and so no signature."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy


def without_query(text: str) -> str:
    """A text whose URLs have lost their query strings, in which services put signatures."""
    return _QUERY.sub("", text)


def is_url(place: str) -> bool:
    """Whether a place is meant for the network rather than the disk."""
    return place.lower().startswith(("https://", "http://"))


def checked_url(url: str, hosts: Collection[str] = ALLOWED_HOSTS) -> str:
    """The URL, where its scheme allows it and its host is one of `hosts` or the environment's; NetworkError otherwise.

    No name is resolved.
    """
    parts = _split(url)
    host, port = (parts.hostname or "").rstrip("."), _port(parts)
    listed = _listed_hosts()
    if (host, port) in listed and (parts.scheme == "https" or _is_loopback(host)):
        return url
    shown = f"{parts.scheme}://{host}{without_query(parts.path)}"
    if parts.scheme != "https":
        raise NetworkError(f"{shown} is refused: {_OTHER_SCHEMES['http']}", "Use an https address.")
    if host in hosts and port == _PORTS["https"]:
        return url
    entry = host if port == _PORTS["https"] else f"{host}:{port}"
    problem = f"{shown} is refused: {entry} is not among the hosts that may be reached"
    raise NetworkError(problem, f"If you trust it, add {entry} to the environment variable {HOSTS_VARIABLE}.")


def _split(url: str) -> SplitResult:
    """Parts of a URL of the network; NetworkError for anything else."""
    remedy = "Use a catalogue whose rasters have https addresses, or fetch them into a local archive."
    shown = _USER.sub("", without_query(url))
    if url.startswith("/vsi"):
        raise NetworkError(f"{shown!r} is refused: it names one of GDAL's virtual file systems", remedy)
    try:
        parts = urlsplit(url)
        unfit = bool(_UNFIT.search(url)) or parts.port == 0 or parts.username is not None
    except ValueError:
        raise NetworkError(f"{shown!r} is refused: it is not a well-formed address", remedy) from None
    if parts.scheme not in _PORTS or not parts.hostname:
        reason = _OTHER_SCHEMES.get(parts.scheme, "it is not an https address")
        raise NetworkError(f"{shown!r} is refused: {reason}", remedy)
    if unfit:
        problem = f"an address on {parts.hostname!r} is refused: it has a user name, a space or another unfit character"
        raise NetworkError(problem, remedy)
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]


def _listed_hosts() -> set[tuple[str, int]]:
    """(host, port) of the entries of HOSTS_VARIABLE; NetworkError for one that is no host."""
    found = set()
    for entry in filter(None, map(str.strip, os.environ.get(HOSTS_VARIABLE, "").split(","))):
        try:
            parts = urlsplit(f"//{entry}")
            host, port = parts.hostname, parts.port or _PORTS["https"]
        except ValueError:
            host, port = None, 0
        if not host or parts.path or parts.username is not None:
            raise NetworkError(f"{HOSTS_VARIABLE} has the entry {entry!r}", "Write entries as host or host:port.")
        found.add((host.rstrip("."), port))
    return found


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(host: str, port: int, address: str) -> None:
    """NetworkError where a name stands for a private or otherwise inner address, unless the environment lists the name."""
    if (host.rstrip("."), port) in _listed_hosts():
        return
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if not (mapped or found).is_global or found.is_multicast:
        problem = f"{host} is refused: its name stands for {address}, which is not a public address"
        raise NetworkError(problem, f"Mend the name service, or add {host} to {HOSTS_VARIABLE} if that is meant.")


class _CheckedHTTPConnection(HTTPConnection):
    """A connection to the machine that was checked."""

    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn)


class _CheckedHTTPSConnection(HTTPSConnection):
    """The same with TLS."""

    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn)


def _checked(connection: HTTPConnection, connect: Any) -> socket.socket:
    """Connect, with the addresses of the name checked before and the one that answered checked after."""
    host, port = connection.host, connection.port or _PORTS["https"]
    try:
        addresses = {str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        addresses = set()  # connecting fails in the same way, and is tried again
    for address in sorted(addresses):
        check_address(host, port, address)
    found: socket.socket = connect()
    try:
        check_address(host, port, str(found.getpeername()[0]))
    except NetworkError:
        found.close()
        raise
    return found


class _CheckedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _CheckedHTTPConnection


class _CheckedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedHTTPSConnection


class CheckedAdapter(HTTPAdapter):
    """Connects to machines that were checked."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Pools whose connections are checked."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _CheckedHTTPPool, "https": _CheckedHTTPSPool}


class _Session(requests.Session):
    """Checks each address before it is asked, redirects included, and has no passwords, not even those of ~/.netrc."""

    def get_adapter(self, url: str) -> BaseAdapter:
        return super().get_adapter(checked_url(url))

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        pass


_OWN = threading.local()


def session() -> requests.Session:
    """This thread's session. It tries again, with growing waits and as `Retry-After` asks, on 429 and 5xx and lost connections.

    The last answer is returned whatever its status. NetworkError for an address that may not be reached.
    """
    if getattr(_OWN, "process", None) != os.getpid():  # a forked process would share the sockets
        _OWN.session, _OWN.process = guarded_session(), os.getpid()
    return _OWN.session


def guarded_session() -> requests.Session:
    """A new session, see `session`."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_strip_queries)
    made = _Session()
    made.auth = lambda request: request
    made.max_redirects = MAX_REDIRECTS
    made.headers["User-Agent"] = "mining-platform"
    for scheme in _PORTS:
        made.mount(f"{scheme}://", CheckedAdapter(max_retries=_retries()))
    return made


def _retries() -> Retry:
    return Retry(
        total=MAX_TRIES - 1,
        backoff_factor=BACKOFF_S,
        backoff_jitter=BACKOFF_S,
        status_forcelist=_RETRIED_STATUS,
        allowed_methods=None,
        raise_on_status=False,
        retry_after_max=MAX_RETRY_AFTER_S,
    )


def _strip_queries(record: logging.LogRecord) -> bool:
    """Log filter: urllib3 writes whole addresses, signatures included."""
    record.msg, record.args = without_query(record.getMessage()), ()
    return True
