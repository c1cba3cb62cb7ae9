"""A bucket whose service is busy, fails, refuses or has gone: tried again or told, by a server that answers as it is bidden."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mining_platform.store import buckets
from mining_platform.store.refs import StoreUnreachable
from tests.object_stores import BUCKET, client, s3_server

SECRET = "known-to-nobody-else"


@dataclass
class Service:
    """What a server was asked, and the statuses that it answers next; 200 when there are none."""

    statuses: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    told = Service()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            told.asked.append(self.command)
            status = told.statuses.pop(0) if told.statuses else 200
            body = b"content" if status == 200 else f"<Error><Message>{SECRET}</Message></Error>".encode()
            self.send_response(status)
            for name, value in {
                "ETag": '"1"',
                "Last-Modified": "Thu, 26 Nov 2026 10:00:00 GMT",
                "Content-Length": str(len(body)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = answer  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    variables = {"ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "ALLOW_HTTP": "true", "REGION": "x"}
    for name, value in {**variables, "ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": SECRET}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr(buckets, "FIRST_PAUSE", timedelta(milliseconds=5))
    monkeypatch.setattr(buckets, "LONGEST_PAUSE", timedelta(milliseconds=20))
    yield told
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_service_is_asked_again(service: Service, status: int) -> None:
    bucket = buckets.open_bucket("s3://bucket/x")
    service.statuses[:] = [status, status]
    kept = bucket.get("a")
    assert kept is not None
    assert (kept.content, service.asked) == (b"content", ["GET"] * 3)
    service.statuses[:] = [status]
    service.asked.clear()
    assert bucket.put_new("a", b"content") == {"e_tag": '"1"'}
    assert service.asked == ["PUT"] * 2


def test_a_service_that_stays_busy_is_given_up_after_five_tries(service: Service) -> None:
    service.statuses[:] = [503] * 9
    with pytest.raises(StoreUnreachable, match=r"s3://bucket/x answered 503 Service Unavailable\. Nothing was"):
        buckets.open_bucket("s3://bucket/x").get("a")
    assert len(service.asked) == 5


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_told_at_once_and_without_what_the_service_said(service: Service, status: int) -> None:
    service.statuses[:] = [status]
    with pytest.raises(
        StoreUnreachable, match=f"answered {status} .*Check the address, the network and the credentials"
    ) as caught:
        buckets.open_bucket("s3://bucket/x").put("a", b"content")
    assert SECRET not in str(caught.value)
    assert len(service.asked) == 1


def test_a_write_whose_answer_was_lost_counts_as_written_and_another_ones_does_not(service: Service) -> None:
    bucket = buckets.open_bucket("s3://bucket/x")
    service.statuses[:] = [412]
    assert bucket.put_new("a", b"content") == {"e_tag": '"1"'}
    service.statuses[:] = [412]
    assert bucket.swap("a", b"other content", {"e_tag": '"0"'}) is None


def test_a_real_server_heeds_conditions_and_takes_large_files_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        bucket = buckets.open_bucket(f"s3://{BUCKET}/x")
        first = bucket.put_new("current.json", b"1")
        assert first is not None
        assert bucket.put_new("current.json", b"2") is None
        second = bucket.swap("current.json", b"2", first)
        assert second is not None
        assert bucket.swap("current.json", b"3", first) is None
        assert bucket.get("current.json").content == b"2"  # type: ignore[union-attr]
        large = tmp_path / "large"
        large.write_bytes(bytes(range(256)) * 80_000)
        bucket.put("large é#", large)
        chunks = bucket.chunks("large é#", large.stat().st_size)
        assert chunks is not None
        assert b"".join(chunks) == large.read_bytes()
        assert client(environment).head_object(Bucket=BUCKET, Key="x/large é#")["ETag"].endswith('-3"')
        with pytest.raises(StoreUnreachable, match="s3://nobody/x has no such bucket"):
            buckets.open_bucket("s3://nobody/x").get("a")
