import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from mining_platform.sources.remote import network
from mining_platform.sources.remote.network import (
    HOSTS_VARIABLE,
    NetworkError,
    check_address,
    checked_url,
    session,
    without_query,
)
from tests.stac_api import Fault, StacApi, stac_api
from tests.synthetic import TinyScene, write_catalogue

PUBLIC = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs/B04.tif"


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BACKOFF_S", 0.0)
    monkeypatch.setattr(network, "session", network.guarded_session)


def test_addresses_of_the_public_services_are_allowed() -> None:
    for host in network.ALLOWED_HOSTS:
        assert checked_url(f"https://{host}/v1/search?x=1") == f"https://{host}/v1/search?x=1"
    assert checked_url(PUBLIC.replace("https", "HTTPS").replace("cogs.s3", "COGS.s3"))
    assert network.is_url(PUBLIC.replace("https", "HTTPS"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://example.org/B04.tif", r"example\.org is not among the hosts that may be reached.*add example\.org to .*HOSTS"),
        ("https://sentinel-cogs.s3.us-west-2.amazonaws.com:8443/B04.tif", "amazonaws.com:8443 is not among"),
        ("https://sentinel-cogs.s3.us-west-2.amazonaws.com.evil.org/B04.tif", "evil.org is not among"),
        ("https://evil.org/sentinel-cogs.s3.us-west-2.amazonaws.com", "evil.org is not among"),
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254 is not among"),
        ("https://[::1]/B04.tif", "::1 is not among"),
        ("https://2130706433/B04.tif", "2130706433 is not among"),
        ("https://localhost/B04.tif", "localhost is not among"),
        ("http://sentinel-cogs.s3.us-west-2.amazonaws.com/B04.tif", "it is not encrypted"),
        ("file:///etc/passwd", "it names a file of this machine"),
        ("/etc/passwd", "it is not an https address"),
        ("s3://sentinel-cogs/B04.tif", "S3 addresses need an account"),
        ("ftp://example.org/B04.tif", "FTP is neither private nor verified"),
        ("javascript:alert(1)", "it is not an https address"),
        ("/vsicurl/https://example.org/B04.tif", "GDAL's virtual file systems"),
        ("https://user:secret@earth-search.aws.element84.com/v1", "it has a user name"),
        ("https://earth-search.aws.element84.com\\@evil.org/v1", "(not among|unfit character)"),
        ("https://earth-search.aws.element84.com/v1\r\nHost: evil.org", "unfit character"),
        ("https://earth-search.aws.element84.com:99999/v1", "not a well-formed address"),
        ("https://", "it is not an https address"),
    ],
)
def test_an_address_that_may_not_be_reached_is_refused_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(NetworkError, match=reason):
        checked_url(url)


def test_errors_about_addresses_hold_neither_passwords_nor_queries() -> None:
    bad_port, bad_host = "https://user:secret@example.org:99999/a", "https://user:secret@[bad/a"
    for url in (bad_port, bad_host, "s3://key:secret@bucket/a", "/vsicurl/https://user:secret@example.org/a"):
        with pytest.raises(NetworkError) as caught:
            checked_url(url)
        assert "secret" not in str(caught.value)
    for url in ("https://user:secret@example.org/a", "https://example.org/a?sig=secret", "s3://bucket/a?sig=secret"):
        with pytest.raises(NetworkError) as caught:
            checked_url(url)
        assert "secret" not in str(caught.value)


def test_hosts_of_the_environment_are_allowed_with_their_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, "stac.example.org, 127.0.0.1:8080,[::1]:8081")
    for url in ("https://stac.example.org/v1", "http://127.0.0.1:8080/v1", "https://127.0.0.1:8080/v1", "http://[::1]:8081/"):
        assert checked_url(url) == url
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:8082 is not among|it is not encrypted"):
        checked_url("http://127.0.0.1:8082/v1")
    with pytest.raises(NetworkError, match="it is not encrypted"):
        checked_url("http://stac.example.org:443/v1")


@pytest.mark.parametrize("entry", ["https://example.org", "example.org/path", "user@example.org", "example.org:port"])
def test_an_entry_that_is_no_host_is_refused(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, entry)
    with pytest.raises(NetworkError, match=f"{HOSTS_VARIABLE} has the entry .*Write entries as host or host:port"):
        checked_url("https://example.org/")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
        *("::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::"),
    ],
)
def test_a_public_name_that_stands_for_an_inner_address_is_refused(address: str) -> None:
    with pytest.raises(NetworkError, match=r"its name stands for .* which is not a public address"):
        check_address("earth-search.aws.element84.com", 443, address)


def test_a_public_address_or_a_listed_host_may_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    check_address("earth-search.aws.element84.com", 443, "52.218.0.1")
    check_address("earth-search.aws.element84.com", 443, "2600:1f60::1")
    monkeypatch.setenv(HOSTS_VARIABLE, "localhost:8080")
    check_address("localhost", 8080, "127.0.0.1")


def test_a_name_that_is_answered_with_loopback_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answer)
    monkeypatch.setattr(socket.socket, "connect", lambda *args: connected.append(args))
    with pytest.raises(NetworkError, match=r"earth-search\.aws\.element84\.com is refused: its name stands for 127\.0\.0\.1"):
        network.session().get("https://earth-search.aws.element84.com/v1")
    assert not connected


def test_a_name_that_is_answered_otherwise_the_second_time_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, server: StacApi
) -> None:
    port = int(server.host.rpartition(":")[2])
    inner = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("52.218.0.1", port))]
    answers = [public, inner]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answers.pop(0))
    with pytest.raises(NetworkError, match=r"its name stands for 127\.0\.0\.1"):
        network.session().get("https://earth-search.aws.element84.com/v1")
    assert not server.asked


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with stac_api(write_catalogue(tmp_path / "stac", [TinyScene("S")])) as api:
        monkeypatch.setenv(HOSTS_VARIABLE, api.host)
        yield api


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "https://example.org/", "file:///etc/passwd"])
def test_a_redirect_to_a_forbidden_place_is_not_followed(server: StacApi, target: str) -> None:
    server.faults.append(Fault("/away", 302, {"Location": target}))
    with pytest.raises(NetworkError, match="is refused"):
        network.session().get(f"{server.url}/away", timeout=5)


def test_a_redirect_to_an_allowed_place_is_followed(server: StacApi) -> None:
    server.faults.append(Fault("/away", 302, {"Location": f"{server.url}/"}))
    assert network.session().get(f"{server.url}/away", timeout=5).json()["id"] == "loopback"


def test_busy_answers_are_tried_again_after_the_wait_they_ask_for(server: StacApi, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    server.faults += [Fault("/$", 429, {"Retry-After": "7"}), Fault("/$", 503, {"Retry-After": "100000"}), Fault("/$", 500)]
    assert network.session().get(f"{server.url}/", timeout=5).status_code == 200
    assert waits == [7, network.MAX_RETRY_AFTER_S]
    assert len(server.asked) == 4


def test_a_storm_of_busy_answers_ends_after_a_bounded_number_of_tries(server: StacApi) -> None:
    server.faults.append(Fault("/$", 429, times=1000))
    assert network.session().get(f"{server.url}/", timeout=5).status_code == 429
    assert len(server.asked) == network.MAX_TRIES


def test_neither_environment_nor_netrc_add_passwords(server: StacApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.faults.append(Fault("/away", 302, {"Location": f"{server.url}/"}))
    answer = network.session().get(f"{server.url}/away", timeout=5)
    assert "Authorization" not in answer.request.headers


def test_logs_of_requests_have_no_query_strings(server: StacApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.faults.append(Fault("/files", 500, times=2))
    network.session().get(f"{server.url}/files/container/s2/S/B04.tif?sig=secret", timeout=5)
    assert "/files/container/s2/S/B04.tif" in caplog.text
    assert "secret" not in caplog.text


def test_a_text_loses_the_query_strings_of_its_urls() -> None:
    assert (
        without_query("Max retries with url: /a.tif?sig=x&se=y (Caused by 'z')") == "Max retries with url: /a.tif (Caused by 'z')"
    )


def test_each_thread_has_one_session() -> None:
    assert session() is session()
