"""MapBiomas maps of an Earth Engine asset, against the same map as a file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import box

from mining_platform.regions import LandCover, Region
from mining_platform.sources import earth_engine_maps, mapbiomas
from mining_platform.sources.earth_engine_api import requests as earth_engine_requests
from mining_platform.sources.protocol import Cost, SourceError
from tests.earth_engine.archive import FakeArchive, FakeBand, FakeImage
from tests.synthetic import outline
from tests.twin_scenes import SIDE_PX, region_of, running

ASSET = "projects/mapbiomas-public/assets/brazil/lulc/collection10/integration"
STEP = 0.00026949458523585647
MIDDLE = outline(SIDE_PX, SIDE_PX).centroid


def map_archive(
    classes: NDArray[np.uint8], *, names: Sequence[str] = ("classification_2023", "classification_2024")
) -> FakeArchive:
    """A map over the tiny region, its last band the classes, the others class 3; class 0 is masked."""
    affine = map_affine(classes)
    stack = [np.full_like(classes, 3)] * (len(names) - 1) + [classes]
    bands = [FakeBand(name, each, "EPSG:4326", tuple(affine)[:6], each != 0) for name, each in zip(names, stack, strict=True)]
    return FakeArchive(images={ASSET: FakeImage("integration", tuple(bands), box(-90, -40, -30, 10))})


def map_affine(classes: NDArray[np.uint8]) -> Affine:
    height, width = classes.shape
    return Affine(STEP, 0, MIDDLE.x - STEP * (width // 2), 0, -STEP, MIDDLE.y + STEP * (height // 2))


def map_of(source: str = "earth_engine", href: str = ASSET, bands: str = "classification_{year}") -> LandCover:
    return LandCover(source, "10", href, (2020, 2024), bands, False)


def patchy_classes(side: int = 60) -> NDArray[np.uint8]:
    return np.random.default_rng(7).choice(np.array([0, 3, 15, 30], np.uint8), (side, side))


def test_a_map_is_clipped_as_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = patchy_classes()
    profile = {"driver": "GTiff", "count": 2, "dtype": "uint8", "nodata": 0, "crs": "EPSG:4326", "transform": map_affine(classes)}
    with rasterio.open(tmp_path / "map.tif", "w", **profile, height=60, width=60) as raster:
        raster.write(np.stack([np.full_like(classes, 3), classes]))
        raster.descriptions = ("classification_2023", "classification_2024")
    ours = mapbiomas.read_land_cover(
        region_of(land_cover=map_of("mapbiomas", str(tmp_path / "map.tif"))), 2024, tmp_path / "file"
    )
    region = region_of(land_cover=map_of())
    monkeypatch.setattr(earth_engine_requests, "MAX_REQUEST_BYTES", 2 * 400)
    with running(map_archive(classes), monkeypatch) as server:
        theirs = earth_engine_maps.read_land_cover(region, 2024, tmp_path / "asset")
        asked, foreseen = server.of("computePixels"), earth_engine_maps.cost_land_cover(region, 2024)
    assert {key: value for key, value in theirs.items() if key != "source"} == {k: v for k, v in ours.items() if k != "source"}
    with rasterio.open(tmp_path / "file/land_cover.tif") as a, rasterio.open(tmp_path / "asset/land_cover.tif") as b:
        assert np.array_equal(a.read(), b.read())
        assert (a.transform.almost_equals(b.transform, 1e-12), a.crs, a.profile["nodata"]) == (True, b.crs, b.profile["nodata"])
        assert a.colormap(1) == b.colormap(1)
    assert foreseen.requests == len(asked) > 1
    assert foreseen.bytes == theirs["pixels"]
    assert {request.workload_tag for request in asked} == {"land-cover-tiny"}
    assert sorted(path.name for path in (tmp_path / "asset").iterdir()) == ["land_cover.tif"]


def test_a_map_is_identified_by_asset_and_band(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(map_archive(patchy_classes()), monkeypatch) as server:
        told = earth_engine_maps.fingerprint_land_cover(region_of(land_cover=map_of()), 2024)
        assert server.of("computePixels") == []
    updated = told.pop("updated")
    assert updated is None or updated.endswith("Z")
    assert told == {
        "source": "earth_engine",
        "collection": "10",
        "href": ASSET,
        "band": "classification_2024",
        "year": 2024,
        "simulated": False,
    }


def test_a_public_file_costs_its_blocks_and_a_file_at_hand_nothing(tmp_path: Path) -> None:
    public = region_of(land_cover=map_of("mapbiomas", "https://storage.googleapis.com/{year}.tif"))
    assert mapbiomas.cost_land_cover(public, 2024) == Cost(requests=4, bytes=4 * 256**2)
    (tmp_path / "2024.tif").touch()
    assert mapbiomas.cost_land_cover(region_of(land_cover=map_of("mapbiomas", f"{tmp_path}/{{year}}.tif")), 2024) == Cost()


@pytest.mark.parametrize(
    ("cover", "message"),
    [
        (map_of(bands="b_{year}"), r"has no band b_2024; there are classification_2023, classification_2024.*Mend 'bands'"),
        (
            map_of(href="projects/no/assets/such"),
            r"asset projects/no/assets/such: Earth Engine refuses \(status 404.*Check its id",
        ),
        (replace(map_of(), years=(2020, 2021)), "the year lies outside the collection"),
    ],
)
def test_a_map_that_is_not_there_is_an_error(
    cover: LandCover, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        running(map_archive(patchy_classes()), monkeypatch),
        pytest.raises(SourceError, match=rf"Region tiny, year 2024.*{message}"),
    ):
        earth_engine_maps.read_land_cover(region_of(land_cover=cover), 2024, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_map_in_a_crs_without_a_code_is_asked_for_by_its_wkt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wkt = CRS.from_proj4(f"+proj=laea +lat_0={MIDDLE.y} +lon_0={MIDDLE.x} +datum=WGS84").to_wkt()
    classes = patchy_classes()
    band = FakeBand("classification_2024", classes, wkt, (30, 0, -900, 0, -30, 900), classes != 0)
    image = FakeImage("integration", (band,), box(-90, -40, -30, 10))
    with running(FakeArchive(images={ASSET: image}), monkeypatch):
        told = earth_engine_maps.read_land_cover(region_of(land_cover=map_of()), 2024, tmp_path)
    with rasterio.open(tmp_path / "land_cover.tif") as raster:
        column, row = (round(offset) for offset in ~Affine(*band.transform) * (raster.transform.c, raster.transform.f))
        assert np.array_equal(raster.read(1), classes[row : row + raster.height, column : column + raster.width])
    assert told["pixels"] > 900


@pytest.mark.parametrize(
    "grid",
    [
        {"crsCode": "SR-ORG:6974", "affineTransform": {"scaleX": 1, "scaleY": -1}, "dimensions": {"width": 1, "height": 1}},
        {"crsCode": "EPSG:4326", "affineTransform": {"scaleX": 1, "scaleY": -1}},
        {},
    ],
)
def test_a_map_whose_grid_is_not_understood_is_refused(
    grid: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    band = {"id": "classification_2024", "dataType": {"precision": "INT", "range": {"max": 255}}, "grid": grid}
    monkeypatch.setattr(earth_engine_maps, "asset", lambda _asset_id: {"bands": [band]})
    with pytest.raises(SourceError, match=r"Region tiny, year 2024.*grid of band classification_2024.*is not understood"):
        earth_engine_maps.read_land_cover(region_of(land_cover=map_of()), 2024, tmp_path / "out")


def test_a_map_of_other_numbers_or_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    region = region_of(land_cover=map_of())
    with (
        running(map_archive(patchy_classes().astype(np.uint16)), monkeypatch),
        pytest.raises(SourceError, match=r"holds .*65535.*class codes are uint8"),
    ):
        earth_engine_maps.read_land_cover(region, 2024, tmp_path / "out")
    away = Region("away", "Away", "BR", (2024,), 32722, "full", map_of(), None, box(-50.1, -5.1, -50.0, -5.0))
    with (
        running(map_archive(patchy_classes()), monkeypatch),
        pytest.raises(SourceError, match="does not touch the region's outline"),
    ):
        earth_engine_maps.read_land_cover(away, 2024, tmp_path / "out")
