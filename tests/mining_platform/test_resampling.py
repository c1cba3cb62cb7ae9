from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from mining_platform.grids import lattice_geobox
from mining_platform.resampling import read_on_grid

LEFT, TOP = 600_000, 9_300_000


def raster(path: Path, pixels: np.ndarray, step: int = 20, crs: str | None = "EPSG:32721", nodata: int | None = 0) -> Path:
    height, width = pixels.shape
    shape = {"count": 1, "height": height, "width": width, "dtype": pixels.dtype, "nodata": nodata}
    with rasterio.open(path, "w", driver="GTiff", transform=Affine(step, 0, LEFT, 0, -step, TOP), crs=crs, **shape) as out:
        out.write(pixels, 1)
    return path


def grid(left: int, top: int, width: int, height: int, epsg: int = 32721) -> GeoBox:
    return lattice_geobox(left, top - height * 10, left + width * 10, top, epsg)


def test_bilinear_lies_between_the_native_centres(tmp_path: Path) -> None:
    native = np.array([[100, 200], [300, 400]], np.uint16)
    with rasterio.open(raster(tmp_path / "a.tif", native)) as source:
        found = read_on_grid(source, grid(LEFT, TOP, 4, 4), nearest=False)
    assert found.tolist() == [[100, 125, 175, 200], [150, 175, 225, 250], [250, 275, 325, 350], [300, 325, 375, 400]]


def test_nearest_takes_the_native_pixel_under_the_centre(tmp_path: Path) -> None:
    native = np.array([[1, 2], [3, 4]], np.uint8)
    with rasterio.open(raster(tmp_path / "a.tif", native)) as source:
        found = read_on_grid(source, grid(LEFT - 10, TOP + 10, 5, 3), nearest=True)
    assert found.tolist() == [[0, 0, 0, 0, 0], [0, 1, 1, 2, 2], [0, 1, 1, 2, 2]]


def test_a_pixel_has_a_value_exactly_where_its_native_pixel_has_one(tmp_path: Path) -> None:
    native = np.array([[0, 200], [300, 400]], np.uint16)
    with rasterio.open(raster(tmp_path / "a.tif", native)) as source:
        found = read_on_grid(source, grid(LEFT, TOP, 4, 4), nearest=False)
    np.testing.assert_array_equal(found == 0, np.kron(native == 0, np.ones((2, 2), bool)))
    assert found[0, 2] == 200


def test_the_rasters_own_nodata_becomes_0(tmp_path: Path) -> None:
    native = np.array([[27, 3]], np.uint8)
    with rasterio.open(raster(tmp_path / "a.tif", native, step=10, nodata=27)) as source:
        assert read_on_grid(source, grid(LEFT, TOP, 2, 1), nearest=True).tolist() == [[0, 3]]
        degrees = GeoBox.from_bbox(source.bounds, crs=source.crs, resolution=10).to_crs("EPSG:4326")
        assert set(np.unique(read_on_grid(source, degrees, nearest=True))) <= {0, 3}


@pytest.mark.parametrize("step", [20, 60])
def test_own_bilinear_agrees_with_gdals_warper_inside(tmp_path: Path, step: int) -> None:
    native = np.random.default_rng(3).integers(1, 9000, (20, 24)).astype(np.uint16)
    box = grid(LEFT + 130, TOP - 70, 25, 27)
    with rasterio.open(raster(tmp_path / "a.tif", native, step=step)) as source:
        found = read_on_grid(source, box, nearest=False).astype(int)
        target = {"crs": "EPSG:32721", "transform": box.affine, "width": 25, "height": 27}
        with WarpedVRT(source, resampling=Resampling.bilinear, nodata=0, **target) as warped:
            expected = warped.read(1).astype(int)
    assert np.abs(found - expected).max() <= 1


def test_a_part_equals_the_same_part_of_the_whole(tmp_path: Path) -> None:
    native = np.random.default_rng(4).integers(0, 9, (30, 30)).astype(np.uint16)
    with rasterio.open(raster(tmp_path / "a.tif", native)) as source:
        whole = read_on_grid(source, grid(LEFT - 30, TOP + 30, 70, 70), nearest=False)
        part = read_on_grid(source, grid(LEFT + 100, TOP - 50, 20, 30), nearest=False)
    np.testing.assert_array_equal(part, whole[8:38, 13:33])


def test_another_utm_zone_is_warped(tmp_path: Path) -> None:
    native = np.full((200, 200), 700, np.uint16)
    with rasterio.open(raster(tmp_path / "a.tif", native, step=20)) as source:
        box = GeoBox.from_bbox(source.bounds, crs=source.crs, resolution=10).to_crs("EPSG:32722", resolution=10)
        found = read_on_grid(source, box, nearest=False)
    assert set(np.unique(found)) == {0, 700}
    assert (found == 700).mean() > 0.7


def test_a_raster_without_crs_is_refused(tmp_path: Path) -> None:
    with (
        rasterio.open(raster(tmp_path / "a.tif", np.ones((2, 2), np.uint8), crs=None)) as source,
        pytest.raises(ValueError, match="has no CRS"),
    ):
        read_on_grid(source, grid(LEFT, TOP, 2, 2), nearest=True)
