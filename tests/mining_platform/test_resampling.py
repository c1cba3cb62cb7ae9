from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
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


def zone_20_under_zone_21(path: Path, step: int, crs: str = "EPSG:32720") -> tuple[Path, GeoBox]:
    """A raster of random pixels with gaps, 3 km wide at 60.05 degrees west, and a 10 m grid of zone 21 over its upper left."""
    side = 3_000 // step
    rng = np.random.default_rng(step)
    native = rng.integers(1, 60_000, (side, side)).astype(np.uint16)
    native[rng.random(native.shape) < 0.1] = 0
    left, top = 826_200, 9_336_000
    shape = {"count": 1, "height": side, "width": side, "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", driver="GTiff", transform=Affine(step, 0, left, 0, -step, top), crs=crs, **shape) as out:
        out.write(native, 1)
    x, y = Transformer.from_crs(32720, 32721, always_xy=True).transform(left, top)
    corner = (round(x / 10) * 10 - 400, round(y / 10) * 10 + 200)
    return path, lattice_geobox(corner[0], corner[1] - 1_700, corner[0] + 1_900, corner[1], 32721)


def native_positions(source: rasterio.DatasetReader, box: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each pixel centre in native pixels (0 = centre of the first), each projected by itself."""
    height, width = box.shape
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = box.affine * (cols, rows)
    x, y = Transformer.from_crs(int(box.crs.epsg), source.crs.to_epsg(), always_xy=True).transform(x, y)
    native_cols, native_rows = ~source.transform * (x, y)
    return native_rows - 0.5, native_cols - 0.5


@pytest.mark.parametrize("step", [10, 20, 60])
def test_in_another_utm_zone_a_pixel_has_the_native_one_under_its_centre(tmp_path: Path, step: int) -> None:
    path, box = zone_20_under_zone_21(tmp_path / "a.tif", step)
    with rasterio.open(path) as source:
        found, native = read_on_grid(source, box, nearest=True), np.pad(source.read(1), 1)
        rows, cols = native_positions(source, box)
    i, j = (np.clip(np.floor(at + 0.5).astype(int) + 1, 0, len(native) - 1) for at in (rows, cols))
    sure = np.minimum(np.abs(rows % 1 - 0.5), np.abs(cols % 1 - 0.5)) > 1e-3
    assert 0.3 < (found > 0).mean() < 0.9
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found[sure], native[i, j][sure])


@pytest.mark.parametrize("step", [10, 20, 60])
def test_in_another_utm_zone_bilinear_lies_between_the_native_centres_that_have_data(tmp_path: Path, step: int) -> None:
    path, box = zone_20_under_zone_21(tmp_path / "a.tif", step)
    with rasterio.open(path) as source:
        found, under = (read_on_grid(source, box, nearest=nearest) for nearest in (False, True))
        native, (rows, cols) = np.pad(source.read(1), 2).astype(float), native_positions(source, box)
    i, j = np.floor(rows).astype(int), np.floor(cols).astype(int)
    total, weight = np.zeros(box.shape), np.zeros(box.shape)
    for di, dj in np.ndindex(2, 2):
        part = np.where(di, rows - i, 1 - rows + i) * np.where(dj, cols - j, 1 - cols + j)
        value = native[np.clip(i + di + 2, 0, len(native) - 1), np.clip(j + dj + 2, 0, len(native) - 1)]
        total, weight = total + part * value, weight + part * (value > 0)
    expected = np.divide(total, weight, out=np.zeros(box.shape), where=weight > 0)
    assert (found > 0).tolist() == (under > 0).tolist()
    assert np.abs(found - expected)[found > 0].max() < 0.5 + 2 * 60_000 * 1e-4


@pytest.mark.parametrize("nearest", [True, False])
def test_in_another_utm_zone_a_part_equals_the_same_part_of_the_whole(tmp_path: Path, *, nearest: bool) -> None:
    path, box = zone_20_under_zone_21(tmp_path / "a.tif", 10)
    with rasterio.open(path) as source:
        whole = read_on_grid(source, box, nearest=nearest)
        for rows, cols in ((slice(0, 50), slice(0, 190)), (slice(33, 47), slice(20, 61)), (slice(60, 61), slice(100, 101))):
            np.testing.assert_array_equal(read_on_grid(source, box[rows, cols], nearest=nearest), whole[rows, cols])


@pytest.mark.parametrize("nearest", [True, False])
def test_a_raster_that_is_not_north_up_gives_the_pixels_of_its_north_up_twin(tmp_path: Path, *, nearest: bool) -> None:
    native = np.random.default_rng(5).integers(0, 9000, (30, 30)).astype(np.uint16)
    path, box = raster(tmp_path / "a.tif", native), grid(LEFT - 30, TOP + 30, 70, 70)
    with rasterio.open(path) as source:
        expected = read_on_grid(source, box, nearest=nearest)
        profile = {**source.profile, "transform": Affine(20, 0, LEFT, 0, 20, TOP - 600)}
    with rasterio.open(tmp_path / "b.tif", "w", **profile) as out:
        out.write(native[::-1], 1)
    with rasterio.open(tmp_path / "b.tif") as source:
        np.testing.assert_array_equal(read_on_grid(source, box, nearest=nearest), expected)


def test_a_grid_beyond_the_reach_of_the_rasters_crs_has_no_data(tmp_path: Path) -> None:
    with rasterio.open(raster(tmp_path / "a.tif", np.ones((20, 20), np.uint16), crs="EPSG:3857")) as source:
        for away in (grid(LEFT, TOP, 4, 4), grid(10**9, 10**9, 4, 4)):
            assert not read_on_grid(source, away, nearest=True).any()


@pytest.mark.parametrize("crs", ["EPSG:32721", "EPSG:32722"])
def test_pixels_far_finer_than_the_grid_are_refused_before_they_are_read(tmp_path: Path, crs: str) -> None:
    profile = {"count": 1, "height": 20, "width": 20, "dtype": "uint16", "crs": crs}
    with rasterio.open(tmp_path / "a.tif", "w", transform=Affine(1e-4, 0, -56, 0, -1e-4, -6), **profile) as out:
        out.write(np.ones((20, 20), np.uint16), 1)
    with (
        rasterio.open(tmp_path / "a.tif") as source,
        pytest.raises(
            ValueError, match=r"has pixels more than 32 times finer than the grid's, if its CRS is the right one\. Mend"
        ),
    ):
        read_on_grid(source, grid(LEFT, TOP, 20, 20), nearest=True)


def test_a_raster_without_crs_is_refused(tmp_path: Path) -> None:
    with (
        rasterio.open(raster(tmp_path / "a.tif", np.ones((2, 2), np.uint8), crs=None)) as source,
        pytest.raises(ValueError, match="has no CRS"),
    ):
        read_on_grid(source, grid(LEFT, TOP, 2, 2), nearest=True)
