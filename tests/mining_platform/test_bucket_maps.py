"""Rasters in a bucket of one's own: read with a signature that nobody sees, and only where the environment lists the bucket."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from mining_platform.mosaics import compose
from mining_platform.sources import stac
from mining_platform.sources.rasters import RasterError, read_band
from mining_platform.sources.remote import bucket_signing, signing
from mining_platform.sources.remote.network import HOSTS_VARIABLE, without_query
from tests.mining_platform.test_mosaics import CHANNELS, MEDIAN, bytes_of, wide_scenes
from tests.object_stores import BUCKET, client, s3_server

GRID = GeoBox((16, 16), from_origin(500_000, 9_000_000, 10, 10), "EPSG:32722")
PIXELS = np.arange(256, dtype="uint8").reshape(16, 16)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    folder = tmp_path_factory.mktemp("moto")
    with s3_server(folder) as environment:
        profile = {"driver": "GTiff", "width": 16, "height": 16, "count": 1, "dtype": "uint8", "crs": "EPSG:32722"}
        with rasterio.open(folder / "map.tif", "w", **profile, transform=GRID.transform) as out:
            out.write(PIXELS, 1)
        client(environment).upload_file(str(folder / "map.tif"), BUCKET, "maps/brazil é 2024.tif")
        yield environment


@pytest.fixture
def place(server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The plain address of the map; host and bucket are listed."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(HOSTS_VARIABLE, server["AWS_ENDPOINT_URL"].partition("//")[2])
    monkeypatch.setenv(bucket_signing.SIGNED_VARIABLE, f"s3://other, s3://{BUCKET}")
    bucket_signing._bucket.cache_clear()
    return f"{server['AWS_ENDPOINT_URL']}/{BUCKET}/maps/brazil%20%C3%A9%202024.tif"


def test_a_map_in_a_listed_bucket_is_read_on_the_grid(place: str) -> None:
    assert (read_band(place, GRID, nearest=True) == PIXELS).all()


def test_a_listed_bucket_is_signed_for_this_object_and_a_quarter_of_an_hour(place: str) -> None:
    signed = signing.signed(place)
    assert without_query(signed) == place
    assert "X-Amz-Expires=900" in signed
    assert "X-Amz-Signature=" in signed
    assert signing.unsigned(signed) == place


@pytest.mark.parametrize("listed", ["", "s3://other", "s3://artifact"])
def test_a_bucket_that_is_not_listed_gets_no_signature(place: str, listed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bucket_signing.SIGNED_VARIABLE, listed)
    assert signing.signed(place) == place


def test_a_listed_bucket_on_a_host_that_is_not_allowed_is_not_asked(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HOSTS_VARIABLE)
    with pytest.raises(RasterError, match="is refused"):
        read_band(place, GRID, nearest=True)


def test_an_entry_that_is_no_bucket_is_told(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bucket_signing.SIGNED_VARIABLE, "maps")
    with pytest.raises(signing.SigningError, match=r"MINING_PLATFORM_SIGNED_BUCKETS: 'maps' is no address"):
        signing.signed(place)


def test_an_error_of_a_signed_file_shows_no_signature(place: str) -> None:
    with pytest.raises(RasterError) as caught:
        read_band(place.replace("2024", "2023"), GRID, nearest=True)
    assert "Signature" not in str(caught.value)
    assert "HTTP 404" in str(caught.value)


def test_a_mosaic_of_scenes_in_a_bucket_is_the_one_of_scenes_on_the_disk(
    server: Mapping[str, str], place: str, tmp_path: Path
) -> None:
    here, scenes = wide_scenes(tmp_path)
    compose(here, scenes, CHANNELS, tmp_path / "here", recipe=MEDIAN, blocks=None)
    root = place.partition("/maps/")[0]
    moved = 0
    for path in (tmp_path / "stac").rglob("*.json"):
        item = json.loads(path.read_text())
        for asset in item.get("assets", {}).values():
            raster = (path.parent / asset["href"]).resolve()
            name = raster.relative_to(tmp_path).as_posix()
            client(server).upload_file(str(raster), BUCKET, name)
            raster.unlink()
            asset["href"], moved = f"{root}/{name}", moved + 1
        path.write_text(json.dumps(item))
    assert moved > 2
    there = stac.list_scenes(here, 2024)
    compose(here, there, CHANNELS, tmp_path / "there", recipe=MEDIAN, blocks=None)

    def pixels(folder: Path) -> dict[str, bytes]:
        return {name: content for name, content in bytes_of(folder).items() if "/c/" in name}

    assert pixels(tmp_path / "there") == pixels(tmp_path / "here") != {}
    told = "\n".join(there.astype(str).to_csv().splitlines())
    assert "Signature" not in told
    assert root in told


def test_gdal_is_never_given_a_bucket_address() -> None:
    for place in (f"s3://{BUCKET}/map.tif", f"/vsis3/{BUCKET}/map.tif"):
        with pytest.raises(RasterError, match=r"on disk or behind https"):
            read_band(place, GRID, nearest=True)
