import csv
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from mining_platform import zarr_arrays
from mining_platform.labels.mapbiomas import LEGEND, NO_CLASS_CODES, label_on_grid, read_classes
from mining_platform.labels.recipes import NO_LABEL, RECIPES, label_of, recipe
from tests.synthetic import LEFT_M, TOP_M, region, write_land_cover

REALDATA = Path(os.environ.get("MINING_PLATFORM_REALDATA", Path(__file__).parents[2] / ".." / "shared" / "realdata"))
PUBLISHED_LEGEND = REALDATA / "mapbiomas-lourenco-col8" / "Codigos-da-legenda-colecao-8.csv"


def checkerboard(height: int = 40, width: int = 40) -> np.ndarray:
    y, x = np.indices((height, width))
    return np.where((y + x) % 2, 30, 3).astype(np.uint8)


def test_the_legend_is_the_published_one_of_collection_8() -> None:
    if not PUBLISHED_LEGEND.exists():
        pytest.skip(f"{PUBLISHED_LEGEND} is absent; set MINING_PLATFORM_REALDATA to the folder of real data")
    with PUBLISHED_LEGEND.open(encoding="utf-8-sig") as file:
        rows = {int(row["Class_ID"]): row for row in csv.DictReader(file, delimiter=";")}
    assert set(LEGEND) - set(rows) == {75}
    assert {code: row["Color"].lower() for code, row in rows.items()} == {code: LEGEND[code].colour for code in rows}
    assert {code for code, row in rows.items() if row["Level"] == "1"} == {row.parent for row in LEGEND.values()}


def test_every_class_has_a_level_1_parent_and_a_colour() -> None:
    assert all(LEGEND[row.parent].parent == row.parent for row in LEGEND.values())
    assert LEGEND[30].rgb == (0x9C, 0x00, 0x27)
    assert all(code == row.code for code, row in LEGEND.items())


def test_three_by_three_pixels_carry_the_class_of_the_30_m_pixel_around_them(tmp_path: Path) -> None:
    path = write_land_cover(tmp_path / "map.tif", checkerboard())
    facts = label_on_grid(path, region(120, 120).geobox, tmp_path, blocks=None)
    classes = read_classes(tmp_path / "label.zarr", (LEFT_M, TOP_M - 1200, LEFT_M + 1200, TOP_M))
    np.testing.assert_array_equal(classes, np.kron(checkerboard(), np.ones((3, 3), np.uint8)))
    assert facts["class_pixels"] == {"3": 7200, "30": 7200}
    assert facts["simulated"] is False


def test_a_map_in_degrees_gives_the_pixel_under_each_centre(tmp_path: Path) -> None:
    geobox = region(90, 90).geobox
    step = 0.00026949458523585647
    west, north = -56.1, -6.325
    classes = np.random.default_rng(2).choice(np.array([3, 15, 30], np.uint8), (150, 150))
    path = write_land_cover(tmp_path / "map.tif", classes, crs="EPSG:4326", affine=Affine(step, 0, west, 0, -step, north))
    label_on_grid(path, geobox, tmp_path, blocks=None)
    found = read_classes(tmp_path / "label.zarr", geobox.boundingbox)
    y, x = np.indices(geobox.shape)
    lon, lat = rasterio.warp.transform("EPSG:32721", "EPSG:4326", (LEFT_M + 5 + 10 * x).ravel(), (TOP_M - 5 - 10 * y).ravel())
    rows, columns = np.floor((north - np.array(lat)) / step), np.floor((np.array(lon) - west) / step)
    inside = (rows >= 0) & (rows < 150) & (columns >= 0) & (columns < 150)
    expected = np.zeros(geobox.shape, np.uint8).ravel()
    expected[inside] = classes[rows[inside].astype(int), columns[inside].astype(int)]
    assert inside.all()
    assert (found.ravel() == expected).mean() > 0.995


def test_outside_the_map_and_its_nodata_there_is_no_class(tmp_path: Path) -> None:
    classes = checkerboard(20, 40)
    classes[:, 20:] = 27
    path = write_land_cover(tmp_path / "map.tif", classes, nodata=27)
    label_on_grid(path, region(120, 120).geobox, tmp_path, blocks=None)
    found = read_classes(tmp_path / "label.zarr", (LEFT_M, TOP_M - 1200, LEFT_M + 1200, TOP_M))
    assert found[:60, :60].all()
    assert not found[:60, 60:].any()
    assert not found[60:].any()


def test_only_the_asked_chunks_are_written_and_equal_the_whole(tmp_path: Path) -> None:
    path = write_land_cover(tmp_path / "map.tif", checkerboard(200, 200))
    geobox = region(600, 600).geobox
    label_on_grid(path, geobox, tmp_path / "whole", blocks=None)
    facts = label_on_grid(path, geobox, tmp_path / "sparse", blocks=[(1, 1), (1, 1)])
    window = (LEFT_M + 5120, TOP_M - 6000, LEFT_M + 6000, TOP_M - 5120)
    sparse, whole = (read_classes(tmp_path / name / "label.zarr", window) for name in ("sparse", "whole"))
    np.testing.assert_array_equal(sparse, whole)
    assert facts["computed_chunks"] == [[1, 1]]
    with pytest.raises(zarr_arrays.ArrayError, match=r"c/0/0 of .* are missing"):
        read_classes(tmp_path / "sparse" / "label.zarr", (LEFT_M, TOP_M - 100, LEFT_M + 100, TOP_M))
    with pytest.raises(ValueError, match="lie outside the grid"):
        label_on_grid(path, geobox, tmp_path / "none", blocks=[(2, 0)])


def test_a_map_that_is_not_uint8_is_refused(tmp_path: Path) -> None:
    path = write_land_cover(tmp_path / "map.tif", checkerboard().astype(np.int16))
    with pytest.raises(ValueError, match="holds int16, class codes are uint8"):
        label_on_grid(path, region().geobox, tmp_path, blocks=None)


def test_the_recipe_calls_class_30_mining_and_no_class_255() -> None:
    classes = np.array([[30, 3], [0, 27]], np.uint8)
    assert label_of(classes, recipe("mapbiomas-mining")).tolist() == [[1, 0], [NO_LABEL, NO_LABEL]]


def test_recipes_use_legend_codes_and_unknown_ones_are_refused() -> None:
    assert all(row.mining_codes <= set(LEGEND) - NO_CLASS_CODES for row in RECIPES.values())
    with pytest.raises(KeyError, match="Unknown label recipe 'x'; known: mapbiomas-mining"):
        recipe("x")
