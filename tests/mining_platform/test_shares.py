"""The streaming, compiled way to class areas against the plain one, on maps of all kinds."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from mining_platform import proportions
from mining_platform.grids import WindowGrid, window_ids
from mining_platform.shares import kernels, row_kernels, strips
from mining_platform.shares.class_rasters import ClassRasterError, band_of_year, opened_classes
from mining_platform.shares.plain import plain_sums
from tests.mining_platform.class_maps import NATIVE_DEG

MINING = frozenset({30})


@dataclass(frozen=True)
class Case:
    """A map with mining and, in places, no class, and a grid over it."""

    affine: Affine
    crs: str
    epsg: int
    px: int
    shape: tuple[int, int] = (700, 900)
    creation: tuple[tuple[str, object], ...] = (("tiled", True), ("blockxsize", 128), ("blockysize", 128))
    beyond_m: int = 1_500
    """How far the grid reaches beyond the map."""
    tolerance: float = 1e-9
    """Of a window's area. A window within one large pixel has its own areal scale if it is valid all over, else the pixel's."""


def metres(epsg: int, lon: float, lat: float) -> tuple[float, float]:
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    return float(x), float(y)


def utm_map(epsg: int, lon: float, lat: float, pixel_m: float) -> Affine:
    x, y = metres(epsg, lon, lat)
    return Affine(pixel_m, 0, x, 0, -pixel_m, y)


CASES = {
    "degrees": Case(Affine(NATIVE_DEG, 0, -57.2, 0, -NATIVE_DEG, -6.4), "EPSG:4326", 32721, 128),
    "degrees, grid within": Case(Affine(NATIVE_DEG, 0, -57.2, 0, -NATIVE_DEG, -6.4), "EPSG:4326", 32721, 48, beyond_m=-3_000),
    "far north": Case(Affine(NATIVE_DEG, 0, -50.4, 0, -NATIVE_DEG, 66.0), "EPSG:4326", 32622, 48),
    "the next zone": Case(utm_map(32721, -51.2, -15.0, 29.88), "EPSG:32721", 32722, 128),
    "the grid's own CRS": Case(utm_map(32722, -51.2, -15.0, 30.0), "EPSG:32722", 32722, 128),
    "windows of few pixels": Case(utm_map(32722, -51.2, -15.0, 30.0), "EPSG:32722", 32722, 8, shape=(260, 270)),
    "pixels larger than windows": Case(
        utm_map(32721, -51.2, -15.0, 900.0), "EPSG:32721", 32722, 48, shape=(60, 70), tolerance=1e-6
    ),
    "strips of one row": Case(Affine(NATIVE_DEG, 0, -57.2, 0, -NATIVE_DEG, -6.4), "EPSG:4326", 32721, 128, creation=()),
    "narrow pixels": Case(Affine(NATIVE_DEG / 4, 0, -57.2, 0, -NATIVE_DEG, -6.4), "EPSG:4326", 32721, 48),
    "Web Mercator": Case(Affine(60, 0, -6_000_000, 0, -60, -1_500_000), "EPSG:3857", 32721, 128, shape=(400, 300)),
}


def classes_of(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Blobs of mining, a corner and blobs without a class, a large part of forest alone."""
    rng = np.random.default_rng(seed)
    field = np.kron(rng.random((shape[0] // 11 + 1, shape[1] // 11 + 1)), np.ones((11, 11)))[: shape[0], : shape[1]]
    classes = np.where(field + 0.2 * rng.random(shape) > 0.95, 30, 3).astype(np.uint8)
    classes[shape[0] // 3 :, : shape[1] // 2] = np.where(field[shape[0] // 3 :, : shape[1] // 2] < 0.004, 0, 3)
    classes[: shape[0] // 6, : shape[1] // 5] = 0
    return classes


def write(path: Path, case: Case, values: np.ndarray, nodata: float | None = 0) -> Path:
    profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, crs=case.crs, transform=case.affine, nodata=nodata, **dict(case.creation)) as out:
        out.write(values, 1)
    return path


def grid_of(path: Path, case: Case) -> WindowGrid:
    from rasterio.warp import transform_bounds

    with rasterio.open(path) as raster:
        west, south, east, north = transform_bounds(raster.crs, f"EPSG:{case.epsg}", *raster.bounds, densify_pts=51)
    size, reach = case.px * 10, case.beyond_m
    x0, y1 = int((west - reach) // size) * size, int((north + reach) // size + 1) * size
    return WindowGrid(case.epsg, case.px, x0, y1, int((east + reach - x0) // size), int((y1 - south + reach) // size))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_compiled_way_gives_what_the_plain_way_gives(tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "ENOUGH_WINDOWS", 1)  # hands windows out as early as it may
    monkeypatch.setattr(strips, "PART_BYTES", 2**15)
    path = write(tmp_path / "m.tif", case, classes_of(case.shape, seed=len(case.crs) + case.px))
    grid = grid_of(path, case)
    ours = proportions.window_shares(path, grid, MINING)
    with opened_classes(path, MINING) as raster:
        plain = plain_sums(raster, grid, strips.native_span(raster, grid))
    tolerance = case.tolerance * grid.size_m**2
    assert ours["class_area_m2"].to_numpy() == pytest.approx(plain.class_area.ravel(), abs=tolerance)
    assert ours["valid_area_m2"].to_numpy() == pytest.approx(plain.valid_area.ravel(), abs=tolerance)
    assert ours["class_px"].tolist() == plain.class_px.ravel().tolist()
    assert ours["valid_px"].tolist() == plain.valid_px.ravel().tolist()
    assert (ours["row"].to_numpy() * grid.columns + ours["column"].to_numpy()).tolist() == list(range(len(ours)))
    assert ours["share"].gt(0).any()
    assert (ours["valid_share"] == 1).any() == (plain.valid_area > 0).any()
    if case.beyond_m > 0:
        assert ((ours["valid_share"] > 0) & (ours["valid_share"] < 1)).any()


def test_windows_are_handed_out_before_the_map_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "ENOUGH_WINDOWS", 1)
    case = CASES["degrees"]
    path = write(tmp_path / "m.tif", case, classes_of(case.shape, seed=1))
    parts = list(proportions.iter_shares(path, grid_of(path, case), MINING))
    assert len(parts) >= 3
    assert all(len(part) for part in parts)


def assert_as_plain(path: Path, grid: WindowGrid) -> None:
    """Every number of `window_shares` is that of the plain way."""
    ours = proportions.window_shares(path, grid, MINING)
    with opened_classes(path, MINING) as raster:
        plain = plain_sums(raster, grid, strips.native_span(raster, grid))
    assert plain.class_px.any()
    assert ours["class_area_m2"].to_numpy() == pytest.approx(plain.class_area.ravel(), abs=1e-8 * grid.size_m**2)
    assert ours["class_px"].tolist() == plain.class_px.ravel().tolist()
    assert ours["valid_px"].tolist() == plain.valid_px.ravel().tolist()


def striped(shape: tuple[int, int]) -> np.ndarray:
    """Mining in every other row."""
    classes = np.full(shape, 3, np.uint8)
    classes[::2] = 30
    return classes


def test_a_parallel_that_turns_in_a_tile_has_its_pixels_in_the_rows_where_they_lie(tmp_path: Path) -> None:
    case = Case(Affine(NATIVE_DEG, 0, -57 - 256 * NATIVE_DEG, 0, -NATIVE_DEG, -15), "EPSG:4326", 32721, 48, beyond_m=-500)
    path = write(tmp_path / "m.tif", case, striped((700, 512)))  # parallels are highest in the middle of the zone, -57
    assert_as_plain(path, grid_of(path, case))


def test_a_meridian_that_turns_at_the_equator_has_its_pixels_in_the_columns_where_they_lie(tmp_path: Path) -> None:
    edge_m, at_equator = 793_600, 10_000_000
    lon, _ = Transformer.from_crs(32721, 4326, always_xy=True).transform(edge_m + 0.02, at_equator)
    case = Case(Affine(NATIVE_DEG, 0, lon - 100.5 * NATIVE_DEG, 0, -NATIVE_DEG, 128 * NATIVE_DEG), "EPSG:4326", 32721, 1280)
    path = write(tmp_path / "m.tif", case, striped((256, 300)))  # centres are beyond the edge near the equator, else before it
    assert_as_plain(path, WindowGrid(32721, 1280, edge_m - 12_800, 783 * 12_800, 2, 4))


def test_a_window_that_a_later_strip_reaches_by_a_bent_parallel_is_not_handed_out_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "ENOUGH_WINDOWS", 1)
    edge_m = 3_350_000  # the second strip begins 0.2 m beyond it in the middle of the zone, and below it to the sides
    _, lat = Transformer.from_crs(32721, 4326, always_xy=True).transform(500_000, edge_m + 0.2)
    west, north = -57 - 128 * NATIVE_DEG, lat + 256 * NATIVE_DEG
    tiled = (("tiled", True), ("blockxsize", 256), ("blockysize", 256))
    case = Case(Affine(NATIVE_DEG, 0, west, 0, -NATIVE_DEG, north), "EPSG:4326", 32721, 1, creation=tiled)
    path = write(tmp_path / "m.tif", case, striped((300, 512)))
    assert_as_plain(path, WindowGrid(32721, 1, 498_200, edge_m + 300, 720, 60))


def test_a_map_of_fine_pixels_is_read_to_the_bent_edge_of_a_wide_grid(tmp_path: Path) -> None:
    lon, lat = Transformer.from_crs(32621, 4326, always_xy=True).transform(500_000, 6_650_000)
    affine = Affine(9e-5, 0, lon - 0.0945, 0, -4.5e-6, lat + 2e-4)  # 5 m x 0.5 m
    path = write(tmp_path / "m.tif", Case(affine, "EPSG:4326", 32621, 10), np.full((400, 2_100), 30, np.uint8))
    table = proportions.window_shares(path, WindowGrid(32621, 10, 495_000, 6_650_000, 100, 1), MINING)
    assert (table["share"] == 1).all()


def test_cached_machine_code_is_not_that_of_other_kernels() -> None:
    text = Path(row_kernels.__file__).read_bytes()
    assert hashlib.blake2s(text, digest_size=4).hexdigest() == kernels.ROW_KERNELS, "write this digest into kernels.py"


@pytest.mark.parametrize(("west", "epsg"), [(179.98, 32701), (181.0, 32701), (305.0, 32721)])
def test_longitudes_beyond_180_are_the_ground_that_they_name(tmp_path: Path, west: float, epsg: int) -> None:
    case = Case(Affine(NATIVE_DEG, 0, west, 0, -NATIVE_DEG, -7), "EPSG:4326", epsg, 48)
    path = write(tmp_path / "m.tif", case, striped((200, 200)))
    grid = grid_of(path, case)
    assert_as_plain(path, grid)
    table = proportions.window_shares(path, grid, MINING)
    assert table["class_px"].sum() == 20_000
    assert proportions.class_pixels(path, table["window_id"].tolist())[:, 30].sum() > 0


def test_a_map_in_feet_has_its_areas_in_square_metres(tmp_path: Path) -> None:
    pixel_ft = 30 / 0.3048006096012192  # US survey feet
    case = Case(Affine(pixel_ft, 0, 980_000, 0, -pixel_ft, 200_000), "EPSG:2263", 32618, 48)
    path = write(tmp_path / "m.tif", case, striped((200, 200)))
    grid = grid_of(path, case)
    assert_as_plain(path, grid)
    table = proportions.window_shares(path, grid, MINING)
    assert table["class_area_m2"].sum() == pytest.approx(20_000 * 900, rel=1e-4)
    assert table.loc[table["valid_share"] == 1, "share"].between(0.4, 0.6).all()


def test_a_map_in_grads_or_of_complex_numbers_is_refused(tmp_path: Path) -> None:
    grads = write(tmp_path / "g.tif", Case(Affine(3e-4, 0, 1, 0, -3e-4, 50), "EPSG:4807", 32631, 48), striped((9, 9)))
    with pytest.raises(ClassRasterError, match="not in degrees but in grad; warp it"), opened_classes(grads, MINING):
        pass
    with rasterio.open(tmp_path / "c.tif", "w", driver="GTiff", height=9, width=9, count=1, dtype="complex_int16",
                       crs="EPSG:4326", transform=Affine(1e-3, 0, 1, 0, -1e-3, 50)):  # fmt: skip
        pass
    with pytest.raises(ClassRasterError, match="holds complex_int16"), opened_classes(tmp_path / "c.tif", MINING):
        pass


def test_near_the_pole_rows_of_the_map_run_against_the_grid_and_the_plain_way_is_taken(tmp_path: Path) -> None:
    case = Case(Affine(60, 0, -3_000, 0, -60, 2_400_000), "EPSG:3413", 32653, 128, shape=(120, 130))  # there up is south
    path = write(tmp_path / "m.tif", case, classes_of(case.shape, seed=2))
    grid = grid_of(path, case)
    with opened_classes(path, MINING) as raster:
        plain = plain_sums(raster, grid, strips.native_span(raster, grid))
    table = proportions.window_shares(path, grid, MINING)
    assert table["class_area_m2"].tolist() == plain.class_area.ravel().tolist()
    assert table["class_px"].sum() == (classes_of(case.shape, seed=2) == 30).sum()


def test_a_map_in_degrees_up_to_the_pole_loses_none_of_its_pixels(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", Case(Affine(0.01, 0, 0, 0, -0.01, 90), "EPSG:4326", 3413, 480), striped((100, 200)))
    table = proportions.window_shares(path, WindowGrid(3413, 480, 0, 0, 20, 20), MINING)
    assert (table["class_px"].sum(), table["valid_px"].sum()) == (10_000, 20_000)


def test_wanted_windows_get_the_shares_they_have_among_all_and_little_else_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["degrees"]
    path = write(tmp_path / "m.tif", case, classes_of(case.shape, seed=3))
    grid = grid_of(path, case)
    wanted = np.zeros((grid.rows, grid.columns), bool)
    wanted[3, 4] = wanted[9, 2] = wanted[0, 0] = True
    parts: list[int] = []
    added = kernels.add_part
    monkeypatch.setattr(kernels, "add_part", lambda values, *rest: (parts.append(values.size), added(values, *rest)))
    some = proportions.window_shares(path, grid, MINING, wanted=wanted)
    read_for_some, _ = sum(parts), parts.clear()
    every = proportions.window_shares(path, grid, MINING)
    chosen = every[wanted.ravel()].reset_index(drop=True)
    assert some["window_id"].tolist() == chosen["window_id"].tolist()
    assert some.drop(columns="window_id").to_numpy(float) == pytest.approx(
        chosen.drop(columns="window_id").to_numpy(float), abs=1e-3
    )
    assert read_for_some < sum(parts)
    with pytest.raises(ValueError, match="the grid has"):
        proportions.window_shares(path, grid, MINING, wanted=wanted[1:])


NODATA = {
    "uint8 27": (np.uint8, 27.0),
    "uint8 0": (np.uint8, 0.0),
    "uint16 65535": (np.uint16, 65_535.0),
    "int16 -9999": (np.int16, -9_999.0),
    "float32 lowest": (np.float32, float(np.finfo(np.float32).min)),
    "float64 NaN": (np.float64, float("nan")),
    "none declared": (np.uint8, None),
}


@pytest.mark.parametrize(("dtype", "nodata"), NODATA.values(), ids=NODATA.keys())
def test_any_type_of_numbers_and_any_nodata_value_give_the_same_shares(tmp_path: Path, dtype: type, nodata: float | None) -> None:
    case, classes = CASES["degrees"], classes_of((700, 900), seed=4)
    lacking = 200 if nodata is None else nodata
    values = np.where(classes == 0, np.asarray(lacking, dtype), classes.astype(dtype))
    path, reference = write(tmp_path / "m.tif", case, values, nodata), write(tmp_path / "r.tif", case, classes, 0)
    grid = grid_of(reference, case)
    no_class = {200} if nodata is None else set()
    found = proportions.window_shares(path, grid, MINING, no_class=no_class)
    expected = proportions.window_shares(reference, grid, MINING, no_class=set())
    assert found.equals(expected)


def test_a_value_that_the_type_cannot_hold_is_no_nodata_value(tmp_path: Path) -> None:
    case = CASES["degrees"]
    path = write(tmp_path / "m.tif", case, np.full((700, 900), 3, np.int16), None)
    table = proportions.window_shares(path, grid_of(path, case), {3}, no_class={70_000})
    assert table["valid_px"].sum() == 700 * 900


def test_a_class_that_ends_where_a_window_begins_is_not_in_it(tmp_path: Path) -> None:
    classes = np.full((48 * 8, 48 * 8), 3, np.uint8)
    classes[48:96, 48:96] = 30  # the window in row 1, column 1, to the pixel
    for epsg, left, top in ((32722, 480_000, 9_600_000), (32722, 343_200, 7_731_840), (32619, 712_800, 4_800)):
        case = Case(Affine(10, 0, left, 0, -10, top), f"EPSG:{epsg}", epsg, 48)
        path = write(tmp_path / "m.tif", case, classes)
        table = proportions.window_shares(path, WindowGrid(epsg, 48, left, top, 8, 8), MINING)
        assert table.loc[table["share"] > 0, ["row", "column", "share"]].to_numpy().tolist() == [[1, 1, 1.0]]
        assert (table["valid_share"] == 1).all()


def test_many_classes_and_many_codes_without_a_class_are_looked_up_in_a_table(tmp_path: Path) -> None:
    case = CASES["degrees"]
    classes = np.random.default_rng(5).integers(0, 250, (700, 900)).astype(np.uint8)
    path = write(tmp_path / "m.tif", case, classes, None)
    found = proportions.window_shares(path, grid_of(path, case), set(range(101, 131)), no_class=set(range(20)))
    assert found["class_px"].sum() == ((classes > 100) & (classes < 131)).sum()
    assert found["valid_px"].sum() == (classes >= 20).sum()


def test_a_map_that_does_not_reach_the_grid_gives_windows_without_valid_area(tmp_path: Path) -> None:
    case = CASES["the grid's own CRS"]
    path = write(tmp_path / "m.tif", case, classes_of((100, 100), seed=6))
    table = proportions.window_shares(path, WindowGrid(32722, 128, 0, 1_280_000, 3, 2), MINING)
    assert len(table) == 6
    assert table[["share", "valid_area_m2", "valid_share", "class_px", "valid_px"]].to_numpy().sum() == 0


def test_a_block_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mining_platform.shares.class_rasters.MAX_BLOCK_BYTES", 1_000)
    path = write(tmp_path / "m.tif", CASES["degrees"], classes_of((700, 900), seed=7))
    with pytest.raises(ClassRasterError, match=r"blocks of 16384 bytes, more than 1000\. Cut it into tiles"):
        proportions.window_shares(path, grid_of(path, CASES["degrees"]), MINING)


def test_a_truncated_map_is_refused_when_its_missing_end_is_read(tmp_path: Path) -> None:
    case = CASES["degrees"]
    path = write(tmp_path / "m.tif", case, classes_of((700, 900), seed=8))
    grid = grid_of(path, case)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ClassRasterError, match="cannot be read"):
        proportions.window_shares(path, grid, MINING)


def test_a_raster_of_another_format_is_refused_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "m.tif").write_text('<VRTDataset rasterXSize="1" rasterYSize="1"/>')
    with pytest.raises(ClassRasterError, match="cannot be read as a GeoTIFF"):
        proportions.window_shares(tmp_path / "m.tif", WindowGrid(32722, 48, 0, 480, 1, 1), MINING)


def named_bands(path: Path, *names: str) -> Path:
    with rasterio.open(path, "w", driver="GTiff", height=4, width=4, count=len(names), dtype="uint8") as out:
        for band, name in enumerate(names, start=1):
            out.set_band_description(band, name)
    return path


def test_the_band_of_a_year_is_the_one_that_names_it(tmp_path: Path) -> None:
    path = named_bands(tmp_path / "m.tif", "cover_2019", "cover_2020", "cover_12020")
    assert band_of_year(path, 2020) == 2
    with pytest.raises(ClassRasterError, match="0 of them name 2021"):
        band_of_year(path, 2021)
    with pytest.raises(ClassRasterError, match="name the year whose band is meant"):
        band_of_year(path, None)
    with pytest.raises(ClassRasterError, match="2 of them name 2020"):
        band_of_year(named_bands(tmp_path / "d.tif", "a2020", "b2020"), 2020)


def test_a_file_a_year_needs_no_name_of_its_band_but_must_not_name_another_year(tmp_path: Path) -> None:
    assert band_of_year(named_bands(tmp_path / "a.tif", ""), 2020) == 1
    assert band_of_year(named_bands(tmp_path / "b.tif", "cover_2020"), 2020) == 1
    assert band_of_year(named_bands(tmp_path / "c.tif", "cover_2020"), None) == 1
    with pytest.raises(ClassRasterError, match="0 of them name 2021"):
        band_of_year(named_bands(tmp_path / "d.tif", "cover_2020"), 2021)


# classes of 10 m pixels


def test_the_pixels_of_a_window_are_counted_by_class(tmp_path: Path) -> None:
    classes = np.full((48, 48), 3, np.uint8)
    classes[:12, :12], classes[-1] = 30, 27
    case = Case(Affine(10, 0, 480_000, 0, -10, 9_600_000), "EPSG:32722", 32722, 48)
    path = write(tmp_path / "m.tif", case, classes)
    ids = window_ids(32722, np.array([480_000, 480_240]), np.array([9_600_000, 9_600_240]), 48).tolist()
    counts = proportions.class_pixels(path, ids)
    assert counts.sum(axis=1).tolist() == [2304, 2304]
    assert (counts[0, 30], counts[0, 0], counts[0, 27], counts[0, 3]) == (144, 48, 0, 2304 - 144 - 48)
    assert (counts[1, 3], counts[1, 0]) == (24 * 24, 2304 - 24 * 24)  # three quarters lie beside the map
    assert proportions.nearest_shares(counts, MINING).tolist() == [144 / (2304 - 48), 0]


def test_windows_far_apart_and_in_two_zones_keep_their_order(tmp_path: Path) -> None:
    case = Case(Affine(NATIVE_DEG * 8, 0, -57.2, 0, -NATIVE_DEG * 8, -6.0), "EPSG:4326", 32721, 48, shape=(1500, 4000))
    classes = classes_of((1500, 4000), seed=9)
    path = write(tmp_path / "m.tif", case, classes)
    places = [(32721, -57.0, -6.3), (32722, -51.0, -8.1), (32721, -54.1, -7.7), (32722, -53.0, -6.4)]
    ids = []
    for epsg, lon, lat in places:
        x, y = metres(epsg, lon, lat)
        ids.append(f"{epsg}_{round(x / 10)}_{round(y / 10)}_48")
    together = proportions.class_pixels(path, ids)
    assert (together.sum(axis=1) == 2304).all()
    assert len({tuple(row) for row in together.tolist()}) > 1
    for position, identifier in enumerate(ids):
        assert (proportions.class_pixels(path, [identifier])[0] == together[position]).all()


def test_classes_that_are_not_uint8_are_not_counted_by_code(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", CASES["degrees"], np.full((700, 900), 3, np.int16), None)
    with pytest.raises(ClassRasterError, match="holds int16"):
        proportions.class_pixels(path, ["32721_60000_929000_48"])
