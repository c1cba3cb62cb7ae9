import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from pyproj import Geod
from shapely.geometry import box

from mining_platform.detections import FACTS_NAME, GEOJSON_NAME, MAP_NAME, PARQUET_NAME, detect
from mining_platform.grids import project
from tests.mining_platform.scored_mosaics import (
    GAIN,
    drawn_classifier,
    known_classifier,
    known_score,
    write_layer_beside,
    write_mosaic,
)
from tests.synthetic import EPSG, LEFT_M, TOP_M

DARK, BRIGHT = 1000, 2000  # DN of red: reflectance 0.1, the model's mean, and 0.2
LOW, HIGH = known_score(0.1), known_score(0.2)


def flat(height: int, width: int, dn: int = DARK) -> np.ndarray:
    return np.full((3, height, width), dn, np.uint16)


def read_map(out: Path) -> np.ndarray:
    with rasterio.open(out / MAP_NAME) as source:
        return source.read(1)


def scores(tmp_path: Path, image: np.ndarray, **mosaic: object) -> np.ndarray:
    detect(known_classifier(), write_mosaic(tmp_path / "mosaic.zarr", image, **mosaic), {}, tmp_path / "out")
    return read_map(tmp_path / "out")


def test_a_flat_mosaic_has_the_score_of_its_value_everywhere(tmp_path: Path) -> None:
    np.testing.assert_allclose(scores(tmp_path, flat(96, 144, BRIGHT)), np.full((4, 6), HIGH), rtol=1e-5)


def test_a_cell_has_the_mean_of_the_windows_that_cover_it(tmp_path: Path) -> None:
    image = flat(48, 144)
    image[:, :, 72:] = BRIGHT  # windows of 48 px at 0, 24, 48, 72, 96: dark, dark, half, bright, bright
    half = 1 / (1 + np.exp(1 - GAIN * 1))  # half the pixels lie 2 deviations above the mean
    expected = [LOW, LOW, (LOW + half) / 2, (half + HIGH) / 2, HIGH, HIGH]
    np.testing.assert_allclose(scores(tmp_path, image), [expected, expected], rtol=1e-5)


def test_cells_without_a_clear_pixel_have_no_score(tmp_path: Path) -> None:
    image = flat(96, 96, BRIGHT)
    image[:, 24:48, 24:48] = 0
    found = scores(tmp_path, image)
    empty = np.zeros((4, 4), bool)
    empty[1, 1] = True
    np.testing.assert_array_equal(np.isnan(found), empty)


def test_a_window_counts_by_its_pixels_that_have_data(tmp_path: Path) -> None:
    image = flat(48, 72, BRIGHT)
    image[:, :, :24] = DARK
    image[:, :12, :24] = 0
    first, second = 18 / 48 + 1 / 2, 1.0  # shares of pixels with data in the windows at 0 and 24
    found = scores(tmp_path, image)
    half = 1 / (1 + np.exp(1 - GAIN * 1))
    np.testing.assert_allclose(found[:, 1], (first * half + second * HIGH) / (first + second), rtol=1e-5)


@pytest.mark.parametrize("shape", [(20, 30), (48, 48), (50, 70), (600, 40)])
def test_maps_of_any_size_are_covered_to_their_edges(tmp_path: Path, shape: tuple[int, int]) -> None:
    found = scores(tmp_path, flat(*shape, BRIGHT))
    assert found.shape == (-(-shape[0] // 24), -(-shape[1] // 24))
    assert np.isfinite(found).all()
    assert ((found > LOW) & (found <= HIGH * 1.001)).all()


def test_the_map_lies_on_the_mosaic_s_grid_at_half_a_window(tmp_path: Path) -> None:
    scores(tmp_path, flat(50, 70))
    with rasterio.open(tmp_path / "out" / MAP_NAME) as source:
        assert source.transform[:6] == (240, 0, LEFT_M, 0, -240, TOP_M)
        assert source.crs.to_epsg() == EPSG
        assert (source.dtypes, np.isnan(source.nodata)) == (("float32",), True)
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_chunks_that_were_not_composed_have_no_score_and_do_not_fail(tmp_path: Path) -> None:
    image = flat(1536, 1536, BRIGHT)
    found = scores(tmp_path, image, blocks=[(0, 0), (2, 1)])
    cells = np.zeros((64, 64), bool)  # 512 is 21 cells of 24 and 8 pixels
    cells[:22, :22] = cells[42:, 21:43] = True
    np.testing.assert_array_equal(np.isfinite(found), cells)
    np.testing.assert_allclose(found[3:18, 3:18], HIGH, rtol=1e-5)


def test_cells_where_a_layer_is_void_have_no_score(tmp_path: Path) -> None:
    height = np.full((1, 48, 96), 2000, np.uint16)
    height[:, :, 24:48] = 0
    layer = write_layer_beside(tmp_path / "elevation.zarr", height, ("DEM",))
    classifier = known_classifier(channels=("B04", "DEM"))
    mosaic = write_mosaic(tmp_path / "mosaic.zarr", flat(48, 96, BRIGHT))
    detect(classifier, mosaic, {"elevation": layer}, tmp_path / "out")
    np.testing.assert_array_equal(np.isnan(read_map(tmp_path / "out")), [[False, True, False, False]] * 2)


def bright_place(tmp_path: Path) -> Path:
    """Dark ground with one bright square of 72 px, from 48 px right of and below the corner."""
    image = flat(240, 240)
    image[:, 48:120, 48:120] = 4000
    return write_mosaic(tmp_path / "mosaic.zarr", image, simulated=True)


def test_polygons_outline_the_cells_at_or_above_the_threshold(tmp_path: Path) -> None:
    facts = detect(known_classifier(threshold=0.999), bright_place(tmp_path), {}, tmp_path / "out")
    found = read_map(tmp_path / "out")
    row, column = np.argwhere(found >= np.float32(0.999)).min(axis=0)
    table = gpd.read_parquet(tmp_path / "out" / PARQUET_NAME)
    assert len(table) == facts["detections"] == 1
    (detection,) = table.itertuples()
    assert detection.detection_id == f"{EPSG}_{LEFT_M + column * 240}_{TOP_M - row * 240}"
    assert detection.cells == facts["cells_above"] == (found >= np.float32(0.999)).sum()
    assert detection.score_max == found.max()
    assert detection.score_mean == pytest.approx(found[found >= np.float32(0.999)].mean(), rel=1e-6)
    assert detection.simulated


def test_areas_are_those_of_the_ellipsoid(tmp_path: Path) -> None:
    image = flat(96, 96, BRIGHT)
    facts = detect(known_classifier(), write_mosaic(tmp_path / "mosaic.zarr", image), {}, tmp_path / "out")
    square = project(box(LEFT_M, TOP_M - 960, LEFT_M + 960, TOP_M), EPSG, 4326)
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(square)
    assert facts["area_m2"] == pytest.approx(abs(area), rel=1e-7)
    assert facts["area_m2"] != pytest.approx(960**2, rel=1e-5)


def test_geojson_holds_the_same_polygons_in_degrees(tmp_path: Path) -> None:
    detect(known_classifier(threshold=0.9), bright_place(tmp_path), {}, tmp_path / "out")
    content = json.loads((tmp_path / "out" / GEOJSON_NAME).read_text())
    table = gpd.read_parquet(tmp_path / "out" / PARQUET_NAME)
    assert table.crs.to_epsg() == 4326
    assert [feature["id"] for feature in content["features"]] == table["detection_id"].tolist()
    assert "crs" not in content
    assert gpd.read_file(tmp_path / "out" / GEOJSON_NAME).geometry.iloc[0].equals_exact(table.geometry.iloc[0], 1e-9)


def test_nothing_above_the_threshold_gives_empty_tables(tmp_path: Path) -> None:
    facts = detect(known_classifier(), write_mosaic(tmp_path / "m.zarr", flat(96, 96)), {}, tmp_path / "out", threshold=0.99)
    assert facts["detections"] == 0
    assert gpd.read_parquet(tmp_path / "out" / PARQUET_NAME).empty
    assert json.loads((tmp_path / "out" / GEOJSON_NAME).read_text())["features"] == []


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    mosaic = bright_place(tmp_path)
    for out in ("one", "two"):
        detect(known_classifier(threshold=0.9), mosaic, {}, tmp_path / out)
    names = (MAP_NAME, PARQUET_NAME, GEOJSON_NAME, FACTS_NAME)
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(names)
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)


def test_simulated_pixels_are_told_in_the_map_and_the_facts(tmp_path: Path) -> None:
    facts = detect(known_classifier(), bright_place(tmp_path), {}, tmp_path / "out")
    assert facts["simulated"]
    with rasterio.open(tmp_path / "out" / MAP_NAME) as source:
        assert source.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")


def test_pixels_of_a_segmenter_have_scores_of_their_own_blended_over_windows(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(1, 3000, (3, 40, 56)).astype(np.uint16)
    image[:, :5, :7] = 0
    detect(drawn_classifier("unet", 32), write_mosaic(tmp_path / "mosaic.zarr", image), {}, tmp_path / "out")
    found = read_map(tmp_path / "out")
    assert found.shape == (40, 56)
    np.testing.assert_array_equal(np.isnan(found), image[0] == 0)
    assert ((found > 0) & (found < 1))[image[0] > 0].all()


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(tmp_path: Path, threshold: float) -> None:
    mosaic = write_mosaic(tmp_path / "mosaic.zarr", flat(48, 48))
    with pytest.raises(ValueError, match="is no probability"):
        detect(known_classifier(), mosaic, {}, tmp_path / "out", threshold=threshold)
    assert not (tmp_path / "out").exists()


def test_channels_that_the_mosaic_lacks_are_named(tmp_path: Path) -> None:
    mosaic = write_mosaic(tmp_path / "mosaic.zarr", flat(48, 48))
    with pytest.raises(ValueError, match="B08"):
        detect(known_classifier(channels=("B04", "B08")), mosaic, {}, tmp_path / "out")


def test_layers_that_lack_or_are_too_many_are_named(tmp_path: Path) -> None:
    mosaic = write_mosaic(tmp_path / "mosaic.zarr", flat(48, 48))
    with pytest.raises(ValueError, match="elevation are lacking"):
        detect(known_classifier(channels=("B04", "DEM")), mosaic, {}, tmp_path / "out")


def test_a_channel_whose_numbers_mean_something_else_is_refused(tmp_path: Path) -> None:
    mosaic = write_mosaic(tmp_path / "mosaic.zarr", flat(48, 48))
    group = json.loads((mosaic / "zarr.json").read_text())
    group["attributes"]["bands"][0]["scale"] = 1.0
    (mosaic / "zarr.json").write_text(json.dumps(group))
    with pytest.raises(ValueError, match=r"B04 has scale 1\.0, trained on 0\.0001"):
        detect(known_classifier(), mosaic, {}, tmp_path / "out")
