"""New mining since the year before, and the union of all years, on tiny maps with known answers and on a real gold field."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pyproj import Geod
from shapely.geometry import box

from mining_platform import changes
from mining_platform.first_years import FOUND, NOT_OBSERVED
from tests.conftest import REALDATA

CELL_M, EAST, NORTH = 100.0, 500_000.0, 9_600_000.0
HA_A_CELL = 1 / 0.9996**2  # 100 m a side in the plane, on the central meridian of a UTM zone, whose scale is 0.9996
LOURENCO = REALDATA / "mapbiomas-lourenco-col8" / "lorenco_85a22.tif"


def mask(
    folder: Path, year: int, cells: list[tuple[int, int]], *, unseen: tuple[tuple[int, int], ...] = (), east: float = EAST
) -> Path:
    """A yearly mask of 40 x 40 cells of a hectare about the central meridian of UTM zone 22 S."""
    values = np.zeros((40, 40), dtype=np.uint8)
    for row, column in cells:
        values[row, column] = FOUND
    for row, column in unseen:
        values[row, column] = NOT_OBSERVED
    path = folder / f"{year}.tif"
    place = {"crs": "EPSG:32722", "transform": rasterio.Affine(CELL_M, 0, east - 20 * CELL_M, 0, -CELL_M, NORTH)}
    with rasterio.open(path, "w", driver="GTiff", width=40, height=40, count=1, dtype="uint8", **place) as raster:
        raster.write(values, 1)
    return path


def changed(folder: Path, masks: dict[int, Path], year: int, **changed_terms: object) -> dict[str, object]:
    """`write_changes` into `folder/out` without a least area and without false alarms."""
    (folder / "out").mkdir(exist_ok=True)
    terms = {"min_area_ha": 0.0, "rejected": {}, "simulated": False} | changed_terms
    return changes.write_changes(masks, year, folder / "out", **terms)  # type: ignore[arg-type]


def first_years(folder: Path) -> NDArray[np.uint16]:
    with rasterio.open(folder / "out" / changes.FIRST_YEAR_NAME) as raster:
        return np.asarray(raster.read(1))


def test_new_is_what_no_year_before_has(tmp_path: Path) -> None:
    masks = {
        2021: mask(tmp_path, 2021, [(0, 0)]),
        2022: mask(tmp_path, 2022, [(5, 20), (5, 21)]),
        2023: mask(tmp_path, 2023, [(0, 0), (5, 20), (9, 9)]),
    }

    facts = changed(tmp_path, masks, 2023)

    assert np.argwhere(first_years(tmp_path)).tolist() == [[0, 0], [5, 20], [5, 21], [9, 9]]
    assert first_years(tmp_path)[[0, 5, 5, 9], [0, 20, 21, 9]].tolist() == [2021, 2022, 2022, 2023]
    new = gpd.read_parquet(tmp_path / "out" / changes.NEW_NAME)
    assert new["change_id"].tolist() == ["32722_498900_9599100"]
    assert facts["new_ha"] == pytest.approx(HA_A_CELL, rel=1e-5)
    assert facts["cumulative_ha"] == pytest.approx(4 * HA_A_CELL, rel=1e-5)
    assert facts["cumulative_before_ha"] == pytest.approx(3 * HA_A_CELL, rel=1e-5)
    assert facts["not_found_again_ha"] == pytest.approx(HA_A_CELL, rel=1e-5)
    assert facts["found_ha"] == pytest.approx({"2021": HA_A_CELL, "2022": 2 * HA_A_CELL, "2023": 3 * HA_A_CELL}, rel=1e-5)


def test_the_union_of_a_year_holds_that_of_the_year_before(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    cells = {year: [tuple(pair) for pair in generator.integers(0, 40, (60, 2)).tolist()] for year in range(2018, 2024)}
    masks = {year: mask(tmp_path, year, found) for year, found in cells.items()}

    unions = {}
    for year in masks:
        changed(tmp_path, masks, year)
        unions[year] = first_years(tmp_path) > 0

    for year in range(2019, 2024):
        assert unions[year][unions[year - 1]].all()
        assert unions[year].sum() > unions[year - 1].sum()


def test_of_the_first_year_all_is_new_and_later_years_do_not_count(tmp_path: Path) -> None:
    masks = {2021: mask(tmp_path, 2021, [(0, 0), (0, 1)]), 2022: mask(tmp_path, 2022, [(7, 7)])}

    facts = changed(tmp_path, masks, 2021)

    assert facts["years"] == [2021]
    assert facts["new_ha"] == facts["cumulative_ha"]
    assert facts["new_ha"] == pytest.approx(2 * HA_A_CELL, rel=1e-5)
    assert facts["cumulative_before_ha"] == 0


def test_new_polygons_up_to_the_least_area_are_no_places(tmp_path: Path) -> None:
    masks = {2022: mask(tmp_path, 2022, []), 2023: mask(tmp_path, 2023, [(0, 0), (4, 4), (4, 5), (4, 6)])}

    facts = changed(tmp_path, masks, 2023, min_area_ha=2.5)

    new = gpd.read_parquet(tmp_path / "out" / changes.NEW_NAME)
    assert new["is_large"].tolist() == [False, True]
    assert new["area_ha"].tolist() == pytest.approx([HA_A_CELL, 3 * HA_A_CELL], rel=1e-5)
    assert (facts["new_polygons"], facts["small_polygons"], facts["cumulative_polygons"]) == (1, 1, 2)
    assert facts["small_ha"] == pytest.approx(HA_A_CELL, rel=1e-5)
    assert facts["large_ha"] == pytest.approx(3 * HA_A_CELL, rel=1e-5)
    assert facts["new_ha"] == pytest.approx(4 * HA_A_CELL, rel=1e-5)


def test_a_false_alarm_is_gone_from_its_year_and_from_the_union(tmp_path: Path) -> None:
    masks = {2022: mask(tmp_path, 2022, [(0, 0), (3, 3)]), 2023: mask(tmp_path, 2023, [(3, 3)])}
    west, north = EAST - 20 * CELL_M, NORTH
    sandbank = box(west + 300, north - 400, west + 400, north - 300)

    facts = changed(tmp_path, masks, 2023, rejected={2022: [sandbank]})

    assert first_years(tmp_path)[[0, 3], [0, 3]].tolist() == [2022, 2023]
    assert facts["new_ha"] == pytest.approx(HA_A_CELL, rel=1e-5)
    changed(tmp_path, masks, 2023, rejected={2022: [sandbank], 2023: [sandbank]})
    assert np.argwhere(first_years(tmp_path)).tolist() == [[0, 0]]


def test_mining_under_clouds_stays_in_the_union_and_is_said_to_be_unseen(tmp_path: Path) -> None:
    masks = {2022: mask(tmp_path, 2022, [(0, 0), (3, 3)]), 2023: mask(tmp_path, 2023, [], unseen=((0, 0),))}

    facts = changed(tmp_path, masks, 2023)

    assert facts["not_observed_ha"] == pytest.approx(HA_A_CELL, rel=1e-5)
    assert facts["not_found_again_ha"] == pytest.approx(HA_A_CELL, rel=1e-5)
    assert facts["cumulative_ha"] == pytest.approx(2 * HA_A_CELL, rel=1e-5)


def test_polygons_and_cells_have_one_area_and_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    masks = {2023: mask(tmp_path, 2023, [tuple(pair) for pair in generator.integers(0, 40, (300, 2)).tolist()])}

    facts = changed(tmp_path, masks, 2023)
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    union = gpd.read_parquet(tmp_path / "out" / changes.CUMULATIVE_NAME)
    by_geodesics = sum(abs(Geod(ellps="WGS84").geometry_area_perimeter(each)[0]) for each in union.geometry) / 10_000
    assert union["area_ha"].sum() == pytest.approx(facts["cumulative_ha"], rel=1e-6)
    assert by_geodesics == pytest.approx(facts["cumulative_ha"], rel=1e-5)
    assert json.loads((tmp_path / "out" / changes.FACTS_NAME).read_text()) == facts
    changed(tmp_path, masks, 2023)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == written


def test_years_on_other_grids_and_years_without_detections_are_refused(tmp_path: Path) -> None:
    masks = {2022: mask(tmp_path, 2022, []), 2023: mask(tmp_path, 2023, [], east=EAST + 50)}

    with pytest.raises(ValueError, match=r"Detections of 2023 lie on another grid than those of 2022.*Make the detections"):
        changed(tmp_path, masks, 2023)
    with pytest.raises(ValueError, match=r"no detections of 2024, only of 2022, 2023"):
        changed(tmp_path, masks, 2024)


@pytest.mark.skipif(not LOURENCO.is_file(), reason=f"needs the real map of Lourenço in {LOURENCO.parent}")
def test_at_lourenco_areas_are_those_of_the_real_map_year_by_year(tmp_path: Path) -> None:
    maps = {}
    with rasterio.open(LOURENCO) as source:
        for year in range(2016, 2023):
            values = source.read(source.descriptions.index(f"mapbiomas_cover_{year}") + 1)
            maps[year] = values == 30
            place = {"crs": source.crs, "transform": source.transform, "width": source.width, "height": source.height}
            with rasterio.open(
                tmp_path / f"{year}.tif", "w", driver="GTiff", count=1, dtype="uint8", compress="deflate", **place
            ) as out:
                out.write(maps[year].astype(np.uint8), 1)
        cell_ha = abs(source.transform.a * source.transform.e) / 10_000

    facts = changed(tmp_path, {year: tmp_path / f"{year}.tif" for year in maps}, 2022)

    assert {year: round(ha / cell_ha) for year, ha in facts["found_ha"].items()} == {  # type: ignore[attr-defined]
        year: pytest.approx(pixels, rel=2e-3)  # of the projection's scale
        for year, pixels in zip(map(str, maps), (19_874, 19_893, 20_060, 20_069, 20_153, 20_161, 20_235), strict=True)
    }
    before = np.any([maps[year] for year in range(2016, 2022)], axis=0)
    with rasterio.open(tmp_path / "out" / changes.FIRST_YEAR_NAME) as raster:
        first = raster.read(1)
    assert ((first == 2022) == (maps[2022] & ~before)).all()
    assert ((first > 0) == (maps[2022] | before)).all()
