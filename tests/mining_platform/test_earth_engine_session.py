"""One connection to Earth Engine: trouble, limits and credentials, through the real client and a stand-in."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.auth.exceptions import RefreshError, TransportError

from mining_platform import costs, plans
from mining_platform.artifacts import ArtifactStore
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform
from mining_platform.regions import LandCover
from mining_platform.sources import earth_engine, router
from mining_platform.sources.earth_engine_api import requests as earth_engine_requests
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
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote.network import HOSTS_VARIABLE
from tests.earth_engine.archive import FakeArchive
from tests.earth_engine.client import offline_client
from tests.earth_engine.faults import CUT_SHORT, DROPPED, FORBIDDEN, TOO_MANY_REQUESTS, TRUNCATED, UNAVAILABLE, Fault
from tests.earth_engine.server import serve
from tests.twin_scenes import S2, region_of, running


def question(ee: Any) -> Any:
    return ee.data.computePixels({"expression": ee.Image.constant(7), "fileFormat": "NPY", "grid": GRID})


GRID = {"crsCode": "EPSG:32721", "affineTransform": {"scaleX": 10, "scaleY": -10}, "dimensions": {"width": 1, "height": 1}}


@pytest.mark.parametrize("fault", [TOO_MANY_REQUESTS, UNAVAILABLE, DROPPED, TRUNCATED])
def test_passing_trouble_is_got_over(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FakeArchive(), monkeypatch, faults={"computePixels": [fault] * (earth_engine_transport.ATTEMPTS - 1)}) as server:
        assert ask(question)
        assert len(server.of("computePixels")) == earth_engine_transport.ATTEMPTS


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (TOO_MANY_REQUESTS, r"still has too many requests after 6 attempts .*run less beside it"),
        (UNAVAILABLE, r"still fails after 6 attempts \(status 503.*Run it again later"),
        (DROPPED, r"cannot be reached in 6 attempts .*Check the network"),
    ],
)
def test_lasting_trouble_is_an_error_after_six_attempts(fault: Fault, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FakeArchive(), monkeypatch, faults={"computePixels": [fault] * 20}) as server:
        with pytest.raises(EarthEngineError, match=message):
            ask(question)
        assert len(server.of("computePixels")) == 6


def test_trouble_while_connecting_is_got_over_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FakeArchive(), monkeypatch, faults={"discovery": [UNAVAILABLE], "algorithms": [DROPPED, TOO_MANY_REQUESTS]}):
        assert ask(question)


def test_threads_that_wait_for_a_connection_are_told_its_failure_and_do_not_try_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def problem(_number: int) -> str:
        with pytest.raises(EarthEngineError) as error:
            ask(question)
        return error.value.problem

    with running(FakeArchive(), monkeypatch, faults={"discovery": [UNAVAILABLE] * 100}) as server:
        monkeypatch.setattr(earth_engine_session, "FAILURE_KEPT_S", 30.0)
        with ThreadPoolExecutor(8) as threads:
            told = set(threads.map(problem, range(8)))
        assert len(told) == 1
        assert len(server.of("discovery")) == earth_engine_transport.ATTEMPTS
        monkeypatch.setattr(earth_engine_session, "FAILURE_KEPT_S", 0.0)
        server.faults.clear()
        assert ask(question)


def test_settings_that_fail_leave_no_other_connection_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FakeArchive(), monkeypatch) as good:
        assert ask(question)
        with serve(FakeArchive(), faults={"discovery": [UNAVAILABLE] * 6}) as bad:
            monkeypatch.setenv(URL_VARIABLE, bad.url)
            with pytest.raises(EarthEngineError, match="still fails"):
                ask(question)
            monkeypatch.setenv(URL_VARIABLE, good.url)
            assert ask(question)
            assert (len(good.of("computePixels")), len(bad.of("computePixels"))) == (2, 0)


@pytest.mark.parametrize("error", [RefreshError("503", retryable=True), TransportError("no route")])
def test_a_sign_in_that_does_not_answer_is_not_taken_for_bad_credentials(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_ee: Any) -> Any:
        raise error

    with (
        running(FakeArchive(), monkeypatch),
        pytest.raises(EarthEngineError, match=r"sign-in does not answer\. Check the network"),
    ):
        ask(fails)


def test_an_expired_token_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running(FakeArchive(), monkeypatch, token="new"),
        pytest.raises(SourceError, match=r"Region tiny, year 2024.*credentials are rejected.*earthengine authenticate"),
    ):
        earth_engine.list_scenes(region_of(), 2024)


def test_a_forbidden_project_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running(FakeArchive(), monkeypatch, faults={"computePixels": [FORBIDDEN]}),
        pytest.raises(EarthEngineError, match=r"forbids it \(Caller does not have.*MINING_PLATFORM_EARTH_ENGINE_PROJECT"),
    ):
        ask(question)


def test_half_an_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FakeArchive({S2: []}), monkeypatch, faults={"listAssets": [CUT_SHORT], "getAsset": [CUT_SHORT]}):
        with pytest.raises(SourceError, match=r"client gives up \(Unexpected response.*Run it again"):
            earth_engine.list_scenes(region_of(), 2024)
        with pytest.raises(EarthEngineError, match=r"answer is damaged\. Run it again"):
            earth_engine_requests.asset(S2)


def test_waits_double_and_spread() -> None:
    assert [earth_engine_transport.wait_s(attempt, 0.5) for attempt in range(1, 6)] == [1, 2, 4, 8, 16]
    assert (earth_engine_transport.wait_s(1, 0.0), earth_engine_transport.wait_s(1, 1.0)) == (0.5, 1.5)


def test_no_more_than_forty_requests_are_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FakeArchive(), monkeypatch, latency_s=0.3) as server:
        with ThreadPoolExecutor(64) as threads:
            answers = list(threads.map(lambda _: ask(question), range(100)))
        assert len(answers) == 100
        assert 25 <= server.peak_concurrent <= 40
        assert [request.method for request in server.requests].count("algorithms") == 1  # one initialisation for all threads


def test_a_storm_of_refusals_is_got_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FakeArchive(), monkeypatch, faults={"computePixels": [TOO_MANY_REQUESTS] * 64}) as server:
        monkeypatch.setattr(earth_engine_transport, "FIRST_WAIT_S", 0.03)
        with ThreadPoolExecutor(64) as threads:
            answers = list(threads.map(lambda _: ask(question), range(64)))
        assert len(answers) == 64
        assert len(server.of("computePixels")) == 128


# Credentials


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A user without credentials, and the endpoint not on loopback."""
    for name in (URL_VARIABLE, PROJECT_VARIABLE, KEY_VARIABLE, DEFAULT_KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setattr(earth_engine_session, "FAILURE_KEPT_S", 0.0)
    with offline_client():
        yield tmp_path


@pytest.mark.usefixtures("elsewhere")
def test_without_credentials_the_remedy_is_told() -> None:
    remedy = r"Run `earthengine authenticate`, or set MINING_PLATFORM_EARTH_ENGINE_KEY"
    with pytest.raises(SourceError, match=rf"Region tiny, year 2024.*no usable credentials.*{remedy}"):
        earth_engine.list_scenes(region_of(), 2024)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, "no usable credentials for Earth Engine are found"),
        ({"source": "stac", "places": {"stac": "${MINING_PLATFORM_NOWHERE}/x"}}, "MINING_PLATFORM_NOWHERE, which is not set"),
    ],
)
def test_a_plan_goes_on_with_the_other_regions_where_one_cannot_be_reached(
    change: dict[str, Any], problem: str, elsewhere: Path
) -> None:
    region = region_of()
    assert region.scenes
    (elsewhere / "map.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    cover = LandCover("polygons", "1", str(elsewhere / "map.geojson"), (2024, 2024), None, True, {"mine": 30})
    other = replace(region, id="other", years=(2024,), land_cover=cover, scenes=None)
    regions = {"tiny": replace(region, scenes=replace(region.scenes, **change)), "other": other}
    platform = Platform(elsewhere, regions, ArtifactStore(elsewhere / "artifacts"), router, router)
    steps = build_steps(regions)
    planned = plans.plan(platform, steps, plans.Selection(assets=("scenes", "land_cover")))
    assert {str(item.ref): item.state for item in planned} == {
        "land_cover@other|2024": "missing",
        "scenes@tiny|2023": "cannot",
        "scenes@tiny|2024": "cannot",
    }
    assert all(problem in (item.problem or "") for item in planned[1:])
    assert costs.estimates(platform, steps, planned) == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org", "https://user:hidden@example.org", "https://:hidden@example.org", "ftp://x", "https://"),
        *("https://example.org?key=hidden", "https://example.org#hidden", "https://[hidden", "hidden"),
    ],
)
def test_an_endpoint_that_would_leak_is_refused_without_showing_it(
    url: str, monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    monkeypatch.setenv(URL_VARIABLE, url)
    with pytest.raises(EarthEngineError, match="MINING_PLATFORM_EARTH_ENGINE_URL is not an https URL") as error:
        ask(question)
    assert "hidden" not in str(error.value)
    assert list(elsewhere.iterdir()) == []


def test_a_secret_is_in_no_error_and_no_log(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = elsewhere / "key.json"
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    caplog.set_level(logging.DEBUG)
    secret = "hidden-8d1f"
    for content in ("{}", f"no json {secret}", json.dumps({"project_id": "p", "private_key": secret}), json.dumps([secret])):
        key.write_text(content)
        with pytest.raises(EarthEngineError, match="is no JSON key of a service account") as error:
            ask(question)
        assert secret not in str(error.value)
    assert secret not in caplog.text


def test_a_refused_key_is_told_without_showing_it(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    private = private_key()
    caplog.set_level(logging.DEBUG)
    with running(FakeArchive(), monkeypatch) as server:
        account = {"type": "service_account", "project_id": "p", "client_email": "a@b.c", "private_key": private}
        (elsewhere / "key.json").write_text(json.dumps({**account, "token_uri": f"{server.url}/token", "private_key_id": "k"}))
        monkeypatch.setenv(DEFAULT_KEY_VARIABLE, str(elsewhere / "key.json"))
        monkeypatch.setenv(HOSTS_VARIABLE, server.url.removeprefix("http://"))
        monkeypatch.delenv(URL_VARIABLE, raising=False)
        with pytest.raises(EarthEngineError, match=r"credentials are rejected.*renew the key file") as error:
            ask(question)
        assert [request.path for request in server.requests] == ["/token"]
    assert "assertion" not in str(error.value) + caplog.text  # what the key signs
    for line in private.splitlines()[1:-1]:
        assert line not in str(error.value) + caplog.text


def private_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
