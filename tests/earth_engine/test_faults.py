"""The stand-in when things go wrong: credentials, faults, too many requests at once."""

from concurrent.futures import ThreadPoolExecutor

import ee
import numpy as np
import pytest
import requests as http
from google.auth.exceptions import GoogleAuthError
from google.oauth2.credentials import Credentials

from tests.earth_engine.archive import FakeArchive
from tests.earth_engine.client import earth_engine
from tests.earth_engine.faults import (
    CUT_SHORT,
    DROPPED,
    FORBIDDEN,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    TRUNCATED,
    UNAVAILABLE,
    Fault,
    slow,
)
from tests.earth_engine.requests import Limits
from tests.earth_engine.samples import band, grid, image, pixels
from tests.earth_engine.server import serve

S2 = "COPERNICUS/S2_SR_HARMONIZED"
ARCHIVE = FakeArchive(
    {S2: [image(f"2023010{i}", band("B2", np.full((4, 4), 100 * i)), band("B11", [[1]], pixel_m=20)) for i in (1, 2, 3)]}
)


def test_a_request_of_exactly_the_limit_is_answered() -> None:
    for limit, passes in ((4 * 4 * 6, True), (4 * 4 * 6 - 1, False)):
        with serve(ARCHIVE, limits=Limits(request_bytes=limit)) as server, earth_engine(server.url):
            if passes:
                assert pixels(ee.Image(f"{S2}/20230101"), grid(4, 4)).shape == (4, 4)
                assert server.of("computePixels")[0].size.bytes == limit
            else:
                with pytest.raises(ee.EEException, match=r"Total request size"):
                    pixels(ee.Image(f"{S2}/20230101"), grid(4, 4))


def test_a_payload_or_a_number_of_bands_past_the_limit_is_refused() -> None:
    with serve(ARCHIVE, limits=Limits(payload_bytes=1000, bands=1)) as server, earth_engine(server.url):
        with pytest.raises(ee.EEException, match=r"Request payload size exceeds the limit: 1000 bytes"):
            ee.List(["name"] * 1000).size().getInfo()
        with pytest.raises(ee.EEException, match=r"Too many bands \(2\): at most 1 can be requested"):
            pixels(ee.Image(f"{S2}/20230101"), grid(1, 1))


def test_an_address_that_is_not_there_and_a_damaged_request_are_answered() -> None:
    with serve(ARCHIVE) as server:
        assert http.get(f"{server.url}/v1/nothing", timeout=5).status_code == 404
        answer = http.post(f"{server.url}/v1/projects/stand-in/value:compute", json={"expression": {"result": "0"}}, timeout=5)
        assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert [(one.method, one.status) for one in server.requests] == [("unknown", 404), ("value", 400)]


def test_requests_without_the_token_are_unauthenticated() -> None:
    with serve(ARCHIVE, token="right") as server:
        for credentials in (None, Credentials("wrong")):  # the client tries to refresh what was refused with 401
            with pytest.raises(GoogleAuthError, match=r"refresh"), earth_engine(server.url, credentials=credentials):
                pass
        assert {one.status for one in server.of("algorithms")} == {401}
        with earth_engine(server.url, credentials=Credentials("right")):
            assert ee.ImageCollection(S2).size().getInfo() == 3
        assert [one.authorised for one in server.of("value")] == [True]
        assert "right" not in repr(server.requests)


def test_a_forbidden_project_is_said() -> None:
    with serve(ARCHIVE, faults={"value": [FORBIDDEN]}) as server, earth_engine(server.url):
        with pytest.raises(ee.EEException, match=r"does not have required permission to use project stand-in"):
            ee.Number(1).getInfo()
        assert (server.of("value")[0].status, server.of("value")[0].user_project) == (403, "stand-in")


@pytest.mark.parametrize("fault", [TOO_MANY_REQUESTS, SERVER_ERROR, UNAVAILABLE, DROPPED, TRUNCATED])
def test_the_client_gets_over_a_fault_by_asking_again(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("googleapiclient.http.time.sleep", lambda _seconds: None)
    with serve(ARCHIVE, faults={"computePixels": [fault, fault]}) as server, earth_engine(server.url, retries=3):
        assert pixels(ee.Image(f"{S2}/20230101"), grid(1, 1))["B2"].tolist() == [[100]]
        assert [one.status for one in server.of("computePixels")] == [fault.code or (0 if fault is DROPPED else 200)] * 2 + [200]


def test_without_retries_a_fault_reaches_the_caller() -> None:
    with serve(ARCHIVE, faults={"computePixels": [TOO_MANY_REQUESTS, DROPPED, CUT_SHORT]}) as server, earth_engine(server.url):
        with pytest.raises(ee.EEException, match=r"Too Many Requests"):
            pixels(ee.Image(f"{S2}/20230101"), grid(1, 1))
        with pytest.raises(ConnectionError):
            pixels(ee.Image(f"{S2}/20230101"), grid(1, 1))
        with pytest.raises((ValueError, EOFError)):
            pixels(ee.Image(f"{S2}/20230101"), grid(1, 1))
        assert pixels(ee.Image(f"{S2}/20230101"), grid(1, 1))["B2"].tolist() == [[100]]


def test_a_slow_answer_is_right_and_its_time_is_recorded() -> None:
    with serve(ARCHIVE, faults={"computePixels": [slow(0.1)]}) as server, earth_engine(server.url):
        assert pixels(ee.Image(f"{S2}/20230101"), grid(1, 1))["B2"].tolist() == [[100]]
        found = server.of("computePixels")[0]
        assert 0.1 <= found.ended - found.started < 5


def test_the_peak_of_concurrent_requests_is_recorded_and_more_than_the_limit_are_turned_away() -> None:
    def ask(_number: int) -> str:
        try:
            return str(pixels(ee.Image(f"{S2}/20230101"), grid(1, 1))["B2"][0, 0])
        except ee.EEException as error:
            return str(error)[:17]

    with (
        serve(ARCHIVE, limits=Limits(concurrent=3), latency_s=0.5) as server,
        earth_engine(server.url),
        ThreadPoolExecutor(6) as pool,
    ):
        answers = list(pool.map(ask, range(6)))
        assert server.peak_concurrent > 3
        assert set(answers) == {"100", "Too Many Requests"}
        assert [one.status for one in server.of("computePixels")].count(429) == answers.count("Too Many Requests")
    assert Limits().concurrent == 40


def test_faults_of_a_method_that_is_not_there_are_refused() -> None:
    with (
        pytest.raises(ValueError, match=r"Faults name the methods \['computePixel'\]; known are"),
        serve(ARCHIVE, faults={"computePixel": []}),
    ):
        pass


def test_one_process_meets_several_servers_after_each_other() -> None:
    for value in (1, 2):
        archive = FakeArchive(images={"projects/maps/assets/one": image("one", band("b", [[value]]))})
        with serve(archive) as server, earth_engine(server.url):
            assert pixels(ee.Image("projects/maps/assets/one"), grid(1, 1))["b"].tolist() == [[value]]
    assert not ee.data.is_initialized()
