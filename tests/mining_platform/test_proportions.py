"""Exact shares of a class in windows, ranges, against known areas and exactextract."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from mining_platform import pixel_areas, proportions
from mining_platform.grids import WindowGrid, region_geobox, window_geobox, window_grid, window_id
from mining_platform.proportion_tables import grid_over
from mining_platform.ranges import RANGES, range_of
from mining_platform.region_files import load_regions
from mining_platform.shares.class_rasters import ClassRasterError, band_of_year
from tests.mining_platform.class_maps import degree_map, grid_around, write_map

MINING = frozenset({30})
MINING_PIXELS = {2016: 19_874, 2017: 19_893, 2018: 20_060, 2019: 20_069, 2020: 20_153, 2021: 20_161, 2022: 20_235}
"""Pixels of class 30 at Lourenço, as published."""


def patchy(seed: int, shape: tuple[int, int], with_gaps: bool = True) -> np.ndarray:
    """Random blobs of forest, mining and, in places, nodata."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((shape[0] // 7 + 1, shape[1] // 7 + 1))
    field = np.kron(coarse, np.ones((7, 7)))[: shape[0], : shape[1]] + 0.3 * rng.random(shape)
    classes = np.where(field > 0.8, 30, 3).astype(np.uint8)
    return np.where(field < 0.1, 0, classes).astype(np.uint8) if with_gaps else classes


def exact_areas(path: Path, grid: WindowGrid) -> pd.DataFrame:
    """Class and valid area by exactextract's cell fractions, weighted with geodesic areas of the cells.

    Windows are given to it in the raster's CRS with densified edges.
    """
    from exactextract import exact_extract
    from exactextract.feature import JSONFeatureSource

    with rasterio.open(path) as raster:
        crs, transform, classes = CRS.from_user_input(raster.crs), raster.transform, raster.read(1)
    project = Transformer.from_crs(grid.epsg, crs, always_xy=True).transform
    polygons = [shapely.transform(shapely.box(*grid.bounds(i, j)).segmentize(10), project, interleaved=False) for i, j in grid]
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(each)} for each in polygons]
    found = exact_extract(str(path), JSONFeatureSource(features, srs_wkt=crs.to_wkt()), ["cell_id", "coverage"], output="pandas")
    rows = []
    for cells, coverage in zip(found["cell_id"], found["coverage"], strict=True):
        row, column = np.divmod(np.asarray(cells, dtype=int), classes.shape[1])
        area = np.asarray(coverage, dtype=float) * cell_areas(crs, transform, row, column)
        code = classes[row, column]
        rows.append({"class_area_m2": area[code == 30].sum(), "valid_area_m2": area[code != 0].sum()})
    return pd.DataFrame(rows)


def cell_areas(crs: CRS, transform: Affine, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Ellipsoidal areas of cells, independent of the product: PROJ's geodesic polygons (4 points a side are exact to 1e-9)."""
    geod, to_degrees = crs.get_geod(), Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    assert isinstance(geod, Geod)
    side = np.arange(4) / 4
    ring = np.vstack([np.r_[side, np.ones(4), 1 - side, np.zeros(4)], np.r_[np.zeros(4), side, np.ones(4), 1 - side]])
    areas = {}
    keys = list(zip(rows.tolist(), columns.tolist(), strict=True))
    if crs.is_geographic:  # the same all along a row
        keys = [(row, 0) for row, _ in keys]
    for row, column in dict.fromkeys(keys):
        x, y = transform * (column + ring[0], row + ring[1])
        areas[row, column] = abs(geod.polygon_area_perimeter(*to_degrees.transform(x, y))[0])
    return np.array([areas[key] for key in keys])


# ranges


def test_ranges_are_left_open_and_right_closed_and_zero_is_its_own() -> None:
    shares = np.array([0.0, 1e-12, 0.1, np.nextafter(0.1, 1), 0.2, 0.3, 0.7, 0.9, np.nextafter(0.9, 1), 1.0])
    expected = ["000", "000_010", "000_010", "010_020", "010_020", "020_030", "060_070", "080_090", "090_100", "090_100"]
    assert range_of(shares).tolist() == expected
    assert range_of(0.5) == "040_050"


def test_a_share_outside_zero_to_one_has_no_range() -> None:
    for wrong in (-1e-9, 1.000001, float("nan")):
        with pytest.raises(ValueError, match="lie in 0 to 1"):
            range_of(wrong)


# areas


def test_a_square_of_known_pixels_gives_its_share(tmp_path: Path) -> None:
    classes = np.full((96, 96), 3, dtype=np.uint8)
    classes[:24, :24] = 30  # the north-western half side of window (0, 0)
    transform = Affine(10, 0, 480_000, 0, -10, 9_600_480)
    table = proportions.window_shares(
        write_map(tmp_path / "m.tif", classes, transform, "EPSG:32722"), WindowGrid(32722, 48, 480_000, 9_600_480, 2, 2), MINING
    )
    assert table["share"].tolist() == pytest.approx([0.25, 0, 0, 0], abs=1e-7)
    assert table["class_px"].tolist() == [576, 0, 0, 0]
    assert table["valid_px"].tolist() == [2304] * 4
    assert table["window_id"][0] == "32722_48000_960048_48"
    assert table["valid_area_m2"][0] == pytest.approx(480**2 / 0.9996**2, rel=1e-5)  # scale 0.9996 on the central meridian


def test_a_pixel_across_an_edge_is_shared_out_by_area(tmp_path: Path) -> None:
    classes = np.full((4, 4), 3, dtype=np.uint8)
    classes[1, 1] = 30  # 80 m of its 400 m lie west of the edge between the windows at 480,000 m, 320 m east of it
    path = write_map(tmp_path / "m.tif", classes, Affine(400, 0, 479_520, 0, -400, 9_600_400), "EPSG:32722")
    table = proportions.window_shares(path, WindowGrid(32722, 32, 479_680, 9_600_000, 2, 1), MINING)
    whole = table["class_area_m2"].sum()
    assert table["share"].tolist() == pytest.approx([80 / 320, 1.0], rel=1e-6)
    assert whole == pytest.approx(400 * 320 / 0.9996**2, rel=1e-5)


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [(-51.63, 2.3, 32622), (-57.2, -6.4, 32721), (-48.0, -12.0, 32722), (-72.9, -4.0, 32719), (-50.4, 61.0, 32622)],
    ids=["Lourenço", "Tapajós", "zone edge", "beyond the zone, high distortion", "high meridian convergence"],
)
def test_shares_of_a_degree_map_equal_exactextract(tmp_path: Path, lon: float, lat: float, epsg: int) -> None:
    path = degree_map(tmp_path / "m.tif", lon, lat, patchy(int(abs(lat)), (170, 300 if lat > 60 else 170)))
    grid = grid_around(lon, lat, epsg)
    ours, theirs = proportions.window_shares(path, grid, MINING), exact_areas(path, grid)
    for name in ("class_area_m2", "valid_area_m2"):
        assert np.abs(ours[name] - theirs[name]).max() <= 2e-7 * grid.size_m**2
    assert ours["share"].between(0.05, 0.6).any()


def test_shares_of_a_projected_map_in_another_zone_equal_exactextract(tmp_path: Path) -> None:
    lon, lat = -51.2, -15.0  # EPSG:32722's neighbour zone: rows run askew to the windows
    x, y = Transformer.from_crs(4326, 32721, always_xy=True).transform(lon, lat)
    transform = Affine(29.88, 0, x - 85 * 29.88, 0, -29.88, y + 85 * 29.88)
    path = write_map(tmp_path / "m.tif", patchy(5, (170, 170)), transform, "EPSG:32721")
    grid = grid_around(lon, lat, 32722)
    ours, theirs = proportions.window_shares(path, grid, MINING), exact_areas(path, grid)
    for name in ("class_area_m2", "valid_area_m2"):
        assert np.abs(ours[name] - theirs[name]).max() <= 2e-7 * grid.size_m**2


@pytest.mark.parametrize("crs", ["EPSG:4618", "ESRI:102033", "EPSG:4674"])
def test_shares_of_a_map_on_another_ellipsoid_equal_exactextract(tmp_path: Path, crs: str) -> None:
    """SAD 1969, in degrees and in South America Albers, and SIRGAS 2000, under windows of WGS 84."""
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(-55.0, -7.0)
    step = 30.0 if "ESRI" in crs else 0.00027
    classes = patchy(11, (170, 170), with_gaps=False)
    classes[40:90, 60:110] = 30
    path = write_map(tmp_path / "m.tif", classes, Affine(step, 0, x - 85 * step, 0, -step, y + 85 * step), crs)
    grid = grid_around(-55.0, -7.0, 32721)
    ours, theirs = proportions.window_shares(path, grid, MINING), exact_areas(path, grid)
    assert ours["valid_area_m2"].to_numpy() == pytest.approx(theirs["valid_area_m2"].to_numpy(), abs=2e-7 * grid.size_m**2)
    share = (theirs["class_area_m2"] / theirs["valid_area_m2"]).to_numpy()
    assert ours["share"].to_numpy() == pytest.approx(share, abs=4e-7)  # there and back, the datum shift is right to 0.1 mm
    assert ours["share"].max() == 1.0
    assert (ours["valid_share"] == 1).sum() > 20


def test_windows_inside_the_map_are_valid_to_the_last_bit_and_those_beyond_are_not(tmp_path: Path) -> None:
    path = degree_map(tmp_path / "m.tif", -55.0, -7.0, patchy(1, (200, 200), with_gaps=False))
    shares = proportions.window_shares(path, grid_around(-55.0, -7.0, 32721, reach=8), MINING)["valid_share"].to_numpy()
    middle = shares.reshape(16, 16)[5:11, 5:11]
    assert (middle == 1.0).all()
    assert shares[0] == 0
    assert ((shares > 0) & (shares < 1)).any()


def test_the_areas_of_all_windows_add_up_to_the_area_of_the_pixels(tmp_path: Path) -> None:
    classes = patchy(2, (60, 60), with_gaps=False)
    path = degree_map(tmp_path / "m.tif", -55.0, -7.0, classes)
    table = proportions.window_shares(path, grid_around(-55.0, -7.0, 32721, reach=4), MINING)
    with rasterio.open(path) as raster:
        areas = pixel_areas.pixel_areas_m2(raster.transform, CRS.from_epsg(4326), np.arange(60), np.arange(60))
    assert table["class_area_m2"].sum() == pytest.approx(areas[classes == 30].sum(), rel=1e-12)
    assert table["valid_area_m2"].sum() == pytest.approx(areas.sum(), rel=1e-9)  # windows valid all over count their own area
    assert table["valid_px"].sum() == 3600


def test_nodata_and_not_observed_pixels_are_neither_class_nor_valid(tmp_path: Path) -> None:
    classes = np.full((48, 48), 30, dtype=np.uint8)
    classes[:, :12], classes[:, 12:24], classes[:, 24:36] = 0, 27, 99
    path = write_map(tmp_path / "m.tif", classes, Affine(10, 0, 480_000, 0, -10, 9_600_000), "EPSG:32722", nodata=99)
    table = proportions.window_shares(path, WindowGrid(32722, 48, 480_000, 9_600_000, 1, 1), frozenset({30, 99, 27}))
    assert table["valid_share"][0] == pytest.approx(0.25, rel=1e-6)
    assert table["share"][0] == 1.0
    assert table["class_px"][0] == table["valid_px"][0] == 576


def test_a_window_without_valid_area_has_share_zero(tmp_path: Path) -> None:
    path = write_map(tmp_path / "m.tif", np.zeros((48, 48), np.uint8), Affine(10, 0, 480_000, 0, -10, 9_600_000), "EPSG:32722")
    table = proportions.window_shares(path, WindowGrid(32722, 48, 480_000, 9_600_000, 1, 1), MINING)
    assert table[["share", "valid_area_m2", "valid_share"]].iloc[0].tolist() == [0, 0, 0]


def test_maps_that_areas_cannot_be_computed_on_are_refused_with_the_reason(tmp_path: Path) -> None:
    grid, straight = WindowGrid(32722, 48, 480_000, 9_600_000, 1, 1), Affine(10, 0, 480_000, 0, -10, 9_600_000)
    classes = np.full((8, 8), 3, dtype=np.uint8)
    cases = {
        "has no CRS": write_map(tmp_path / "a.tif", classes, straight, None),
        "is rotated": write_map(tmp_path / "b.tif", classes, straight * Affine.rotation(5), "EPSG:32722"),
        "holds complex64, class codes are numbers": write_map(
            tmp_path / "c.tif", classes.astype(np.complex64), straight, "EPSG:32722"
        ),
        "is rotated or not north-up": write_map(
            tmp_path / "d.tif", classes, Affine(10, 0, 480_000, 0, 10, 9_600_000), "EPSG:32722"
        ),
        "neither geographic nor projected": write_map(tmp_path / "e.tif", classes, straight, "EPSG:4978"),
        "a CRS and no place in it": write_map(tmp_path / "f.tif", classes, Affine.identity(), "EPSG:32722"),
        "no file": tmp_path / "g.tif",
    }
    for message, path in cases.items():
        with pytest.raises(ClassRasterError, match=message):
            proportions.window_shares(path, grid, MINING)
    with pytest.raises(ClassRasterError, match="No class is asked for"):
        proportions.window_shares(cases["has no CRS"], grid, frozenset())
    with pytest.raises(ClassRasterError, match="has no band 2; it has 1"):
        proportions.window_shares(write_map(tmp_path / "h.tif", classes, straight, "EPSG:32722"), grid, MINING, band=2)


# nearest


def test_nearest_shares_equal_gdals_nearest_warp(tmp_path: Path) -> None:
    path = degree_map(tmp_path / "m.tif", -55.0, -7.0, patchy(3, (170, 170), with_gaps=False))
    grid = grid_around(-55.0, -7.0, 32721)
    ids = [window_id(grid.epsg, bounds[0], bounds[3], grid.px) for bounds in (grid.bounds(i, j) for i, j in grid)]
    ours = proportions.nearest_shares(proportions.class_pixels(path, ids), MINING)
    size = grid.px * grid.columns
    with (
        rasterio.open(path) as raster,
        WarpedVRT(
            raster, crs="EPSG:32721", transform=Affine(10, 0, grid.x0, 0, -10, grid.y1), width=size, height=size,
            resampling=Resampling.nearest, tolerance=0.001,
        ) as warped,
    ):  # fmt: skip
        theirs = (warped.read(1) == 30).reshape(grid.rows, grid.px, grid.columns, grid.px).mean(axis=(1, 3)).ravel()
    assert np.abs(ours - theirs).max() <= 2 / grid.px**2  # a pixel centre on the edge of two native pixels may fall either way


# the real map


@pytest.fixture(scope="module")
def lourenco() -> Path:
    root = Path(os.environ.get("MINING_PLATFORM_REALDATA", Path(__file__).parents[2] / "../shared/realdata"))
    path = root / "mapbiomas-lourenco-col8" / "lorenco_85a22.tif"
    if not path.exists():
        pytest.skip("the real MapBiomas map of Lourenço is absent (MINING_PLATFORM_REALDATA)")
    return path


def test_windows_of_16_native_pixels_at_lourenco_fall_into_the_published_ranges(lourenco: Path) -> None:
    with rasterio.open(lourenco) as raster:
        classes = raster.read(38)[: 1341 // 16 * 16, : 1341 // 16 * 16]
    assert (classes == 30).sum() == 20_235
    blocks = classes.reshape(83, 16, 83, 16)
    whole = (blocks != 27).all(axis=(1, 3))
    ranges = range_of((blocks == 30).mean(axis=(1, 3))[whole])
    counts = [int((ranges == name).sum()) for name in RANGES]
    assert counts == [6561, 87, 50, 33, 25, 27, 18, 13, 7, 5, 12]
    assert whole.sum() == 6838


def test_nothing_at_lourenco_lies_above_80_per_cent_in_1280_m_windows_from_the_upper_left(lourenco: Path) -> None:
    grid = WindowGrid(32622, 128, 409_830, 276_300, 31, 31)
    shares = proportions.window_shares(lourenco, grid, MINING, band=38)
    whole = shares[shares["valid_share"] == 1]
    assert 0.75 < whole["share"].max() <= 0.8


def test_the_native_mining_area_of_lourenco_is_all_found_in_windows(lourenco: Path) -> None:
    grid = WindowGrid(32622, 48, 409_440, 276_480, 86, 86)
    shares = proportions.window_shares(lourenco, grid, MINING, band=38)
    assert shares["class_px"].sum() == 20_235
    assert shares["class_area_m2"].sum() == pytest.approx(20_235 * 29.87713444**2, rel=1e-3)


def test_on_the_aligned_lattice_the_upper_ranges_of_lourenco_run_short(lourenco: Path) -> None:
    region = load_regions()["lourenco"]
    grid = window_grid(region.geobox, 128)
    ranges = range_of(proportions.window_shares(lourenco, grid, MINING, band=38)["share"].to_numpy())
    assert [int((ranges == name).sum()) for name in RANGES] == [820, 46, 15, 8, 4, 3, 2, 0, 1, 1, 0]


def test_a_window_id_leads_back_to_the_bounds_of_its_row(tmp_path: Path) -> None:
    geobox = region_geobox(shapely.box(-55.02, -7.02, -55.0, -7.0), 32721)
    path = degree_map(tmp_path / "m.tif", -55.01, -7.01, patchy(4, (120, 120)))
    table = proportions.window_shares(path, window_grid(geobox, 48), MINING)
    for row in table.itertuples():
        assert window_geobox(row.window_id).boundingbox.bbox == (row.minx, row.miny, row.maxx, row.maxy)


@pytest.fixture(scope="module")
def ground_weights(lourenco: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ground area of each pixel of the Lourenço map, as weights for exactextract."""
    path = tmp_path_factory.mktemp("weights") / "areas.tif"
    with rasterio.open(lourenco) as raster:
        areas = pixel_areas.pixel_areas_m2(raster.transform, CRS.from_user_input(raster.crs), np.arange(1341), np.arange(1341))
        profile = {"driver": "GTiff", "height": 1341, "width": 1341, "count": 1, "dtype": "float64", "crs": raster.crs}
        with rasterio.open(path, "w", **profile, transform=raster.transform) as out:
            out.write(areas, 1)
    return path


@pytest.mark.parametrize("year", range(2016, 2023))
def test_every_window_of_lourenco_has_exactextracts_share_in_every_year(lourenco: Path, ground_weights: Path, year: int) -> None:
    from exactextract import exact_extract
    from exactextract.feature import JSONFeatureSource
    from exactextract.raster import RasterioRasterSource

    band = band_of_year(lourenco, year)
    grid, _ = grid_over(lourenco, MINING, band, 1280, "EPSG:32622")
    ours = proportions.window_shares(lourenco, grid, MINING, band=band)
    outlines = [shapely.box(*grid.bounds(i, j)) for i, j in grid]
    with rasterio.open(lourenco) as raster, rasterio.open(ground_weights) as weights:
        features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(each)} for each in outlines]
        vector = JSONFeatureSource(features, srs_wkt=raster.crs.to_wkt())  # SIRGAS 2000 and WGS 84 are the same ground here
        sources = RasterioRasterSource(raster, band_idx=band), RasterioRasterSource(weights)
        found = exact_extract(sources[0], vector, ["weighted_frac", "unique"], weights=sources[1], output="pandas")
    pairs = zip(found["weighted_frac"], found["unique"], strict=True)
    theirs = np.array([np.asarray(shares)[np.asarray(codes) == 30].sum() for shares, codes in pairs])
    assert np.abs(ours["share"] - theirs).max() <= 2e-7
    assert ours["class_px"].sum() == MINING_PIXELS[year]
    assert ours["share"].max() > 0.5
