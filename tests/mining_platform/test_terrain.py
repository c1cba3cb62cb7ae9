"""Heights and slopes of known surfaces: planes, tiles beside each other, voids, feet; and of real ones."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from mining_platform import bands
from mining_platform.grids import lattice_geobox
from mining_platform.terrain import TerrainError, check_metres, elevation_on_grid, slope_on_grid, terrain_on_grid
from mining_platform.value_resampling import values_on_grid
from tests.conftest import REALDATA
from tests.mining_platform.layer_catalogues import linear_ramp, write_raster
from tests.synthetic import EPSG, LEFT_M, TOP_M

GRID = lattice_geobox(LEFT_M, TOP_M - 500, LEFT_M + 600, TOP_M, EPSG)
SECOND = 1 / 3600
_DEGREES = Transformer.from_crs(EPSG, 4326, always_xy=True)


@contextmanager
def opened(paths: Sequence[Path]) -> Iterator[list[rasterio.DatasetReader]]:
    with ExitStack() as stack:
        yield [stack.enter_context(rasterio.open(path)) for path in paths]


def heights(paths: Sequence[Path], geobox: GeoBox = GRID) -> NDArray[np.float32]:
    with opened(paths) as sources:
        return elevation_on_grid(sources, geobox)


def corner_second() -> tuple[float, float]:
    """A whole second north-west of the grid, in degrees."""
    lon, lat = _DEGREES.transform(LEFT_M, TOP_M)
    return np.floor(lon * 3600) / 3600 - 5 * SECOND, np.ceil(lat * 3600) / 3600 + 5 * SECOND


def plane_degrees(lon: NDArray[np.floating], lat: NDArray[np.floating]) -> NDArray[np.floating]:
    west, north = corner_second()
    return 100 + 36_000 * (lon - west) + 18_000 * (north - lat)


def tile(path: Path, left: int, top: int, shape: tuple[int, int], **settings: float) -> Path:
    """The plane on seconds of arc, as GLO-30 has them, from the so-and-so-many-th column and row on."""
    west, north = corner_second()
    affine = Affine(SECOND, 0, west + left * SECOND, 0, -SECOND, north - top * SECOND)
    columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    values = plane_degrees(*(affine * (columns, rows))).astype(np.float32)
    for name, value in settings.items():
        assert name == "void"
        values[3, 4] = value
    return write_raster(path, values, affine, crs="EPSG:4326")


def plane_on(geobox: GeoBox) -> NDArray[np.floating]:
    height, width = geobox.shape
    x, y = geobox.affine * tuple(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5))
    return plane_degrees(*_DEGREES.transform(x, y))


def test_a_plane_in_degrees_is_the_same_plane_on_the_grid(tmp_path: Path) -> None:
    found = heights([tile(tmp_path / "a.tif", 0, 0, (40, 40))])
    assert (found.shape, found.dtype) == (GRID.shape, np.float32)
    np.testing.assert_allclose(found, plane_on(GRID), atol=1e-3)


def test_tiles_beside_each_other_have_no_seam(tmp_path: Path) -> None:
    """Four tiles meet in the middle of the grid: the plane goes on, to the last bit what one tile gives."""
    whole = heights([tile(tmp_path / "whole.tif", 0, 0, (40, 40))])
    parts = [
        tile(tmp_path / f"{left}-{top}.tif", left, top, (13 if top == 0 else 27, 15 if left == 0 else 25))
        for left in (0, 15)
        for top in (0, 13)
    ]
    np.testing.assert_allclose(heights(parts), whole, atol=1e-4)
    np.testing.assert_allclose(heights(parts[::-1]), whole, atol=1e-4)


def test_a_grid_in_pieces_is_the_grid_in_one_bit_for_bit_whichever_tiles_each_piece_has(tmp_path: Path) -> None:
    west, east = tile(tmp_path / "w.tif", 0, 0, (40, 15)), tile(tmp_path / "e.tif", 15, 0, (40, 25))
    whole = heights([west, east])
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(heights([west, east], GRID[:, :20]), whole[:, :20])
    np.testing.assert_array_equal(heights([east], GRID[:, 45:]), whole[:, 45:])


def test_where_the_first_model_ends_another_of_other_pixels_goes_on(tmp_path: Path) -> None:
    fine = write_raster(tmp_path / "fine.tif", np.full((50, 30), 7, np.float32), Affine(10, 0, LEFT_M, 0, -10, TOP_M))
    coarse = write_raster(tmp_path / "coarse.tif", np.full((30, 30), 9, np.int16), Affine(30, 0, LEFT_M, 0, -30, TOP_M))
    found = heights([fine, coarse])
    assert (found[:, :30] == 7).all()
    assert (found[:, 30:] == 9).all()


@pytest.mark.parametrize("void", [-32768.0, np.nan, -9999.0, 3e38])
def test_a_void_stays_a_void_and_its_neighbours_stay(tmp_path: Path, void: float) -> None:
    values = np.full((20, 20), 50, np.float32)
    values[5, 6] = void
    found = heights([write_raster(tmp_path / "a.tif", values, Affine(30, 0, LEFT_M, 0, -30, TOP_M))])
    assert np.isnan(found[15:18, 18:21]).all()
    assert np.isnan(found).sum() == 9
    assert set(found[np.isfinite(found)].tolist()) == {50.0}


def test_a_grid_beside_the_model_is_all_void(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.full((9, 9), 5, np.float32), Affine(30, 0, LEFT_M + 90_000, 0, -30, TOP_M))
    assert np.isnan(heights([path])).all()


def test_height_below_sea_level_is_a_height(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.full((20, 20), -12, np.int16), Affine(30, 0, LEFT_M, 0, -30, TOP_M))
    assert (heights([path]) == -12).all()


def test_values_between_pixels_are_means_by_nearness(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", linear_ramp((30, 30), 3, 6), Affine(30, 0, LEFT_M, 0, -30, TOP_M))
    with opened([path]) as sources:
        found = values_on_grid(sources, GRID)
    assert found[1, 1] == 0
    assert found[10, 10] == pytest.approx(3 * 3 + 3 * 6)
    assert found[1, 2] == pytest.approx(2.0)


def test_a_raster_of_far_finer_pixels_is_hardly_in_its_crs(tmp_path: Path) -> None:
    affine = Affine(0.1, 0, LEFT_M, 0, -0.1, TOP_M)
    with (
        opened([write_raster(tmp_path / "a.tif", np.zeros((99, 99), np.float32), affine)]) as sources,
        pytest.raises(ValueError, match="more than 32 times finer"),
    ):
        values_on_grid(sources, GRID)


def test_a_plane_of_one_in_ten_is_5_71_degrees_steep_whatever_its_direction() -> None:
    for down, right in ((1, 0), (0, -1), (0.6, 0.8)):
        slope = slope_on_grid(linear_ramp((8, 9), down, right, 100), 10)
        assert slope.shape == (6, 7)
        np.testing.assert_allclose(slope, np.degrees(np.arctan(0.1)), rtol=1e-5)


def test_flat_ground_has_no_slope_and_one_peak_has_that_of_horn() -> None:
    z = np.zeros((5, 5))
    z[2, 2] = 8
    slope = slope_on_grid(z, 10)
    assert slope[1, 1] == 0
    assert slope[1, 0] == pytest.approx(np.degrees(np.arctan(16 / 80)))
    assert slope[0, 0] == pytest.approx(np.degrees(np.arctan(np.hypot(8, 8) / 80)))
    assert (slope_on_grid(np.full((4, 4), 3.0), 10) == 0).all()


def test_beside_a_void_there_is_no_slope() -> None:
    z = np.zeros((7, 7))
    z[3, 3] = np.nan
    assert np.isnan(slope_on_grid(z, 10)).sum() == 9


def test_heights_without_a_margin_have_no_slope() -> None:
    with pytest.raises(ValueError, match="no inner pixel"):
        slope_on_grid(np.zeros((2, 9)), 10)


def test_height_and_slope_come_in_the_order_that_is_asked_for_and_in_pieces_as_in_one(tmp_path: Path) -> None:
    hills = np.random.default_rng(3).uniform(0, 90, (40, 40)).astype(np.float32)
    path = write_raster(tmp_path / "a.tif", hills, Affine(30, 0, LEFT_M - 90, 0, -30, TOP_M + 90))
    whole = terrain_on_grid(("DEM", "SLOPE"), lambda box: heights([path], box), GRID)
    assert (whole.shape, whole.dtype) == ((2, *GRID.shape), np.float32)
    np.testing.assert_array_equal(whole[0], heights([path]))
    turned = terrain_on_grid(("SLOPE", "DEM"), lambda box: heights([path], box), GRID)
    np.testing.assert_array_equal(turned, whole[::-1])
    parts = [
        terrain_on_grid(("DEM", "SLOPE"), lambda box: heights([path], box), GRID[:, cut]) for cut in (slice(0, 31), slice(31, 60))
    ]
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole)


def test_a_channel_of_another_sensor_is_refused() -> None:
    with pytest.raises(KeyError, match=r"B04.*are none of a surface model; those are DEM and SLOPE"):
        terrain_on_grid(("B04",), lambda box: np.zeros(box.shape, np.float32), GRID)


def test_slopes_go_through_the_store_to_a_hundredth_of_a_degree() -> None:
    degrees = np.array([0, 5.71, 89.99, 90, np.nan])
    np.testing.assert_array_equal(bands.as_stored("SLOPE", degrees), [1, 572, 9000, 9001, 0])
    np.testing.assert_allclose(bands.as_values("SLOPE", bands.as_stored("SLOPE", degrees)), degrees, atol=0.005)


@pytest.mark.parametrize(("unit", "known"), [("m", False), ("metre", False), ("Metres", True), ("", True)])
def test_metres_are_taken(tmp_path: Path, unit: str, known: bool) -> None:
    with opened([write_raster(tmp_path / "a.tif", np.zeros((9, 9), np.float32), GRID.affine, band_unit=unit or None)]) as (
        source,
    ):
        check_metres(source, known=known)


def test_a_tag_tells_the_unit_too(tmp_path: Path) -> None:
    with opened([write_raster(tmp_path / "a.tif", np.zeros((9, 9), np.float32), GRID.affine, unit="m")]) as (source,):
        check_metres(source, known=False)


@pytest.mark.parametrize("known", [False, True])
def test_feet_are_refused_with_the_remedy(tmp_path: Path, known: bool) -> None:
    path = write_raster(tmp_path / "a.tif", np.zeros((9, 9), np.float32), GRID.affine, band_unit="ft")
    with opened([path]) as (source,), pytest.raises(TerrainError, match=r"in feet \('ft'\).*A\*0.3048"):
        check_metres(source, known=known)


def test_no_unit_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.zeros((9, 9), np.float32), GRID.affine)
    with opened([path]) as (source,), pytest.raises(TerrainError, match=r"tells no unit.*-mo unit=m.*cop-dem-glo-30"):
        check_metres(source, known=False)


def real(*parts: str) -> Path:
    path = REALDATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the real file {path} is absent; set MINING_PLATFORM_REALDATA")
    return path


def test_a_real_model_with_a_vertical_axis_in_metres_is_taken_and_warped() -> None:
    """The Tiber valley at Rome: EPSG:9707, 5 to 115 m in the file."""
    path = real("s1-grd-clip", "Rome-30m-DEM.tif")
    grid = lattice_geobox(289_500, 4_648_000, 293_000, 4_651_000, 32633)
    with opened([path]) as (source,):
        check_metres(source, known=False)
        native = source.read(1)
    found = heights([path], grid)
    assert np.isfinite(found).all()
    assert native.min() <= found.min() < found.max() <= native.max()
    slope = slope_on_grid(found, 10)
    assert 1 < np.median(slope) < 15


def test_a_real_model_on_a_scenes_own_grid_is_the_files_pixels() -> None:
    path = real("landsat5-para-polygons", "srtm_lsat.tif")
    with opened([path]) as (source,):
        own = GeoBox(source.shape, source.transform, "EPSG:32622")
        np.testing.assert_array_equal(elevation_on_grid([source], own), source.read(1))
        with pytest.raises(TerrainError, match="tells no unit"):
            check_metres(source, known=False)


def test_the_real_model_of_trombetas_is_warped_from_degrees_to_utm() -> None:
    path = real("trombetas-s2-srtm-polygons", "srtm_sen2.tif")
    grid = lattice_geobox(569_700, 9_836_500, 572_000, 9_838_600, 32721)
    found = heights([path], grid)
    with opened([path]) as (source,):
        native = source.read(1)
        lon, lat = Transformer.from_crs(32721, 4326, always_xy=True).transform(*(grid.affine * (100.5, 80.5)))
        row, column = source.index(lon, lat)
    assert np.isfinite(found).mean() > 0.9
    around = native[row - 1 : row + 2, column - 1 : column + 2]
    assert around.min() <= found[80, 100] <= around.max()


def test_real_items_of_the_copernicus_model_name_their_file() -> None:
    items = json.loads(real("stac-items", "cop-dem-glo-30-pc.json").read_text())
    asset = bands.BANDS["DEM"].providers["planetary-computer"]
    assert {item["assets"][asset]["href"].rpartition("/")[2] for item in items} == {f"{item['id']}.tif" for item in items}
