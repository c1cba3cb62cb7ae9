"""What may work later is told from what will fail again, through all the words that sources put around it."""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pystac_client.exceptions import APIError

from mining_platform.region_files import load_regions
from mining_platform.regions import Region
from mining_platform.sources import mapbiomas
from mining_platform.sources.earth_engine_api.session import EarthEngineError, _explained_status
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote import files, network
from mining_platform.sources.remote.network import HOSTS_VARIABLE
from mining_platform.sources.remote.outages import is_outage
from tests.file_service import FileService, file_service
from tests.monitored_regions import monitored, write_map


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileService]:
    monkeypatch.setattr(network, "BACKOFF_S", 0.0)
    monkeypatch.setattr(network, "_OWN", threading.local())
    monkeypatch.setattr(files, "sleep", lambda _seconds: None)
    monkeypatch.setattr(files, "_heads", OrderedDict())
    with file_service() as served:
        monkeypatch.setenv(HOSTS_VARIABLE, served.host)
        yield served


@pytest.fixture
def region(tmp_path: Path, service: FileService) -> Region:
    feature = monitored(tmp_path, "alto")
    feature["properties"]["land_cover"]["href"] = f"{service.url}/alto_{{year}}.tif"
    (tmp_path / "regions.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    write_map(tmp_path, "alto", 2022, 10)
    service.files["/alto_2022.tif"] = (tmp_path / "alto_2022.tif").read_bytes()
    return load_regions(tmp_path / "regions.geojson")["alto"]


def failure(region: Region, out: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        mapbiomas.read_land_cover(region, 2022, out)
    return caught.value


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_a_map_whose_service_is_busy_or_breaks_off_may_be_read_later(
    region: Region, service: FileService, tmp_path: Path, status: int
) -> None:
    service.statuses += [status] * 40
    assert is_outage(failure(region, tmp_path / "out"))
    service.statuses.clear()
    assert mapbiomas.read_land_cover(region, 2022, tmp_path / "out")["collection"] == "9"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_map_that_is_refused_or_gone_is_so_again(region: Region, service: FileService, tmp_path: Path, status: int) -> None:
    service.statuses += [status] * 40
    assert not is_outage(failure(region, tmp_path / "out"))


def test_a_damaged_map_is_damaged_again(region: Region, service: FileService, tmp_path: Path) -> None:
    service.files["/alto_2022.tif"] = service.files["/alto_2022.tif"][:300]
    assert not is_outage(failure(region, tmp_path / "out"))


def test_a_map_that_is_replaced_while_it_is_read_may_be_read_anew(region: Region, service: FileService, tmp_path: Path) -> None:
    mapbiomas.read_land_cover(region, 2022, tmp_path / "out")
    write_map(tmp_path, "alto", 2022, 12)
    service.files["/alto_2022.tif"] = (tmp_path / "alto_2022.tif").read_bytes()
    assert is_outage(failure(region, tmp_path / "out"))
    assert mapbiomas.read_land_cover(region, 2022, tmp_path / "out")["class_pixels"]["30"] == 480


@pytest.mark.parametrize(
    ("status", "expected"), [(429, True), (500, True), (503, True), (400, False), (403, False), (404, False)]
)
def test_of_earth_engine_what_its_status_says_counts(status: int, expected: bool) -> None:
    assert is_outage(_explained_status(status, "said")) is expected


def test_no_credentials_and_bad_certificates_are_no_outages() -> None:
    assert not is_outage(EarthEngineError("no usable credentials for Earth Engine are found", "Run it."))
    assert not is_outage(requests.exceptions.SSLError("certificate has expired"))
    assert not is_outage(ValueError("the year lies outside the collection"))
    assert not is_outage(BrokenPipeError("a worker of a training died"))


def test_a_stac_api_that_is_busy_may_answer_later_and_one_that_refuses_will_not() -> None:
    busy, refused = APIError("busy"), APIError("bad request")
    busy.status_code, refused.status_code = 503, 400
    assert is_outage(busy)
    assert not is_outage(refused)
    assert not is_outage(APIError("without a status"))
