"""What is sent to Earth Engine goes to its hosts alone: not where a key file says, and not where an answer sends it on to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mining_platform.sources.earth_engine_api import session as earth_engine_session
from mining_platform.sources.earth_engine_api import transport as earth_engine_transport
from mining_platform.sources.earth_engine_api.session import (
    DEFAULT_KEY_VARIABLE,
    KEY_VARIABLE,
    PROJECT_VARIABLE,
    URL_VARIABLE,
    EarthEngineError,
    ask,
)
from mining_platform.sources.earth_engine_api.transport import Transport
from mining_platform.sources.remote.network import HOSTS_VARIABLE, NetworkError
from tests.earth_engine.client import offline_client
from tests.mining_platform.test_earth_engine_session import private_key

TOKEN = "canary-2f90c1"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Recorder"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(f"{self.command} {self.path}\n{self.headers}\n{body.decode()}")
        status, headers = self.server.answers.get(self.path, (200, {}))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "2", "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"{}")

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def log_message(self, *_: object) -> None:
        pass


class Recorder(ThreadingHTTPServer):
    """A server on loopback that keeps what it is asked, and answers a path with a status and headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.answers: dict[str, tuple[int, dict[str, str]]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Recorder]:
    with recorder() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Recorder]:
    """Where nothing may arrive."""
    with recorder() as server:
        yield server
        assert server.asked == []


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (URL_VARIABLE, PROJECT_VARIABLE, KEY_VARIABLE, DEFAULT_KEY_VARIABLE, HOSTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(earth_engine_transport, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(earth_engine_session, "FAILURE_KEPT_S", 0.0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_is_sent_on_to_another_host_ends_there(
    status: int, method: str, endpoint: Recorder, other: Recorder
) -> None:
    endpoint.answers["/v1/x"] = (status, {"Location": f"{other.url}/v1/x"})
    transport = Transport(endpoint.url, on_loopback=True)
    with pytest.raises(NetworkError, match=rf"127\.0\.0\.1:\d+ sends requests on to 127\.0\.0\.1:{other.server_port}") as error:
        transport.request(f"{endpoint.url}/v1/x", method, body="grant" if method == "POST" else None, headers=BEARER)
    assert len(endpoint.asked) == 1
    assert TOKEN in endpoint.asked[0]
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/x", "//evil.example/x", "https://oauth2.googleapis.com/x", "file:///etc/passwd", "http://[x/"],
)
def test_no_target_of_another_origin_is_followed_not_even_an_allowed_host(target: str, endpoint: Recorder) -> None:
    endpoint.answers["/v1/x"] = (302, {"Location": target})
    with pytest.raises(NetworkError, match="sends requests on to"):
        Transport(endpoint.url, on_loopback=True).request(f"{endpoint.url}/v1/x", headers=BEARER)


def test_a_request_that_is_sent_on_to_the_same_host_is_followed_with_its_token(endpoint: Recorder) -> None:
    endpoint.answers["/v1/x"] = (307, {"Location": "/v1/y"})
    answer, content = Transport(endpoint.url, on_loopback=True).request(f"{endpoint.url}/v1/x", headers=BEARER)
    assert (answer.status, content) == (200, b"{}")
    assert [TOKEN in asked for asked in endpoint.asked] == [True, True]


def test_a_ring_of_addresses_ends(endpoint: Recorder) -> None:
    from requests import TooManyRedirects

    endpoint.answers["/v1/x"] = (307, {"Location": "/v1/x"})
    with pytest.raises(TooManyRedirects):
        Transport(endpoint.url, on_loopback=True).request(f"{endpoint.url}/v1/x", headers=BEARER)
    assert len(endpoint.asked) == 6


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://evil.example/token", "evil.example is not among the hosts"),
        ("https://storage.googleapis.com/x", "storage.googleapis.com is not among the hosts"),
        ("https://earthengine.googleapis.com.evil.example/x", "evil.example is not among the hosts"),
        ("http://oauth2.googleapis.com/token", "it is not encrypted"),
        ("https://oauth2.googleapis.com:8443/token", "oauth2.googleapis.com:8443 is not among the hosts"),
        ("https://169.254.169.254/latest", "169.254.169.254 is not among the hosts"),
        ("file:///etc/passwd", "it names a file of this machine"),
    ],
)
def test_nothing_is_asked_but_the_endpoint_and_googles_sign_in(url: str, problem: str) -> None:
    with pytest.raises(NetworkError, match=problem):
        Transport("https://earthengine-highvolume.googleapis.com").request(url, headers=BEARER)


def test_the_address_of_another_port_of_this_machine_is_not_the_endpoints(endpoint: Recorder, other: Recorder) -> None:
    with pytest.raises(NetworkError, match="it is not encrypted"):
        Transport(endpoint.url, on_loopback=True).request(f"{other.url}/v1/x", headers=BEARER)


def test_netrc_adds_no_password(endpoint: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    Transport(endpoint.url, on_loopback=True).request(f"{endpoint.url}/v1/x")
    assert "Authorization" not in endpoint.asked[0]


def test_the_client_itself_is_told_of_an_endpoint_that_sends_it_on(
    endpoint: Recorder, other: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.answers["/$discovery/rest?version=v1&prettyPrint=false"] = (302, {"Location": f"{other.url}/discovery"})
    monkeypatch.setenv(URL_VARIABLE, endpoint.url)
    with offline_client(), pytest.raises(EarthEngineError, match=r"sends requests on to 127\.0\.0\.1:\d+.*Check the network"):
        ask(lambda ee: ee.data.listAssets("projects/p/assets"))
    assert len(endpoint.asked) == 1


def key_file(path: Path, token_uri: str, **told: Any) -> Path:
    account = {"type": "service_account", "project_id": "p", "client_email": "a@b.c", "private_key_id": "k", **told}
    path.write_text(json.dumps({**account, "private_key": private_key(), "token_uri": token_uri}))
    return path


@pytest.mark.parametrize("variable", [KEY_VARIABLE, DEFAULT_KEY_VARIABLE])
def test_a_key_file_that_names_another_place_for_tokens_gives_it_nothing(
    variable: str, other: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(key_file(tmp_path / "key.json", f"{other.url}/token")))
    with offline_client(), pytest.raises(EarthEngineError, match=rf"127\.0\.0\.1/token is refused.*{HOSTS_VARIABLE}|encrypted"):
        ask(lambda ee: ee.data.listAssets("projects/p/assets"))


def test_a_place_for_tokens_that_the_environment_lists_is_asked(
    endpoint: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, str(key_file(tmp_path / "key.json", f"{endpoint.url}/token")))
    monkeypatch.setenv(HOSTS_VARIABLE, f"127.0.0.1:{endpoint.server_port}")
    with offline_client(), pytest.raises(EarthEngineError, match="credentials are rejected"):
        ask(lambda ee: ee.data.listAssets("projects/p/assets"))
    assert [asked.split()[1] for asked in endpoint.asked] == ["/token"]
    assert "assertion=" in endpoint.asked[0]


def test_an_identity_of_another_provider_asks_no_other_place(
    other: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{other.url}/token",
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    (tmp_path / "subject").write_text(TOKEN)
    (tmp_path / "key.json").write_text(json.dumps(told))
    monkeypatch.setenv(DEFAULT_KEY_VARIABLE, str(tmp_path / "key.json"))
    with offline_client(), pytest.raises(EarthEngineError):
        ask(lambda ee: ee.data.listAssets("projects/p/assets"))
